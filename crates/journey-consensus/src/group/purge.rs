//! Purges one group's log by bytes: a durable checkpoint first, then the entries it covers.

use std::sync::Arc;

use openraft::LogIdOptionExt as _;
use openraft::async_runtime::watch::WatchReceiver as _;

use super::PurgeOutcome;
use super::running::RaftGroup;
use crate::adapter::Progress;
use crate::limits::{CHECKPOINT_WAIT_MAX, PURGE_WAIT_MAX};
use crate::log_storage::GroupLog;
use crate::{ConsensusError, GroupId};

/// One attempt to purge.
pub(super) struct Purge {
    pub(super) group: GroupId,
    pub(super) raft: RaftGroup,
    pub(super) log: Arc<GroupLog>,
    pub(super) progress: Arc<Progress>,
}

impl Purge {
    pub(super) async fn run(self, log_bytes_max: u64) -> Result<PurgeOutcome, ConsensusError> {
        let log_bytes_before = self.log.size_bytes();
        if log_bytes_before <= log_bytes_max {
            let log_bytes = log_bytes_before;
            return Ok(PurgeOutcome::NotNeeded { log_bytes });
        }
        let purged_before = self.log.purged().index();
        self.checkpoint().await?;
        let limit = self.progress.purge_limit();
        let floor = self.progress.floor().map(|floor| floor.min(limit));
        let Some(floor) = floor.filter(|floor| Some(*floor) > purged_before) else {
            let log_bytes = log_bytes_before;
            return Ok(PurgeOutcome::NothingToPurge { log_bytes });
        };
        // openraft first has to hear of the checkpoint, then purges what it covers.
        let wait = self.raft.wait(Some(PURGE_WAIT_MAX));
        wait.metrics(
            |metrics| metrics.snapshot.index() >= Some(floor),
            "checkpoint",
        )
        .await
        .map_err(|_| self.stopped_or("taking over a checkpoint"))?;
        let triggered = self.raft.trigger().purge_log(floor).await;
        triggered.map_err(|_| self.stopped_or("starting a purge"))?;
        let wait = self.raft.wait(Some(PURGE_WAIT_MAX));
        wait.metrics(|metrics| metrics.purged.index() >= Some(floor), "purge")
            .await
            .map_err(|_| self.stopped_or("purging its log"))?;
        Ok(PurgeOutcome::Purged {
            log_bytes_before,
            log_bytes: self.log.size_bytes(),
            purged_index: floor,
        })
    }

    async fn checkpoint(&self) -> Result<(), ConsensusError> {
        let mut checkpoints = self.progress.watch_checkpoints();
        checkpoints.mark_unchanged();
        let triggered = self.raft.trigger().snapshot().await;
        triggered.map_err(|_| self.stopped_or("starting a checkpoint"))?;
        let mut metrics = self.raft.metrics();
        let finished = async {
            tokio::select! {
                biased;
                changed = checkpoints.changed() => changed.is_ok(),
                () = async {
                    // A failed checkpoint stops the group; then nobody counts it.
                    while metrics.borrow_watched().running_state.is_ok() && metrics.changed().await.is_ok() {}
                } => false,
            }
        };
        let finished = tokio::time::timeout(CHECKPOINT_WAIT_MAX, finished).await;
        if finished == Ok(true) {
            Ok(())
        } else {
            Err(self.stopped_or("writing a checkpoint"))
        }
    }

    fn stopped_or(&self, attempt: &str) -> ConsensusError {
        let group = self.group;
        match &self.raft.metrics().borrow_watched().running_state {
            Err(fatal) => ConsensusError::Stopped {
                group,
                reason: fatal.to_string(),
            },
            Ok(()) => ConsensusError::TimedOut {
                group,
                attempt: attempt.to_owned(),
            },
        }
    }
}
