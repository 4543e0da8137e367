//! Hands committed entries from openraft to the applier thread, never ahead of this replica's own durable log.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use futures::{Stream, TryStreamExt as _};
use openraft::storage::RaftStateMachine;
use openraft::{EntryPayload, OptionalSend, RaftSnapshotBuilder, Snapshot};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::applier::{Applier, Batch, Floor, Received};
use crate::log_storage::GroupLog;
use crate::raft_types::{
    Entry, EntryResponder, LeaderId, LogId, SnapshotMeta, StoredMembership, Types,
};
use crate::record::Position;
use crate::state_machine::{CommittedEntry, SnapshotSource};

/// What openraft carries about as a snapshot.
pub(crate) type RaftSnapshot = Snapshot<LeaderId, u64, (), SnapshotContent>;

/// What is behind a snapshot's metadata.
pub(crate) enum SnapshotContent {
    /// A durable checkpoint of this replica: nothing to be sent.
    Checkpoint,
    /// A stream to be sent, with the sender's position of consensus as it travels.
    Stream(Bytes, Box<dyn SnapshotSource>),
    /// There is no stream now, and why: to be tried again.
    None(String),
    /// What came from another replica, ready to be installed.
    Received(Received),
}

impl std::fmt::Debug for SnapshotContent {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Checkpoint => "Checkpoint",
            Self::Stream(..) => "Stream",
            Self::None(_) => "None",
            Self::Received(_) => "Received",
        })
    }
}

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
    /// Whether openraft has read what it starts from; only after that it asks for snapshots to send them.
    has_started: AtomicBool,
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

    /// From now on a snapshot that is asked for is to be sent.
    pub(crate) fn has_started(&self) {
        self.has_started.store(true, Ordering::Release);
    }

    pub(crate) fn watch_checkpoints(&self) -> watch::Receiver<u64> {
        self.n_checkpoints.subscribe()
    }
}

impl Adapter {
    /// Starts from what the state machine durably holds.
    pub(crate) fn new(applier: Applier, log: Arc<GroupLog>, position: Position) -> Self {
        log.is_replicated(has_others(&position));
        let progress = Progress {
            applied: applier.applied(),
            snapshot: Mutex::new(position.applied.is_some().then(|| meta_of(&position))),
            purge_limit: AtomicU64::new(u64::MAX),
            n_checkpoints: watch::Sender::new(0),
            has_started: AtomicBool::new(false),
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
                self.log.is_replicated(has_others(&self.position));
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
    type SnapshotData = SnapshotContent;
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

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        content: SnapshotContent,
    ) -> io::Result<()> {
        let (SnapshotContent::Received(received), Some(at)) = (content, meta.last_log_id) else {
            return Err(io::Error::other("nothing was received to be installed"));
        };
        // Until openraft has purged it, the log ends before the state; this mark tells that from a log that was lost.
        self.log.mark_installing(at).await?;
        let floor = self.applier.install(received).await;
        let position = floor.and_then(position_of).map_err(io::Error::other)?;
        if position.applied != Some(at) {
            return Err(io::Error::other(format!(
                "a snapshot of entry {at} was received, and the state installed is of {:?}",
                position.applied
            )));
        }
        *self.progress.snapshot.lock() = Some(meta_of(&position));
        self.log.is_replicated(has_others(&position));
        self.position = position;
        tracing::info!(
            index = at.index(),
            "a snapshot of another replica is installed"
        );
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<RaftSnapshot>> {
        let checkpoint = self.progress.snapshot.lock().clone();
        if !self.progress.has_started.load(Ordering::Acquire) {
            return Ok(checkpoint.map(|meta| Snapshot {
                meta,
                snapshot: SnapshotContent::Checkpoint,
            }));
        }
        let opened = self.applier.open_snapshot().await;
        let opened = opened.and_then(|opened| {
            let position = position_of((opened.index, opened.consensus))?;
            Ok((position, opened.source))
        });
        Ok(Some(match opened {
            Ok((position, source)) => Snapshot {
                meta: meta_of(&position),
                snapshot: SnapshotContent::Stream(position.encode(), source),
            },
            // An error here would stop the group, and a snapshot that is missing as well.
            Err(reason) => Snapshot {
                meta: checkpoint.unwrap_or_default(),
                snapshot: SnapshotContent::None(reason),
            },
        }))
    }
}

impl RaftSnapshotBuilder<Types> for CheckpointBuilder {
    type SnapshotData = SnapshotContent;

    async fn build_snapshot(&mut self) -> io::Result<RaftSnapshot> {
        let checkpointed = self.applier.checkpoint().await.map_err(io::Error::other)?;
        let position = position_of(checkpointed.floor).map_err(io::Error::other)?;
        let limit = checkpointed.purge_limit;
        self.progress.purge_limit.store(limit, Ordering::Release);
        let meta = meta_of(&position);
        *self.progress.snapshot.lock() = position.applied.is_some().then(|| meta.clone());
        self.progress.n_checkpoints.send_modify(|count| *count += 1);
        Ok(Snapshot {
            meta,
            snapshot: SnapshotContent::Checkpoint,
        })
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

fn has_others(position: &Position) -> bool {
    position.membership.membership().nodes().count() > 1
}

pub(crate) fn meta_of(position: &Position) -> SnapshotMeta {
    SnapshotMeta {
        last_log_id: position.applied,
        last_membership: position.membership.clone(),
    }
}

#[cfg(test)]
mod tests;
