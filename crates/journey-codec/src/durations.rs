//! Durations by size: a histogram whose buckets grow with the duration, so that it stays small and adds up exactly.

use std::collections::BTreeMap;

use journey_types::TimeSpan;

use crate::wire::message::message;

/// Bits of a duration that tell buckets of one power of two apart: a bucket is at most an eighth of its durations wide.
const PRECISION_BITS: u32 = 3;

/// How long things took.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Durations {
    n: u64,
    sum_ms: u64,
    max_ms: u64,
    buckets: BTreeMap<u32, u64>,
}

impl Durations {
    /// Takes a duration in; one below zero counts as none.
    pub fn record(&mut self, duration: TimeSpan) {
        let ms = u64::try_from(duration.ms()).unwrap_or(0);
        self.n += 1;
        self.sum_ms = self.sum_ms.saturating_add(ms);
        self.max_ms = self.max_ms.max(ms);
        *self.buckets.entry(bucket_of(ms)).or_default() += 1;
    }

    /// Adds others.
    pub fn add(&mut self, other: &Self) {
        self.n += other.n;
        self.sum_ms = self.sum_ms.saturating_add(other.sum_ms);
        self.max_ms = self.max_ms.max(other.max_ms);
        for (bucket, n) in &other.buckets {
            *self.buckets.entry(*bucket).or_default() += n;
        }
    }

    /// How many.
    #[must_use]
    pub const fn n(&self) -> u64 {
        self.n
    }

    /// The longest.
    #[must_use]
    pub fn max(&self) -> TimeSpan {
        span(self.max_ms)
    }

    /// The mean; zero where there is none.
    #[must_use]
    pub fn mean(&self) -> TimeSpan {
        span(self.sum_ms.checked_div(self.n).unwrap_or(0))
    }

    /// A duration that this share of all does not exceed, too large by an eighth at most; zero where there is none.
    /// The share is given in thousandths: 500 for the median, 990 for the 99th percentile.
    #[must_use]
    pub fn percentile(&self, thousandths: u32) -> TimeSpan {
        let rank = (u128::from(self.n) * u128::from(thousandths)).div_ceil(1_000);
        let mut n_below = 0_u128;
        for (bucket, n) in &self.buckets {
            n_below += u128::from(*n);
            if n_below >= rank {
                return span(last_of(*bucket).min(self.max_ms));
            }
        }
        self.max()
    }
}

fn span(ms: u64) -> TimeSpan {
    TimeSpan::from_ms(i64::try_from(ms).unwrap_or(i64::MAX))
}

/// Durations below 16 ms have a bucket each; from there on every power of two has eight.
fn bucket_of(ms: u64) -> u32 {
    let magnitude = ms.checked_ilog2().unwrap_or(0);
    let shift = magnitude.saturating_sub(PRECISION_BITS);
    let top = u32::try_from(ms >> shift).expect("at most four bits are left");
    (shift << PRECISION_BITS) + top
}

/// The longest duration of a bucket.
fn last_of(bucket: u32) -> u64 {
    let shift = (bucket >> PRECISION_BITS).saturating_sub(1);
    let top = u64::from(bucket - (shift << PRECISION_BITS));
    // Hostile bytes may name buckets that no duration falls into.
    (top + 1)
        .checked_shl(shift)
        .filter(|end| end >> shift == top + 1)
        .map_or(u64::MAX, |end| end - 1)
}

message! {
    Durations as "Durations" {
        1 => n,
        2 => sum_ms,
        3 => max_ms,
        4 => buckets,
    }
}

#[cfg(test)]
mod tests;
