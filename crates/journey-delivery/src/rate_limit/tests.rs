//! Rates as written, and what a bucket lets through.

use std::time::Duration;

use proptest::prelude::*;

use super::{Rate, RateLimit};

#[test]
fn rates_are_read_as_they_are_written() {
    for text in ["50/s", "600/m", "1/h", "100000/s"] {
        assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
    }
    for text in [
        "", "50", "0/s", "-1/s", "1.5/s", "50/d", "50 / s", "100001/s",
    ] {
        let refused = text.parse::<Rate>().unwrap_err();
        assert!(refused.contains("such as `50/s`"), "{text}: {refused}");
    }
}

#[test]
fn tokens_come_one_by_one() {
    let mut limit = RateLimit::new("10/s".parse().unwrap());
    assert_eq!(limit.available(Duration::ZERO), 1);
    limit.take(Duration::ZERO);
    assert_eq!(limit.available(Duration::from_millis(99)), 0);
    assert_eq!(
        limit.more_at(Duration::from_millis(99)),
        Some(Duration::from_millis(100))
    );
    assert_eq!(limit.available(Duration::from_millis(100)), 1);
    assert_eq!(limit.available(Duration::from_secs(60)), 1);
    assert_eq!(limit.more_at(Duration::from_secs(60)), None);
}

#[test]
fn a_clock_that_goes_back_adds_nothing() {
    let mut limit = RateLimit::new("1/s".parse().unwrap());
    limit.take(Duration::from_secs(10));
    assert_eq!(limit.available(Duration::from_secs(5)), 0);
    assert_eq!(limit.available(Duration::from_secs(10)), 0);
    assert_eq!(limit.available(Duration::from_secs(11)), 1);
}

proptest! {
    /// Taking whenever there is a token never exceeds the rate by more than a tenth and one, in any span from the start.
    #[test]
    fn the_rate_holds(n in 1_u32..2_000, pauses in prop::collection::vec(0_u64..50_000, 1..400)) {
        let mut limit = RateLimit::new(format!("{n}/s").parse().unwrap());
        let (mut now, mut n_taken) = (Duration::ZERO, 0_u64);
        for pause_us in pauses {
            now += Duration::from_micros(pause_us);
            while limit.available(now) > 0 {
                limit.take(now);
                n_taken += 1;
            }
            let burst = (n / 10).max(1);
            let most = now.as_secs_f64() * f64::from(n) + f64::from(burst);
            #[expect(clippy::cast_precision_loss, reason = "small counts")]
            let taken = n_taken as f64;
            prop_assert!(taken <= most + 1e-6, "{taken} above {most}");
        }
    }

    /// A token is there at the instant that was named for it, and not before.
    #[test]
    fn the_next_token_comes_when_it_was_said_to(n in 1_u32..5_000, start_us in 0_u64..1_000_000) {
        let mut limit = RateLimit::new(format!("{n}/s").parse().unwrap());
        let now = Duration::from_micros(start_us);
        let n_before = limit.available(now);
        for _ in 0..n_before {
            limit.take(now);
        }
        let next = limit.more_at(now).unwrap();
        let just_before = next.checked_sub(Duration::from_nanos(1)).unwrap();
        prop_assert_eq!(limit.available(just_before), 0);
        prop_assert_eq!(limit.available(next), 1);
    }
}
