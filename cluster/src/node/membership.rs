//! This node's place in the cluster: it founds one on an empty data folder, or comes back to the one it is in.

use std::net::SocketAddr;
use std::sync::Arc;

use journey_consensus::{
    ClusterIdentity, MetadataError, MetadataHandle, NewNode, NodeIdentity, NodeMembership,
    NodePlace, ReplicaId,
};
use journey_partition::Clock as _;
use journey_storage::Engine;
use journey_types::{ClusterKey, EffectOrigin, Incarnation};
use rand::Rng as _;

use crate::clock::SystemClock;
use crate::config::Config;
use crate::node::error::NodeError;

/// Attempts at a change that somebody else may come before: more than that many in a row is no coincidence.
const ATTEMPTS_MAX: u32 = 10;
/// The weight of a node among others.
const WEIGHT: u32 = 100;

/// Who this node is: read from its data folder, or drawn and written there.
pub(crate) fn own_identity(state: &Arc<dyn Engine>) -> Result<NodeIdentity, NodeError> {
    if let Some(identity) = NodeIdentity::read(state)? {
        return Ok(identity);
    }
    let identity = NodeIdentity {
        join_key: rand::rng().random(),
        member: None,
    };
    identity.write(state)?;
    Ok(identity)
}

/// Where this node is reached and what it takes.
pub(crate) fn own_place(address: SocketAddr) -> NodePlace {
    NodePlace {
        api_address: address.to_string(),
        peer_address: String::new(),
        zone: String::new(),
        weight: WEIGHT,
    }
}

/// Founds the cluster unless it is founded, checks that this node is a member of it, and tells it where this node is
/// reached now.
pub(crate) async fn found_or_return(
    (config, state): (&Config, &Arc<dyn Engine>),
    metadata: &MetadataHandle,
    mut own: NodeIdentity,
    place: NodePlace,
) -> Result<ClusterIdentity, NodeError> {
    let founder = NewNode {
        join_key: own.join_key,
        place: place.clone(),
    };
    let identity = metadata
        .bootstrap_if_empty(new_identity(config.partitions), founder)
        .await?;
    let current = metadata.current();
    let cluster_id = identity.origin.cluster_id;
    let member = current
        .node_by_key(&own.join_key)
        .map(|node| NodeMembership {
            cluster_id,
            node: node.id,
            metadata_replica: node.metadata_replica,
        });
    let Some(member) = member.filter(|member| own.member.is_none_or(|known| known == *member))
    else {
        return Err(NodeError::NotAMember { cluster_id });
    };
    if own.member.is_none() {
        own.member = Some(member);
        own.write(state)?;
    }
    tell_place(metadata, member, &place).await?;
    Ok(identity)
}

/// Changes this node's record where it is reached elsewhere than before.
async fn tell_place(
    metadata: &MetadataHandle,
    member: NodeMembership,
    place: &NodePlace,
) -> Result<(), NodeError> {
    let mut n_attempts = 0;
    loop {
        n_attempts += 1;
        let current = metadata.current();
        let Some(record) = current.node(member.node) else {
            let cluster_id = member.cluster_id;
            return Err(NodeError::NotAMember { cluster_id });
        };
        let told = metadata.set_node_place(record.id, record.version, place.clone());
        match told.await {
            Ok(_) => return Ok(()),
            Err(MetadataError::Conflict { .. }) if n_attempts < ATTEMPTS_MAX => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// What a cluster is founded with; used only where none was founded yet.
fn new_identity(n_partitions: u32) -> ClusterIdentity {
    let mut rng = rand::rng();
    ClusterIdentity {
        origin: EffectOrigin {
            cluster_id: rng.random(),
            incarnation: Incarnation::new(1),
        },
        key: ClusterKey::new(rng.random()),
        n_partitions,
        founded_at_ms: SystemClock.now().unix_ms(),
    }
}

/// The replica of the metadata group that this node starts with.
pub(crate) fn metadata_replica(own: &NodeIdentity) -> ReplicaId {
    own.member
        .map_or(ReplicaId::FIRST, |member| member.metadata_replica)
}
