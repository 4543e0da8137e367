//! When an effect that failed for now is offered again: doubling pauses with a cap, spread by a jitter that follows
//! from the effect alone.

use std::hash::Hasher as _;

use journey_customer::RetryBudget;
use journey_types::{BirthIndex, CustomerKey, Sequence, TimeSpan, Timestamp};
use xxhash_rust::xxh3::Xxh3;

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
    // Up to a quarter more, so that effects which failed together do not come back together.
    let share = i64::try_from(jitter(failed) % 1_000).expect("below 1,000");
    stamp.plus(TimeSpan::from_ms(pause_ms + pause_ms * share / 4_000))
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
