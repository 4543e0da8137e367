//! The parts of a node in the order in which they start.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use journey_consensus::{ClusterIdentity, Consensus, ConsensusOptions, LogStorage, MetadataHandle};
use journey_model::Catalog;
use journey_server::compile_catalog;
use journey_storage::{DataFolder, DataFolderOptions};
use journey_types::{DURATION_BOUNDS_US, Histogram, NodeId};
use tokio::sync::watch;

use crate::clock::monotonic_now;
use crate::config::Config;
use crate::node::cluster_clock::ClusterClock;
use crate::node::directory::NodeDirectory;
use crate::node::error::NodeError;
use crate::node::health::Health;
use crate::node::local_partitions::{LocalPartition, LocalPartitions};
use crate::node::members::{self, OwnSide};
use crate::node::membership::{self, Entrance};
use crate::node::reconciler;
use crate::seams::Seams;

/// Threads of consensus: 2 serve 16 groups.
const CONSENSUS_THREADS: usize = 2;
/// How long the start waits for every partition to lead: a long replay after a crash included.
const LEADERS_WAIT_MAX: Duration = Duration::from_secs(300);
/// Pause between two looks.
const LEADERS_LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// A failure that ends the node, told once.
pub(crate) type Failed = watch::Sender<Option<Arc<NodeError>>>;

/// What partitions stand on.
pub(crate) struct Foundation {
    pub(crate) folder: DataFolder,
    pub(crate) consensus: Arc<Consensus>,
    pub(crate) metadata: MetadataHandle,
    pub(crate) identity: ClusterIdentity,
    /// This node.
    pub(crate) node: NodeId,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) log: LogStorage,
    /// What this node says of itself.
    pub(crate) own_side: Arc<OwnSide>,
    pub(crate) proposal_us: Arc<Histogram>,
    /// What partitions stamp by.
    pub(crate) clock: Arc<ClusterClock>,
}

/// Where this node is reached, bound before anything is written.
pub(crate) struct Listening {
    pub(crate) api: SocketAddr,
    pub(crate) peers: Option<TcpListener>,
}

impl Listening {
    /// Binds the address for other nodes, if there is to be one.
    pub(crate) fn beside(api: SocketAddr, config: &Config) -> Result<Self, NodeError> {
        let peers = config.cluster.peer_listen.address();
        let peers = peers.map(members::bind).transpose()?;
        Ok(Self { api, peers })
    }
}

impl Foundation {
    /// Opens the data folder, starts consensus and the metadata group, founds or joins the cluster.
    pub(crate) async fn lay(
        config: &Config,
        listening: Listening,
        health: Arc<Health>,
        seams: &Seams,
    ) -> Result<Self, NodeError> {
        let options = DataFolderOptions {
            path: config.data_dir.clone(),
            log_cache_bytes: config.storage.log_cache.get(),
            state_cache_bytes: config.storage.state_cache.get(),
        };
        let wrap = seams.log_engine.clone();
        let opened = tokio::task::spawn_blocking(move || {
            let folder = DataFolder::open(options)?;
            let engine = match wrap {
                Some(wrap) => wrap(folder.log()),
                None => folder.log(),
            };
            let log = LogStorage::open(engine)?;
            Ok::<_, NodeError>((folder, log))
        });
        let (folder, log) = opened
            .await
            .map_err(|error| NodeError::Task(error.to_string()))??;
        let options = ConsensusOptions {
            heartbeat: config.raft.heartbeat_interval.duration(),
            election_min: config.raft.election_timeout_min.duration(),
            election_max: config.raft.election_timeout_max.duration(),
            worker_threads: CONSENSUS_THREADS,
        };
        let directory = Arc::new(NodeDirectory::default());
        let consensus =
            Consensus::start_among(&options, log.clone(), Arc::clone(&directory) as Arc<_>)?;
        let consensus = Arc::new(consensus);
        let own_side = Arc::new(OwnSide {
            health,
            directory: Arc::clone(&directory),
            consensus: Arc::clone(&consensus),
            metadata: OnceLock::new(),
            node: OnceLock::new(),
            partitions: OnceLock::new(),
            started: monotonic_now(),
        });
        let (metadata, identity, node) = enter((config, &folder), &own_side, listening).await?;
        if identity.n_partitions != config.partitions {
            tracing::info!(
                n_partitions = identity.n_partitions,
                configured = config.partitions,
                "the number of partitions was fixed when the cluster was founded"
            );
        }
        let catalog = Arc::new(compile_catalog(&metadata.current())?);
        Ok(Self {
            folder,
            consensus,
            metadata,
            identity,
            node,
            catalog,
            log,
            own_side,
            proposal_us: Arc::new(Histogram::new(DURATION_BOUNDS_US)),
            clock: Arc::default(),
        })
    }
}

/// Starts the metadata group and finds this node's place in the cluster.
async fn enter(
    (config, folder): (&Config, &DataFolder),
    own_side: &Arc<OwnSide>,
    listening: Listening,
) -> Result<(MetadataHandle, ClusterIdentity, NodeId), NodeError> {
    let state = folder.state();
    let peers = listening.peers.as_ref().map(TcpListener::local_addr);
    let peers = peers.transpose().map_err(NodeError::LocalAddress)?;
    let own = membership::own_identity(&state).map_err(|fault| NodeError::Identity {
        folder: folder.path().join("state"),
        fault,
    })?;
    let mut entrance = Entrance {
        config,
        state,
        directory: Arc::clone(&own_side.directory),
        place: membership::own_place(config, listening.api, peers),
        own,
    };
    // A node that was let in is called by the leader at once.
    if let Some(listener) = listening.peers {
        members::serve(Arc::clone(own_side), listener);
    }
    let (replica, start) = entrance.enter().await?;
    let consensus = own_side.consensus.as_ref();
    let metadata = MetadataHandle::start(consensus, (replica, start), folder.state()).await?;
    own_side.directory.follow(metadata.watch());
    own_side.metadata.get_or_init(|| metadata.clone());
    let (identity, member) = entrance.settle(&metadata, start).await?;
    own_side.node.get_or_init(|| member.node);
    Ok((metadata, identity, member.node))
}

/// Opens the partitions whose replicas the table places on this node; those that it places there later are opened by
/// whoever follows it.
pub(crate) async fn open_placed(
    partitions: &LocalPartitions,
    foundation: &Foundation,
) -> Result<(), NodeError> {
    let metadata = foundation.metadata.current();
    for (partition, placed) in metadata.table().replicas_of(foundation.node) {
        let start = reconciler::start_of(placed.replica);
        partitions.open(partition, placed.replica, start).await?;
    }
    Ok(())
}

/// The partitions of this node that nobody else has: they lead as soon as they have replayed.
fn sole(partitions: &LocalPartitions, foundation: &Foundation) -> Vec<Arc<LocalPartition>> {
    let metadata = foundation.metadata.current();
    let is_sole = |local: &&Arc<LocalPartition>| {
        let placement = metadata.placement(local.id());
        placement.is_some_and(|placement| placement.replicas.len() == 1)
    };
    partitions.all().values().filter(is_sole).cloned().collect()
}

/// Waits until every partition that is here alone can prove that it leads, after replaying what a restart left to replay.
/// Others have a leader elsewhere, or get one while this node serves already; one that has stopped never leads, says why
/// (its callers hear it, and so does `/readyz`), and keeps nobody else waiting.
pub(crate) async fn wait_for_leaders(
    partitions: &LocalPartitions,
    foundation: &Foundation,
) -> Result<(), NodeError> {
    let deadline = monotonic_now() + LEADERS_WAIT_MAX;
    for local in sole(partitions, foundation) {
        while let Err(refusal) = local.handle.prove_leadership().await {
            if local.handle.stopped().is_some() {
                break;
            }
            if monotonic_now() > deadline {
                return Err(NodeError::NoLeader {
                    partition: local.id(),
                    waited: LEADERS_WAIT_MAX,
                    reason: refusal.to_string(),
                });
            }
            tokio::time::sleep(LEADERS_LOOK_INTERVAL).await;
        }
    }
    Ok(())
}

/// Checks that no row reflects an entry that the log does not have: everything in the log is applied by now, so rows
/// beyond it mean that entries which were durable once are gone.
pub(crate) fn check_rows_against_log(
    partitions: &LocalPartitions,
    foundation: &Foundation,
) -> Result<(), NodeError> {
    for local in sole(partitions, foundation) {
        let replica = local.replica.lock();
        let (rows_through, applied) = (replica.rows_through(), replica.applied());
        if rows_through > applied {
            let partition = local.id();
            return Err(NodeError::StateAheadOfLog {
                partition,
                rows_through,
                applied,
            });
        }
    }
    Ok(())
}
