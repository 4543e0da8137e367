//! Follows openraft's view of who leads and tells it on as a plain value, until the replica stops.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use openraft::async_runtime::watch::WatchReceiver as _;
use openraft::{Instant as _, ServerState};
use tokio::sync::watch;
use tokio::time::Instant;

use super::Leadership;
use super::running::RaftGroup;
use crate::ReplicaId;

/// Shortest pause between two looks whether somebody was heard of.
const LOOK_PAUSE: Duration = Duration::from_millis(20);

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
///
/// openraft's leader stays one when it hears of no quorum any more, and a follower keeps the name of a leader of whom it
/// hears nothing. Here either is forgotten after the longest silence, since others may lead by then: whoever waits for an
/// answer of that leader hears at once that there is none, and that nobody leads is told as such.
pub(super) async fn follow(
    raft: RaftGroup,
    silence: Arc<Silence>,
    mut log_failure: watch::Receiver<Option<Arc<str>>>,
    leadership: watch::Sender<Leadership>,
) {
    let mut server = raft.server_metrics();
    let mut all = raft.metrics();
    // A fresh leader takes proposals only once it has heard of a quorum: told earlier, the first would be refused.
    let mut heard_in_term = None;
    loop {
        let (now, watching) = {
            let metrics = server.borrow_and_update();
            let leads = metrics.state == ServerState::Leader;
            let term = metrics.vote.leader_id.term;
            let voters = metrics.membership_config.membership().voter_ids();
            let is_alone = voters.eq([metrics.id]);
            let acked = all.borrow_and_update().last_quorum_acked;
            if leads && (is_alone || acked.is_some()) {
                heard_in_term = Some(term);
            }
            let has_heard = heard_in_term == Some(term);
            let watching = if is_alone {
                Watching::Nothing
            } else if leads && !has_heard {
                Watching::ForQuorum
            } else if leads {
                let lasts = acked.map_or(Duration::MAX, |acked| acked.elapsed());
                silence
                    .left(lasts)
                    .map_or(Watching::ForQuorum, Watching::Until)
            } else {
                silence
                    .left(silence.lasts())
                    .map_or(Watching::ForWord, Watching::Until)
            };
            let is_silent = match watching {
                Watching::ForQuorum => has_heard,
                Watching::ForWord => true,
                Watching::Nothing | Watching::Until(_) => false,
            };
            let leader = metrics.current_leader.filter(|_| !is_silent);
            let now = Leadership {
                is_leader: leads && has_heard && !is_silent,
                term,
                leader: leader.map(ReplicaId::new),
                stopped: None,
            };
            (now, watching)
        };
        tell(&leadership, now);
        // Failure first: a group on a failed log must not be told of as leading.
        let stopped = tokio::select! {
            biased;
            reason = failed(&mut log_failure) => Some(reason),
            Ok(()) = all.changed(), if watching == Watching::ForQuorum => None,
            () = look_due(watching) => None,
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

/// What may change beside the server's own state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Watching {
    Nothing,
    /// A leader that has heard of no quorum, in its term or for too long, waits for one.
    ForQuorum,
    /// A follower that has heard nothing for too long waits for a word.
    ForWord,
    /// Somebody was heard of; it is time to look again after that long.
    Until(Duration),
}

/// Completes when it is time to look who was heard of.
async fn look_due(watching: Watching) {
    match watching {
        Watching::Until(left) => tokio::time::sleep(left.max(LOOK_PAUSE)).await,
        Watching::ForWord => tokio::time::sleep(LOOK_PAUSE).await,
        Watching::Nothing | Watching::ForQuorum => std::future::pending().await,
    }
}

/// When this replica was last told anything by a leader, and how long it may hear nothing.
#[derive(Debug)]
pub(super) struct Silence {
    longest: Duration,
    begun: Instant,
    /// Milliseconds from `begun` to the last word.
    heard_ms: AtomicU64,
}

impl Silence {
    pub(super) fn at_most(longest: Duration) -> Self {
        Self {
            longest,
            begun: Instant::now(),
            heard_ms: AtomicU64::new(0),
        }
    }

    /// A leader said something.
    pub(super) fn ends(&self) {
        let now_ms = self.begun.elapsed().as_millis();
        let now_ms = u64::try_from(now_ms).unwrap_or(u64::MAX);
        self.heard_ms.store(now_ms, Ordering::Relaxed);
    }

    fn lasts(&self) -> Duration {
        let heard = Duration::from_millis(self.heard_ms.load(Ordering::Relaxed));
        self.begun.elapsed().saturating_sub(heard)
    }

    /// How much longer a silence may last; nothing where it was too long.
    fn left(&self, lasts: Duration) -> Option<Duration> {
        self.longest
            .checked_sub(lasts)
            .filter(|left| !left.is_zero())
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
