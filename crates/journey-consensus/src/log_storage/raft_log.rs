//! A group's log as openraft asks for it.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, Range, RangeBounds};
use std::sync::Arc;

use futures::Stream;
use futures::stream;
use openraft::storage::{IOFlushed, RaftLogStorage};
use openraft::{LogState, OptionalSend, RaftLogReader};

use super::GroupLog;
use crate::limits::LOG_READ_SIZE_BYTES_MAX;
use crate::raft_types::{Entry, LogId, Types, Vote};

/// The face of a [`GroupLog`] towards openraft; reader and storage in one, since both are cheap handles.
#[derive(Debug, Clone)]
pub(crate) struct RaftLog(pub(crate) Arc<GroupLog>);

const READ_BYTES_MAX: u64 = LOG_READ_SIZE_BYTES_MAX as u64;

impl RaftLogReader<Types> for RaftLog {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> io::Result<Vec<Entry>>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        self.0.read(plain_range(&range), u64::MAX)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> io::Result<Vec<Entry>> {
        self.0.read(start..end, READ_BYTES_MAX)
    }

    /// Reads as it goes: after a restart everything above the floor is applied in one stream.
    async fn entries_stream<RB>(
        &mut self,
        range: RB,
    ) -> impl Stream<Item = io::Result<Entry>> + OptionalSend
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let reading = Reading {
            log: Arc::clone(&self.0),
            rest: plain_range(&range),
            entries: VecDeque::new(),
        };
        Box::pin(stream::try_unfold(reading, |mut reading| async move {
            Ok(reading.next()?.map(|entry| (entry, reading)))
        }))
    }

    async fn read_vote(&mut self) -> io::Result<Option<Vote>> {
        Ok(self.0.vote())
    }
}

/// A range being read piece by piece.
struct Reading {
    log: Arc<GroupLog>,
    rest: Range<u64>,
    entries: VecDeque<Entry>,
}

impl Reading {
    fn next(&mut self) -> io::Result<Option<Entry>> {
        if self.entries.is_empty() && !self.rest.is_empty() {
            self.entries = self.log.read(self.rest.clone(), READ_BYTES_MAX)?.into();
            let last = self.entries.back();
            self.rest.start = last.map_or(self.rest.end, |entry| entry.log_id.index() + 1);
        }
        Ok(self.entries.pop_front())
    }
}

impl RaftLogStorage<Types> for RaftLog {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> io::Result<LogState<Types>> {
        Ok(LogState {
            last_purged_log_id: self.0.purged(),
            last_log_id: self.0.last(),
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> io::Result<()> {
        self.0.save_vote(*vote).await
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> io::Result<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        self.0.append(entries.into_iter().collect(), callback).await
    }

    async fn truncate_after(&mut self, last_log_id: Option<LogId>) -> io::Result<()> {
        self.0
            .truncate_after(last_log_id.map(|id| id.index()))
            .await
    }

    async fn purge(&mut self, log_id: LogId) -> io::Result<()> {
        self.0.purge(log_id).await
    }
}

fn plain_range(range: &impl RangeBounds<u64>) -> Range<u64> {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    start..end
}
