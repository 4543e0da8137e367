//! The clock that partitions stamp by: this machine's, but not further ahead than the clocks of the other nodes allow.
//!
//! ```text
//!   reports of all nodes ─► median of their clocks ─► limit = median + 500 ms ─► stamp = min(own clock, limit)
//! ```
//!
//! With fewer than three clocks nobody can say which one is wrong: then this machine's is taken as it is. A limit stands
//! until the next one: it moves on with the monotonic clock, so that a peer's silence changes nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use journey_consensus::MetadataHandle;
use journey_partition::Clock;
use journey_types::{NodeId, Timestamp};
use parking_lot::RwLock;
use tokio_util::task::TaskTracker;

use crate::clock::{SystemClock, monotonic_now};
use crate::node::member_calls;

/// How far a clock may be ahead of the median.
const AHEAD_MAX: Duration = Duration::from_millis(500);
/// Pause between two looks at the clocks of others: clocks drift by less than a millisecond in that time.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);
/// An answer that took longer says too little about its clock.
const ANSWER_WAIT_MAX: Duration = Duration::from_millis(500);
/// Clocks that it takes, this node's among them, to tell which one is wrong.
const CLOCKS_MIN: usize = 3;

/// A clock bounded by those of the other nodes.
#[derive(Debug, Default)]
pub(crate) struct ClusterClock {
    own: SystemClock,
    median: RwLock<Option<Seen>>,
}

/// What a clock said, and when.
#[derive(Debug, Clone, Copy)]
struct Seen {
    unix_ms: i64,
    at: Instant,
}

impl Seen {
    /// What it says at that moment.
    fn unix_ms_at(self, now: Instant) -> i64 {
        self.unix_ms
            .saturating_add(millis(now.saturating_duration_since(self.at)))
    }
}

impl Clock for ClusterClock {
    fn now(&self) -> Timestamp {
        self.bounded(self.own.now(), self.own.monotonic_now())
    }

    fn monotonic_now(&self) -> Instant {
        self.own.monotonic_now()
    }
}

impl ClusterClock {
    fn bounded(&self, own: Timestamp, now: Instant) -> Timestamp {
        let limit = self.median.read().map(|median| {
            let limit_ms = median.unix_ms_at(now).saturating_add(millis(AHEAD_MAX));
            Timestamp::from_unix_ms(limit_ms)
        });
        limit.map_or(own, |limit| own.min(limit))
    }

    /// Takes what the clocks of all nodes said, this one's among them.
    fn learn(&self, clocks: &[Seen], now: Instant) {
        if clocks.len() < CLOCKS_MIN {
            return;
        }
        let mut all: Vec<i64> = clocks.iter().map(|seen| seen.unix_ms_at(now)).collect();
        all.sort_unstable();
        // Of an even number the earlier one of the middle: a limit is better strict.
        let unix_ms = all[(all.len() - 1) / 2];
        *self.median.write() = Some(Seen { unix_ms, at: now });
    }
}

/// Follows the clocks of the other nodes until the tasks are closed.
pub(crate) fn follow(
    tasks: &TaskTracker,
    clock: &Arc<ClusterClock>,
    metadata: &MetadataHandle,
    own: NodeId,
) {
    let (clock, metadata, tracker) = (Arc::clone(clock), metadata.clone(), tasks.clone());
    tasks.spawn(async move {
        let mut was_ahead = false;
        while !tracker.is_closed() {
            look(&clock, &metadata, own).await;
            let (here, bounded) = (clock.own.now(), clock.now());
            let is_ahead = bounded < here;
            if is_ahead && !was_ahead {
                let ahead_ms = here.unix_ms() - bounded.unix_ms() + millis(AHEAD_MAX);
                tracing::warn!(
                    ahead_ms,
                    "this machine's clock is ahead of most nodes; stamps follow theirs until it is set right"
                );
            }
            was_ahead = is_ahead;
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    });
}

async fn look(clock: &ClusterClock, metadata: &MetadataHandle, own: NodeId) {
    let state = metadata.current();
    let members = state.nodes().filter(|node| node.is_member());
    let others: Vec<String> = members
        .filter(|node| node.id != own && !node.place.peer_address.is_empty())
        .map(|node| node.place.peer_address.clone())
        .collect();
    if others.len() + 1 < CLOCKS_MIN {
        return;
    }
    let asked = others.iter().map(|address| async move {
        let report = member_calls::report(address, false);
        let report = tokio::time::timeout(ANSWER_WAIT_MAX, report).await;
        let unix_ms = report.ok()?.ok()?.clock_unix_ms;
        let at = monotonic_now();
        (unix_ms > 0).then_some(Seen { unix_ms, at })
    });
    let mut clocks: Vec<Seen> = join_all(asked).await.into_iter().flatten().collect();
    let now = monotonic_now();
    clocks.push(Seen {
        unix_ms: clock.own.now().unix_ms(),
        at: now,
    });
    clock.learn(&clocks, now);
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
