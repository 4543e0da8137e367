//! Surveys as they are answered.

use journey_types::{N_SLOTS, PartitionId};

use super::{Judged, slots_of};
use crate::cluster::survey::tests::healthy;

#[test]
fn a_partition_is_told_with_its_leader_and_what_each_replica_lacks() {
    let mut survey = healthy(3, 4);
    survey.silence(3);
    survey.said_of(2, PartitionId::new(0)).applied_index = 20;
    let partition = Judged::of(&survey).partition(PartitionId::new(0)).unwrap();
    assert_eq!((partition.leader_node, partition.term), (1, 3));
    assert_eq!((partition.first_slot, partition.last_slot), (0, 1_023));
    let told: Vec<_> = partition
        .replicas
        .iter()
        .map(|replica| (replica.node, replica.leads, replica.follows, replica.lag))
        .collect();
    assert_eq!(
        told,
        [
            (1, true, true, 2),
            (2, false, true, 30),
            (3, false, false, 0)
        ]
    );
    assert_eq!(
        partition.replicas[2].problem,
        "node 3 does not answer: connection refused"
    );
    assert!(Judged::of(&survey).partition(PartitionId::new(4)).is_none());
}

#[test]
fn nodes_are_told_with_what_they_lead() {
    let mut survey = healthy(3, 4);
    survey.silence(2);
    let nodes = Judged::of(&survey).nodes();
    let told: Vec<_> = nodes
        .iter()
        .map(|node| (node.node, node.answers, node.leads, node.replicas))
        .collect();
    assert_eq!(told, [(1, true, 2, 4), (2, false, 0, 4), (3, true, 1, 4)]);
    assert_eq!(nodes[1].silence, "connection refused");
    assert!(nodes.iter().all(|node| node.metadata_voter));
}

#[test]
fn every_slot_lies_in_the_partition_that_names_it() {
    for n_partitions in [1, 2, 3, 16, 100, 256] {
        let n_slots = u32::from(N_SLOTS);
        let mut next = 0;
        for partition in 0..n_partitions {
            let (first, last) = slots_of(partition, n_partitions);
            assert_eq!(first, next);
            for slot in first..=last {
                assert_eq!(slot * n_partitions / n_slots, partition);
            }
            next = last + 1;
        }
        assert_eq!(next, n_slots);
    }
}
