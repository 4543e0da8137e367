//! When an effect that failed for now, or came back unbegun, is offered again: doubling pauses with a cap, spread by a
//! jitter that follows from the effect alone.

use std::hash::Hasher as _;

use journey_customer::{CustomerState, Outcome, RetryBudget};
use journey_types::{BirthIndex, CustomerKey, Sequence, TimeSpan, Timestamp};
use xxhash_rust::xxh3::Xxh3;

use crate::core::PartitionCore;
use crate::core::limits::{
    RETRY_AFTER_MAX, RETURN_PAUSE_FIRST, RETURN_PAUSE_MAX, RETURNS_AT_ONCE_MAX,
};

impl PartitionCore {
    /// The outcome of an attempt, with the instant from which its effect is offered again.
    pub(crate) fn paused(
        &self,
        outcome: Outcome,
        (state, birth, effect, attempt): (&CustomerState, BirthIndex, Sequence, u32),
        stamp: Timestamp,
    ) -> Outcome {
        let of_attempts = |n_attempts| FailedAttempt {
            customer: &state.key,
            birth,
            effect,
            attempt,
            n_attempts,
        };
        let latest = stamp.plus(RETRY_AFTER_MAX);
        match outcome {
            Outcome::FailedForNow { reason, retry_at } => {
                let (budget, n_attempts) = self.attempts_of(state, effect);
                let until = backoff_until(of_attempts(n_attempts), budget, stamp);
                let retry_at = until.max(retry_at.min(latest));
                Outcome::FailedForNow { reason, retry_at }
            }
            Outcome::Returned { retry_at } => {
                let row = state.outbox.get(&effect);
                let n_in_a_row = row.map_or(0, |row| row.returned_in_a_row) + 1;
                let until = return_until(of_attempts(n_in_a_row), stamp);
                let asked_for = retry_at.map(|at| at.min(latest)).filter(|at| *at > stamp);
                Outcome::Returned {
                    retry_at: until.max(asked_for),
                }
            }
            final_one @ (Outcome::Sent
            | Outcome::Delivered
            | Outcome::Completed { .. }
            | Outcome::FailedForGood { .. }) => final_one,
        }
    }
}

/// The effect and which of its attempts failed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FailedAttempt<'a> {
    pub(crate) customer: &'a CustomerKey,
    pub(crate) birth: BirthIndex,
    pub(crate) effect: Sequence,
    /// 1 for the first.
    pub(crate) attempt: u32,
    /// How many were made since the effect was emitted or replayed, this one included.
    pub(crate) n_attempts: u32,
}

/// The instant from which the effect is offered again.
pub(crate) fn backoff_until(
    failed: FailedAttempt<'_>,
    budget: RetryBudget,
    stamp: Timestamp,
) -> Timestamp {
    let n_doublings = failed.n_attempts.saturating_sub(1).min(32);
    let doubled = budget.pause_first.ms().saturating_mul(1_i64 << n_doublings);
    let is_kept = !budget.allows_another(failed.n_attempts);
    // Kept beyond its budget because there is no room among the dead letters: as seldom as ever.
    let pause_ms = if is_kept { i64::MAX } else { doubled }.min(budget.pause_max.ms());
    stamp.plus(spread(failed, pause_ms))
}

/// The instant from which an effect that came back unbegun so often in a row (`n_attempts`) is offered again; `None`: at
/// once.
fn return_until(returned: FailedAttempt<'_>, stamp: Timestamp) -> Option<Timestamp> {
    let n_doublings = returned.n_attempts.checked_sub(RETURNS_AT_ONCE_MAX + 1)?;
    let doubled = RETURN_PAUSE_FIRST.ms() << n_doublings.min(32);
    Some(stamp.plus(spread(returned, doubled.min(RETURN_PAUSE_MAX.ms()))))
}

/// Up to a quarter more, so that effects which failed together do not come back together.
fn spread(failed: FailedAttempt<'_>, pause_ms: i64) -> TimeSpan {
    let share = i64::try_from(jitter(failed) % 1_000).expect("below 1,000");
    TimeSpan::from_ms(pause_ms + pause_ms * share / 4_000)
}

fn jitter(failed: FailedAttempt<'_>) -> u64 {
    let mut hasher = Xxh3::new();
    hasher.update(failed.customer.workspace.as_str().as_bytes());
    hasher.update(failed.customer.customer.as_str().as_bytes());
    hasher.write_u64(failed.birth.get());
    hasher.write_u64(failed.effect.get());
    hasher.write_u32(failed.attempt);
    hasher.digest()
}

#[cfg(test)]
mod tests;
