//! A node's foundation in memory, for tests of what other nodes see of it: consensus, and a cluster founded in it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use journey_consensus::limits::LOG_VALUE_SIZE_BYTES_MAX;
use journey_consensus::{
    ClusterIdentity, Consensus, ConsensusOptions, GroupStart, LogStorage, MetadataHandle, NewNode,
    NodePlace, ReplicaId,
};
use journey_storage::MemoryEngine;
use journey_storage::limits::STATE_VALUE_SIZE_BYTES_MAX;
use journey_types::{ClusterKey, EffectOrigin, Incarnation};
use tokio::sync::watch;

use crate::clock::monotonic_now;
use crate::node::directory::NodeDirectory;
use crate::node::health::Health;
use crate::node::members::OwnSide;

pub(super) const CLUSTER: u64 = 0x00c1_0571;

/// What is open of it.
pub(super) struct Bed {
    pub(super) own: Arc<OwnSide>,
    pub(super) metadata: MetadataHandle,
}

pub(super) fn new_node(key: u8) -> NewNode {
    NewNode {
        join_key: [key; 16],
        place: NodePlace {
            api_address: format!("node-{key}:7701"),
            peer_address: format!("node-{key}:7703"),
            zone: "a".to_owned(),
            weight: 100,
        },
    }
}

impl Bed {
    /// With a cluster of one node.
    pub(super) async fn founded() -> Self {
        let options = ConsensusOptions {
            heartbeat: Duration::from_millis(20),
            election_min: Duration::from_millis(60),
            election_max: Duration::from_millis(120),
            worker_threads: 1,
        };
        let log = Arc::new(MemoryEngine::new(LOG_VALUE_SIZE_BYTES_MAX));
        let storage = LogStorage::open(log).unwrap();
        let directory = Arc::new(NodeDirectory::default());
        let consensus =
            Consensus::start_among(&options, storage, Arc::clone(&directory) as Arc<_>).unwrap();
        let state = Arc::new(MemoryEngine::new(STATE_VALUE_SIZE_BYTES_MAX));
        let start = (ReplicaId::FIRST, GroupStart::Found);
        let metadata = MetadataHandle::start(&consensus, start, state)
            .await
            .unwrap();
        let identity = ClusterIdentity {
            origin: EffectOrigin {
                cluster_id: CLUSTER,
                incarnation: Incarnation::new(1),
            },
            key: ClusterKey::new([7; 16]),
            n_partitions: 4,
            founded_at_ms: 1_000,
        };
        while let Err(error) = metadata.bootstrap_if_empty(identity, new_node(1)).await {
            assert!(error.is_retryable(), "{error}");
        }
        let own = Arc::new(OwnSide {
            health: Arc::new(Health::new(watch::channel(None).1)),
            directory,
            consensus: Arc::new(consensus),
            metadata: OnceLock::new(),
            node: OnceLock::new(),
            partitions: OnceLock::new(),
            started: monotonic_now(),
        });
        Self { own, metadata }
    }
}
