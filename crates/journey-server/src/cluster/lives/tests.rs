//! Which turns a node may take.

use journey_consensus::{NodeRecord, NodeState};
use journey_types::NodeId;

use super::Judgement::{self, Done, Write};
use super::{Turn, may};
use crate::cluster::survey::tests::healthy;

fn record(state: NodeState, drains: bool) -> NodeRecord {
    let mut record = healthy(1, 1).nodes[&NodeId::new(1)].record.clone();
    (record.state, record.drains) = (state, drains);
    record
}

fn judged(state: NodeState, drains: bool, turn: Turn, facts: (usize, bool, usize)) -> String {
    let (n_replicas, answers, n_others) = facts;
    let judged: Result<Judgement, _> = may(
        &record(state, drains),
        turn,
        (n_replicas, answers),
        n_others,
    );
    judged.map_or_else(
        |refusal| refusal.to_string(),
        |judgement| format!("{judgement:?}"),
    )
}

#[test]
fn a_node_drains_while_another_can_take_its_replicas() {
    let drain = |state, drains, n_others| judged(state, drains, Turn::Drain, (4, true, n_others));
    assert_eq!(
        drain(NodeState::Active, false, 1),
        format!("{:?}", Write(NodeState::Draining))
    );
    assert_eq!(drain(NodeState::Draining, true, 1), format!("{Done:?}"));
    assert_eq!(drain(NodeState::Down, true, 1), format!("{Done:?}"));
    assert!(drain(NodeState::Active, false, 0).contains("last active one"));
    assert!(drain(NodeState::Joining, false, 1).contains("still joining"));
    assert!(drain(NodeState::Removed, false, 1).contains("for ever"));
}

#[test]
fn a_node_takes_replicas_again_when_it_drained() {
    let undrain = |state, drains| judged(state, drains, Turn::Undrain, (4, true, 2));
    assert_eq!(
        undrain(NodeState::Draining, true),
        format!("{:?}", Write(NodeState::Active))
    );
    assert_eq!(undrain(NodeState::Active, false), format!("{Done:?}"));
    assert!(undrain(NodeState::Removed, false).contains("for ever"));
}

#[test]
fn a_node_is_removed_when_it_has_nothing_and_is_stopped() {
    let remove = |n_replicas, answers| {
        judged(
            NodeState::Draining,
            true,
            Turn::Remove,
            (n_replicas, answers, 2),
        )
    };
    assert!(remove(3, true).contains("still has 3 replicas"));
    assert!(remove(0, true).contains("still runs"));
    assert_eq!(remove(0, false), format!("{:?}", Write(NodeState::Removed)));
    let again = judged(NodeState::Removed, false, Turn::Remove, (0, false, 2));
    assert_eq!(again, format!("{Done:?}"));
}
