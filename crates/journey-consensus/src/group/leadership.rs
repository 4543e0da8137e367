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
    let mut all = raft.metrics();
    // A fresh leader takes proposals only once it has heard of a quorum: told earlier, the first would be refused.
    let mut heard_in_term = None;
    loop {
        let (now, is_fresh) = {
            let metrics = server.borrow_and_update();
            let leads = metrics.state == ServerState::Leader;
            let term = metrics.vote.leader_id.term;
            let is_alone = metrics.membership_config.membership().voter_ids().count() <= 1;
            if leads && (is_alone || all.borrow_and_update().last_quorum_acked.is_some()) {
                heard_in_term = Some(term);
            }
            let has_heard = heard_in_term == Some(term);
            let now = Leadership {
                is_leader: leads && has_heard,
                term: metrics.vote.leader_id.term,
                leader: metrics.current_leader.map(ReplicaId::new),
                stopped: None,
            };
            (now, leads && !has_heard)
        };
        tell(&leadership, now);
        // Failure first: a group on a failed log must not be told of as leading.
        let stopped = tokio::select! {
            biased;
            reason = failed(&mut log_failure) => Some(reason),
            Ok(()) = all.changed(), if is_fresh => None,
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
