//! What one group's log knows in memory: where it begins and ends, how large its entries are, and the tail of entries
//! that are not applied yet.

use std::collections::VecDeque;
use std::ops::Range;

use openraft::EntryPayload;

use super::commit::Removal;
use super::entry_rows::EntrySize;
use super::open::Recovered;
use crate::GroupId;
use crate::raft_types::{Entry, LogId, Vote};

/// A group's log without its disk.
///
/// # Invariants
/// `sizes` describes every entry from `first` on without a hole; `tail` holds the newest of them, and every entry that
/// is not durable yet.
pub(super) struct State {
    pub(super) purged: Option<LogId>,
    /// The newest entry, or the purge mark when there is no entry.
    pub(super) last: Option<LogId>,
    pub(super) vote: Option<Vote>,
    pub(super) size_bytes: u64,
    pub(super) tail: VecDeque<Entry>,
    /// Bytes of the tail's entries as they are encoded.
    tail_size_bytes: u64,
    /// How many bytes of them are kept although they are applied, for replicas that are a little behind.
    kept_size_bytes_max: u64,
    /// Entries up to here carry no decoded form any more.
    bare_through: u64,
    /// Raised by each truncation, so that a flush that began before it does not vouch for the new entries.
    pub(super) generation: u64,
    /// Index of the first entry that is there; meaningless while `sizes` is empty.
    first: u64,
    sizes: VecDeque<EntrySize>,
}

/// What becomes durable with a write: everything below `end`, unless the log was truncated since.
#[derive(Debug, Clone, Copy)]
pub(super) struct DurableMark {
    pub(super) generation: u64,
    pub(super) end: u64,
}

/// Where an entry can be found.
#[derive(Debug, Clone, Copy)]
pub(super) enum EntryBelow {
    /// There is none.
    None,
    /// In the tail.
    InMemory(LogId),
    /// Only on disk, at this index.
    OnDisk(u64),
}

impl State {
    pub(super) fn new(recovered: Recovered) -> Self {
        let size_bytes = recovered.sizes.iter().map(|size| size.bytes()).sum();
        Self {
            purged: recovered.purged,
            last: recovered.last,
            vote: recovered.vote,
            size_bytes,
            tail: VecDeque::new(),
            tail_size_bytes: 0,
            kept_size_bytes_max: 0,
            bare_through: 0,
            generation: 0,
            first: recovered.first,
            sizes: recovered.sizes,
        }
    }

    /// Which indices of the range to read from disk, and the entries from the tail that follow them.
    pub(super) fn plan(&self, range: Range<u64>, size_bytes_max: u64) -> (Range<u64>, Vec<Entry>) {
        let Some(own_end) = self.end() else {
            return (0..0, Vec::new());
        };
        let start = range.start.max(self.first);
        let limit = range.end.min(own_end);
        let mut end = start;
        let mut size_bytes = 0;
        while end < limit {
            size_bytes += self.size_of(end).bytes();
            if size_bytes > size_bytes_max && end > start {
                break;
            }
            end += 1;
        }
        let tail_start = own_end - self.tail.len() as u64;
        if start >= end {
            return (0..0, Vec::new());
        }
        let skip = usize::try_from(start.saturating_sub(tail_start)).expect("the log fits memory");
        let take = usize::try_from(end.saturating_sub(tail_start.max(start)));
        let from_tail = self.tail.iter().skip(skip);
        let from_tail = from_tail.take(take.expect("the log fits memory"));
        let from_disk = start.min(tail_start)..end.min(tail_start);
        (from_disk, from_tail.cloned().collect())
    }

    fn size_of(&self, index: u64) -> EntrySize {
        let at = usize::try_from(index - self.first).expect("the log fits memory");
        self.sizes[at]
    }

    /// Adds the entries at the end.
    pub(super) fn append(&mut self, entries: Vec<Entry>, sizes: &[EntrySize]) -> DurableMark {
        for (entry, size) in entries.into_iter().zip(sizes) {
            if self.sizes.is_empty() {
                self.first = entry.log_id.index();
            }
            self.sizes.push_back(*size);
            self.size_bytes += size.bytes();
            self.last = Some(entry.log_id);
            self.tail_size_bytes += size.bytes();
            self.tail.push_back(entry);
        }
        self.durable_mark()
    }

    /// Takes away all entries from `keep_end` on, newest first; `last_kept` is the id of the newest one that stays.
    pub(super) fn truncate(
        &mut self,
        keep_end: u64,
        last_kept: Option<LogId>,
    ) -> Vec<(u64, EntrySize)> {
        let mut removed = Vec::new();
        while self.end().is_some_and(|end| end > keep_end) {
            let Some(size) = self.sizes.pop_back() else {
                break;
            };
            self.size_bytes -= size.bytes();
            if self.tail.pop_back().is_some() {
                self.tail_size_bytes -= size.bytes();
            }
            removed.push((self.first + self.sizes.len() as u64, size));
        }
        if !removed.is_empty() {
            self.last = last_kept.or(self.purged);
        }
        self.generation += 1;
        removed
    }

    /// Takes away all entries up to and with `upto`.
    pub(super) fn purge(&mut self, group: GroupId, upto: LogId) -> Removal {
        let mut removal = Removal {
            group,
            first: self.first,
            sizes: VecDeque::new(),
        };
        while self.first <= upto.index() {
            let Some(size) = self.sizes.pop_front() else {
                break;
            };
            self.size_bytes -= size.bytes();
            removal.sizes.push_back(size);
            let is_this = |entry: &Entry| entry.log_id.index() == self.first;
            if self.tail.front().is_some_and(is_this) {
                self.tail.pop_front();
                self.tail_size_bytes -= size.bytes();
            }
            self.first += 1;
        }
        self.purged = Some(upto);
        if self.sizes.is_empty() {
            self.last = Some(upto);
        }
        removal
    }

    /// The last entry of those that may go so that at least so many bytes are left; 0 when none may.
    pub(super) fn index_leaving(&self, size_bytes: u64) -> u64 {
        let mut left = 0;
        let mut index = self.end().unwrap_or(0);
        for size in self.sizes.iter().rev() {
            if left >= size_bytes {
                break;
            }
            left += size.bytes();
            index -= 1;
        }
        index.saturating_sub(1)
    }

    /// Keeps that many bytes of applied entries in memory from now on.
    pub(super) fn keep(&mut self, size_bytes_max: u64) {
        self.kept_size_bytes_max = size_bytes_max;
    }

    /// Lets go of entries that are applied and durable, as far as they are not kept for others; of those that are kept
    /// the decoded form goes.
    pub(super) fn release(&mut self, applied: u64, durable_end: u64) {
        let index_of = |entry: &Entry| entry.log_id.index();
        while self.tail_size_bytes > self.kept_size_bytes_max {
            let front = self.tail.front().map(index_of);
            let Some(index) = front.filter(|index| *index <= applied && *index < durable_end)
            else {
                break;
            };
            self.tail_size_bytes -= self.size_of(index).bytes();
            self.tail.pop_front();
        }
        let Some(front) = self.tail.front().map(index_of) else {
            return;
        };
        let n_bare = (self.bare_through + 1).saturating_sub(front);
        let n_bare = usize::try_from(n_bare).unwrap_or(usize::MAX);
        let ripe = self.tail.iter_mut().skip(n_bare);
        for entry in ripe.take_while(|entry| entry.log_id.index() <= applied) {
            if let EntryPayload::Normal(proposal) = &mut entry.payload {
                proposal.0.decoded = None;
            }
        }
        self.bare_through = applied.max(self.bare_through);
    }

    /// Where the newest entry below `end` lies.
    pub(super) fn entry_below(&self, end: u64) -> EntryBelow {
        let Some(own_end) = self.end().filter(|_| end > self.first) else {
            return EntryBelow::None;
        };
        let index = end.min(own_end) - 1;
        let from_back = usize::try_from(own_end - 1 - index).expect("the log fits memory");
        let in_tail = self.tail.iter().rev().nth(from_back);
        in_tail.map_or(EntryBelow::OnDisk(index), |entry| {
            EntryBelow::InMemory(entry.log_id)
        })
    }

    /// What a flush of everything so far makes durable.
    pub(super) fn durable_mark(&self) -> DurableMark {
        DurableMark {
            generation: self.generation,
            end: self.last.map_or(0, |last| last.index() + 1),
        }
    }

    /// One more than the index of the newest entry that is there.
    fn end(&self) -> Option<u64> {
        (!self.sizes.is_empty()).then(|| self.first + self.sizes.len() as u64)
    }
}
