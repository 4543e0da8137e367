//! What the figures rest on.

use std::collections::BTreeMap;

use journey_partition::{DepthHistogram, InstanceFigures, SpanHistogram};
use journey_types::JourneyId;

use super::journeys::bounded;
use super::{DEPTH_BOUNDS, LATENESS_BOUNDS_MS};

#[test]
fn the_bounds_of_lateness_are_those_of_the_core() {
    let histogram = SpanHistogram::default();
    let bounds = histogram.buckets().filter_map(|(bound, _)| bound);
    let bounds: Vec<u64> = bounds.map(|bound| bound.ms().unsigned_abs()).collect();
    assert_eq!(bounds, LATENESS_BOUNDS_MS);
}

#[test]
fn the_bounds_of_mailboxes_are_those_of_the_core() {
    let histogram = DepthHistogram::default();
    let bounds = histogram.buckets().filter_map(|(bound, _)| bound);
    let bounds: Vec<u64> = bounds.map(|bound| bound as u64).collect();
    assert_eq!(bounds, DEPTH_BOUNDS);
}

#[test]
fn journeys_beyond_the_bound_share_a_series() {
    let of = |active| InstanceFigures {
        active,
        exited: 1,
        ..InstanceFigures::default()
    };
    let figures = [("a", 1), ("b", 5), ("c", 2), ("d", 4)];
    let figures: BTreeMap<JourneyId, InstanceFigures> = figures
        .into_iter()
        .map(|(id, active)| (id.parse().unwrap(), of(active)))
        .collect();
    let named = bounded(figures.clone(), 2);
    let names: Vec<_> = named
        .iter()
        .map(|(name, it)| (name.as_str(), it.active))
        .collect();
    assert_eq!(names, [("b", 5), ("d", 4), ("other", 3)]);
    assert_eq!(named[2].1.exited, 2);
    assert_eq!(bounded(figures, 4).len(), 4);
}
