//! The next small step of each partition on its way to the target.

use std::collections::{BTreeMap, BTreeSet};

use journey_types::{NodeId, PartitionId};

use super::leaders::leaders;
use super::quota::Candidate;
use super::target::{Evenness, target};
use crate::limits::{NODE_MOVES_MAX, PARTITIONS_MOVING_MAX};
use crate::{
    NodeRecord, NodeState, PartitionPlacement, PartitionTable, PlacedReplica, PlacementChange,
    ReplicaRole,
};

/// One step: a compare-and-set on the version that the plan was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedStep {
    /// Of which partition.
    pub partition: PartitionId,
    /// The version of its row.
    pub expected_version: u64,
    /// What is to be done.
    pub change: PlacementChange,
}

/// The steps that may be taken now, at most one for each partition, the most urgent first. Replicas are placed on active
/// nodes; at most `n_replicas` of each partition, and fewer where there are fewer nodes. Made anew after every change:
/// nothing is remembered between two plans.
#[must_use]
pub fn plan(nodes: &[NodeRecord], table: &PartitionTable, n_replicas: usize) -> Vec<PlannedStep> {
    let mut active: Vec<&NodeRecord> = nodes
        .iter()
        .filter(|node| node.state == NodeState::Active)
        .collect();
    active.sort_by_key(|node| node.id);
    let candidates: Vec<Candidate<'_>> = active
        .iter()
        .map(|node| Candidate {
            node: node.id,
            weight: node.place.weight,
            zone: &node.place.zone,
        })
        .collect();
    if candidates.is_empty() {
        return Vec::new();
    }
    let evenness = if somebody_came_last(nodes) {
        Evenness::Shares
    } else {
        Evenness::Bounds
    };
    let target = target(&candidates, table, n_replicas, evenness);
    let planner = Planner {
        alive: nodes
            .iter()
            .filter(|node| serves(node))
            .map(|node| node.id)
            .collect(),
        n_replicas: n_replicas.min(candidates.len()),
        active: active.iter().map(|node| node.id).collect(),
    };
    let mut steps: Vec<(Urgency, PlannedStep)> = Vec::new();
    for ((partition, placement), wanted) in table.iter().zip(&target) {
        if let Some((urgency, change)) = planner.next(placement, wanted) {
            let step = PlannedStep {
                partition,
                expected_version: placement.version,
                change,
            };
            steps.push((urgency, step));
        }
    }
    if steps.is_empty() {
        let weights = active
            .iter()
            .map(|node| (node.id, node.place.weight))
            .collect();
        return leader_steps(table, &target, &weights);
    }
    steps.sort_by_key(|(urgency, step)| (*urgency, step.partition));
    throttled(table, steps.into_iter().map(|(_, step)| step))
}

/// Whether the last thing that happened to the nodes is that one came (or came back), and not that one went. The versions of
/// records are places in the log, so the table needs no memory of its own for this.
fn somebody_came_last(nodes: &[NodeRecord]) -> bool {
    let last = |is_active: bool| {
        let those = nodes.iter();
        let those = those.filter(|node| (node.state == NodeState::Active) == is_active);
        those
            .filter(|node| node.state != NodeState::Joining)
            .map(|node| node.version)
            .max()
    };
    last(true) > last(false)
}

/// How soon a step is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Urgency {
    /// A move that leads nowhere is taken back.
    TakeBack,
    /// A replica is missing or lost.
    Repair,
    /// Everything is there, and would lie better elsewhere.
    Balance,
}

struct Planner {
    /// Nodes that serve what they have, whether or not they take more.
    alive: BTreeSet<NodeId>,
    active: BTreeSet<NodeId>,
    n_replicas: usize,
}

impl Planner {
    fn next(
        &self,
        placement: &PartitionPlacement,
        wanted: &BTreeSet<NodeId>,
    ) -> Option<(Urgency, PlacementChange)> {
        if let Some(joining) = placement.of_role(ReplicaRole::Joining).next() {
            return self.take_back(placement, joining);
        }
        if !placement.is_settled() {
            return None;
        }
        let voters = || placement.of_role(ReplicaRole::Voter);
        let missing = wanted
            .iter()
            .find(|node| placement.on_node(**node).is_none());
        let mut extra: Vec<&PlacedReplica> = voters()
            .filter(|placed| !wanted.contains(&placed.node))
            .collect();
        // Those that are lost go first.
        extra.sort_by_key(|placed| (self.alive.contains(&placed.node), placed.replica));
        let n_alive = voters()
            .filter(|placed| self.alive.contains(&placed.node))
            .count();
        let is_short = n_alive < self.n_replicas;
        let urgency = if is_short {
            Urgency::Repair
        } else {
            Urgency::Balance
        };
        match (missing, extra.first()) {
            (Some(node), extra) => {
                // A lost one is replaced; a living one stays until there are enough.
                let is_full = voters().count() >= self.n_replicas;
                let replaces = extra.filter(|_| is_full).map(|placed| placed.replica);
                let node = *node;
                Some((urgency, PlacementChange::Add { node, replaces }))
            }
            (None, Some(extra)) if voters().count() > wanted.len().max(1) => {
                Some((Urgency::Balance, PlacementChange::Retire(extra.replica)))
            }
            (None, _) => None,
        }
    }

    /// A replica that joins on a node which is gone does not get there: whom it was to replace stays.
    fn take_back(
        &self,
        placement: &PartitionPlacement,
        joining: &PlacedReplica,
    ) -> Option<(Urgency, PlacementChange)> {
        if self.active.contains(&joining.node) {
            return None;
        }
        let leaving = placement.of_role(ReplicaRole::Leaving).next();
        let change = leaving.map_or(PlacementChange::Retire(joining.replica), |leaving| {
            PlacementChange::Keep(leaving.replica)
        });
        Some((Urgency::TakeBack, change))
    }
}

fn serves(node: &NodeRecord) -> bool {
    matches!(node.state, NodeState::Active | NodeState::Draining)
}

/// As many as may be under way at once: each move copies a partition, over the network and to a disk.
fn throttled(table: &PartitionTable, steps: impl Iterator<Item = PlannedStep>) -> Vec<PlannedStep> {
    let mut taking: BTreeMap<NodeId, usize> = BTreeMap::new();
    let mut n_moving = 0;
    for (_, placement) in table.iter() {
        for joining in placement.of_role(ReplicaRole::Joining) {
            *taking.entry(joining.node).or_default() += 1;
            n_moving += 1;
        }
    }
    let may_begin = |step: &PlannedStep| {
        let PlacementChange::Add { node, .. } = step.change else {
            return true;
        };
        let taken = taking.entry(node).or_default();
        let has_room = *taken < NODE_MOVES_MAX && n_moving < PARTITIONS_MOVING_MAX;
        if has_room {
            *taken += 1;
            n_moving += 1;
        }
        has_room
    };
    steps.filter(may_begin).collect()
}

/// Once every replica lies where it should: who leads.
fn leader_steps(
    table: &PartitionTable,
    target: &[BTreeSet<NodeId>],
    weights: &BTreeMap<NodeId, u32>,
) -> Vec<PlannedStep> {
    let voters_of = |placement: &PartitionPlacement, wanted: &BTreeSet<NodeId>| {
        let voters = placement
            .of_role(ReplicaRole::Voter)
            .map(|placed| placed.node);
        voters.filter(|node| wanted.contains(node)).collect()
    };
    let holders: Vec<BTreeSet<NodeId>> = table
        .partitions
        .iter()
        .zip(target)
        .map(|(placement, wanted)| voters_of(placement, wanted))
        .collect();
    let current: Vec<Option<NodeId>> = table
        .partitions
        .iter()
        .map(|placement| {
            placement
                .replica(placement.preferred)
                .map(|placed| placed.node)
        })
        .collect();
    let wanted = leaders(&holders, &current, weights);
    let rows = table.iter().zip(current.iter().zip(wanted));
    rows.filter_map(|((partition, placement), (current, wanted))| {
        let wanted = wanted.filter(|wanted| Some(*wanted) != *current)?;
        let placed = placement.on_node(wanted)?;
        Some(PlannedStep {
            partition,
            expected_version: placement.version,
            change: PlacementChange::Prefer(placed.replica),
        })
    })
    .collect()
}
