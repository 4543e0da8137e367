//! The Raft logs and votes of all groups of this node: one tree, one commit thread, shared fsyncs.
//!
//! ```text
//!  group 1 ─ append, vote ─┐                        ┌─► IOFlushed of every waiting append
//!  group 2 ─ append ───────┼─► bounded queue ─► commit thread: inserts, one flush_durable
//!  group n ─ truncate ─────┘                        └─► durable index of every group
//! ```
//!
//! Writes of a group reach the disk in the order in which openraft made them; after a crash a prefix of all of them is
//! there. A failed write or flush stops the storage for good: what waits and what comes is answered with the failure.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

use journey_storage::{Engine, Tree};
use journey_types::{COUNT_BOUNDS, DURATION_BOUNDS_US, Histogram, HistogramCounts};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};

use crate::limits::COMMIT_QUEUE_WRITES_MAX;
use crate::{ConsensusError, GroupId, ReplicaId};

mod commit;
mod entry_rows;
mod erase;
mod group_log;
mod group_state;
mod keys;
mod open;
mod place;
mod raft_log;

use commit::{Done, LogWrite};
pub(crate) use group_log::GroupLog;
pub(crate) use place::LogPlace;
pub(crate) use raft_log::RaftLog;

/// Name of the tree that holds every group's log.
const TREE: &str = "raft";

/// The log database of one node. Cheap to clone; all clones are the same storage.
#[derive(Debug, Clone)]
pub struct LogStorage {
    inner: Arc<Inner>,
}

/// The log's tree until the storage is closed, so that handles that outlive it do not keep the database open.
type SharedTree = Arc<Mutex<Option<Arc<dyn Tree>>>>;

#[derive(Debug)]
struct Inner {
    /// Where the database lies.
    location: Arc<str>,
    tree: SharedTree,
    queue: mpsc::Sender<LogWrite>,
    counters: Arc<Counters>,
    failure: watch::Receiver<Option<Arc<str>>>,
    groups: Mutex<BTreeMap<GroupId, Weak<GroupLog>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the commit thread has done since the storage was opened.
#[derive(Debug)]
struct Counters {
    n_flushes_begun: AtomicU64,
    n_flushes: AtomicU64,
    n_writes: AtomicU64,
    flush_us: Histogram,
    batch_writes: Histogram,
}

impl Default for Counters {
    fn default() -> Self {
        Self {
            n_flushes_begun: AtomicU64::new(0),
            n_flushes: AtomicU64::new(0),
            n_writes: AtomicU64::new(0),
            flush_us: Histogram::new(DURATION_BOUNDS_US),
            batch_writes: Histogram::new(COUNT_BOUNDS),
        }
    }
}

/// Counts of the shared log, since it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogMetrics {
    /// Commits begun: one more than `n_flushes` while one is under way, or for good once the log has failed.
    pub n_flushes_begun: u64,
    /// Durable flushes, each shared by every group that had something waiting.
    pub n_flushes: u64,
    /// Appends, votes, truncations and purge marks written.
    pub n_writes: u64,
    /// Microseconds from the first write of a commit to its end, the flush included.
    pub flush_us: HistogramCounts,
    /// Writes that shared one flush.
    pub batch_writes: HistogramCounts,
}

impl LogStorage {
    /// Opens the logs in that database and starts the commit thread.
    ///
    /// # Errors
    /// The engine's own failure, or that the system gave no thread.
    pub fn open(engine: Arc<dyn Engine>) -> Result<Self, ConsensusError> {
        let storage_error = |attempt: &str| {
            let attempt = attempt.to_owned();
            move |source| ConsensusError::Storage { attempt, source }
        };
        let tree = engine
            .tree(TREE)
            .map_err(storage_error("opening its tree"))?;
        // What a killed process had written but not synced is readable now; from here on it also survives a power cut,
        // so that everything recovered counts as durable.
        engine
            .flush_durable()
            .map_err(storage_error("syncing what the last run left"))?;
        let location = Arc::from(engine.location());
        let (queue, writes) = mpsc::channel(COMMIT_QUEUE_WRITES_MAX);
        let (report_failure, failure) = watch::channel(None);
        let counters = Arc::new(Counters::default());
        let committer = commit::Committer {
            engine,
            tree: Arc::clone(&tree),
            writes,
            counters: Arc::clone(&counters),
            failure: report_failure,
        };
        let thread = std::thread::Builder::new()
            .name("log-commit".to_owned())
            .spawn(move || committer.run())
            .map_err(|error| ConsensusError::Spawn {
                what: "the log's commit thread".to_owned(),
                reason: error.to_string(),
            })?;
        Ok(Self {
            inner: Arc::new(Inner {
                location,
                tree: Arc::new(Mutex::new(Some(tree))),
                queue,
                counters,
                failure,
                groups: Mutex::new(BTreeMap::new()),
                thread: Mutex::new(Some(thread)),
            }),
        })
    }

    /// Why this storage takes no writes any more, if it has failed.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.inner
            .failure
            .borrow()
            .as_ref()
            .map(ToString::to_string)
    }

    /// Counts since the storage was opened.
    #[must_use]
    pub fn metrics(&self) -> LogMetrics {
        let counters = &self.inner.counters;
        LogMetrics {
            n_flushes_begun: counters.n_flushes_begun.load(Ordering::Relaxed),
            flush_us: counters.flush_us.counts(),
            batch_writes: counters.batch_writes.counts(),
            n_flushes: self.inner.counters.n_flushes.load(Ordering::Relaxed),
            n_writes: self.inner.counters.n_writes.load(Ordering::Relaxed),
        }
    }

    /// Ends the commit thread after everything queued so far is written, waits for it, and lets go of the database.
    /// Groups still running get a failure on their next write.
    ///
    /// # Cancel safety
    /// The thread ends also when this is dropped before it returns.
    pub async fn close(&self) {
        // A full queue is drained by the thread, an ended thread needs no word.
        if self.inner.queue.send(LogWrite::Close).await.is_err() {
            tracing::debug!("log was closed before");
        }
        let thread = self.inner.thread.lock().take();
        if let Some(thread) = thread {
            let joined = tokio::task::spawn_blocking(move || thread.join()).await;
            if !matches!(joined, Ok(Ok(()))) {
                tracing::error!("log commit thread did not end in order");
            }
        }
        *self.inner.tree.lock() = None;
    }

    pub(crate) fn watch_failure(&self) -> watch::Receiver<Option<Arc<str>>> {
        self.inner.failure.clone()
    }

    /// Opens one group's log, at most once at a time; begins it where there is none.
    pub(crate) async fn open_group(
        &self,
        group: GroupId,
        replica: ReplicaId,
    ) -> Result<Arc<GroupLog>, ConsensusError> {
        self.open_log(group, replica, false).await
    }

    /// As [`LogStorage::open_group`], but only where there is one.
    pub(crate) async fn reopen_group(
        &self,
        group: GroupId,
        replica: ReplicaId,
    ) -> Result<Arc<GroupLog>, ConsensusError> {
        self.open_log(group, replica, true).await
    }

    async fn open_log(
        &self,
        group: GroupId,
        replica: ReplicaId,
        must_exist: bool,
    ) -> Result<Arc<GroupLog>, ConsensusError> {
        if self.running(group) {
            return Err(ConsensusError::AlreadyRunning { group });
        }
        // A former run of this group in this process may have writes in the queue; read only after them.
        self.barrier().await?;
        let tree = self.inner.tree.lock().clone();
        let Some(tree) = tree else {
            let reason = "it is closed".to_owned();
            return Err(ConsensusError::LogFailed { reason });
        };
        let place = LogPlace {
            log: Arc::clone(&self.inner.location),
            group,
        };
        let own_place = place.clone();
        let recovered =
            tokio::task::spawn_blocking(move || open::recover(tree.as_ref(), &own_place, replica))
                .await
                .map_err(|error| place.damaged(0, error.to_string()))??;
        let is_new = recovered.is_new;
        if is_new && must_exist {
            return Err(ConsensusError::NothingToResume {
                log: place.log.to_string(),
                group,
                replica,
            });
        }
        let log = Arc::new(GroupLog::new(
            place,
            Arc::clone(&self.inner.tree),
            self.inner.queue.clone(),
            self.inner.failure.clone(),
            recovered,
        ));
        {
            let mut groups = self.inner.groups.lock();
            if groups.get(&group).is_some_and(|log| log.strong_count() > 0) {
                return Err(ConsensusError::AlreadyRunning { group });
            }
            groups.insert(group, Arc::downgrade(&log));
        }
        if is_new {
            log.write_owner(replica)
                .await
                .map_err(|error| ConsensusError::LogFailed {
                    reason: error.to_string(),
                })?;
        }
        Ok(log)
    }

    /// Lets the group be opened again; its last core has ended.
    pub(crate) fn release_group(&self, group: GroupId, log: &Arc<GroupLog>) {
        let mut groups = self.inner.groups.lock();
        let is_same = groups
            .get(&group)
            .is_some_and(|open| std::ptr::eq(open.as_ptr(), Arc::as_ptr(log)));
        if is_same {
            groups.remove(&group);
        }
    }

    fn running(&self, group: GroupId) -> bool {
        let groups = self.inner.groups.lock();
        groups.get(&group).is_some_and(|log| log.strong_count() > 0)
    }

    async fn barrier(&self) -> Result<(), ConsensusError> {
        let (done, waiter) = oneshot::channel();
        let write = LogWrite::barrier(Done::Waiter(done));
        let closed = || ConsensusError::LogFailed {
            reason: self.failure().unwrap_or_else(|| "it is closed".to_owned()),
        };
        self.inner.queue.send(write).await.map_err(|_| closed())?;
        let outcome = waiter.await.map_err(|_| closed())?;
        outcome.map_err(|error| ConsensusError::LogFailed {
            reason: error.to_string(),
        })
    }
}

#[cfg(test)]
mod tests;
