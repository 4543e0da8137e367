//! What goes on behind the traffic: checkpoints of every replica, purges of every log.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use journey_consensus::GroupHandle;
use journey_partition::{CheckpointProgress, Checkpointer, MemoryPressure, SharedReplica};
use tokio::task::JoinHandle;

use crate::clock::monotonic_now;
use crate::config::Config;
use crate::node::disk::DiskLevel;
use crate::node::error::NodeError;
use crate::node::health::Health;
use crate::node::local_partitions::{LocalPartition, LocalPartitions};
use crate::node::observer::UpkeepPulse;
use crate::node::parts::Failed;

/// Pause between two rounds over all partitions: a customer that changes all the time is written once a round, not
/// once an event, and a restart replays about this much of the log.
const ROUND_PAUSE: Duration = Duration::from_secs(5);
/// How often a pause looks whether memory presses.
const PRESSURE_LOOK: Duration = Duration::from_millis(100);
/// A calm round rests so many times as long as it writes: leaves disk and processor to the traffic, and lets what
/// changes often change once more before it is written.
const REST_PER_WORK: u32 = 2;
/// The shortest rest.
const REST_MIN: Duration = Duration::from_millis(1);

/// Partitions that are written at a time while memory presses: one writer alone is slower than what changes them, and
/// whoever proposes waits for it.
const PRESSED_WRITERS_MAX: usize = 2;
/// Partitions that are written at a time when the node stops: the database takes turns with what comes from more.
const STOP_WRITERS_MAX: usize = 4;

/// The same while the disk is low: what can be purged is purged soon.
const ROUND_PAUSE_LOW: Duration = Duration::from_secs(1);
/// While the disk is low a log is purged at this part of its size.
const LOW_PURGE_DIVISOR: u64 = 8;

/// Who watches the rounds, and what they look at.
pub(crate) struct UpkeepWatch {
    pub(crate) pulse: Arc<UpkeepPulse>,
    pub(crate) health: Arc<Health>,
}

/// What the rounds go over: a set that changes, and the metadata group.
pub(crate) struct Kept {
    pub(crate) partitions: Arc<LocalPartitions>,
    pub(crate) metadata: GroupHandle,
}

impl Kept {
    pub(crate) fn new(partitions: &Arc<LocalPartitions>, metadata: &GroupHandle) -> Self {
        Self {
            partitions: Arc::clone(partitions),
            metadata: metadata.clone(),
        }
    }
}

/// Starts the rounds.
pub(crate) fn spawn(
    config: &Config,
    kept: Kept,
    failed: Failed,
    watch: UpkeepWatch,
) -> JoinHandle<()> {
    let log_bytes_max = config.storage.log_bytes_max.get();
    tokio::spawn(async move {
        loop {
            let is_low = watch.health.disk().level > DiskLevel::Ok;
            let rest = if is_low { ROUND_PAUSE_LOW } else { ROUND_PAUSE };
            let bytes_max = if is_low {
                log_bytes_max / LOW_PURGE_DIVISOR
            } else {
                log_bytes_max
            };
            pause(&kept.partitions, rest).await;
            if let Err(error) = round(&kept, bytes_max, &watch.pulse).await {
                tracing::error!(%error, "checkpoint or purge failed");
                failed.send_replace(Some(Arc::new(error)));
                return;
            }
        }
    })
}

async fn round(kept: &Kept, log_bytes_max: u64, pulse: &UpkeepPulse) -> Result<(), NodeError> {
    let partitions = kept.partitions.all();
    // In turn, so that no partition's memory fills while another one's round goes on.
    let mut unfinished: Vec<&Arc<LocalPartition>> = partitions.values().collect();
    while !unfinished.is_empty() {
        let mut still_unfinished = Vec::with_capacity(unfinished.len());
        let mut next = unfinished.as_slice();
        while !next.is_empty() {
            let n_writers = if presses(&kept.partitions) {
                PRESSED_WRITERS_MAX
            } else {
                1
            };
            let (now, later) = next.split_at(n_writers.min(next.len()));
            next = later;
            let from = monotonic_now();
            pulse.is_busy.store(true, Ordering::Release);
            let steps = futures::future::join_all(now.iter().map(|local| step(local))).await;
            pulse.is_busy.store(false, Ordering::Release);
            pulse.n_steps.fetch_add(1, Ordering::Release);
            let worked = monotonic_now() - from;
            for (local, step) in now.iter().zip(steps) {
                if let CheckpointProgress::Written { .. } = step? {
                    still_unfinished.push(*local);
                }
            }
            if !presses(&kept.partitions) {
                tokio::time::sleep((worked * REST_PER_WORK).max(REST_MIN)).await;
            }
        }
        unfinished = still_unfinished;
    }
    for local in partitions.values().filter(|local| !local.is_retired()) {
        let purged = local.group.purge_if_above(log_bytes_max).await;
        // Retired meanwhile: nobody needs its log.
        if !local.is_retired() {
            purged?;
        }
    }
    kept.metadata.purge_if_above(log_bytes_max).await?;
    Ok(())
}

/// Writes some customers of one partition.
async fn step(local: &Arc<LocalPartition>) -> Result<CheckpointProgress, NodeError> {
    if local.is_retired() {
        return Ok(CheckpointProgress::Idle);
    }
    let shared = Arc::clone(&local.replica);
    let step = tokio::task::spawn_blocking(move || Checkpointer.step(&shared)).await;
    let step = step.map_err(|error| NodeError::Task(error.to_string()))?;
    // Retired meanwhile: its rows are being deleted.
    if local.is_retired() {
        return Ok(CheckpointProgress::Idle);
    }
    Ok(step?)
}

/// Waits for the next round, which comes at once where memory presses.
async fn pause(partitions: &LocalPartitions, rest: Duration) {
    let until = monotonic_now() + rest;
    while monotonic_now() < until && !presses(partitions) {
        tokio::time::sleep(PRESSURE_LOOK).await;
    }
}

/// Whether some partition's customers are to be written without rest. One that is busy is asked the next time.
fn presses(partitions: &LocalPartitions) -> bool {
    let presses = |local: &Arc<LocalPartition>| {
        let replica = local.replica.try_lock();
        replica.is_some_and(|replica| replica.memory_pressure() > MemoryPressure::Low)
    };
    partitions.all().values().any(presses)
}

/// Writes everything, so that the next start has nothing to replay; several partitions at a time, since whoever stops
/// a node waits for it.
pub(crate) fn checkpoint_all(replicas: &[SharedReplica]) -> Result<(), NodeError> {
    let next = AtomicUsize::new(0);
    let write = || {
        // Which of them takes which replica does not matter.
        while let Some(replica) = replicas.get(next.fetch_add(1, Ordering::Relaxed)) {
            Checkpointer.run_to_floor(replica)?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let n_writers = STOP_WRITERS_MAX.min(replicas.len());
        let writers: Vec<_> = (0..n_writers).map(|_| scope.spawn(write)).collect();
        writers.into_iter().try_for_each(|writer| {
            writer
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    })
}
