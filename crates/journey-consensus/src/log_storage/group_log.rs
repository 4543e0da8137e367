//! One group's log: reads from memory or disk, writes through the commit thread, and knows what is durable.

use std::collections::BTreeSet;
use std::io;
use std::ops::{Bound, Range};
use std::sync::Arc;

use journey_storage::Put;
use openraft::storage::IOFlushed;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot, watch};

use super::commit::{Done, LogWrite, Rows};
use super::entry_rows::{self, Assembler, RowMeaning};
use super::group_state::{DurableMark, EntryBelow, State};
use super::keys;
use super::open::Recovered;
use super::{LogPlace, SharedTree};
use crate::ReplicaId;
use crate::limits::{LOG_SCAN_ROWS_MAX, LOG_TAIL_KEPT_BYTES_MAX};
use crate::raft_types::{Entry, LogId, Types, Vote};
use crate::record::{self, RecordFault};

/// One group's log.
///
/// Only the group's own core changes it; readers may run beside.
pub(crate) struct GroupLog {
    place: LogPlace,
    tree: SharedTree,
    queue: mpsc::Sender<LogWrite>,
    failure: watch::Receiver<Option<Arc<str>>>,
    state: Mutex<State>,
    /// Where a snapshot was being installed when this was closed, or had been.
    recovered_installing: Option<LogId>,
    /// Who votes, as the entries say that were there when it was opened.
    recovered_voters: Option<BTreeSet<u64>>,
    /// One more than the highest index that is durable in this replica's log.
    durable_end: watch::Sender<u64>,
}

impl std::fmt::Debug for GroupLog {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "GroupLog({})", self.place.group)
    }
}

impl GroupLog {
    pub(super) fn new(
        place: LogPlace,
        tree: SharedTree,
        queue: mpsc::Sender<LogWrite>,
        failure: watch::Receiver<Option<Arc<str>>>,
        mut recovered: Recovered,
    ) -> Self {
        let durable_end = recovered.last.map_or(0, |last| last.index() + 1);
        Self {
            place,
            tree,
            queue,
            failure,
            recovered_installing: recovered.installing,
            recovered_voters: recovered.voters.take(),
            state: Mutex::new(State::new(recovered)),
            durable_end: watch::Sender::new(durable_end),
        }
    }

    /// Which log this is, for errors.
    pub(crate) const fn place(&self) -> &LogPlace {
        &self.place
    }

    /// Who votes, as the entries say that were there when it was opened; `None` when none of them says it.
    pub(crate) const fn recovered_voters(&self) -> Option<&BTreeSet<u64>> {
        self.recovered_voters.as_ref()
    }

    /// Where a snapshot was being installed when the log was closed, or had been: the log may end before it.
    pub(crate) const fn recovered_installing(&self) -> Option<LogId> {
        self.recovered_installing
    }

    /// Highest index that is durable in this replica's log, 0 when there is none.
    pub(crate) fn durable_index(&self) -> u64 {
        self.durable_end.borrow().saturating_sub(1)
    }

    /// Waits until this replica's log is durable through that index.
    ///
    /// # Errors
    /// The log's failure, after which nothing becomes durable any more.
    pub(crate) async fn wait_durable(&self, index: u64) -> io::Result<()> {
        let mut durable_end = self.durable_end.subscribe();
        let mut failure = self.failure.clone();
        // What is durable counts even if the log has failed since.
        tokio::select! {
            biased;
            durable = durable_end.wait_for(|end| *end > index) => durable.map(|_| ()).map_err(|_| closed()),
            failed = failure.wait_for(Option::is_some) => Err(failed.map_or_else(
                |_| closed(),
                |reason| io::Error::other(reason.as_deref().unwrap_or("the log failed").to_owned()),
            )),
        }
    }

    /// Lets go of entries in memory that are applied, but for a few where other replicas read them as well; what is read
    /// later comes from disk.
    pub(crate) fn applied_through(&self, index: u64) {
        let durable_end = *self.durable_end.borrow();
        self.state.lock().release(index, durable_end);
    }

    /// Up to where the log may be purged so that at least so many bytes of it are left.
    pub(crate) fn index_leaving(&self, size_bytes: u64) -> u64 {
        self.state.lock().index_leaving(size_bytes)
    }

    /// Whether other replicas read this log.
    pub(crate) fn is_replicated(&self, is_replicated: bool) {
        let kept = if is_replicated {
            LOG_TAIL_KEPT_BYTES_MAX
        } else {
            0
        };
        self.state.lock().keep(kept);
    }

    /// Bytes of the entries that are not purged.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.state.lock().size_bytes
    }

    pub(crate) fn last(&self) -> Option<LogId> {
        self.state.lock().last
    }

    pub(crate) fn purged(&self) -> Option<LogId> {
        self.state.lock().purged
    }

    pub(crate) fn vote(&self) -> Option<Vote> {
        self.state.lock().vote
    }

    /// The entries of the range that are there, in order, but not more than `size_bytes_max` bytes of them (always at
    /// least one).
    pub(crate) fn read(&self, range: Range<u64>, size_bytes_max: u64) -> io::Result<Vec<Entry>> {
        loop {
            let (from_disk, mut from_tail) = self.state.lock().plan(range.clone(), size_bytes_max);
            if from_disk.is_empty() {
                return Ok(from_tail);
            }
            let mut entries = self.read_rows(from_disk.clone())?;
            let n_wanted = usize::try_from(from_disk.end - from_disk.start).unwrap_or(usize::MAX);
            if entries.len() == n_wanted {
                entries.append(&mut from_tail);
                return Ok(entries);
            }
            // A purge may have removed rows under the read; then a smaller range is left. Else they are lost.
            let purged_end = self.purged().map_or(0, |purged| purged.index() + 1);
            if purged_end <= from_disk.start {
                return Err(self.damaged(from_disk.start, "entries are missing"));
            }
        }
    }

    /// Makes the entries readable and queues them for the commit thread.
    pub(super) async fn append(
        self: &Arc<Self>,
        entries: Vec<Entry>,
        flushed: IOFlushed<Types>,
    ) -> io::Result<()> {
        let mut puts = Vec::with_capacity(entries.len());
        let mut sizes = Vec::with_capacity(entries.len());
        for entry in &entries {
            sizes.push(entry_rows::encode(self.place.group, entry, &mut puts));
        }
        let mark = self.state.lock().append(entries, &sizes);
        let mark = Some((Arc::clone(self), mark));
        self.write(puts, mark, Done::Flushed(flushed)).await
    }

    /// Saves the vote and waits until it is durable.
    pub(super) async fn save_vote(&self, vote: Vote) -> io::Result<()> {
        let put = Put {
            key: keys::vote(self.place.group),
            value: Some(record::encode_vote(&vote)),
        };
        self.write_and_wait(vec![put]).await?;
        self.state.lock().vote = Some(vote);
        Ok(())
    }

    /// Notes, durably, which replica this log belongs to.
    pub(super) async fn write_owner(&self, replica: ReplicaId) -> io::Result<()> {
        let put = Put {
            key: keys::owner(self.place.group),
            value: Some(replica.get().to_be_bytes().to_vec()),
        };
        self.write_and_wait(vec![put]).await
    }

    /// Removes all entries after that index (all entries with `None`), the last one first so that no hole can appear.
    pub(super) async fn truncate_after(self: &Arc<Self>, index: Option<u64>) -> io::Result<()> {
        let keep_end = index.map_or(0, |index| index.saturating_add(1));
        let last_kept = self.last_below(keep_end)?;
        let (puts, mark) = {
            let mut state = self.state.lock();
            let removed = state.truncate(keep_end, last_kept);
            let keys = removed
                .into_iter()
                .flat_map(|(index, size)| size.keys(self.place.group, index));
            let puts = keys.map(|key| Put { key, value: None }).collect();
            let mark = state.durable_mark();
            // Under the state's lock: a flush that began before this must not raise it again.
            self.durable_end
                .send_modify(|durable_end| *durable_end = mark.end.min(*durable_end));
            (puts, mark)
        };
        self.write(puts, Some((Arc::clone(self), mark)), Done::Nobody)
            .await
    }

    /// Notes that entries up to and with `upto` are not needed any more; their rows go when the disk has time.
    pub(super) async fn purge(&self, upto: LogId) -> io::Result<()> {
        let removal = self.state.lock().purge(self.place.group, upto);
        let put = Put {
            key: keys::purged(self.place.group),
            value: Some(record::encode_log_id(&upto)),
        };
        self.write(vec![put], None, Done::Nobody).await?;
        // Whoever has installed a snapshot purges more than it held.
        self.durable_end
            .send_modify(|end| *end = (upto.index() + 1).max(*end));
        self.send(LogWrite::Remove(removal)).await
    }

    /// Notes, durably, that the state is about to become that of a snapshot at this place.
    pub(crate) async fn mark_installing(&self, at: LogId) -> io::Result<()> {
        let put = Put {
            key: keys::installing(self.place.group),
            value: Some(record::encode_log_id(&at)),
        };
        self.write_and_wait(vec![put]).await
    }

    /// Called by the commit thread after a flush.
    pub(super) fn mark_durable(&self, mark: DurableMark) {
        let state = self.state.lock();
        if state.generation == mark.generation {
            self.durable_end.send_if_modified(|durable_end| {
                let is_higher = mark.end > *durable_end;
                *durable_end = mark.end.max(*durable_end);
                is_higher
            });
        }
    }

    async fn write_and_wait(&self, puts: Vec<Put>) -> io::Result<()> {
        let (done, waiter) = oneshot::channel();
        self.write(puts, None, Done::Waiter(done)).await?;
        waiter.await.map_err(|_| closed())?
    }

    async fn write(
        &self,
        puts: Vec<Put>,
        mark: Option<(Arc<Self>, DurableMark)>,
        done: Done,
    ) -> io::Result<()> {
        self.send(LogWrite::Rows(Rows { puts, mark, done })).await
    }

    async fn send(&self, write: LogWrite) -> io::Result<()> {
        self.queue.send(write).await.map_err(|_| closed())
    }

    /// The id of the newest entry below that index, from memory or disk; `None` when there is no such entry.
    fn last_below(&self, end: u64) -> io::Result<Option<LogId>> {
        let wanted = self.state.lock().entry_below(end);
        let index = match wanted {
            EntryBelow::None => return Ok(None),
            EntryBelow::InMemory(log_id) => return Ok(Some(log_id)),
            EntryBelow::OnDisk(index) => index,
        };
        let entries = self.read_rows(index..index + 1)?;
        let Some(entry) = entries.first() else {
            return Err(self.damaged(index, "it is missing"));
        };
        Ok(Some(entry.log_id))
    }

    fn read_rows(&self, range: Range<u64>) -> io::Result<Vec<Entry>> {
        let tree = self.tree.lock().clone().ok_or_else(closed)?;
        let mut entries = Vec::new();
        let mut assembler = Assembler::default();
        let mut from = keys::entry(self.place.group, range.start);
        let mut is_start = true;
        let to = keys::entry(self.place.group, range.end);
        loop {
            let lower = if is_start {
                Bound::Included(from.as_slice())
            } else {
                Bound::Excluded(from.as_slice())
            };
            let rows = tree
                .range(lower, Bound::Excluded(to.as_slice()), LOG_SCAN_ROWS_MAX)
                .map_err(io::Error::other)?;
            let Some((last_key, _)) = rows.last() else {
                break;
            };
            from.clone_from(last_key);
            is_start = false;
            for row in rows {
                let meaning = assembler.push(row);
                match meaning.map_err(|(index, fault)| self.faulty(index, fault))? {
                    RowMeaning::Entry { entry, .. } => entries.push(entry),
                    RowMeaning::Part | RowMeaning::Leftover { .. } => {}
                }
            }
        }
        let finished = assembler.finished();
        finished.map_err(|(index, fault)| self.faulty(index, fault))?;
        Ok(entries)
    }

    fn damaged(&self, index: u64, reason: &str) -> io::Error {
        io::Error::other(self.place.damaged(index, reason.to_owned()))
    }

    fn faulty(&self, index: u64, fault: RecordFault) -> io::Error {
        io::Error::other(self.place.faulty_entry(index, fault))
    }
}

fn closed() -> io::Error {
    io::Error::other("the log is closed")
}
