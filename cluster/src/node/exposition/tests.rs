//! The text form.

use journey_server::metric_names::{MetricName, MetricSink as _};
use journey_types::HistogramCounts;

use super::Exposition;

const TAKEN: MetricName = MetricName::histogram("taken_seconds", "How long it took.");
const SEEN: MetricName = MetricName::counter("seen_total", "What was seen.");

#[test]
fn families_are_whole_and_labels_are_escaped() {
    let mut counts = HistogramCounts::new(&[1_000_000, 2_500_000]);
    counts.record(900_000);
    counts.record(9_000_000);
    let mut text = Exposition::default();
    text.histogram(&TAKEN, &[("op", "a")], &counts, 1_000_000.0);
    text.value(&SEEN, &[("by", "x\"y\\z")], 3.0);
    text.histogram(&TAKEN, &[("op", "b")], &counts, 1_000_000.0);
    text.value(&SEEN, &[], 4.5);
    let expected = "\
# HELP seen_total What was seen.
# TYPE seen_total counter
seen_total{by=\"x\\\"y\\\\z\"} 3
seen_total 4.5
# HELP taken_seconds How long it took.
# TYPE taken_seconds histogram
taken_seconds_bucket{op=\"a\",le=\"1\"} 1
taken_seconds_bucket{op=\"a\",le=\"2.5\"} 1
taken_seconds_bucket{op=\"a\",le=\"+Inf\"} 2
taken_seconds_sum{op=\"a\"} 9.9
taken_seconds_count{op=\"a\"} 2
taken_seconds_bucket{op=\"b\",le=\"1\"} 1
taken_seconds_bucket{op=\"b\",le=\"2.5\"} 1
taken_seconds_bucket{op=\"b\",le=\"+Inf\"} 2
taken_seconds_sum{op=\"b\"} 9.9
taken_seconds_count{op=\"b\"} 2
";
    assert_eq!(text.into_text(), expected);
}
