//! Purges one group's log by bytes: a durable checkpoint first, then the entries it covers.

use std::sync::Arc;

use openraft::LogIdOptionExt as _;
use openraft::async_runtime::watch::WatchReceiver as _;

use super::PurgeOutcome;
use super::running::RaftGroup;
use crate::adapter::Progress;
use crate::limits::{
    CHECKPOINT_ASK_INTERVAL, CHECKPOINT_WAIT_MAX, PURGE_WAIT_MAX, STRAGGLER_LOG_FACTOR,
};
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
        let needed = self.needed_by_stragglers(log_bytes_before, log_bytes_max);
        let floor = self.progress.floor();
        let floor = floor.map(|floor| floor.min(limit).min(needed));
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

    /// Up to where nobody who follows needs entries. Not looked at any more when the log has grown too far: who is that
    /// far behind gets a snapshot. Only the leader knows who is behind; others keep half of what they may, since each
    /// may lead next.
    fn needed_by_stragglers(&self, log_bytes: u64, log_bytes_max: u64) -> u64 {
        if log_bytes > log_bytes_max.saturating_mul(STRAGGLER_LOG_FACTOR) {
            return u64::MAX;
        }
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let replication = metrics.replication.iter().flatten();
        let matched = replication.map(|(_, matched)| matched.index().unwrap_or(0));
        let needed = matched.min().unwrap_or(u64::MAX);
        let membership = metrics.membership_config.membership();
        if membership.nodes().count() > 1 {
            needed.min(self.log.index_leaving(log_bytes_max / 2))
        } else {
            needed
        }
    }

    async fn checkpoint(&self) -> Result<(), ConsensusError> {
        let mut checkpoints = self.progress.watch_checkpoints();
        checkpoints.mark_unchanged();
        let finished = async {
            loop {
                let triggered = self.raft.trigger().snapshot().await;
                triggered.map_err(|_| self.stopped_or("starting a checkpoint"))?;
                tokio::select! {
                    biased;
                    changed = checkpoints.changed() => {
                        return changed.map_err(|_| self.stopped_or("writing a checkpoint"));
                    }
                    // A failed checkpoint stops the group; then nobody counts it.
                    () = self.stopped() => return Err(self.stopped_or("writing a checkpoint")),
                    // openraft drops a request in silence until it has heard of the end of the checkpoint before.
                    () = tokio::time::sleep(CHECKPOINT_ASK_INTERVAL) => {}
                }
            }
        };
        tokio::time::timeout(CHECKPOINT_WAIT_MAX, finished)
            .await
            .unwrap_or_else(|_| Err(self.stopped_or("writing a checkpoint")))
    }

    /// Returns when the group runs no more.
    async fn stopped(&self) {
        let mut metrics = self.raft.metrics();
        while metrics.borrow_watched().running_state.is_ok() && metrics.changed().await.is_ok() {}
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
