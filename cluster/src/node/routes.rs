//! Who leads what, for the router: put together from what this node's replicas see and from the partition table.
//!
//! Of a partition with a replica here its group knows the leader; of others the table names the replica that should
//! lead, and whoever is asked there names the one that does.

use std::sync::Arc;

use journey_consensus::{GroupId, MetadataState};
use journey_server::RouteTable;
use journey_types::NodeId;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::node::local_partitions::LocalPartitions;
use crate::node::parts::Foundation;

/// Follows leaders and table for as long as somebody watches the routes.
pub(crate) fn spawn(
    tasks: &TaskTracker,
    partitions: &Arc<LocalPartitions>,
    foundation: &Foundation,
) -> watch::Receiver<Arc<RouteTable>> {
    let own = foundation.node;
    let mut known = foundation.metadata.watch();
    let mut leaders = partitions.watch_leaders();
    let first = table(partitions, &foundation.metadata.current(), own);
    let partitions = Arc::clone(partitions);
    let (routes, watched) = watch::channel(Arc::new(first));
    tasks.spawn(async move {
        loop {
            let metadata = Arc::clone(&known.borrow_and_update());
            leaders.borrow_and_update();
            let newer = table(&partitions, &metadata, own);
            routes.send_if_modified(|routes| {
                let is_new = **routes != newer;
                if is_new {
                    *routes = Arc::new(newer);
                }
                is_new
            });
            tokio::select! {
                biased;
                () = routes.closed() => return,
                changed = known.changed() => if changed.is_err() { return },
                changed = leaders.changed() => if changed.is_err() { return },
            }
        }
    });
    watched
}

fn table(partitions: &LocalPartitions, metadata: &MetadataState, own: NodeId) -> RouteTable {
    let others = metadata
        .nodes()
        .filter(|node| node.is_member() && node.id != own);
    let addresses = others
        .map(|node| (node.id, node.place.api_address.clone()))
        .collect();
    let locals = partitions.all();
    let leader_of = |(partition, placement): (_, &journey_consensus::PartitionPlacement)| {
        let node = match locals.get(&partition) {
            Some(local) => {
                let leader = local.group.leadership().borrow().leader?;
                let group = GroupId::of_partition(partition);
                metadata.node_of_replica(group, leader)?.id
            }
            None => placement.replica(placement.preferred)?.node,
        };
        Some((partition, node))
    };
    RouteTable {
        own: Some(own),
        addresses,
        leaders: metadata.table().iter().filter_map(leader_of).collect(),
    }
}
