//! The gate sees what a call holds without decoding it, refuses by events, bytes and workspace, and gives back what was held.

use bytes::{BufMut as _, Bytes, BytesMut};
use journey_proto::v1 as wire;
use prost::Message as _;

use super::budget::{Budget, Full, IngestLimits};
use super::peek::{Peeked, peek};

fn body(workspace: &str, n_events: usize) -> Bytes {
    let event = |n: usize| wire::CustomerEvent {
        workspace: workspace.to_owned(),
        customer_id: format!("customer-{n}"),
        id: n.to_string(),
        name: "seen".to_owned(),
        ..Default::default()
    };
    let request = wire::IngestRequest {
        events: (0..n_events).map(event).collect(),
        mode: 1,
    };
    let message = request.encode_to_vec();
    let mut body = BytesMut::new();
    body.put_u8(0);
    body.put_u32(u32::try_from(message.len()).unwrap());
    body.extend_from_slice(&message);
    body.freeze()
}

#[test]
fn a_whole_call_is_seen_as_it_is() {
    for (workspace, n_events) in [("acme", 3), ("", 100), ("default", 1)] {
        let body = body(workspace, n_events);
        let expected = Peeked {
            workspace: workspace.to_owned(),
            n_events,
            body_size_bytes: body.len(),
            is_enough: true,
        };
        assert_eq!(peek(&body), expected);
    }
}

#[test]
fn the_beginning_of_a_call_tells_whose_it_is_and_about_how_much_comes() {
    let body = body("acme", 1_000);
    let peeked = peek(&body[..4_096]);
    assert!(peeked.is_enough);
    assert_eq!(peeked.workspace, "acme");
    assert!((900..=1_100).contains(&peeked.n_events), "{peeked:?}");
    assert_eq!(peeked.body_size_bytes, body.len());
    // Less than one event: more is needed.
    for n_bytes in 0..20 {
        assert!(!peek(&body[..n_bytes]).is_enough, "{n_bytes}");
    }
}

#[test]
fn what_does_not_read_is_left_to_the_decoder() {
    let mut garbage = BytesMut::new();
    garbage.put_u8(0);
    garbage.put_u32(64);
    garbage.extend_from_slice(&[0xff; 64]);
    assert_eq!(peek(&garbage).n_events, 0);
    assert!(peek(&garbage).is_enough);
    garbage[0] = 1;
    assert!(peek(&garbage).is_enough, "compressed");
    // A length that nobody could have meant.
    let mut endless = BytesMut::new();
    endless.put_u8(0);
    endless.put_u32(u32::MAX);
    endless.extend_from_slice(&[0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]);
    assert!(!peek(&endless).is_enough);
}

const LIMITS: IngestLimits = IngestLimits {
    events: 100,
    size_bytes: 10_000,
};

#[test]
fn a_workspace_leaves_a_quarter_to_others_and_gets_back_what_it_held() {
    let budget = Budget::new(LIMITS);
    let noisy: Vec<_> = (0..75)
        .map(|_| budget.admit("noisy", 1, 10).unwrap())
        .collect();
    let full = budget.admit("noisy", 1, 10).unwrap_err();
    assert_eq!(full, Full::Workspace { n_events: 75 });
    assert_eq!(full.code(), "WORKSPACE_BUSY");
    let quiet = budget.admit("quiet", 25, 10).unwrap();
    let full = budget.admit("third", 1, 10).unwrap_err();
    assert_eq!(full.code(), "NODE_BUSY");
    drop(noisy);
    assert_eq!(budget.n_events(), 25);
    drop(quiet);
    assert_eq!(budget.n_events(), 0);
    budget.admit("noisy", 1, 10).unwrap();
}

#[test]
fn a_call_larger_than_everything_gets_in_alone() {
    let budget = Budget::new(LIMITS);
    let large = budget.admit("acme", 1_000, 1_000_000).unwrap();
    assert!(budget.admit("acme", 1, 1).is_err());
    drop(large);
    // Few events may be many bytes.
    let large = budget.admit("acme", 1, 10_000).unwrap();
    let full = budget.admit("other", 1, 1).unwrap_err();
    let expected = Full::Node {
        n_events: 1,
        size_bytes: 10_000,
    };
    assert_eq!(full, expected);
    drop(large);
}
