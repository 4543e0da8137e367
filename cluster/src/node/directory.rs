//! Where the replicas of other nodes are: the applied metadata says it, and before there is any, whoever let this node
//! join.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use journey_consensus::{GroupId, MetadataState, PeerAddress, ReplicaDirectory, ReplicaId};
use parking_lot::RwLock;
use tokio::sync::watch;

/// Answers from memory, and never waits for anybody.
#[derive(Debug, Default)]
pub(crate) struct NodeDirectory {
    cluster: OnceLock<u64>,
    /// Where members of the metadata group were when this node joined.
    seeds: RwLock<BTreeMap<ReplicaId, PeerAddress>>,
    metadata: OnceLock<watch::Receiver<Arc<MetadataState>>>,
}

impl NodeDirectory {
    /// Takes what is known of the metadata group before its log is here.
    pub(crate) fn set_seeds(&self, seeds: BTreeMap<ReplicaId, PeerAddress>) {
        *self.seeds.write() = seeds;
    }

    /// Tells which cluster this node is in; it is so for ever.
    pub(crate) fn set_cluster(&self, cluster: u64) {
        let set = self.cluster.get_or_init(|| cluster);
        assert_eq!(*set, cluster, "a node is in one cluster");
    }

    /// Answers from that copy of the metadata from now on.
    pub(crate) fn follow(&self, metadata: watch::Receiver<Arc<MetadataState>>) {
        if self.metadata.set(metadata).is_err() {
            tracing::debug!("the directory follows the metadata already");
        }
    }
}

impl ReplicaDirectory for NodeDirectory {
    fn address_of(&self, group: GroupId, replica: ReplicaId) -> Option<PeerAddress> {
        let known = self.metadata.get().and_then(|metadata| {
            let metadata = metadata.borrow();
            metadata
                .address_of_replica(group, replica)
                .map(PeerAddress::new)
        });
        known.or_else(|| {
            let is_metadata = group == GroupId::METADATA;
            let seeds = self.seeds.read();
            seeds.get(&replica).filter(|_| is_metadata).cloned()
        })
    }

    fn cluster(&self) -> Option<u64> {
        self.cluster.get().copied()
    }
}

#[cfg(test)]
mod tests;
