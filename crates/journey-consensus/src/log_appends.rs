//! Appends to a group's log exactly as openraft makes them, without the rest of Raft: what the bench measures.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use journey_storage::Engine;
use openraft::EntryPayload;
use openraft::storage::{IOFlushed, RaftLogStorage as _};
use openraft::type_config::TypeConfigExt as _;

use crate::log_storage::{GroupLog, LogStorage, RaftLog};
use crate::raft_types::{Entry, LeaderId, LogId, Proposal, Types};
use crate::{ConsensusError, GroupId, Payload, ReplicaId};

const GROUP: GroupId = GroupId::new(1);
const REPLICA: ReplicaId = ReplicaId::new(1);
/// Bytes of entries that are kept before the log is purged, as a partition's is.
const KEPT_SIZE_BYTES_MAX: usize = 16 * 1024 * 1024;

/// One group's log in a storage of its own.
#[derive(Debug)]
pub struct LogAppends {
    runtime: tokio::runtime::Runtime,
    storage: LogStorage,
    log: Arc<GroupLog>,
    next: u64,
    size_bytes: usize,
}

impl LogAppends {
    /// Opens an empty log.
    ///
    /// # Errors
    /// The engine's own failure, or that the system gave no thread.
    ///
    /// # Panics
    /// When the system gives no runtime of one thread: it needs nothing.
    pub fn open(engine: Arc<dyn Engine>) -> Result<Self, ConsensusError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime of one thread needs nothing of the system");
        let storage = LogStorage::open(engine)?;
        let log = runtime.block_on(storage.open_group(GROUP, REPLICA))?;
        Ok(Self {
            runtime,
            storage,
            log,
            next: 0,
            size_bytes: 0,
        })
    }

    /// Makes so many appends of one entry each, without waiting between them, and waits until all are on disk.
    ///
    /// # Errors
    /// What the storage said to one of them.
    pub fn append(&mut self, n_appends: u64, payload: &Bytes) -> io::Result<()> {
        let mut raft_log = RaftLog(Arc::clone(&self.log));
        let first = self.next;
        self.next += n_appends;
        self.runtime.block_on(async {
            let mut waiting = VecDeque::new();
            for index in first..first + n_appends {
                let (done, flushed) = Types::oneshot();
                let entries = [entry(index, payload.clone())];
                raft_log.append(entries, IOFlushed::signal(done)).await?;
                waiting.push_back(flushed);
            }
            for flushed in waiting {
                flushed
                    .await
                    .unwrap_or_else(|_| Err(io::Error::other("nobody answers")))?;
            }
            self.size_bytes += payload.len() * usize::try_from(n_appends).unwrap_or(usize::MAX);
            if self.size_bytes > KEPT_SIZE_BYTES_MAX {
                self.size_bytes = 0;
                raft_log.purge(log_id(self.next - 1)).await?;
            }
            Ok(())
        })
    }

    /// Closes the storage.
    pub fn close(self) {
        drop(self.log);
        self.runtime.block_on(self.storage.close());
    }
}

fn log_id(index: u64) -> LogId {
    let node_id = REPLICA.get();
    LogId::new(LeaderId { term: 1, node_id }, index)
}

fn entry(index: u64, bytes: Bytes) -> Entry {
    let decoded = None;
    Entry {
        log_id: log_id(index),
        payload: EntryPayload::Normal(Proposal(Payload { bytes, decoded })),
    }
}
