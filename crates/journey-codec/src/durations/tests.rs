//! Buckets without gaps, percentiles near the exact ones.

use proptest::prelude::*;

use super::*;

#[test]
fn buckets_are_at_most_an_eighth_wide_and_leave_no_gap() {
    let mut last = None;
    for bucket in 0..=bucket_of(u64::MAX) {
        let end = last_of(bucket);
        let start = last.map_or(0, |last: u64| last + 1);
        assert_eq!(bucket_of(start), bucket);
        assert_eq!(bucket_of(end), bucket);
        assert!(
            (end - start) <= start / 8,
            "bucket {bucket}: {start} to {end}"
        );
        last = Some(end);
    }
    assert_eq!(last, Some(u64::MAX));
}

#[test]
fn buckets_that_no_duration_has_are_survived() {
    for bucket in [bucket_of(u64::MAX) + 1, u32::MAX] {
        assert_eq!(last_of(bucket), u64::MAX);
    }
}

proptest! {
    #[test]
    fn percentiles_are_near_the_exact_ones(
        mut spans in prop::collection::vec(0_i64..1_000_000_000, 1..50),
        thousandths in 1_u32..=1_000,
    ) {
        let mut durations = Durations::default();
        for span in &spans {
            durations.record(TimeSpan::from_ms(*span));
        }
        spans.sort_unstable();
        let rank = (spans.len() * thousandths as usize).div_ceil(1_000);
        let exact = spans[rank - 1];
        let found = durations.percentile(thousandths).ms();
        prop_assert!(exact <= found && found <= exact + exact / 8, "{exact} {found}");
        prop_assert_eq!(durations.max().ms(), *spans.last().unwrap());
        prop_assert_eq!(durations.mean().ms(), spans.iter().sum::<i64>() / spans.len() as i64);
    }
}

#[test]
fn nothing_takes_no_time() {
    let none = Durations::default();
    assert_eq!(
        (none.n(), none.mean(), none.percentile(500)),
        (0, TimeSpan::ZERO, TimeSpan::ZERO)
    );
}
