//! The parts of a node in the order in which they start.

use std::sync::Arc;
use std::time::Duration;

use journey_consensus::{
    ClusterIdentity, Consensus, ConsensusOptions, GroupHandle, GroupId, LogStorage, MetadataHandle,
    ReplicaId,
};
use journey_model::Catalog;
use journey_partition::{
    Applier, Clock as _, Decide, MemoryBounds, PartitionHandle, PartitionOptions, Replica,
    ReplicaOptions, SharedReplica, partition_tree,
};
use journey_server::compile_catalog;
use journey_storage::{DataFolder, DataFolderOptions, limits::STATE_VALUE_SIZE_BYTES_MAX};
use journey_types::{
    ClusterKey, DURATION_BOUNDS_US, EffectOrigin, Histogram, Incarnation, PartitionId, TimeSpan,
};
use parking_lot::Mutex;
use rand::Rng as _;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::clock::{SystemClock, monotonic_now};
use crate::config::Config;
use crate::node::connectors;
use crate::node::error::NodeError;
use crate::node::journal::GroupJournal;
use crate::node::machine::PartitionMachine;
use crate::seams::Seams;

/// The first replica of every group, on the node that founds the cluster; later ones get fresh ids from the metadata
/// group's log, which are above it.
const FIRST_REPLICA: ReplicaId = ReplicaId::new(1);
/// Threads of consensus: 2 serve 16 groups.
const CONSENSUS_THREADS: usize = 2;
/// Customers hosted by one partition's actor; their state is shared with the replica's cache.
const HOSTED_CUSTOMERS_MAX: usize = 8_192;
/// Of the memory for customers, one part in so many is for those with work in hand or just done with it.
const HOSTED_PART_OF_CUSTOMERS: usize = 4;
/// Customers read from disk in a second, all partitions together: a read takes about 20 µs, so this is one core's
/// worth. After a restart clients, timers and offers want everybody at once.
const COLD_LOADS_PER_SECOND_MAX: u32 = 48_000;
/// A forward step of the clock above this holds the timers until an operator accepts it: DESIGN section 5.
const CLOCK_STEP_MAX: TimeSpan = TimeSpan::from_hours(24);

/// How long the start waits for every partition to lead: a long replay after a crash included.
const LEADERS_WAIT_MAX: Duration = Duration::from_secs(300);
/// Pause between two looks.
const LEADERS_LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// A failure that ends the node, told once.
pub(crate) type Failed = watch::Sender<Option<Arc<NodeError>>>;

/// What partitions stand on.
pub(crate) struct Foundation {
    pub(crate) folder: DataFolder,
    pub(crate) consensus: Consensus,
    pub(crate) metadata: MetadataHandle,
    pub(crate) identity: ClusterIdentity,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) log: LogStorage,
    pub(crate) proposal_us: Arc<Histogram>,
}

impl Foundation {
    /// Opens the data folder, starts consensus and the metadata group, founds the cluster if there is none.
    pub(crate) async fn lay(config: &Config, seams: &Seams) -> Result<Self, NodeError> {
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
        let consensus = Consensus::start(&options, log.clone())?;
        let metadata = MetadataHandle::start(&consensus, FIRST_REPLICA, folder.state()).await?;
        let identity = metadata
            .bootstrap_if_empty(new_identity(config.partitions))
            .await?;
        if identity.n_partitions != config.partitions {
            tracing::info!(
                n_partitions = identity.n_partitions,
                configured = config.partitions,
                "the number of partitions was fixed when the cluster was founded"
            );
        }
        let catalog = Arc::new(compile_catalog(&*metadata.latest().await?)?);
        Ok(Self {
            folder,
            consensus,
            metadata,
            identity,
            catalog,
            log,
            proposal_us: Arc::new(Histogram::new(DURATION_BOUNDS_US)),
        })
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

/// The partitions of this node.
pub(crate) struct Started {
    pub(crate) partitions: Vec<PartitionHandle>,
    pub(crate) replicas: Vec<SharedReplica>,
    pub(crate) groups: Vec<GroupHandle>,
}

/// Starts every partition: replica, group, actor, and a task that tells the actor who leads.
pub(crate) async fn start_partitions(
    config: &Config,
    foundation: &Foundation,
    (tasks, failed): (&TaskTracker, &Failed),
    decide: Decide,
) -> Result<Started, NodeError> {
    let mut started = Started {
        partitions: Vec::new(),
        replicas: Vec::new(),
        groups: Vec::new(),
    };
    let opener_seed = rand::rng().random();
    let delivery = connectors::delivery_settings(config)?;
    let memory = MemoryShare::of(config, foundation.identity.n_partitions);
    for number in 0..foundation.identity.n_partitions {
        let partition = PartitionId::new(number);
        let replica = open_replica(&memory, foundation, partition)?;
        let (applier, applied) = Applier::new(Arc::clone(&replica));
        let machine = Box::new(PartitionMachine::new(applier));
        let group = GroupId::of_partition(partition);
        let group = foundation
            .consensus
            .start_group(group, FIRST_REPLICA, machine)
            .await?;
        let handle = PartitionHandle::start(PartitionOptions {
            partition,
            cluster_key: foundation.identity.key,
            journal: Arc::new(GroupJournal::new(
                group.clone(),
                Arc::clone(&foundation.proposal_us),
            )),
            replica: Arc::clone(&replica),
            applied,
            clock: Arc::new(SystemClock),
            runtime: tokio::runtime::Handle::current(),
            hosted_customers_max: HOSTED_CUSTOMERS_MAX,
            memory: MemoryBounds {
                hosted_size_bytes_max: memory.hosted_size_bytes,
                cold_loads_per_second_max: Some(memory.cold_loads_per_second),
            },
            requests_max: config.limits.requests_per_partition as usize,
            opener_seed,
            clock_step_max: Some(CLOCK_STEP_MAX),
            delivery: delivery.clone(),
            decide,
        })
        .await?;
        handle.offer_catalog(Arc::clone(&foundation.catalog));
        tasks.spawn(follow_leadership(
            group.clone(),
            handle.clone(),
            Arc::clone(&replica),
            failed.clone(),
        ));
        started.partitions.push(handle);
        started.replicas.push(replica);
        started.groups.push(group);
    }
    Ok(started)
}

/// Waits until every partition can prove that it leads, after replaying what a restart left to replay.
pub(crate) async fn wait_for_leaders(partitions: &[PartitionHandle]) -> Result<(), NodeError> {
    let deadline = monotonic_now() + LEADERS_WAIT_MAX;
    for partition in partitions {
        while let Err(refusal) = partition.prove_leadership().await {
            if monotonic_now() > deadline {
                return Err(NodeError::NoLeader {
                    partition: partition.partition(),
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
pub(crate) fn check_rows_against_log(replicas: &[SharedReplica]) -> Result<(), NodeError> {
    for (number, replica) in (0..).zip(replicas) {
        let replica = replica.lock();
        let (rows_through, applied) = (replica.rows_through(), replica.applied());
        if rows_through > applied {
            let partition = PartitionId::new(number);
            return Err(NodeError::StateAheadOfLog {
                partition,
                rows_through,
                applied,
            });
        }
    }
    Ok(())
}

/// What one partition may take of the node's memory for customers.
struct MemoryShare {
    /// Customers of the leader's side; most of them are the replica's own copies.
    hosted_size_bytes: usize,
    replica_size_bytes: usize,
    cold_loads_per_second: u32,
}

impl MemoryShare {
    fn of(config: &Config, n_partitions: u32) -> Self {
        let share = config.storage.customer_cache.get() / u64::from(n_partitions);
        let share = usize::try_from(share).unwrap_or(usize::MAX);
        let hosted_size_bytes = share / HOSTED_PART_OF_CUSTOMERS;
        Self {
            hosted_size_bytes,
            replica_size_bytes: share - hosted_size_bytes,
            cold_loads_per_second: (COLD_LOADS_PER_SECOND_MAX / n_partitions).max(1),
        }
    }
}

fn open_replica(
    memory: &MemoryShare,
    foundation: &Foundation,
    partition: PartitionId,
) -> Result<SharedReplica, NodeError> {
    let engine = foundation.folder.state();
    let tree = partition_tree(engine.as_ref(), partition)?;
    let replica = Replica::open(ReplicaOptions {
        partition,
        cluster_key: foundation.identity.key,
        engine,
        tree,
        row_size_bytes_max: STATE_VALUE_SIZE_BYTES_MAX,
        customers_size_bytes_max: memory.replica_size_bytes,
    })?;
    Ok(Arc::new(Mutex::new(replica)))
}

/// Tells the partition each time its replica begins or ceases to lead; a group that stops for good ends the node,
/// visibly, rather than leave a partition that nobody serves.
async fn follow_leadership(
    group: GroupHandle,
    partition: PartitionHandle,
    replica: SharedReplica,
    failed: Failed,
) {
    let mut leadership = group.leadership();
    let mut leads = false;
    loop {
        let seen = leadership.borrow_and_update().clone();
        if let Some(reason) = seen.stopped {
            let group = format!("partition {}", partition.partition());
            // The replica's own words say what it was; those of the group only that it was the replica.
            let own = replica.lock().stopped().map(str::to_owned);
            let reason = own.unwrap_or_else(|| reason.to_string());
            tracing::debug!(group, reason, "group stopped");
            failed.send_replace(Some(Arc::new(NodeError::GroupStopped { group, reason })));
            return;
        }
        if seen.is_leader != leads {
            leads = seen.is_leader;
            partition.set_leads(leads);
        }
        if leadership.changed().await.is_err() {
            return;
        }
    }
}
