//! The commit thread: the only writer of the log tree.

use std::collections::VecDeque;
use std::io;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use journey_storage::{Engine, Put, StorageError, Tree};
use openraft::storage::IOFlushed;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;

use super::Counters;
use super::entry_rows::EntrySize;
use super::group_log::GroupLog;
use super::group_state::DurableMark;
use crate::GroupId;
use crate::limits::{COMMIT_BATCH_BYTES_MAX, PURGE_SLICE_ROWS_MAX};
use crate::raft_types::Types;

/// Something the commit thread does, in the order of the queue.
pub(super) enum LogWrite {
    /// Rows to write, and whom to tell when they are durable.
    Rows(Rows),
    /// Rows of purged entries to remove when there is time; the purge mark above them is written already.
    Remove(Removal),
    /// Of this group nothing is to be removed any more: its rows go by themselves, and others will lie under its keys.
    Forget(GroupId),
    /// The last word: the thread ends.
    Close,
}

/// One durable write of one group.
pub(super) struct Rows {
    pub(super) puts: Vec<Put>,
    pub(super) mark: Option<(Arc<GroupLog>, DurableMark)>,
    pub(super) done: Done,
}

/// Whom to tell that a write is durable.
pub(super) enum Done {
    /// openraft, about an append.
    Flushed(IOFlushed<Types>),
    /// A caller that waits.
    Waiter(oneshot::Sender<io::Result<()>>),
    /// Nobody.
    Nobody,
}

/// Purged entries whose rows are still there: `sizes` of the entries from `first` on.
#[derive(Debug)]
pub(super) struct Removal {
    pub(super) group: GroupId,
    pub(super) first: u64,
    pub(super) sizes: VecDeque<EntrySize>,
}

impl LogWrite {
    /// A write of nothing, answered once everything before it is durable.
    pub(super) fn barrier(done: Done) -> Self {
        Self::Rows(Rows {
            puts: Vec::new(),
            mark: None,
            done,
        })
    }
}

impl Rows {
    fn size_bytes(&self) -> usize {
        let values = self.puts.iter().map(|put| put.value.as_ref());
        values.map(|value| value.map_or(0, Vec::len)).sum()
    }
}

impl Done {
    fn complete(self, outcome: io::Result<()>) {
        match self {
            Self::Flushed(flushed) => flushed.io_completed(outcome),
            Self::Waiter(waiter) => {
                if waiter.send(outcome).is_err() {
                    tracing::trace!("nobody waits for this write any more");
                }
            }
            Self::Nobody => {}
        }
    }
}

/// What runs on the commit thread.
pub(super) struct Committer {
    pub(super) engine: Arc<dyn Engine>,
    pub(super) tree: Arc<dyn Tree>,
    pub(super) writes: mpsc::Receiver<LogWrite>,
    pub(super) counters: Arc<Counters>,
    pub(super) failure: watch::Sender<Option<Arc<str>>>,
}

impl Committer {
    /// Commits batches until the queue closes.
    pub(super) fn run(mut self) {
        let mut removals = VecDeque::new();
        let mut is_open = true;
        while is_open {
            let Some(first) = self.next_write(&mut removals) else {
                return;
            };
            let mut batch = Vec::new();
            let mut batch_bytes = 0;
            let mut next = Some(first);
            while let Some(write) = next.take() {
                match write {
                    LogWrite::Rows(rows) => {
                        batch_bytes += rows.size_bytes();
                        batch.push(rows);
                    }
                    LogWrite::Remove(removal) => removals.push_back(removal),
                    LogWrite::Forget(group) => {
                        removals.retain(|removal: &Removal| removal.group != group);
                    }
                    LogWrite::Close => {
                        is_open = false;
                        break;
                    }
                }
                if batch_bytes < COMMIT_BATCH_BYTES_MAX {
                    next = self.writes.try_recv().ok();
                }
            }
            self.commit(batch);
            self.remove_slice(&mut removals);
        }
    }

    /// The next write; while there is none, purged rows are removed slice by slice.
    fn next_write(&mut self, removals: &mut VecDeque<Removal>) -> Option<LogWrite> {
        while !removals.is_empty() {
            match self.writes.try_recv() {
                Ok(write) => return Some(write),
                Err(TryRecvError::Empty) => self.remove_slice(removals),
                Err(TryRecvError::Disconnected) => return None,
            }
        }
        self.writes.blocking_recv()
    }

    fn commit(&self, batch: Vec<Rows>) {
        if batch.is_empty() {
            return;
        }
        let failed = self.failure.borrow().clone();
        let outcome = failed.map_or_else(|| self.write_guarded(&batch), Err);
        if let Err(reason) = &outcome {
            self.fail(reason);
        }
        for rows in batch {
            match &outcome {
                Ok(()) => {
                    if let Some((log, mark)) = rows.mark {
                        log.mark_durable(mark);
                    }
                    rows.done.complete(Ok(()));
                }
                Err(reason) => rows
                    .done
                    .complete(Err(io::Error::other(reason.to_string()))),
            }
        }
    }

    /// Writes and syncs; a panic inside the engine is a failure like any other, since its state is unknown then.
    fn write_guarded(&self, batch: &[Rows]) -> Result<(), Arc<str>> {
        let written = std::panic::catch_unwind(AssertUnwindSafe(|| self.write(batch)));
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Arc::from(error.to_string())),
            Err(_) => Err(Arc::from("the storage engine panicked while committing")),
        }
    }

    fn write(&self, batch: &[Rows]) -> Result<(), StorageError> {
        let begun = Instant::now();
        self.counters
            .n_flushes_begun
            .fetch_add(1, Ordering::Relaxed);
        for rows in batch {
            if !rows.puts.is_empty() {
                self.tree.put_ordered(&rows.puts)?;
            }
        }
        self.engine.flush_durable()?;
        self.counters.n_flushes.fetch_add(1, Ordering::Relaxed);
        let n_writes = u64::try_from(batch.len()).expect("a batch is bounded");
        let took_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.counters.flush_us.record(took_us);
        self.counters.batch_writes.record(n_writes);
        self.counters
            .n_writes
            .fetch_add(n_writes, Ordering::Relaxed);
        Ok(())
    }

    fn remove_slice(&self, removals: &mut VecDeque<Removal>) {
        let mut puts = Vec::new();
        while puts.len() < PURGE_SLICE_ROWS_MAX {
            let Some(removal) = removals.front_mut() else {
                break;
            };
            let Some(size) = removal.sizes.pop_front() else {
                removals.pop_front();
                continue;
            };
            let keys = size.keys(removal.group, removal.first);
            puts.extend(keys.map(|key| Put { key, value: None }));
            removal.first += 1;
        }
        if puts.is_empty() || self.failure.borrow().is_some() {
            return;
        }
        // No flush: rows below the purge mark that come back after a crash are removed when the group is opened.
        let removed = std::panic::catch_unwind(AssertUnwindSafe(|| self.tree.put_ordered(&puts)));
        match removed {
            Ok(Ok(())) => {}
            Ok(Err(error)) => self.fail(&Arc::from(error.to_string())),
            Err(_) => self.fail(&Arc::from("the storage engine panicked while purging")),
        }
    }

    /// Makes the failure permanent and visible; the first one is kept, later ones follow from it.
    fn fail(&self, reason: &Arc<str>) {
        let is_first = self.failure.send_if_modified(|failure| {
            let is_first = failure.is_none();
            if is_first {
                *failure = Some(Arc::clone(reason));
            }
            is_first
        });
        if is_first {
            tracing::error!(%reason, "log failed, no group of this node takes writes any more");
        }
    }
}
