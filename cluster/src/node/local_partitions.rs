//! The partitions that this node runs, as a set that changes: opened and retired while everything else goes on.
//!
//! ```text
//!   open(partition, replica) ─► Replica ─► group ─► PartitionHandle ─┬─► HostedPartitions (API, connectors)
//!   retire(partition)  ◄── the table names another node              └─► all(): upkeep, observer, metrics
//! ```

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use journey_consensus::{Consensus, GroupHandle, GroupId, GroupOptions, GroupStart, ReplicaId};
use journey_partition::{
    Applier, Decide, DeliverySettings, MemoryBounds, PartitionHandle, PartitionOptions, Replica,
    ReplicaOptions, SharedReplica, partition_tree, remove_partition,
};
use journey_server::HostedPartitions;
use journey_storage::{Engine, limits::STATE_VALUE_SIZE_BYTES_MAX};
use journey_types::{ClusterKey, Histogram, PartitionId, TimeSpan};
use parking_lot::Mutex;
use rand::Rng as _;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::metric_names::PARTITION_FIGURES;
use crate::node::cluster_clock::ClusterClock;
use crate::node::connectors;
use crate::node::error::NodeError;
use crate::node::journal::GroupJournal;
use crate::node::machine::PartitionMachine;
use crate::node::parts::{Failed, Foundation};
use crate::node::probe::PartitionProbe;

/// Customers hosted by one partition's actor; their state is shared with the replica's cache.
const HOSTED_CUSTOMERS_MAX: usize = 8_192;
/// Of the memory for customers, one part in so many is for those with work in hand or just done with it.
const HOSTED_PART_OF_CUSTOMERS: usize = 6;
/// Customers read from disk in a second, all partitions together: a read takes about 20 µs, so this is one core's
/// worth. After a restart clients, timers and offers want everybody at once.
const COLD_LOADS_PER_SECOND_MAX: u32 = 48_000;
/// A forward step of the clock above this holds the timers until an operator accepts it: DESIGN section 5.
const CLOCK_STEP_MAX: TimeSpan = TimeSpan::from_hours(24);

/// One partition of this node.
#[derive(Debug)]
pub(crate) struct LocalPartition {
    pub(crate) handle: PartitionHandle,
    pub(crate) replica: SharedReplica,
    pub(crate) group: GroupHandle,
    pub(crate) probe: PartitionProbe,
    retired: CancellationToken,
}

impl LocalPartition {
    pub(crate) fn id(&self) -> PartitionId {
        self.handle.partition()
    }

    /// Whether this replica alone decides in its group.
    pub(crate) fn is_only_voter(&self) -> bool {
        let voters = self.group.membership().voters;
        voters.len() == 1 && voters.contains(&self.group.replica())
    }

    /// Whether it was taken out of the set.
    pub(crate) fn is_retired(&self) -> bool {
        self.retired.is_cancelled()
    }
}

/// The partitions of this node at one moment, by id.
pub(crate) type Locals = Arc<BTreeMap<PartitionId, Arc<LocalPartition>>>;

/// The changing set.
pub(crate) struct LocalPartitions {
    opening: Opening,
    hosted: HostedPartitions,
    current: ArcSwap<BTreeMap<PartitionId, Arc<LocalPartition>>>,
    /// One change at a time.
    changing: tokio::sync::Mutex<()>,
    /// Counters of partitions that were retired: what is exported never goes back.
    retired_figures: Mutex<[u64; PARTITION_FIGURES.len()]>,
    /// Raised each time a partition is opened or retired, or has another leader.
    leaders: watch::Sender<u64>,
}

impl fmt::Debug for LocalPartitions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "LocalPartitions({})", self.current.load().len())
    }
}

/// What a partition is opened with.
struct Opening {
    consensus: Arc<Consensus>,
    engine: Arc<dyn Engine>,
    cluster_key: ClusterKey,
    proposal_us: Arc<Histogram>,
    memory: MemoryShare,
    clock: Arc<ClusterClock>,
    requests_max: usize,
    delivery: DeliverySettings,
    decide: Decide,
    tasks: TaskTracker,
    failed: Failed,
}

impl LocalPartitions {
    /// An empty set.
    pub(crate) fn new(
        config: &Config,
        foundation: &Foundation,
        (tasks, failed): (&TaskTracker, &Failed),
        decide: Decide,
    ) -> Result<Self, NodeError> {
        let opening = Opening {
            consensus: Arc::clone(&foundation.consensus),
            engine: foundation.folder.state(),
            cluster_key: foundation.identity.key,
            proposal_us: Arc::clone(&foundation.proposal_us),
            memory: MemoryShare::of(config, foundation.identity.n_partitions),
            clock: Arc::clone(&foundation.clock),
            requests_max: config.limits.requests_per_partition as usize,
            delivery: connectors::delivery_settings(config)?,
            decide,
            tasks: tasks.clone(),
            failed: failed.clone(),
        };
        Ok(Self {
            opening,
            hosted: HostedPartitions::new(Arc::clone(&foundation.catalog)),
            current: ArcSwap::default(),
            changing: tokio::sync::Mutex::new(()),
            retired_figures: Mutex::new([0; PARTITION_FIGURES.len()]),
            leaders: watch::Sender::new(0),
        })
    }

    /// The same set as the API sees it.
    pub(crate) const fn hosted(&self) -> &HostedPartitions {
        &self.hosted
    }

    /// Changes each time the set or the leader of a partition does.
    pub(crate) fn watch_leaders(&self) -> watch::Receiver<u64> {
        self.leaders.subscribe()
    }

    /// All of them.
    pub(crate) fn all(&self) -> Locals {
        self.current.load_full()
    }

    /// The replicas of all of them.
    pub(crate) fn replicas(&self) -> Vec<SharedReplica> {
        let all = self.current.load();
        all.values()
            .map(|local| Arc::clone(&local.replica))
            .collect()
    }

    /// The partitions' counters, each summed over all that run and ever ran here.
    pub(crate) fn figures(&self) -> [u64; PARTITION_FIGURES.len()] {
        let mut sums = *self.retired_figures.lock();
        for local in self.current.load().values() {
            add_figures(&mut sums, local.probe.figures());
        }
        sums
    }

    /// Starts this node's replica of a partition: rows, group, actor, and a task that tells the actor who leads. Does
    /// nothing where it runs already.
    pub(crate) async fn open(
        &self,
        partition: PartitionId,
        replica: ReplicaId,
        start: GroupStart,
    ) -> Result<(), NodeError> {
        let _changing = self.changing.lock().await;
        if self.current.load().contains_key(&partition) {
            return Ok(());
        }
        let local = Arc::new(self.opening.start(partition, replica, start).await?);
        self.opening.tasks.spawn(follow_leadership(
            Arc::clone(&local),
            self.leaders.clone(),
            self.opening.failed.clone(),
        ));
        self.change(|all| {
            all.insert(partition, Arc::clone(&local));
        });
        self.hosted.add(local.handle.clone());
        Ok(())
    }

    /// Stops this node's replica of a partition, if one runs, and deletes its rows and its log: for a replica that its
    /// group and the table have let go of. Safe to repeat; a crash half way leaves a log that says whose it was.
    pub(crate) async fn erase(&self, partition: PartitionId) -> Result<(), NodeError> {
        let _changing = self.changing.lock().await;
        if let Some(local) = self.all().get(&partition).cloned() {
            self.retire(partition, &local).await;
        }
        let consensus = &self.opening.consensus;
        consensus.stop_group(GroupId::of_partition(partition)).await;
        // Rows before the log: state without its log would not be told from a log that was lost.
        let engine = Arc::clone(&self.opening.engine);
        let removed =
            tokio::task::spawn_blocking(move || remove_partition(engine.as_ref(), partition));
        removed
            .await
            .map_err(|error| NodeError::Task(error.to_string()))??;
        consensus
            .erase_group(GroupId::of_partition(partition))
            .await?;
        tracing::info!(partition_id = partition.get(), "partition's replica erased");
        Ok(())
    }

    async fn retire(&self, partition: PartitionId, local: &LocalPartition) {
        local.retired.cancel();
        self.hosted.remove(partition);
        self.change(|all| {
            all.remove(&partition);
        });
        add_figures(&mut self.retired_figures.lock(), local.probe.figures());
        local.handle.stop().await;
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<PartitionId, Arc<LocalPartition>>)) {
        let mut all = BTreeMap::clone(&self.current.load());
        change(&mut all);
        self.current.store(Arc::new(all));
        raise(&self.leaders);
    }
}

fn add_figures(sums: &mut [u64; PARTITION_FIGURES.len()], figures: [u64; PARTITION_FIGURES.len()]) {
    for (sum, figure) in sums.iter_mut().zip(figures) {
        *sum += figure;
    }
}

impl Opening {
    async fn start(
        &self,
        partition: PartitionId,
        replica_id: ReplicaId,
        start: GroupStart,
    ) -> Result<LocalPartition, NodeError> {
        let replica = self.open_replica(partition)?;
        let (applier, applied) = Applier::new(Arc::clone(&replica));
        let machine = Box::new(PartitionMachine::new(applier));
        let group = GroupId::of_partition(partition);
        let options = GroupOptions {
            start,
            ..GroupOptions::default()
        };
        let group = self
            .consensus
            .start_group_with((group, replica_id), options, machine)
            .await?;
        let opener_seed = rand::rng().random();
        let journal = GroupJournal::new(group.clone(), Arc::clone(&self.proposal_us));
        let handle = PartitionHandle::start(PartitionOptions {
            partition,
            cluster_key: self.cluster_key,
            journal: Arc::new(journal),
            replica: Arc::clone(&replica),
            applied,
            clock: Arc::clone(&self.clock) as Arc<_>,
            runtime: tokio::runtime::Handle::current(),
            hosted_customers_max: HOSTED_CUSTOMERS_MAX,
            memory: MemoryBounds {
                hosted_size_bytes_max: self.memory.hosted_size_bytes,
                cold_loads_per_second_max: Some(self.memory.cold_loads_per_second),
            },
            requests_max: self.requests_max,
            opener_seed,
            clock_step_max: Some(CLOCK_STEP_MAX),
            delivery: self.delivery.clone(),
            decide: self.decide,
        })
        .await?;
        Ok(LocalPartition {
            handle,
            replica,
            group,
            probe: PartitionProbe::default(),
            retired: CancellationToken::new(),
        })
    }

    fn open_replica(&self, partition: PartitionId) -> Result<SharedReplica, NodeError> {
        let engine = Arc::clone(&self.engine);
        let tree = partition_tree(engine.as_ref(), partition)?;
        let replica = Replica::open(ReplicaOptions {
            partition,
            cluster_key: self.cluster_key,
            engine,
            tree,
            row_size_bytes_max: STATE_VALUE_SIZE_BYTES_MAX,
            customers_size_bytes_max: self.memory.replica_size_bytes,
        })?;
        Ok(Arc::new(Mutex::new(replica)))
    }
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

fn raise(leaders: &watch::Sender<u64>) {
    leaders.send_modify(|n_changes| *n_changes += 1);
}

/// Tells the partition each time its replica begins or ceases to lead; a group of one voter that stops for
/// good ends the node, visibly, rather than leave a partition that nobody serves.
async fn follow_leadership(
    local: Arc<LocalPartition>,
    leaders: watch::Sender<u64>,
    failed: Failed,
) {
    let mut leadership = local.group.leadership();
    let mut leads = false;
    let mut leader = None;
    loop {
        let seen = leadership.borrow_and_update().clone();
        if local.is_retired() {
            return;
        }
        if let Some(reason) = seen.stopped {
            let group = format!("partition {}", local.id());
            // The replica's own words say what it was; those of the group only that it was the replica.
            let own = local.replica.lock().stopped().map(str::to_owned);
            let reason = own.unwrap_or_else(|| reason.to_string());
            tracing::debug!(group, reason, "group stopped");
            local.handle.set_leads(false);
            raise(&leaders);
            if !local.is_only_voter() {
                // Others serve it; this replica's health tells of it.
                tracing::error!(group, reason, "partition's replica stopped on this node");
                return;
            }
            failed.send_replace(Some(Arc::new(NodeError::GroupStopped { group, reason })));
            return;
        }
        if seen.is_leader != leads {
            leads = seen.is_leader;
            local.handle.set_leads(leads);
        }
        if seen.leader != leader {
            leader = seen.leader;
            raise(&leaders);
        }
        if leadership.changed().await.is_err() {
            return;
        }
    }
}
