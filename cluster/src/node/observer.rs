//! Looks at the node from a thread of its own, so that nothing that hangs elsewhere hangs what tells of it: disk,
//! progress, and the answers over HTTP.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;

use arc_swap::ArcSwapOption;
use journey_consensus::{GroupHandle, LogStorage};
use journey_partition::{Intake, PartitionHandle, PartitionStatus, ReplicaStats, Role};
use journey_server::Node;
use journey_types::Histogram;
use tokio::runtime::RuntimeMetrics;
use tokio::sync::oneshot;

use crate::clock::monotonic_now;
use crate::config::Config;
use crate::node::connectors::ConnectorReader;
use crate::node::disk::{DiskLevel, FolderProbe, LOOK_INTERVAL, SpaceProbe, Watermarks};
use crate::node::error::NodeError;
use crate::node::health::{DiskReport, Health};
use crate::node::http;
use crate::node::local_partitions::{LocalPartition, LocalPartitions};
use crate::node::probe::PartitionProbe;
use crate::node::progress::{CHECKPOINT_STANDSTILL_MAX, ProgressWatch, STANDSTILL_MAX, Sample};

/// What the checkpoints of a node tell of their progress.
#[derive(Debug, Default)]
pub(crate) struct UpkeepPulse {
    /// Steps done.
    pub(crate) n_steps: AtomicU64,
    /// Whether one is under way.
    pub(crate) is_busy: AtomicBool,
}

/// The parts of a running node that are looked at.
pub(crate) struct Watched {
    pub(crate) node: Arc<Node>,
    pub(crate) partitions: Arc<LocalPartitions>,
    pub(crate) metadata: GroupHandle,
    pub(crate) log: LogStorage,
    pub(crate) proposal_us: Arc<Histogram>,
    pub(crate) upkeep: Arc<UpkeepPulse>,
    pub(crate) connectors: ConnectorReader,
    /// Of the runtime that everything but appliers, log and checkpoints runs on.
    pub(crate) runtime: RuntimeMetrics,
}

impl Watched {
    /// The latest that each partition said of itself.
    pub(crate) fn statuses(&self) -> Vec<PartitionStatus> {
        let all = self.partitions.all();
        all.values()
            .filter_map(|local| local.probe.latest())
            .collect()
    }

    /// The latest figures of each replica.
    pub(crate) fn replicas(&self) -> Vec<ReplicaStats> {
        let all = self.partitions.all();
        all.values()
            .filter_map(|local| local.probe.replica())
            .collect()
    }
}

/// The thread. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Observer {
    shared: Arc<Observed>,
    address: Option<SocketAddr>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread and those who ask share.
pub(crate) struct Observed {
    pub(crate) health: Arc<Health>,
    watched: ArcSwapOption<Watched>,
}

impl std::fmt::Debug for Observed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Observed")
    }
}

impl Observed {
    /// The node, once it has started.
    pub(crate) fn watched(&self) -> Option<Arc<Watched>> {
        self.watched.load_full()
    }
}

impl Observer {
    /// Starts the thread; before the node runs it answers that it is starting.
    pub(crate) fn spawn(config: &Config, health: Arc<Health>) -> Result<Self, NodeError> {
        let listener = config.http_listen.address().map(http::bind).transpose()?;
        let address = listener.as_ref().map(TcpListener::local_addr).transpose();
        let address = address.map_err(NodeError::LocalAddress)?;
        let shared = Arc::new(Observed {
            health,
            watched: ArcSwapOption::empty(),
        });
        let mut rounds = Rounds {
            observed: Arc::clone(&shared),
            probe: Box::new(FolderProbe::new(&config.data_dir, &config.disk)),
            watermarks: Watermarks::new(&config.disk),
            level: DiskLevel::Ok,
            progress: ProgressWatch::default(),
            n_looks: 0,
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| NodeError::Task(format!("the observer's runtime: {error}")))?;
        let (stop, stopped) = oneshot::channel::<()>();
        let served = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("observer".to_owned())
            .spawn(move || {
                runtime.block_on(async move {
                    tokio::select! {
                        biased;
                        _ = stopped => {}
                        () = http::serve(listener, served) => {}
                        () = rounds.run() => {}
                    }
                });
            })
            .map_err(|error| NodeError::Task(format!("the observer's thread: {error}")))?;
        Ok(Self {
            shared,
            address,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where health and metrics are answered.
    pub(crate) const fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// From now on these parts are looked at.
    pub(crate) fn watch(&self, watched: Watched) {
        self.shared.watched.store(Some(Arc::new(watched)));
    }

    /// Looks no more at parts that are being stopped.
    pub(crate) fn watch_nothing(&self) {
        self.shared.watched.store(None);
    }
}

impl Drop for Observer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the observer ended by a panic");
        }
    }
}

/// The rounds of looks.
struct Rounds {
    observed: Arc<Observed>,
    probe: Box<dyn SpaceProbe>,
    watermarks: Watermarks,
    level: DiskLevel,
    progress: ProgressWatch,
    n_looks: u64,
}

/// Every so many looks are thorough: once in two seconds.
const LOOKS_PER_THOROUGH_ONE: u64 = 4;

impl Rounds {
    async fn run(&mut self) {
        let mut ticks = tokio::time::interval(LOOK_INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let watched = self.observed.watched();
            self.look_at_disk(watched.as_deref());
            if let Some(watched) = watched {
                self.look_at_progress(&watched);
            }
        }
    }

    fn look_at_disk(&mut self, watched: Option<&Watched>) {
        let space = match self.probe.measure() {
            Ok(space) => space,
            // The folder is made when the node starts; a disk that cannot be measured says so by its writes.
            Err(error) => {
                tracing::debug!(%error, "the disk was not measured");
                return;
            }
        };
        let level = self.watermarks.level(self.level, &space);
        if level != self.level {
            tell_level(level, space.free_bytes);
            self.level = level;
        }
        let partitions = watched.map(|watched| watched.partitions.all());
        for local in partitions.iter().flat_map(|all| all.values()) {
            if local.handle.intake() != level.intake() {
                local.handle.set_intake(level.intake());
            }
        }
        self.observed.health.set_disk(DiskReport { level, space });
    }

    fn look_at_progress(&mut self, watched: &Watched) {
        let is_thorough = self.n_looks.is_multiple_of(LOOKS_PER_THOROUGH_ONE);
        self.n_looks += 1;
        let mut samples = vec![log_sample(&watched.log), upkeep_sample(&watched.upkeep)];
        let mut stopped = Vec::new();
        for local in watched.partitions.all().values() {
            let name = format!("partition {}", local.id());
            ask(local, is_thorough);
            samples.extend(group_samples(&name, &local.group));
            samples.extend(actor_samples(&name, &local.handle, &local.probe));
            if let Some(reason) = local.handle.stopped_if_free() {
                stopped.push(format!("{name} stopped: {reason}"));
            }
        }
        samples.extend(group_samples("the metadata group", &watched.metadata));
        let wedges = self.progress.look(monotonic_now(), samples);
        self.observed.health.set_progress(wedges, stopped);
    }
}

fn tell_level(level: DiskLevel, free_bytes: u64) {
    let free_mib = free_bytes >> 20;
    match level {
        DiskLevel::Ok => tracing::info!(free_mib, "the disk has room again"),
        DiskLevel::Low => tracing::warn!(free_mib, "the disk is low: logs are purged earlier"),
        DiskLevel::High => tracing::error!(
            free_mib,
            "the disk is nearly full: new events and publishes are refused"
        ),
        DiskLevel::Critical => tracing::error!(
            free_mib,
            "the disk is critically full: nothing is written but checkpoints"
        ),
    }
}

/// Asks a partition for its status, unless an earlier question is still open; a thorough look also for what costs more.
fn ask(local: &Arc<LocalPartition>, is_thorough: bool) {
    if let Some(stats) = local.handle.replica_stats_if_free() {
        local.probe.set_replica(stats);
    }
    if is_thorough && let Some(instances) = local.handle.instances_if_free() {
        local.probe.set_instances(instances);
    }
    if local.probe.begin() {
        return;
    }
    let local = Arc::clone(local);
    tokio::spawn(async move {
        let status = local.handle.status().await.ok();
        let has_letters = status
            .as_ref()
            .is_some_and(|status| status.dead_letters.n > 0);
        if has_letters && is_thorough {
            look_at_dead_letters(Arc::clone(&local)).await;
        } else if !has_letters {
            local.probe.set_oldest_dead_letter(None);
        }
        local.probe.end(status);
    });
}

/// Finds the oldest dead letter. It reads rows, and this thread must not wait for a disk.
async fn look_at_dead_letters(local: Arc<LocalPartition>) {
    let found = tokio::task::spawn_blocking(move || {
        match local.handle.oldest_dead_letter() {
            Ok(since) => local.probe.set_oldest_dead_letter(since),
            // A failing disk stops the partition, which says so.
            Err(error) => tracing::debug!(%error, "the oldest dead letter was not found"),
        }
    });
    if let Err(error) = found.await {
        tracing::error!(%error, "looking for the oldest dead letter failed");
    }
}

fn sample(subject: String, position: u64, has_work: bool, reason: String) -> Sample {
    Sample {
        subject,
        position,
        has_work,
        reason,
        standstill_max: STANDSTILL_MAX,
    }
}

fn log_sample(log: &LogStorage) -> Sample {
    let metrics = log.metrics();
    let has_work = metrics.n_flushes_begun > metrics.n_flushes;
    let reason = "a flush of the log does not end".to_owned();
    sample(
        "log: flushing".to_owned(),
        metrics.n_flushes,
        has_work,
        reason,
    )
}

fn upkeep_sample(upkeep: &UpkeepPulse) -> Sample {
    let n_steps = upkeep.n_steps.load(Ordering::Acquire);
    let is_busy = upkeep.is_busy.load(Ordering::Acquire);
    let reason = "a step of a checkpoint does not end".to_owned();
    Sample {
        standstill_max: CHECKPOINT_STANDSTILL_MAX,
        ..sample("checkpoints".to_owned(), n_steps, is_busy, reason)
    }
}

fn group_samples(name: &str, group: &GroupHandle) -> [Sample; 3] {
    let metrics = group.metrics();
    let (last, durable, applied) = (
        metrics.last_index,
        metrics.durable_index,
        metrics.applied_index,
    );
    let leadership = group.leadership().borrow().clone();
    let has_leader = leadership.leader.is_some() || leadership.stopped.is_some();
    [
        sample(
            format!("{name}: log"),
            durable,
            last > durable,
            format!("its log is durable up to entry {durable} and has {last}"),
        ),
        sample(
            format!("{name}: applying"),
            applied,
            durable > applied,
            format!("entry {applied} is the last applied and its log has {durable}"),
        ),
        sample(
            format!("{name}: leader"),
            metrics.term,
            !has_leader,
            "it has no leader".to_owned(),
        ),
    ]
}

fn actor_samples(name: &str, partition: &PartitionHandle, probe: &PartitionProbe) -> Vec<Sample> {
    let mut samples = vec![sample(
        format!("{name}: actor"),
        partition.n_handled(),
        probe.is_asked(),
        "its actor does not answer".to_owned(),
    )];
    let Some(status) = probe.latest() else {
        return samples;
    };
    // Without a session while nothing may be written: the disk is the reason, and is told as such.
    if partition.intake() == Intake::Nothing {
        return samples;
    }
    let counters = &status.counters;
    let without_session = match &status.role {
        Role::Waiting { reason } => Some(reason.clone()),
        Role::Opening => Some("its session is on the way into the journal".to_owned()),
        Role::Follower | Role::Leading { .. } | Role::Stopped { .. } => None,
    };
    samples.push(sample(
        format!("{name}: session"),
        counters.n_sessions,
        without_session.is_some(),
        format!(
            "it leads but cannot decide: {}",
            without_session.unwrap_or_default()
        ),
    ));
    let waits = status.n_mailed + status.n_in_flight;
    samples.push(sample(
        format!("{name}: deciding"),
        counters.n_turns + counters.n_proposals + status.applied.get(),
        waits > 0,
        format!(
            "{} commands wait and {} entries are on their way",
            status.n_mailed, status.n_in_flight
        ),
    ));
    samples
}
