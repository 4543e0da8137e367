//! Claims about instants and spans.

use super::{TimeSpan, Timestamp};

#[test]
fn every_duration_form_is_read() {
    let cases = [
        ("45s", 45_000),
        ("30m", 1_800_000),
        ("1.5h", 5_400_000),
        ("2d", 172_800_000),
    ];
    for (text, ms) in cases {
        assert_eq!(TimeSpan::parse(text).unwrap().ms(), ms, "{text}");
    }
    assert_eq!(TimeSpan::parse("1w").unwrap(), TimeSpan::from_days(7));
    assert_eq!(TimeSpan::parse("250ms").unwrap(), TimeSpan::from_ms(250));
}

#[test]
fn a_bad_duration_says_what_would_be_right() {
    for text in [
        "5 parsecs",
        "5",
        "",
        "d",
        "-1d",
        "1.d",
        ".5h",
        "1d2h",
        "99999999999999d",
    ] {
        let message = TimeSpan::parse(text).unwrap_err();
        assert!(
            message.contains("a duration is a number and a unit"),
            "{text}: {message}"
        );
    }
}

#[test]
fn spans_print_in_the_largest_whole_unit() {
    for text in ["36h", "1500ms", "2d", "1w", "90s", "0s"] {
        assert_eq!(TimeSpan::parse(text).unwrap().to_string(), text);
    }
}

#[test]
fn instants_print_as_rfc_3339_and_read_back() {
    for text in [
        "2026-01-05T09:00:00Z",
        "2026-01-05T09:00:00.25Z",
        "1970-01-01T00:00:00Z",
    ] {
        assert_eq!(Timestamp::parse(text).unwrap().to_string(), text);
    }
    assert_eq!(
        Timestamp::parse("2026-01-05T10:00:00+01:00"),
        Timestamp::parse("2026-01-05T09:00:00Z")
    );
    assert_eq!(Timestamp::parse("yesterday"), None);
}

#[test]
fn arithmetic_stays_in_range() {
    assert_eq!(Timestamp::MAX.plus(TimeSpan::from_days(1)), Timestamp::MAX);
    assert_eq!(
        Timestamp::EPOCH.minus(TimeSpan::from_days(1)),
        Timestamp::EPOCH
    );
}
