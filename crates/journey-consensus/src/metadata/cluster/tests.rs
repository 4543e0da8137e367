//! Every order of changes leaves a map that holds together; what is stale or does not fit is void.

use std::collections::BTreeSet;

use journey_types::{NodeId, PartitionId};
use proptest::prelude::*;

use super::{ClusterChange, ClusterMap};
use crate::ReplicaId;
use crate::metadata::nodes::{NewNode, NodePlace, NodeState};
use crate::metadata::table::{PlacementChange, ReplicaRole};

pub(in crate::metadata) fn new_node(key: u8) -> NewNode {
    NewNode {
        join_key: [key; 16],
        place: NodePlace {
            api_address: format!("node-{key}:7701"),
            peer_address: format!("node-{key}:7703"),
            zone: String::new(),
            weight: 100,
        },
    }
}

fn founded() -> ClusterMap {
    let mut map = ClusterMap::default();
    map.found(&new_node(1), 2, 2);
    map
}

fn step(map: &ClusterMap, change: PlacementChange) -> ClusterChange {
    let partition = PartitionId::new(0);
    ClusterChange::Placement {
        partition,
        expected_version: map.table.partition(partition).unwrap().version,
        change,
    }
}

fn state(map: &ClusterMap, node: u64, state: NodeState) -> ClusterChange {
    let node = NodeId::new(node);
    ClusterChange::NodeState {
        node,
        expected_version: map.nodes[&node].version,
        state,
    }
}

#[test]
fn replica_moves_in_steps_and_every_step_out_of_order_is_void() {
    let mut map = founded();
    let (old, new) = (ReplicaId::FIRST, ReplicaId::new(6));
    let add = PlacementChange::Add {
        node: NodeId::new(3),
        replaces: Some(old),
    };
    assert!(map.change(&ClusterChange::Join(new_node(2)), 3));
    assert!(
        !map.change(&ClusterChange::Join(new_node(2)), 4),
        "it is in"
    );
    assert!(!map.change(&step(&map, add), 4), "the node is not active");
    assert!(map.change(&state(&map, 3, NodeState::Active), 5));
    assert!(
        !map.change(&step(&map, PlacementChange::Retire(old)), 6),
        "the last voter"
    );
    assert!(map.change(&step(&map, add), 6));
    assert!(!map.change(&step(&map, add), 7), "one change at a time");
    assert!(
        !map.change(&step(&map, PlacementChange::Retired(old)), 7),
        "nobody votes"
    );
    assert!(
        !map.change(&state(&map, 3, NodeState::Removed), 7),
        "it has a replica"
    );
    assert!(map.change(&step(&map, PlacementChange::Promoted(new)), 7));
    assert_eq!(map.table.partitions[0].preferred, new);
    assert!(map.change(&step(&map, PlacementChange::Retired(old)), 8));
    let row = &map.table.partitions[0];
    let replicas: Vec<_> = row.replicas.iter().map(|placed| placed.replica).collect();
    assert_eq!(
        (replicas, row.version, map.table.version),
        (vec![new], 8, 8)
    );
    let roles: Vec<_> = row.replicas.iter().map(|placed| placed.role).collect();
    assert_eq!(roles, [ReplicaRole::Voter]);
}

#[test]
fn move_whose_target_is_lost_is_taken_back() {
    let mut map = founded();
    assert!(map.change(&ClusterChange::Join(new_node(2)), 3));
    assert!(map.change(&state(&map, 3, NodeState::Active), 4));
    let add = PlacementChange::Add {
        node: NodeId::new(3),
        replaces: Some(ReplicaId::FIRST),
    };
    let before = map.table.partitions[0].replicas.clone();
    assert!(map.change(&step(&map, add), 5));
    let new = ReplicaId::new(5);
    assert!(map.change(&state(&map, 3, NodeState::Down), 6));
    assert!(
        !map.change(&step(&map, PlacementChange::Retire(new)), 7),
        "nobody would vote"
    );
    assert!(map.change(&step(&map, PlacementChange::Keep(ReplicaId::FIRST)), 7));
    assert!(map.change(&step(&map, PlacementChange::Retire(new)), 8));
    assert!(map.change(&step(&map, PlacementChange::Retired(new)), 9));
    assert_eq!(map.table.partitions[0].replicas, before);
    assert!(map.change(&state(&map, 3, NodeState::Removed), 10));
    assert!(
        !map.change(&state(&map, 3, NodeState::Active), 11),
        "for ever"
    );
    assert!(
        !map.change(&ClusterChange::Join(new_node(2)), 11),
        "its key is used up"
    );
}

#[test]
fn node_that_drains_still_does_when_it_was_down_meanwhile() {
    let mut map = founded();
    let founder = NodeId::new(1);
    for (index, next, drains) in [
        (3, NodeState::Draining, true),
        (4, NodeState::Down, true),
        (5, NodeState::Draining, true),
        (6, NodeState::Active, false),
        (7, NodeState::Down, false),
        (8, NodeState::Draining, true),
        (9, NodeState::Down, true),
        // Whoever asks for it ends it, also while the node is down.
        (10, NodeState::Active, false),
    ] {
        assert!(map.change(&state(&map, 1, next), index));
        assert_eq!(map.nodes[&founder].drains, drains, "{next:?} at {index}");
    }
}

fn any_step() -> impl Strategy<Value = PlacementChange> {
    let replica = (0..40_u64).prop_map(ReplicaId::new);
    let node = (0..20_u64).prop_map(NodeId::new);
    let replaces = proptest::option::of(replica.clone());
    prop_oneof![
        3 => (node, replaces).prop_map(|(node, replaces)| PlacementChange::Add { node, replaces }),
        3 => replica.clone().prop_map(PlacementChange::Promoted),
        1 => replica.clone().prop_map(PlacementChange::Retire),
        1 => replica.clone().prop_map(PlacementChange::Keep),
        3 => replica.clone().prop_map(PlacementChange::Retired),
        1 => replica.prop_map(PlacementChange::Prefer),
    ]
}

/// Which replica a random step means: the ids in it count through those of the row.
fn aimed(map: &ClusterMap, change: PlacementChange) -> PlacementChange {
    let replicas = &map.table.partitions[0].replicas;
    let at = |replica: ReplicaId| {
        let position = usize::try_from(replica.get()).unwrap() % replicas.len();
        replicas[position].replica
    };
    let nodes: Vec<_> = map.nodes.keys().copied().collect();
    match change {
        PlacementChange::Add { node, replaces } => PlacementChange::Add {
            node: nodes[usize::try_from(node.get()).unwrap() % nodes.len()],
            replaces: replaces.map(at),
        },
        PlacementChange::Promoted(replica) => PlacementChange::Promoted(at(replica)),
        PlacementChange::Retire(replica) => PlacementChange::Retire(at(replica)),
        PlacementChange::Keep(replica) => PlacementChange::Keep(at(replica)),
        PlacementChange::Retired(replica) => PlacementChange::Retired(at(replica)),
        PlacementChange::Prefer(replica) => PlacementChange::Prefer(at(replica)),
    }
}

proptest! {
    #[test]
    fn no_replica_id_comes_twice_whatever_is_asked_for(
        steps in proptest::collection::vec(any_step(), 0..120)
    ) {
        let mut map = founded();
        for key in 2..7 {
            prop_assert!(map.change(&ClusterChange::Join(new_node(key)), u64::from(key) + 1));
        }
        for node in 3..8 {
            prop_assert!(map.change(&state(&map, node, NodeState::Active), node + 6));
        }
        let mut seen = BTreeSet::from([ReplicaId::FIRST]);
        // The placement checks itself at each step: a voter, one replica a node, one that joins.
        for (index, change) in (20..).zip(steps) {
            let change = aimed(&map, change);
            let before = map.table.partitions[0].clone();
            let took_effect = map.change(&step(&map, change), index);
            let row = &map.table.partitions[0];
            prop_assert_eq!(took_effect, row != &before);
            if took_effect && matches!(change, PlacementChange::Add { .. }) {
                prop_assert!(seen.insert(row.replicas.last().unwrap().replica));
            }
        }
    }
}
