//! Spans fall into the bucket whose bound they do not pass.

use journey_types::TimeSpan;

use super::SpanHistogram;

fn counts(spans_ms: &[i64]) -> Vec<(Option<i64>, u64)> {
    let mut histogram = SpanHistogram::default();
    for ms in spans_ms {
        histogram.record(TimeSpan::from_ms(*ms));
    }
    let buckets = histogram.buckets().filter(|(_, n)| *n > 0);
    buckets
        .map(|(bound, n)| (bound.map(TimeSpan::ms), n))
        .collect()
}

#[test]
fn a_span_falls_into_the_first_bucket_that_holds_it() {
    let spans = [-5, 0, 1, 2, 3, 5, 51, 3_600_000, 3_600_001];
    let expected = [
        (Some(1), 3),
        (Some(2), 1),
        (Some(5), 2),
        (Some(100), 1),
        (Some(3_600_000), 1),
        (None, 1),
    ];
    assert_eq!(counts(&spans), expected);
}

#[test]
fn merging_adds_counts_and_sums() {
    let mut one = SpanHistogram::default();
    one.record(TimeSpan::from_ms(7));
    let mut other = one.clone();
    other.record(TimeSpan::from_secs(2));
    one.merge(&other);
    assert_eq!((one.n(), one.sum_ms()), (3, 2_014));
}
