//! Histograms count at or below their bounds, and add up.

use super::{Histogram, HistogramCounts};

const BOUNDS: &[u64] = &[1, 10, 100];

#[test]
fn values_count_at_or_below_their_bound() {
    let histogram = Histogram::new(BOUNDS);
    for value in [0, 1, 2, 10, 11, 100, 101, 5_000] {
        histogram.record(value);
    }
    let counts = histogram.counts();
    let cumulative: Vec<_> = counts.cumulative().collect();
    assert_eq!(cumulative, [(1, 2), (10, 4), (100, 6)]);
    assert_eq!((counts.n(), counts.sum()), (8, 5_225));
}

#[test]
fn counts_of_the_same_bounds_add_up_and_others_change_nothing() {
    let mut sum = HistogramCounts::new(BOUNDS);
    let mut one = HistogramCounts::new(BOUNDS);
    one.record(7);
    sum.add(&one);
    sum.add(&one);
    sum.add(&HistogramCounts::new(&[5]));
    assert_eq!((sum.n(), sum.sum()), (2, 14));
}
