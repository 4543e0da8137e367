//! A made-up cluster, and who counts as its leader.

use std::collections::BTreeMap;
use std::sync::Arc;

use journey_consensus::{
    GroupId, NodePlace, NodeRecord, NodeState, PartitionPlacement, PartitionTable, PlacedReplica,
    ReplicaId, ReplicaRole,
};
use journey_proto::internal::{NodeReport, ReplicaReport};
use journey_types::{NodeId, PartitionId, Timestamp};

use super::{Survey, SurveyedNode};

/// A healthy cluster of so many nodes: each has a replica of every partition with its own number as the replica's id, the
/// first leads the metadata and partition p is led by node p mod n + 1.
pub(in crate::cluster) fn healthy(n_nodes: u64, n_partitions: u32) -> Survey {
    let ids: Vec<u64> = (1..=n_nodes).collect();
    let placement = |partition: u32| PartitionPlacement {
        version: 1,
        replicas: ids
            .iter()
            .map(|id| PlacedReplica {
                replica: ReplicaId::new(*id),
                node: NodeId::new(*id),
                role: ReplicaRole::Voter,
            })
            .collect(),
        preferred: ReplicaId::new(leader_of(partition, n_nodes)),
    };
    let table = PartitionTable {
        version: 1,
        partitions: (0..n_partitions).map(placement).collect(),
    };
    let nodes = ids.iter().map(|id| {
        let record = record(*id);
        let groups = (0..=n_partitions).map(|group| {
            let leader = group.checked_sub(1);
            let leader = leader.map_or(1, |partition| leader_of(partition, n_nodes));
            replica(group, *id, leader, &ids)
        });
        let report = NodeReport {
            cluster: 7,
            node: *id,
            serving: true,
            replicas: groups.collect(),
            release: "1.2.3".to_owned(),
            up_seconds: 5,
            ..NodeReport::default()
        };
        (
            record.id,
            SurveyedNode {
                record,
                report: Ok(report),
            },
        )
    });
    Survey {
        asked: NodeId::new(1),
        cluster: 7,
        founded_at: Timestamp::from_unix_ms(0),
        version: 9,
        nodes: nodes.collect::<BTreeMap<_, _>>(),
        table: Arc::new(table),
    }
}

fn leader_of(partition: u32, n_nodes: u64) -> u64 {
    u64::from(partition) % n_nodes + 1
}

fn record(id: u64) -> NodeRecord {
    NodeRecord {
        id: NodeId::new(id),
        version: 1,
        join_key: [0; 16],
        place: NodePlace {
            api_address: format!("127.0.0.1:{}", 7_700 + id),
            peer_address: format!("127.0.0.1:{}", 7_800 + id),
            zone: String::new(),
            weight: 100,
        },
        state: NodeState::Active,
        metadata_replica: ReplicaId::new(id),
        drains: false,
    }
}

fn replica(group: u32, id: u64, leader: u64, voters: &[u64]) -> ReplicaReport {
    ReplicaReport {
        group,
        replica: id,
        is_leader: id == leader,
        leader,
        term: 3,
        last_index: 50,
        applied_index: 48,
        voters: voters.to_vec(),
        ..ReplicaReport::default()
    }
}

impl Survey {
    /// A node that says nothing.
    pub(in crate::cluster) fn silence(&mut self, node: u64) {
        let node = self.nodes.get_mut(&NodeId::new(node)).unwrap();
        node.report = Err("connection refused".to_owned());
    }

    /// What a node said, to be changed.
    pub(in crate::cluster) fn said(&mut self, node: u64) -> &mut NodeReport {
        let node = self.nodes.get_mut(&NodeId::new(node)).unwrap();
        node.report.as_mut().unwrap()
    }

    /// What a node said of a partition, to be changed.
    pub(in crate::cluster) fn said_of(
        &mut self,
        node: u64,
        partition: PartitionId,
    ) -> &mut ReplicaReport {
        let group = GroupId::of_partition(partition).get();
        let mut replicas = self.said(node).replicas.iter_mut();
        replicas.find(|replica| replica.group == group).unwrap()
    }

    /// The node that leads partition 0.
    pub(in crate::cluster) fn first_leader(&self) -> Option<u64> {
        let partition = PartitionId::new(0);
        let placement = self.table.partition(partition)?;
        let group = self.partition(partition, placement);
        group.leader().map(|(node, _)| node.get())
    }
}

#[test]
fn a_leader_counts_when_a_majority_follows_it() {
    let mut survey = healthy(3, 1);
    assert_eq!(survey.first_leader(), Some(1));
    survey.silence(2);
    assert_eq!(survey.first_leader(), Some(1), "two of three are enough");
    survey.silence(3);
    assert_eq!(survey.first_leader(), None, "nobody is behind it");
}

#[test]
fn of_two_that_say_that_they_lead_the_later_term_counts() {
    let mut survey = healthy(3, 1);
    // Node 1 was cut off and does not know yet that 2 was elected by 3.
    for node in [2, 3] {
        let replica = survey.said_of(node, PartitionId::new(0));
        (replica.leader, replica.term, replica.is_leader) = (2, 4, node == 2);
    }
    assert_eq!(survey.first_leader(), Some(2));
    let placement = survey.table.partitions[0].clone();
    let group = survey.partition(PartitionId::new(0), &placement);
    assert_eq!(group.n_in_order(), 2, "the one that was cut off is not");
}

#[test]
fn followers_of_a_leader_that_does_not_answer_have_none() {
    let mut survey = healthy(3, 1);
    survey.silence(1);
    assert_eq!(survey.first_leader(), None);
}

#[test]
fn a_stopped_replica_is_not_in_order() {
    let mut survey = healthy(3, 1);
    survey.said_of(3, PartitionId::new(0)).problem = "its disk failed".to_owned();
    let placement = survey.table.partitions[0].clone();
    let group = survey.partition(PartitionId::new(0), &placement);
    assert_eq!((survey.first_leader(), group.n_in_order()), (Some(1), 2));
}

#[test]
fn nodes_that_are_gone_are_missed_and_those_that_leave_are_not() {
    let mut survey = healthy(3, 1);
    let set = |survey: &mut Survey, node: u64, state| {
        survey
            .nodes
            .get_mut(&NodeId::new(node))
            .unwrap()
            .record
            .state = state;
    };
    assert_eq!(survey.replicas_wanted(), 3);
    set(&mut survey, 3, NodeState::Down);
    assert_eq!(survey.replicas_wanted(), 3);
    set(&mut survey, 3, NodeState::Draining);
    assert_eq!(survey.replicas_wanted(), 2);
    assert_eq!(healthy(5, 1).replicas_wanted(), 3);
    assert_eq!(healthy(1, 1).replicas_wanted(), 1);
}
