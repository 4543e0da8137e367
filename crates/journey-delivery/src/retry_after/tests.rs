//! The forms of RFC 9110, and what is neither.

use journey_types::{TimeSpan, Timestamp};
use proptest::prelude::*;

use super::parse_retry_after;
use crate::limits::RETRY_AFTER_MAX;

#[test]
fn seconds_and_dates_are_read() {
    let now = Timestamp::parse("2026-11-22T00:00:00Z").unwrap();
    let cases = [
        ("0", Some(TimeSpan::ZERO)),
        ("120", Some(TimeSpan::from_secs(120))),
        (" 7 ", Some(TimeSpan::from_secs(7))),
        ("99999999999999999999999", Some(RETRY_AFTER_MAX)),
        (
            "Sun, 22 Nov 2026 00:01:30 GMT",
            Some(TimeSpan::from_secs(90)),
        ),
        ("Sat, 21 Nov 2026 23:59:00 GMT", Some(TimeSpan::ZERO)),
        ("Sun, 22 Nov 2037 00:00:00 GMT", Some(RETRY_AFTER_MAX)),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
    ];
    for (value, expected) in cases {
        assert_eq!(parse_retry_after(value, now), expected, "{value:?}");
    }
}

proptest! {
    #[test]
    fn whatever_it_says_the_wait_is_bounded(value in "\\PC{0,40}", now in 0_i64..4_102_444_800_000) {
        if let Some(span) = parse_retry_after(&value, Timestamp::from_unix_ms(now)) {
            prop_assert!((TimeSpan::ZERO..=RETRY_AFTER_MAX).contains(&span));
        }
    }
}
