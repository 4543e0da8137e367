//! Deletes the log of a replica that is gone for good, so that another one of its group may live on this node.

use std::ops::Bound;

use journey_storage::{Put, StorageError};
use tokio::sync::oneshot;

use super::commit::{Done, LogWrite, Rows};
use super::{LogStorage, keys};
use crate::limits::LOG_SCAN_ROWS_MAX;
use crate::{ConsensusError, GroupId};

impl LogStorage {
    /// Deletes everything of that group, whose replica must have stopped. The row that names the replica goes last: a
    /// crash before that leaves a log that still knows whose it was, and this is to be called again.
    pub(crate) async fn erase_group(&self, group: GroupId) -> Result<(), ConsensusError> {
        if self.running(group) {
            return Err(ConsensusError::AlreadyRunning { group });
        }
        self.barrier().await?;
        let tree = self.inner.tree.lock().clone();
        let closed = || ConsensusError::LogFailed {
            reason: self.failure().unwrap_or_else(|| "it is closed".to_owned()),
        };
        let tree = tree.ok_or_else(closed)?;
        self.send(LogWrite::Forget(group)).await?;
        let (mut from, to) = keys::of_group(group);
        let owner = keys::owner(group);
        loop {
            let rows = tree
                .range(
                    Bound::Excluded(from.as_slice()),
                    Bound::Excluded(to.as_slice()),
                    LOG_SCAN_ROWS_MAX,
                )
                .map_err(|source| failed(group, source))?;
            let Some((last, _)) = rows.last() else {
                break;
            };
            from.clone_from(last);
            let keys = rows.into_iter().map(|(key, _)| key);
            let keys = keys.filter(|key| *key != owner);
            let puts = keys.map(|key| Put { key, value: None }).collect();
            self.send(LogWrite::Rows(Rows {
                puts,
                mark: None,
                done: Done::Nobody,
            }))
            .await?;
        }
        let (done, waiter) = oneshot::channel();
        self.send(LogWrite::Rows(Rows {
            puts: vec![Put {
                key: owner,
                value: None,
            }],
            mark: None,
            done: Done::Waiter(done),
        }))
        .await?;
        let erased = waiter.await.map_err(|_| closed())?;
        erased.map_err(|error| ConsensusError::LogFailed {
            reason: error.to_string(),
        })
    }

    async fn send(&self, write: LogWrite) -> Result<(), ConsensusError> {
        let sent = self.inner.queue.send(write).await;
        sent.map_err(|_| ConsensusError::LogFailed {
            reason: self.failure().unwrap_or_else(|| "it is closed".to_owned()),
        })
    }
}

fn failed(group: GroupId, source: StorageError) -> ConsensusError {
    ConsensusError::Storage {
        attempt: format!("deleting the log of {}", group.described()),
        source,
    }
}
