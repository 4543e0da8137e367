//! Counts by size, with fixed bounds: small, never growing, and addable, for whoever exports metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// Bounds for durations in microseconds: 100 µs to 60 s.
pub const DURATION_BOUNDS_US: &[u64] = &[
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000, 60_000_000,
];

/// Bounds for how many things went together: 1 to 4,096.
pub const COUNT_BOUNDS: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024, 4_096];

/// What was counted, as plain numbers. Histograms of the same bounds add up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistogramCounts {
    bounds: &'static [u64],
    /// One per bound, and one for what lies above the last.
    counts: Vec<u64>,
    sum: u64,
}

impl HistogramCounts {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(bounds: &'static [u64]) -> Self {
        Self {
            bounds,
            counts: vec![0; bounds.len() + 1],
            sum: 0,
        }
    }

    /// What somebody else counted: one count per bound, and one for what lies above the last.
    #[must_use]
    pub fn from_counts(
        bounds: &'static [u64],
        counts: impl IntoIterator<Item = u64>,
        sum: u64,
    ) -> Self {
        let mut of_bounds = Self::new(bounds);
        for (mine, count) in of_bounds.counts.iter_mut().zip(counts) {
            *mine = count;
        }
        of_bounds.sum = sum;
        of_bounds
    }

    /// Counts one value.
    pub fn record(&mut self, value: u64) {
        self.counts[bucket(self.bounds, value)] += 1;
        self.sum = self.sum.saturating_add(value);
    }

    /// Adds what another one of the same bounds has counted; one of other bounds adds nothing.
    pub fn add(&mut self, other: &Self) {
        if self.bounds != other.bounds {
            return;
        }
        for (mine, theirs) in self.counts.iter_mut().zip(&other.counts) {
            *mine += theirs;
        }
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// How many values.
    #[must_use]
    pub fn n(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Their sum.
    #[must_use]
    pub const fn sum(&self) -> u64 {
        self.sum
    }

    /// Each bound with the number of values at or below it; what lies above the last is in [`Self::n`] only.
    pub fn cumulative(&self) -> impl Iterator<Item = (u64, u64)> {
        let mut n = 0;
        self.bounds
            .iter()
            .zip(&self.counts)
            .map(move |(bound, count)| {
                n += count;
                (*bound, n)
            })
    }
}

/// The same, counted from several threads without a lock.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

impl Histogram {
    /// Nothing counted yet.
    #[must_use]
    pub fn new(bounds: &'static [u64]) -> Self {
        Self {
            bounds,
            counts: (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect(),
            sum: AtomicU64::new(0),
        }
    }

    /// Counts one value.
    pub fn record(&self, value: u64) {
        self.counts[bucket(self.bounds, value)].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// What was counted so far; values counted meanwhile may be missing.
    #[must_use]
    pub fn counts(&self) -> HistogramCounts {
        HistogramCounts {
            bounds: self.bounds,
            counts: self
                .counts
                .iter()
                .map(|count| count.load(Ordering::Relaxed))
                .collect(),
            sum: self.sum.load(Ordering::Relaxed),
        }
    }
}

fn bucket(bounds: &[u64], value: u64) -> usize {
    bounds.partition_point(|bound| *bound < value)
}

#[cfg(test)]
mod tests;
