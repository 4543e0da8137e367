//! A survey as answers on the wire.

use std::collections::{BTreeMap, BTreeSet};

use journey_consensus::{NodeState, PartitionPlacement, ReplicaRole};
use journey_proto::v1 as wire;
use journey_types::{N_SLOTS, NodeId, PartitionId};

use crate::cluster::findings::{PartitionVerdict, findings, health_of, is_zone_safe, judge};
use crate::cluster::survey::{GroupView, ReplicaView, Survey, SurveyedNode};
use crate::cluster::table::cluster_id_text;
use crate::convert::timestamp_to_wire;

/// A survey with every partition judged.
#[derive(Debug)]
pub(super) struct Judged<'s> {
    survey: &'s Survey,
    verdicts: BTreeMap<PartitionId, PartitionVerdict>,
}

impl<'s> Judged<'s> {
    pub(super) fn of(survey: &'s Survey) -> Self {
        let verdict = |(partition, placement): (PartitionId, &PartitionPlacement)| {
            let group = survey.partition(partition, placement);
            (partition, judge(survey, partition, placement, &group))
        };
        let verdicts = survey.table.iter().map(verdict).collect();
        Self { survey, verdicts }
    }

    /// The cluster as a whole.
    pub(super) fn status(&self) -> wire::GetStatusResponse {
        let survey = self.survey;
        let findings = findings(survey, &self.verdicts);
        let nodes = survey.nodes.values();
        let zones: BTreeSet<&str> = nodes.map(|node| node.record.place.zone.as_str()).collect();
        wire::GetStatusResponse {
            cluster_id: cluster_id_text(survey.cluster),
            founded_at: Some(timestamp_to_wire(survey.founded_at)),
            asked_node: survey.asked.get(),
            version: survey.version,
            health: health_of(&findings).into(),
            findings,
            metadata: Some(self.metadata()),
            partitions: Some(self.sums()),
            nodes: self.nodes(),
            zones: count(zones.len()),
            zone_safe: is_zone_safe(survey),
        }
    }

    fn metadata(&self) -> wire::MetadataGroup {
        let group = self.survey.metadata_group();
        let leader = group.leader();
        wire::MetadataGroup {
            leader_node: leader.map_or(0, |(node, _)| node.get()),
            term: leader.map_or(0, |(_, report)| report.term),
            voter_nodes: self
                .metadata_voters()
                .into_iter()
                .map(NodeId::get)
                .collect(),
        }
    }

    fn metadata_voters(&self) -> BTreeSet<NodeId> {
        let group = self.survey.metadata_group();
        let voters = group.replicas.iter().filter(|view| group.votes(view));
        voters.map(|view| view.node).collect()
    }

    fn sums(&self) -> wire::PartitionSums {
        let wanted = self.survey.replicas_wanted();
        let number = |is_counted: &dyn Fn(&PartitionVerdict) -> bool| {
            let counted = self.verdicts.values().filter(|verdict| is_counted(verdict));
            count(counted.count())
        };
        wire::PartitionSums {
            total: count(self.verdicts.len()),
            led: number(&|verdict| verdict.leader.is_some()),
            under_replicated: number(&|verdict| verdict.n_in_order < wanted),
            moving: number(&|verdict| verdict.is_moving),
            replicas_wanted: count(wanted),
        }
    }

    /// Every node.
    pub(super) fn nodes(&self) -> Vec<wire::ClusterNode> {
        let voters = self.metadata_voters();
        let nodes = self.survey.nodes.values();
        nodes.map(|node| self.node(node, &voters)).collect()
    }

    fn node(&self, node: &SurveyedNode, voters: &BTreeSet<NodeId>) -> wire::ClusterNode {
        let record = &node.record;
        let report = node.report.as_ref().ok();
        let led = self.verdicts.values();
        let led = led.filter(|verdict| verdict.leader == Some(record.id));
        wire::ClusterNode {
            node: record.id.get(),
            state: state_to_wire(record.state).into(),
            api_address: record.place.api_address.clone(),
            peer_address: record.place.peer_address.clone(),
            zone: record.place.zone.clone(),
            weight: record.place.weight,
            answers: report.is_some(),
            silence: node.report.as_ref().err().cloned().unwrap_or_default(),
            serving: report.is_some_and(|report| report.serving),
            problems: report.map_or_else(Vec::new, |report| report.problems.clone()),
            leads: count(led.count()),
            replicas: count(self.survey.table.replicas_of(record.id).count()),
            release: report.map_or_else(String::new, |report| report.release.clone()),
            up_seconds: report.map_or(0, |report| report.up_seconds),
            metadata_voter: voters.contains(&record.id),
            disk_free_bytes: report.map_or(0, |report| report.disk_free_bytes),
        }
    }

    /// Every partition.
    pub(super) fn partitions(&self) -> Vec<wire::Partition> {
        let rows = self.survey.table.iter();
        rows.filter_map(|(partition, _)| self.partition(partition))
            .collect()
    }

    /// One partition.
    pub(super) fn partition(&self, partition: PartitionId) -> Option<wire::Partition> {
        let placement = self.survey.table.partition(partition)?;
        let verdict = self.verdicts.get(&partition)?;
        let group = self.survey.partition(partition, placement);
        let leader = group.leader().map(|(_, report)| report);
        let last_index = leader.map_or(0, |leader| leader.last_index);
        let (first_slot, last_slot) = slots_of(partition.get(), count(self.verdicts.len()));
        let preferred = placement.replica(placement.preferred);
        Some(wire::Partition {
            partition: partition.get(),
            health: verdict.health.into(),
            problems: verdict.problems.clone(),
            leader_node: verdict.leader.map_or(0, NodeId::get),
            term: leader.map_or(0, |leader| leader.term),
            preferred_node: preferred.map_or(0, |placed| placed.node.get()),
            last_index,
            first_slot,
            last_slot,
            replicas: group
                .replicas
                .iter()
                .map(|view| replica(&group, view, last_index))
                .collect(),
            version: placement.version,
        })
    }
}

fn replica(
    group: &GroupView<'_>,
    view: &ReplicaView<'_>,
    last_index: u64,
) -> wire::PartitionReplica {
    let report = view.report.as_ref().ok();
    let leads = group.leader().map(|(node, _)| node) == Some(view.node);
    let applied_index = report.map_or(0, |report| report.applied_index);
    wire::PartitionReplica {
        replica: view.replica.get(),
        node: view.node.get(),
        role: role_to_wire(view.role).into(),
        leads,
        answers: report.is_some(),
        votes: group.votes(view),
        follows: group.is_in_order(view),
        term: report.map_or(0, |report| report.term),
        last_index: report.map_or(0, |report| report.last_index),
        applied_index,
        lag: report.map_or(0, |_| last_index.saturating_sub(applied_index)),
        problem: match &view.report {
            Ok(report) => report.problem.clone(),
            Err(reason) => reason.clone(),
        },
    }
}

/// The slots `s` of a partition: those with `s * n_partitions / N_SLOTS` equal to it.
fn slots_of(partition: u32, n_partitions: u32) -> (u32, u32) {
    let n_slots = u32::from(N_SLOTS);
    let first_of = |partition: u32| (partition * n_slots).div_ceil(n_partitions.max(1));
    (
        first_of(partition),
        first_of(partition + 1).saturating_sub(1),
    )
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A node's state.
pub(super) const fn state_to_wire(state: NodeState) -> wire::cluster_node::State {
    match state {
        NodeState::Joining => wire::cluster_node::State::Joining,
        NodeState::Active => wire::cluster_node::State::Active,
        NodeState::Draining => wire::cluster_node::State::Draining,
        NodeState::Down => wire::cluster_node::State::Down,
        NodeState::Removed => wire::cluster_node::State::Removed,
    }
}

const fn role_to_wire(role: ReplicaRole) -> wire::partition_replica::Role {
    match role {
        ReplicaRole::Voter => wire::partition_replica::Role::Voter,
        ReplicaRole::Joining => wire::partition_replica::Role::Joining,
        ReplicaRole::Leaving => wire::partition_replica::Role::Leaving,
    }
}

#[cfg(test)]
mod tests;
