//! Follows openraft's view of who leads and tells it on as a plain value, until the replica stops.

use std::sync::Arc;

use openraft::ServerState;
use openraft::async_runtime::watch::WatchReceiver as _;
use tokio::sync::watch;

use super::Leadership;
use super::running::RaftGroup;
use crate::ReplicaId;

/// Before openraft has said anything.
pub(super) fn unknown() -> Leadership {
    Leadership {
        is_leader: false,
        term: 0,
        leader: None,
        stopped: None,
    }
}

/// Runs until the replica stops or the log fails; the last value told carries the reason.
pub(super) async fn follow(
    raft: RaftGroup,
    mut log_failure: watch::Receiver<Option<Arc<str>>>,
    leadership: watch::Sender<Leadership>,
) {
    let mut server = raft.server_metrics();
    let all = raft.metrics();
    loop {
        let now = {
            let metrics = server.borrow_watched();
            Leadership {
                is_leader: metrics.state == ServerState::Leader,
                term: metrics.vote.leader_id.term,
                leader: metrics.current_leader.map(ReplicaId::new),
                stopped: None,
            }
        };
        tell(&leadership, now);
        // Failure first: a group on a failed log must not be told of as leading.
        let stopped = tokio::select! {
            biased;
            reason = failed(&mut log_failure) => Some(reason),
            changed = server.changed() => changed.is_err().then(|| {
                let running = all.borrow_watched().running_state.clone();
                Arc::from(running.map_or_else(|fatal| fatal.to_string(), |()| "it was shut down".to_owned()))
            }),
        };
        if let Some(reason) = stopped {
            tell(&leadership, stop_with(&leadership, reason));
            // Also a group that had nothing in the failed write stops, or it would look alive.
            if raft.shutdown().await.is_err() {
                tracing::warn!("group ended by a panic");
            }
            return;
        }
    }
}

fn stop_with(leadership: &watch::Sender<Leadership>, reason: Arc<str>) -> Leadership {
    tracing::info!(%reason, "group stopped");
    let term = leadership.borrow().term;
    Leadership {
        term,
        stopped: Some(reason),
        ..unknown()
    }
}

fn tell(leadership: &watch::Sender<Leadership>, now: Leadership) {
    leadership.send_if_modified(|current| {
        let is_new = *current != now;
        *current = now;
        is_new
    });
}

async fn failed(log_failure: &mut watch::Receiver<Option<Arc<str>>>) -> Arc<str> {
    match log_failure.wait_for(Option::is_some).await {
        Ok(failure) => failure.clone().map_or_else(
            || Arc::from("the log failed"),
            |reason| Arc::from(format!("the log failed: {reason}")),
        ),
        Err(_) => Arc::from("the log was closed"),
    }
}
