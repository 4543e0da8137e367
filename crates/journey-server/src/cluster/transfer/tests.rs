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

/// Nodes with partitions, in an order that wanders.
fn pairs(n_nodes: u64, n_partitions: u32) -> impl Iterator<Item = (NodeId, PartitionId)> {
    let n_pairs = u64::from(n_partitions) * n_nodes;
    (0..2 * n_pairs).map(move |n| {
        let at = n * 7 % n_pairs;
        let partition = u32::try_from(at / n_nodes).unwrap();
        (NodeId::new(at % n_nodes + 1), PartitionId::new(partition))
    })
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
            let mut table = survey.table.as_ref().clone();
            settle(&nodes, &mut table);
            // One after another, so that many distributions of leaders are begun from.
            for (to, partition) in pairs(n_nodes, n_partitions) {
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
