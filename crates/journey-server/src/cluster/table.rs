//! What a client needs to go direct: the slot rule, and who leads each partition.

use journey_consensus::MetadataState;
use journey_proto::v1 as wire;
use journey_types::N_SLOTS;

use crate::error::ServerError;
use crate::router::RouteTable;

/// The table as this node knows it.
pub(super) fn table(
    metadata: &MetadataState,
    routes: &RouteTable,
) -> Result<wire::GetTableResponse, ServerError> {
    let identity = metadata
        .identity()
        .ok_or_else(|| ServerError::Unavailable {
            reason: "this node has not heard yet which cluster it is in".to_owned(),
        })?;
    let members = metadata.nodes().filter(|node| node.is_member());
    let route = |(partition, placement): (_, &journey_consensus::PartitionPlacement)| {
        let leader = routes.leaders.get(&partition);
        let leader = leader.and_then(|leader| metadata.node(*leader));
        wire::PartitionRoute {
            partition: partition.get(),
            leader_node: leader.map_or(0, |leader| leader.id.get()),
            leader_address: leader
                .map_or_else(String::new, |leader| leader.place.api_address.clone()),
            replica_nodes: placement
                .replicas
                .iter()
                .map(|placed| placed.node.get())
                .collect(),
        }
    };
    Ok(wire::GetTableResponse {
        cluster_id: cluster_id_text(identity.origin.cluster_id),
        version: metadata.map_version(),
        slots: Some(wire::SlotRule {
            slots: u32::from(N_SLOTS),
            partitions: identity.n_partitions,
            salt: identity.key.bytes().to_vec().into(),
        }),
        partitions: metadata.table().iter().map(route).collect(),
        nodes: members
            .map(|node| wire::NodeAddress {
                node: node.id.get(),
                api_address: node.place.api_address.clone(),
            })
            .collect(),
    })
}

/// A cluster's id as people write it.
pub(super) fn cluster_id_text(cluster: u64) -> String {
    format!("{cluster:016x}")
}
