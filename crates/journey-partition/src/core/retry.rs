//! When an effect that failed for now is offered again: doubling pauses with a cap, spread by a jitter that follows
//! from the effect alone.

use std::hash::Hasher as _;

use journey_types::{BirthIndex, CustomerKey, Sequence, TimeSpan, Timestamp};
use xxhash_rust::xxh3::Xxh3;

use crate::core::limits::{RETRY_PAUSE_FIRST, RETRY_PAUSE_MAX};

/// The effect and which of its attempts failed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FailedAttempt<'a> {
    pub(crate) customer: &'a CustomerKey,
    pub(crate) birth: BirthIndex,
    pub(crate) effect: Sequence,
    /// 1 for the first.
    pub(crate) attempt: u32,
}

/// The instant from which the effect is offered again.
pub(crate) fn retry_at(failed: FailedAttempt<'_>, stamp: Timestamp) -> Timestamp {
    let n_doublings = failed.attempt.saturating_sub(1).min(32);
    let doubled = RETRY_PAUSE_FIRST.ms().saturating_mul(1_i64 << n_doublings);
    let pause_ms = doubled.min(RETRY_PAUSE_MAX.ms());
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
