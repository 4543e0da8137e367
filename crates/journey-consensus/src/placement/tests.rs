//! What issue and design promise of the planner, over random clusters: balance, few moves, zones, evenly spread leaders.

use std::collections::{BTreeMap, BTreeSet};

use journey_types::NodeId;
use proptest::prelude::*;

use super::{REPLICATION_FACTOR, metadata_voters, plan};
use crate::{
    NodePlace, NodeRecord, NodeState, PartitionTable, PlacementChange, ReplicaId, ReplicaRole,
};

/// Rounds after which a plan that is still not empty never ends.
const ROUNDS_MAX: usize = 5_000;

/// A cluster whose moves all succeed at once.
#[derive(Debug, Clone)]
struct World {
    nodes: Vec<NodeRecord>,
    table: PartitionTable,
    index: u64,
}

impl World {
    fn founded(n_partitions: u32, place: (&str, u32)) -> Self {
        let node = NodeId::new(1);
        let mut world = Self {
            nodes: Vec::new(),
            table: PartitionTable::founded(n_partitions, node, ReplicaId::FIRST, 2),
            index: 2,
        };
        world.add_node(1, place);
        world
    }

    fn of(n_partitions: u32, places: &[(&str, u32)]) -> Self {
        let mut world = Self::founded(n_partitions, places[0]);
        for place in &places[1..] {
            world.join(*place);
        }
        world.settle();
        world
    }

    fn join(&mut self, place: (&str, u32)) -> NodeId {
        self.index += 1;
        self.add_node(self.index, place)
    }

    fn add_node(&mut self, id: u64, (zone, weight): (&str, u32)) -> NodeId {
        self.nodes.push(NodeRecord {
            id: NodeId::new(id),
            version: id,
            join_key: [0; 16],
            place: NodePlace {
                api_address: "a:1".to_owned(),
                peer_address: "a:2".to_owned(),
                zone: zone.to_owned(),
                weight,
            },
            state: NodeState::Active,
            drains: false,
            metadata_replica: ReplicaId::new(id),
        });
        NodeId::new(id)
    }

    fn set_state(&mut self, node: NodeId, state: NodeState) {
        self.index += 1;
        let record = self.nodes.iter_mut().find(|record| record.id == node);
        let record = record.unwrap();
        record.state = state;
        record.version = self.index;
    }

    /// Takes the steps that may be taken now.
    fn step(&mut self) -> Vec<PlacementChange> {
        let steps = plan(&self.nodes, &self.table, REPLICATION_FACTOR);
        for step in &steps {
            let position = usize::try_from(step.partition.get()).unwrap();
            let row = &mut self.table.partitions[position];
            assert_eq!(row.version, step.expected_version);
            assert!(row.allows(step.change), "{step:?} on {row:?}");
            self.index += 1;
            row.change(step.change, self.index);
        }
        steps.into_iter().map(|step| step.change).collect()
    }

    /// Everything that joins votes, everything that leaves is gone.
    fn finish(&mut self) {
        self.finish_those(|_| true);
    }

    /// The same, of those partitions only.
    fn finish_those(&mut self, is_meant: impl Fn(usize) -> bool) {
        for (position, row) in self.table.partitions.iter_mut().enumerate() {
            if !is_meant(position) {
                continue;
            }
            let of_role = |row: &crate::PartitionPlacement, role| -> Vec<ReplicaId> {
                row.of_role(role).map(|placed| placed.replica).collect()
            };
            for replica in of_role(row, ReplicaRole::Joining) {
                self.index += 1;
                row.change(PlacementChange::Promoted(replica), self.index);
            }
            for replica in of_role(row, ReplicaRole::Leaving) {
                self.index += 1;
                row.change(PlacementChange::Retired(replica), self.index);
            }
        }
    }

    /// Until nothing is to be done; answers how many replicas were made.
    fn settle(&mut self) -> usize {
        self.settle_by(|_, _| true)
    }

    /// The same, with moves that take their time: which partition's are done in which round is drawn from the seed, so
    /// that the plan is made again and again from what is half done.
    fn settle_slowly(&mut self, seed: u64) -> usize {
        self.settle_by(|round, position| {
            let draw = (seed ^ (round * 31 + position) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            draw >> 62 == 0
        })
    }

    fn settle_by(&mut self, is_done: impl Fn(usize, usize) -> bool) -> usize {
        let mut n_added = 0;
        for round in 0..ROUNDS_MAX {
            let steps = self.step();
            if steps.is_empty() && self.table.partitions.iter().all(|row| row.is_settled()) {
                return n_added;
            }
            let adds = |step: &&PlacementChange| matches!(step, PlacementChange::Add { .. });
            n_added += steps.iter().filter(adds).count();
            self.finish_those(|position| is_done(round, position));
        }
        panic!("the plan never ends: {:?}", self.table);
    }

    fn loads(&self) -> BTreeMap<NodeId, usize> {
        let active = self
            .nodes
            .iter()
            .filter(|node| node.state == NodeState::Active);
        active
            .map(|node| (node.id, self.table.replicas_of(node.id).count()))
            .collect()
    }

    fn n_replicas(&self) -> usize {
        self.table
            .partitions
            .iter()
            .map(|row| row.replicas.len())
            .sum()
    }

    fn assert_balanced(&self) {
        let loads = self.loads();
        let (n_replicas, n_nodes) = (self.n_replicas(), loads.len());
        for (node, load) in &loads {
            // Within a tenth of the fair share, and one: all times 10 and the number of nodes, which makes them whole.
            let is_fair =
                (10 * load * n_nodes).abs_diff(10 * n_replicas) <= n_replicas + 10 * n_nodes;
            assert!(is_fair, "node {node} has {load} of {n_replicas}: {loads:?}");
        }
    }

    fn assert_leaders_are_spread(&self) {
        let mut leads: BTreeMap<NodeId, usize> =
            self.loads().keys().map(|node| (*node, 0)).collect();
        for row in &self.table.partitions {
            let leader = row.replica(row.preferred).unwrap();
            *leads.get_mut(&leader.node).unwrap() += 1;
        }
        let fair = self.table.partitions.len().div_ceil(leads.len());
        let most = leads.values().max().unwrap();
        assert!(*most <= fair + 1, "{leads:?}");
    }

    fn zones_of(&self, row: &crate::PartitionPlacement) -> BTreeSet<&str> {
        let zone_of = |node| {
            let record = self.nodes.iter().find(|record| record.id == node);
            record.unwrap().place.zone.as_str()
        };
        row.replicas
            .iter()
            .map(|placed| zone_of(placed.node))
            .collect()
    }
}

const NOWHERE: (&str, u32) = ("", 100);
proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn join_takes_its_share_and_little_more(
        n_nodes in 3..14_usize,
        n_partitions in 1..65_u32,
        seed: u64,
    ) {
        let mut world = World::of(n_partitions, &vec![NOWHERE; n_nodes]);
        world.assert_balanced();
        world.assert_leaders_are_spread();
        let n_replicas = world.n_replicas();
        prop_assert_eq!(n_replicas, 3 * usize::try_from(n_partitions).unwrap());
        let mut twin = world.clone();
        world.join(NOWHERE);
        let n_moved = world.settle_slowly(seed);
        prop_assert!(n_moved <= n_replicas.div_ceil(n_nodes + 1) + 2, "{} moved", n_moved);
        world.assert_balanced();
        world.assert_leaders_are_spread();
        // The order in which nodes are told changes nothing.
        twin.join(NOWHERE);
        twin.nodes.reverse();
        prop_assert_eq!(twin.settle_slowly(seed), n_moved);
        prop_assert_eq!(twin.table, world.table);
    }

    #[test]
    fn leave_moves_what_was_lost_and_nothing_else(
        n_nodes in 4..14_usize,
        n_partitions in 1..65_u32,
        lost in 0..14_usize,
        state in prop_oneof![Just(NodeState::Down), Just(NodeState::Draining)],
        seed: u64,
    ) {
        let mut world = World::of(n_partitions, &vec![NOWHERE; n_nodes]);
        let lost = world.nodes[lost % n_nodes].id;
        let n_lost = world.table.replicas_of(lost).count();
        let before = world.table.clone();
        world.set_state(lost, state);
        let n_moved = world.settle_slowly(seed);
        prop_assert_eq!(n_moved, n_lost);
        for (before, after) in before.partitions.iter().zip(&world.table.partitions) {
            for kept in before.replicas.iter().filter(|placed| placed.node != lost) {
                prop_assert!(after.replica(kept.replica).is_some(), "{kept:?} moved");
            }
            prop_assert!(after.on_node(lost).is_none());
            prop_assert_eq!(after.replicas.len(), 3);
        }
        world.assert_balanced();
        world.assert_leaders_are_spread();
    }

    #[test]
    fn one_after_the_other_may_leave_and_nothing_else_moves(
        n_nodes in 4..14_usize,
        // With fewer, a node may end with none where the bounds ask for one: then one replica more moves.
        n_partitions in 12..65_u32,
        lost in proptest::collection::vec(0..14_usize, 1..10),
    ) {
        let mut world = World::of(n_partitions, &vec![NOWHERE; n_nodes]);
        for lost in lost.into_iter().take(n_nodes - 3) {
            let active: Vec<_> = world.loads().into_keys().collect();
            let lost = active[lost % active.len()];
            let n_lost = world.table.replicas_of(lost).count();
            world.set_state(lost, NodeState::Down);
            prop_assert_eq!(world.settle(), n_lost);
            world.assert_balanced();
        }
    }

    #[test]
    fn zones_are_kept_apart_where_there_are_three(
        zones in proptest::collection::vec(0..4_usize, 0..9),
        n_partitions in 1..40_u32,
        lost in 0..12_usize,
    ) {
        let names = ["a", "b", "c", "d"];
        let mut places: Vec<_> = names[..3].iter().map(|zone| (*zone, 100)).collect();
        places.extend(zones.iter().map(|zone| (names[*zone], 100)));
        let mut world = World::of(n_partitions, &places);
        for row in &world.table.partitions {
            prop_assert_eq!(world.zones_of(row).len(), 3, "{:?}", row);
        }
        // Nodes that are left may all be in two zones: then each partition is in both.
        let lost = world.nodes[lost % places.len()].clone();
        world.set_state(lost.id, NodeState::Down);
        world.settle();
        let left = world.nodes.iter().filter(|node| node.state == NodeState::Active);
        let left: BTreeSet<_> = left.map(|node| node.place.zone.as_str()).collect();
        for row in &world.table.partitions {
            let wanted = left.len().min(3).min(places.len() - 1);
            prop_assert_eq!(world.zones_of(row).len(), wanted, "{:?}", row);
        }
    }

    #[test]
    fn node_of_more_weight_takes_more(
        weights in proptest::collection::vec(50..200_u32, 8..14),
        n_partitions in 16..65_u32,
    ) {
        let places: Vec<_> = weights.iter().map(|weight| ("", *weight)).collect();
        let world = World::of(n_partitions, &places);
        let (loads, all) = (world.loads(), weights.iter().sum::<u32>());
        for node in &world.nodes {
            let part = f64::from(node.place.weight) / f64::from(all);
            let fair = part * world.n_replicas() as f64;
            if fair > f64::from(n_partitions) * 0.8 {
                // Near the most that a node can hold its share goes to others.
                continue;
            }
            let load = loads[&node.id] as f64;
            // A tenth, one, and what the largest cannot hold.
            prop_assert!((load - fair).abs() <= fair * 0.2 + 2.0, "{} of {}", load, fair);
        }
    }

    #[test]
    fn whatever_comes_and_goes_the_plan_ends_with_every_replica_there(
        changes in proptest::collection::vec((0..4_u8, 0..20_usize), 1..25),
        n_partitions in 1..20_u32,
    ) {
        let mut world = World::of(n_partitions, &[NOWHERE; 3]);
        for (change, position) in changes {
            let node = world.nodes[position % world.nodes.len()].id;
            match change {
                0 => { world.join(("", 100 + u32::try_from(position).unwrap())); }
                1 => world.set_state(node, NodeState::Down),
                2 => world.set_state(node, NodeState::Draining),
                _ => world.set_state(node, NodeState::Active),
            }
            // Some moves are under way when the next thing happens.
            world.step();
        }
        if world.loads().is_empty() {
            return Ok(());
        }
        for _ in 0..3 {
            world.step();
        }
        // What was to be taken back is by now; the rest gets there.
        world.finish();
        world.settle();
        let wanted = world.loads().len().min(3);
        for row in &world.table.partitions {
            let active = row.replicas.iter().filter(|placed| world.loads().contains_key(&placed.node));
            prop_assert_eq!(active.count(), wanted, "{:?}", row);
        }
    }
}

#[test]
fn moves_are_throttled_and_lost_replicas_come_first() {
    let mut world = World::of(32, &[NOWHERE; 4]);
    let taker = world.join(NOWHERE);
    world.set_state(world.nodes[0].id, NodeState::Down);
    let steps = world.step();
    let to_taker = steps
        .iter()
        .filter(|step| matches!(step, PlacementChange::Add { node, .. } if *node == taker));
    assert!((1..=crate::limits::NODE_MOVES_MAX).contains(&to_taker.count()));
    for row in &world.table.partitions {
        if row.is_settled() {
            continue;
        }
        let leaving = row.of_role(ReplicaRole::Leaving).next().unwrap();
        assert_eq!(
            leaving.node,
            NodeId::new(1),
            "who is lost is replaced first"
        );
    }
}

#[test]
fn move_to_a_node_that_is_gone_is_taken_back() {
    let mut world = World::of(4, &[NOWHERE; 3]);
    let before = world.table.clone();
    let taker = world.join(NOWHERE);
    assert!(!world.step().is_empty());
    world.set_state(taker, NodeState::Down);
    let kept = world.step();
    assert!(
        kept.iter()
            .all(|step| matches!(step, PlacementChange::Keep(_)))
    );
    let retired = world.step();
    assert!(
        retired
            .iter()
            .all(|step| matches!(step, PlacementChange::Retire(_)))
    );
    world.finish();
    assert_eq!(world.settle(), 0);
    for (before, after) in before.partitions.iter().zip(&world.table.partitions) {
        assert_eq!(before.replicas, after.replicas);
    }
}

#[test]
fn metadata_group_has_three_voters_where_there_are_three_nodes() {
    let places = [("a", 100), ("a", 100), ("b", 100), ("c", 100), ("c", 100)];
    let world = World::of(1, &places);
    let replicas = |ids: &[usize]| -> BTreeSet<ReplicaId> {
        ids.iter()
            .map(|id| world.nodes[*id].metadata_replica)
            .collect()
    };
    let first = replicas(&[0]);
    let leader = world.nodes[0].metadata_replica;
    let of = |n_nodes: usize, current: &BTreeSet<ReplicaId>| {
        metadata_voters(&world.nodes[..n_nodes], current, leader)
    };
    assert_eq!(of(1, &first), first);
    assert_eq!(of(2, &first), first, "two votes are worse than one");
    assert_eq!(of(3, &first), replicas(&[0, 1, 2]));
    assert_eq!(of(5, &first), replicas(&[0, 2, 3]), "one of each zone");
    let now = replicas(&[0, 1, 2]);
    assert_eq!(of(5, &now), now, "who votes goes on voting");
    let mut world = world.clone();
    world.set_state(world.nodes[1].id, NodeState::Down);
    let voters = metadata_voters(&world.nodes[..3], &now, leader);
    assert_eq!(voters, now, "nobody is there in its place");
    let voters = metadata_voters(&world.nodes, &now, leader);
    let wanted = [0, 2, 3].map(|id| world.nodes[id].metadata_replica);
    assert_eq!(voters, BTreeSet::from(wanted));
}
