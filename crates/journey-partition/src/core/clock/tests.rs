//! Stamps.

use journey_types::{TimeSpan, Timestamp};

use super::StampClock;

const DAY: TimeSpan = TimeSpan::from_days(1);

#[test]
fn stamps_follow_the_clock_forward_and_never_back() {
    let mut clock = StampClock::new(None);
    let noon = Timestamp::parse("2026-01-05T12:00:00Z").unwrap();
    assert_eq!(clock.stamp(noon), noon);
    assert_eq!(clock.stamp(noon.minus(DAY)), noon);
    assert_eq!(clock.stamp(noon.plus(DAY)), noon.plus(DAY));
}

#[test]
fn a_step_above_the_bound_is_held_and_a_step_at_it_is_not() {
    let mut clock = StampClock::new(Some(DAY));
    let noon = Timestamp::parse("2026-01-05T12:00:00Z").unwrap();
    assert!(!clock.look(noon));
    assert!(!clock.look(noon.plus(DAY)));
    assert_eq!(clock.held(), None);
    assert!(clock.look(noon), "back is said, and not held");
    assert!(!clock.look(noon.plus(DAY).plus(TimeSpan::from_ms(1))));
    assert!(clock.held().is_some());
    clock.accept();
    assert_eq!(clock.held(), None);
}

#[test]
fn a_partition_without_a_stamp_is_new_and_not_from_1970() {
    let mut clock = StampClock::new(Some(DAY));
    let noon = Timestamp::parse("2026-01-05T12:00:00Z").unwrap();
    clock.begin(Timestamp::EPOCH, noon);
    assert_eq!(clock.held(), None);
    clock.begin(noon.minus(DAY).minus(DAY), noon);
    assert!(clock.held().is_some());
}
