//! What goes on behind the traffic: checkpoints of every replica, purges of every log.

use std::sync::Arc;
use std::time::Duration;

use journey_consensus::GroupHandle;
use journey_partition::{CheckpointProgress, Checkpointer, SharedReplica};
use tokio::task::JoinHandle;

use crate::config::Config;
use crate::node::error::NodeError;
use crate::node::parts::{Failed, Foundation, Started};

/// Pause between two rounds over all partitions: a customer that changes all the time is written once a round, not
/// once an event, and a restart replays about this much of the log.
const ROUND_PAUSE: Duration = Duration::from_secs(5);
/// Pause between two steps of a pass: leaves the disk to the log.
const STEP_PAUSE: Duration = Duration::from_millis(1);

/// Starts the rounds.
pub(crate) fn spawn(
    config: &Config,
    foundation: &Foundation,
    started: &Started,
    failed: Failed,
) -> JoinHandle<()> {
    let replicas = started.replicas.clone();
    let mut groups = started.groups.clone();
    groups.push(foundation.metadata.group().clone());
    let log_bytes_max = config.storage.log_bytes_max.get();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(ROUND_PAUSE).await;
            if let Err(error) = round(&replicas, &groups, log_bytes_max).await {
                tracing::error!(%error, "checkpoint or purge failed");
                failed.send_replace(Some(Arc::new(error)));
                return;
            }
        }
    })
}

async fn round(
    replicas: &[SharedReplica],
    groups: &[GroupHandle],
    log_bytes_max: u64,
) -> Result<(), NodeError> {
    for replica in replicas {
        loop {
            let replica = Arc::clone(replica);
            let step = tokio::task::spawn_blocking(move || Checkpointer.step(&replica)).await;
            match step.map_err(|error| NodeError::Task(error.to_string()))?? {
                CheckpointProgress::Idle | CheckpointProgress::FloorMoved { .. } => break,
                CheckpointProgress::Written { .. } => tokio::time::sleep(STEP_PAUSE).await,
            }
        }
    }
    for group in groups {
        group.purge_if_above(log_bytes_max).await?;
    }
    Ok(())
}

/// Writes everything, so that the next start has nothing to replay.
pub(crate) fn checkpoint_all(replicas: &[SharedReplica]) -> Result<(), NodeError> {
    for replica in replicas {
        Checkpointer.run_to_floor(replica)?;
    }
    Ok(())
}
