//! What the figures rest on.

use journey_partition::SpanHistogram;

use super::LATENESS_BOUNDS_MS;

#[test]
fn the_bounds_of_lateness_are_those_of_the_core() {
    let histogram = SpanHistogram::default();
    let bounds = histogram.buckets().filter_map(|(bound, _)| bound);
    let bounds: Vec<u64> = bounds.map(|bound| bound.ms().unsigned_abs()).collect();
    assert_eq!(bounds, LATENESS_BOUNDS_MS);
}
