//! What is printed of nodes.

use journey_client::wire;
use journey_client::wire::cluster_node::State;

use super::{nodes_text, span_text};

#[test]
fn a_silent_node_is_told_with_the_reason() {
    let nodes = [
        wire::ClusterNode {
            node: 1,
            state: State::Active.into(),
            api_address: "127.0.0.1:7701".to_owned(),
            answers: true,
            serving: true,
            leads: 3,
            replicas: 4,
            metadata_voter: true,
            up_seconds: 75,
            release: "0.1.0".to_owned(),
            ..Default::default()
        },
        wire::ClusterNode {
            node: 9,
            state: State::Down.into(),
            api_address: "127.0.0.1:7711".to_owned(),
            silence: "connection refused".to_owned(),
            ..Default::default()
        },
    ];
    let text = nodes_text(&nodes);
    let words: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        words[1],
        [
            "1",
            "active",
            "yes",
            "3",
            "4",
            "votes",
            "127.0.0.1:7701",
            "-",
            "-",
            "1m15s",
            "0.1.0"
        ]
    );
    assert_eq!(
        words[2],
        [
            "9",
            "down",
            "silent",
            "0",
            "0",
            "-",
            "127.0.0.1:7711",
            "-",
            "-",
            "-",
            "-"
        ]
    );
    assert!(
        text.ends_with("node 9 is silent: connection refused"),
        "{text}"
    );
}

#[test]
fn spans_have_two_units() {
    let texts = [5, 65, 3_700, 90_000].map(span_text);
    assert_eq!(texts, ["5s", "1m5s", "1h1m", "1d1h"]);
}
