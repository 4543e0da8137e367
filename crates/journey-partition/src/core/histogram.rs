//! Histograms with fixed buckets: bounded, added up without locks, read by whoever exports metrics.

use journey_types::TimeSpan;
use journey_types::limits::CUSTOMER_MAILBOX_MAX;

/// Upper bounds of the buckets, in milliseconds; one more bucket holds what is longer.
const BOUNDS_MS: [i64; 14] = [
    1, 2, 5, 10, 50, 100, 500, 1_000, 5_000, 10_000, 60_000, 300_000, 1_800_000, 3_600_000,
];

/// How many spans fell into each bucket, from 1 ms to 1 h.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SpanHistogram {
    counts: [u64; BOUNDS_MS.len() + 1],
    sum_ms: u64,
}

impl SpanHistogram {
    /// Counts one span; one below zero counts as zero.
    pub fn record(&mut self, span: TimeSpan) {
        let ms = span.ms().max(0);
        let bucket = BOUNDS_MS.partition_point(|bound| *bound < ms);
        self.counts[bucket] += 1;
        self.sum_ms = self.sum_ms.saturating_add(ms.unsigned_abs());
    }

    /// Adds what another one counted.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.sum_ms = self.sum_ms.saturating_add(other.sum_ms);
    }

    /// The buckets in order, each with the longest span it holds and its own count; `None`: longer than all others.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<TimeSpan>, u64)> + '_ {
        let bounds = BOUNDS_MS.iter().map(|ms| Some(TimeSpan::from_ms(*ms)));
        bounds.chain([None]).zip(self.counts.iter().copied())
    }

    /// How many spans were counted.
    #[must_use]
    pub fn n(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// All of them together, in milliseconds.
    #[must_use]
    pub const fn sum_ms(&self) -> u64 {
        self.sum_ms
    }
}

/// How deep mailboxes were: each bucket holds what is at most twice as deep as the one before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DepthHistogram {
    counts: [u64; DEPTH_BOUNDS.len() + 1],
    sum: u64,
}

/// Upper bounds of the buckets: up to what a mailbox takes; claims may come on top.
const DEPTH_BOUNDS: [usize; 7] = [1, 2, 4, 8, 16, 32, CUSTOMER_MAILBOX_MAX];

impl DepthHistogram {
    /// Counts one mailbox.
    pub(crate) fn record(&mut self, depth: usize) {
        let bucket = DEPTH_BOUNDS.partition_point(|bound| *bound < depth);
        self.counts[bucket] += 1;
        self.sum += depth as u64;
    }

    /// Adds what another one counted.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.sum += other.sum;
    }

    /// The buckets in order, each with the deepest mailbox it holds and its own count; `None`: deeper than all others.
    pub fn buckets(&self) -> impl Iterator<Item = (Option<usize>, u64)> + '_ {
        let bounds = DEPTH_BOUNDS.iter().copied().map(Some);
        bounds.chain([None]).zip(self.counts.iter().copied())
    }

    /// All depths together.
    #[must_use]
    pub const fn sum(&self) -> u64 {
        self.sum
    }
}

#[cfg(test)]
mod tests;
