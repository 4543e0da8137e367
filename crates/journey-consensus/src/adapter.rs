//! Hands committed entries from openraft to the applier thread, never ahead of this replica's own durable log.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures::{Stream, TryStreamExt as _};
use openraft::storage::RaftStateMachine;
use openraft::{EntryPayload, OptionalSend, RaftSnapshotBuilder, Snapshot};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::applier::{Applier, Batch, Floor};
use crate::log_storage::GroupLog;
use crate::raft_types::{
    Entry, EntryResponder, LeaderId, LogId, SnapshotMeta, StoredMembership, Types,
};
use crate::record::Position;
use crate::state_machine::CommittedEntry;

type RaftSnapshot = Snapshot<LeaderId, u64, (), ()>;

/// What adapter, snapshot builder and group handle share.
#[derive(Debug)]
pub(crate) struct Progress {
    applied: Arc<AtomicU64>,
    /// Metadata of the last durable checkpoint, which is this replica's snapshot.
    snapshot: Mutex<Option<SnapshotMeta>>,
    /// How far the state machine lets the log be purged, as of that checkpoint.
    purge_limit: AtomicU64,
    /// Counts finished checkpoints, so that a purge can wait for its own.
    n_checkpoints: watch::Sender<u64>,
}

/// openraft's state machine of one group.
#[derive(Debug)]
pub(crate) struct Adapter {
    applier: Applier,
    log: Arc<GroupLog>,
    progress: Arc<Progress>,
    position: Position,
}

/// Takes a snapshot by making a durable checkpoint.
#[derive(Debug)]
pub(crate) struct CheckpointBuilder {
    applier: Applier,
    progress: Arc<Progress>,
}

impl Progress {
    /// Highest index handed to the state machine and applied by it.
    pub(crate) fn applied(&self) -> u64 {
        self.applied.load(Ordering::Acquire)
    }

    /// Index of the last durable checkpoint.
    pub(crate) fn floor(&self) -> Option<u64> {
        let snapshot = self.snapshot.lock();
        let meta = snapshot.as_ref()?;
        meta.last_log_id.as_ref().map(LogId::index)
    }

    /// How far the state machine lets the log be purged.
    pub(crate) fn purge_limit(&self) -> u64 {
        self.purge_limit.load(Ordering::Acquire)
    }

    pub(crate) fn watch_checkpoints(&self) -> watch::Receiver<u64> {
        self.n_checkpoints.subscribe()
    }
}

impl Adapter {
    /// Starts from what the state machine durably holds.
    pub(crate) fn new(applier: Applier, log: Arc<GroupLog>, position: Position) -> Self {
        let progress = Progress {
            applied: applier.applied(),
            snapshot: Mutex::new(position.applied.is_some().then(|| meta_of(&position))),
            purge_limit: AtomicU64::new(u64::MAX),
            n_checkpoints: watch::Sender::new(0),
        };
        Self {
            applier,
            log,
            progress: Arc::new(progress),
            position,
        }
    }

    pub(crate) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    fn take(&mut self, entry: Entry) -> CommittedEntry {
        let index = entry.log_id.index();
        self.position.applied = Some(entry.log_id);
        let payload = match entry.payload {
            EntryPayload::Normal(proposal) => Some(proposal.0),
            EntryPayload::Blank => None,
            EntryPayload::Membership(membership) => {
                self.position.membership = StoredMembership::new(Some(entry.log_id), membership);
                None
            }
        };
        CommittedEntry { index, payload }
    }

    async fn hand_over(&self, mut batch: Batch) -> io::Result<()> {
        let Some(last) = batch.entries.last().map(|entry| entry.index) else {
            return Ok(());
        };
        // A quorum of others may have committed what this disk does not hold yet; state ahead of the log would be
        // state without its reason after a crash.
        self.log.wait_durable(last).await?;
        batch.consensus = self.position.encode();
        self.applier.apply(batch).await.map_err(io::Error::other)?;
        self.log.applied_through(last);
        Ok(())
    }
}

impl RaftStateMachine<Types> for Adapter {
    type SnapshotData = ();
    type SnapshotBuilder = CheckpointBuilder;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        Ok((self.position.applied, self.position.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder>> + Unpin + OptionalSend,
    {
        let mut batch = Batch::default();
        while let Some((entry, responder)) = entries.try_next().await? {
            batch.push(self.take(entry), responder);
            if batch.is_full() {
                self.hand_over(std::mem::take(&mut batch)).await?;
            }
        }
        self.hand_over(batch).await
    }

    async fn get_snapshot_builder(&mut self) -> CheckpointBuilder {
        CheckpointBuilder {
            applier: self.applier.clone(),
            progress: Arc::clone(&self.progress),
        }
    }

    async fn install_snapshot(&mut self, _meta: &SnapshotMeta, _snapshot: ()) -> io::Result<()> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "installing a snapshot from another replica is not available yet",
        ))
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<RaftSnapshot>> {
        let meta = self.progress.snapshot.lock().clone();
        Ok(meta.map(|meta| Snapshot { meta, snapshot: () }))
    }
}

impl RaftSnapshotBuilder<Types> for CheckpointBuilder {
    type SnapshotData = ();

    async fn build_snapshot(&mut self) -> io::Result<RaftSnapshot> {
        let checkpointed = self.applier.checkpoint().await.map_err(io::Error::other)?;
        let position = position_of(checkpointed.floor).map_err(io::Error::other)?;
        let limit = checkpointed.purge_limit;
        self.progress.purge_limit.store(limit, Ordering::Release);
        let meta = meta_of(&position);
        *self.progress.snapshot.lock() = position.applied.is_some().then(|| meta.clone());
        self.progress.n_checkpoints.send_modify(|count| *count += 1);
        Ok(Snapshot { meta, snapshot: () })
    }
}

/// Reads consensus' own blob back and checks that it belongs to the state it lies beside.
pub(crate) fn position_of((index, blob): Floor) -> Result<Position, String> {
    let Some(blob) = blob else {
        return if index == 0 {
            Ok(Position::default())
        } else {
            Err(format!(
                "its state reaches index {index} but holds no position of consensus"
            ))
        };
    };
    let position = Position::decode(blob)
        .map_err(|reason| format!("its position of consensus does not read back: {reason}"))?;
    let found = position.applied.as_ref().map_or(0, LogId::index);
    if found == index {
        Ok(position)
    } else {
        Err(format!(
            "its state reaches index {index} but its position of consensus is as of {found}"
        ))
    }
}

fn meta_of(position: &Position) -> SnapshotMeta {
    SnapshotMeta {
        last_log_id: position.applied,
        last_membership: position.membership.clone(),
    }
}

#[cfg(test)]
mod tests;
