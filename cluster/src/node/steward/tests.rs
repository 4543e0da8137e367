//! When a node changes its state: by what is heard of it, and by what it was before it was lost.

use std::time::Duration;

use journey_consensus::{NodePlace, NodeRecord, NodeState, ReplicaId};
use journey_types::NodeId;

use super::{Heard, LAG_MAX, SILENCE_MAX};

const DOWN_AFTER: Duration = Duration::from_secs(300);

fn node(state: NodeState, drains: bool) -> NodeRecord {
    NodeRecord {
        id: NodeId::new(4),
        version: 4,
        join_key: [4; 16],
        place: NodePlace {
            api_address: "a:1".to_owned(),
            peer_address: "a:3".to_owned(),
            zone: String::new(),
            weight: 100,
        },
        state,
        drains,
        metadata_replica: ReplicaId::new(4),
    }
}

fn next(state: NodeState, silence: Duration, lag: Option<u64>) -> Option<NodeState> {
    let heard = Heard {
        silence,
        down_after: DOWN_AFTER,
        lag,
    };
    heard.next_state(&node(state, false))
}

#[test]
fn joining_node_takes_replicas_once_it_answers_and_has_its_copy() {
    let joining = |silence, lag| next(NodeState::Joining, silence, lag);
    assert_eq!(joining(Duration::ZERO, None), None);
    assert_eq!(joining(Duration::ZERO, Some(LAG_MAX + 1)), None);
    assert_eq!(joining(SILENCE_MAX, Some(0)), None);
    let active = Some(NodeState::Active);
    assert_eq!(joining(Duration::ZERO, Some(LAG_MAX)), active);
}

#[test]
fn silent_node_is_down_after_its_time_and_not_before() {
    for state in [NodeState::Joining, NodeState::Active, NodeState::Draining] {
        assert_eq!(next(state, DOWN_AFTER, None), None, "{state:?}");
        let later = DOWN_AFTER + Duration::from_millis(1);
        assert_eq!(
            next(state, later, Some(0)),
            Some(NodeState::Down),
            "{state:?}"
        );
    }
    for state in [NodeState::Down, NodeState::Removed] {
        assert_eq!(next(state, DOWN_AFTER * 2, Some(0)), None, "{state:?}");
    }
}

#[test]
fn node_that_is_heard_again_is_what_it_was_asked_to_be() {
    let heard = Heard {
        silence: Duration::ZERO,
        down_after: DOWN_AFTER,
        lag: None,
    };
    let back = |drains| heard.next_state(&node(NodeState::Down, drains));
    assert_eq!(back(false), Some(NodeState::Active));
    assert_eq!(back(true), Some(NodeState::Draining));
    for state in [NodeState::Active, NodeState::Draining, NodeState::Removed] {
        assert_eq!(heard.next_state(&node(state, true)), None, "{state:?}");
    }
}
