//! The times of an open loop do not depend on answers, and are shared among connections.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use super::{LoopKind, Pacer, Segment};
use crate::ledger::Window;

#[test]
fn connections_take_turns_and_follow_the_rates_of_the_phases() {
    let from = cluster::monotonic_now();
    let second = Duration::from_secs(1);
    let window = |phase, from_s: u32, to_s: u32| Window {
        phase,
        from: from + second * from_s,
        to: from + second * to_s,
    };
    let segment = Arc::new(Segment {
        loop_kind: LoopKind::Open(vec![40.0, 400.0]),
        windows: vec![window(0, 0, 1), window(1, 1, 2)],
        n_left: None,
    });
    let times = |connection| {
        let mut pacer = Pacer::new(Arc::clone(&segment), connection, 2, 10);
        let mut times = Vec::new();
        while let Some(at) = pacer.peek(from) {
            times.push((at - from).as_millis());
            pacer.step();
        }
        times
    };
    let (first, second) = (times(0), times(1));
    assert_eq!(&first[..4], &[0, 500, 1_000, 1_050]);
    assert_eq!(&second[..4], &[250, 750, 1_025, 1_075]);
    // 2 of a connection in the first second, 20 in the second one.
    assert_eq!((first.len(), second.len()), (22, 22));
}

#[test]
fn events_are_allotted_once() {
    let segment = Segment {
        loop_kind: LoopKind::Closed,
        windows: Vec::new(),
        n_left: Some(AtomicU64::new(25)),
    };
    let allotted: Vec<u32> = (0..4).map(|_| segment.allot(10)).collect();
    assert_eq!(allotted, [10, 10, 5, 0]);
}
