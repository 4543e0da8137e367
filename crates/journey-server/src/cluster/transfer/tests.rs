//! A partition stays where an operator lets it be led, however the planner evens out leaders.

use journey_consensus::placement::{REPLICATION_FACTOR, plan};
use journey_consensus::{NodeRecord, PartitionTable, PlacementChange};
use journey_types::{NodeId, PartitionId};

use super::exchange;
use crate::cluster::survey::tests::healthy;

fn prefer(table: &mut PartitionTable, partition: PartitionId, change: PlacementChange) {
    let PlacementChange::Prefer(replica) = change else {
        panic!("every replica lies where it should: {change:?}");
    };
    let position = usize::try_from(partition.get()).unwrap();
    table.partitions[position].preferred = replica;
}

/// Takes the planner's steps until there are none.
fn settle(nodes: &[NodeRecord], table: &mut PartitionTable) {
    for _ in 0..table.partitions.len() {
        let steps = plan(nodes, table, REPLICATION_FACTOR);
        for step in &steps {
            prefer(table, step.partition, step.change);
        }
        if steps.is_empty() {
            return;
        }
    }
    panic!("the planner comes to no end");
}

#[test]
fn whatever_partition_goes_to_whatever_node_stays_there() {
    for n_nodes in [2, 3] {
        for n_partitions in [1, 2, 3, 4, 7, 16] {
            let survey = healthy(n_nodes, n_partitions);
            let nodes: Vec<NodeRecord> = survey
                .nodes
                .values()
                .map(|node| node.record.clone())
                .collect();
            for partition in (0..n_partitions).map(PartitionId::new) {
                for to in (1..=n_nodes).map(NodeId::new) {
                    let mut table = survey.table.as_ref().clone();
                    settle(&nodes, &mut table);
                    let heir = table.partition(partition).unwrap().on_node(to);
                    let heir = *heir.unwrap();
                    let other = exchange((&nodes, &table), partition, heir).unwrap();
                    for (of, replica) in other.into_iter().chain([(partition, heir.replica)]) {
                        prefer(&mut table, of, PlacementChange::Prefer(replica));
                    }
                    settle(&nodes, &mut table);
                    let row = table.partition(partition).unwrap();
                    assert_eq!(
                        row.preferred, heir.replica,
                        "partition {partition} of {n_partitions} to node {to} of {n_nodes}"
                    );
                }
            }
        }
    }
}
