//! Credit of one worker stream: it follows the effects that are handed out on it, whatever else the worker sends.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use journey_customer::{EffectStatus, OutboxRow};
use journey_partition::{HandOver, WorkerCredit};
use journey_types::{BirthIndex, CustomerKey, Sequence, TimeSpan, Timestamp};

use crate::limits::{CREDIT_LOST_AFTER, WORKER_CREDIT_MAX};

/// One attempt of one effect.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Attempt {
    pub(super) customer: CustomerKey,
    pub(super) birth: BirthIndex,
    pub(super) effect: Sequence,
    pub(super) attempt: u32,
}

impl Attempt {
    pub(super) fn of(hand_over: &HandOver) -> Self {
        let OutboxRow {
            birth,
            effect,
            attempt,
            ..
        } = *hand_over.row;
        let customer = hand_over.customer.clone();
        Self {
            customer,
            birth,
            effect,
            attempt,
        }
    }
}

/// What a stream may still take, and what it holds.
///
/// ```text
///   grant ──► with the partitions ──handed over──► held ──answered, or its claim expired──► granted again
/// ```
///
/// # Invariants
/// What is with the partitions and what is held are at most [`WORKER_CREDIT_MAX`] together; `by_until` holds what `held`
/// holds.
#[derive(Debug)]
pub(super) struct Ledger {
    /// Shared with the partitions.
    credit: WorkerCredit,
    /// Credit given to the partitions against which nothing was handed over yet.
    n_with_partitions: u32,
    held: BTreeMap<Attempt, Timestamp>,
    by_until: BTreeSet<(Timestamp, Attempt)>,
    /// When a hand-over came last, or credit was given.
    last_sign: Timestamp,
}

impl Ledger {
    pub(super) fn new(n_credit: u32, now: Timestamp) -> Self {
        let mut ledger = Self {
            credit: WorkerCredit::new(),
            n_with_partitions: 0,
            held: BTreeMap::new(),
            by_until: BTreeSet::new(),
            last_sign: now,
        };
        ledger.grant(n_credit);
        ledger
    }

    /// What the partitions take from.
    pub(super) fn credit(&self) -> WorkerCredit {
        self.credit.clone()
    }

    /// Gives the partitions more, up to the bound; answers whether it did.
    pub(super) fn grant(&mut self, more: u32) -> bool {
        let n_held = u32::try_from(self.held.len()).unwrap_or(u32::MAX);
        let n_used = self.n_with_partitions.saturating_add(n_held);
        let more = more.min(WORKER_CREDIT_MAX.saturating_sub(n_used));
        self.n_with_partitions += more;
        self.credit.add(more);
        more > 0
    }

    /// Takes back what no claim has taken, and says how much it was.
    pub(super) fn withdraw(&mut self) -> u32 {
        let n_unused = self.credit.withdraw();
        self.n_with_partitions = self.n_with_partitions.saturating_sub(n_unused);
        n_unused
    }

    /// Whether the partitions may take more.
    pub(super) fn has_credit(&self) -> bool {
        self.credit.left() > 0
    }

    /// An effect goes out.
    pub(super) fn handed_over(&mut self, hand_over: &HandOver, now: Timestamp) {
        self.last_sign = now;
        self.n_with_partitions = self.n_with_partitions.saturating_sub(1);
        // A hand-over is always of a claim; one that is none holds nothing.
        let EffectStatus::Claimed { until } = hand_over.row.status else {
            return;
        };
        let attempt = Attempt::of(hand_over);
        if let Some(before) = self.held.insert(attempt.clone(), until) {
            self.by_until.remove(&(before, attempt.clone()));
        }
        self.by_until.insert((until, attempt));
    }

    /// An effect does not go out, since it came too late.
    pub(super) fn came_too_late(&mut self, now: Timestamp) -> bool {
        self.last_sign = now;
        self.n_with_partitions = self.n_with_partitions.saturating_sub(1);
        self.grant(1)
    }

    /// Outcomes were recorded. What was not handed out on this stream, or is answered already, frees nothing.
    pub(super) fn answered(&mut self, attempts: impl IntoIterator<Item = Attempt>) -> bool {
        let mut n_freed = 0;
        for attempt in attempts {
            if let Some(until) = self.held.remove(&attempt) {
                self.by_until.remove(&(until, attempt));
                n_freed += 1;
            }
        }
        self.grant(n_freed)
    }

    /// Frees what is offered to others by now, and after a long silence what no partition holds any more (an actor that
    /// began anew has forgotten its claims); answers whether there is more credit.
    pub(super) fn look(&mut self, now: Timestamp) -> bool {
        let mut n_freed = 0;
        while self
            .by_until
            .first()
            .is_some_and(|(until, _)| *until <= now)
        {
            if let Some((_, attempt)) = self.by_until.pop_first() {
                self.held.remove(&attempt);
                n_freed += 1;
            }
        }
        if self.n_claiming() > 0 && now.since(self.last_sign) >= CREDIT_LOST_AFTER {
            self.last_sign = now;
            let n_lost = self.n_claiming();
            self.n_with_partitions -= n_lost;
            n_freed += n_lost;
        }
        self.grant(n_freed)
    }

    /// How long until [`Ledger::look`] may find something; `None`: not before something else happens.
    pub(super) fn next_look(&self, now: Timestamp) -> Option<Duration> {
        let expiry = self.by_until.first().map(|(until, _)| *until);
        let lost = (self.n_claiming() > 0).then(|| self.last_sign.plus(CREDIT_LOST_AFTER));
        let at = [expiry, lost].into_iter().flatten().min()?;
        Some(duration(at.since(now)))
    }

    /// Credit that claims on their way have taken.
    fn n_claiming(&self) -> u32 {
        self.n_with_partitions.saturating_sub(self.credit.left())
    }
}

/// At least a millisecond, so that a clock which goes back cannot make a loop spin.
fn duration(span: TimeSpan) -> Duration {
    Duration::from_millis(u64::try_from(span.ms()).unwrap_or(0).max(1))
}

#[cfg(test)]
mod tests;
