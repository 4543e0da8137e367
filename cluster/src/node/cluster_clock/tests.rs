//! Whose clock is believed.

use std::time::{Duration, Instant};

use journey_types::Timestamp;

use super::{AHEAD_MAX, ClusterClock, Seen, millis};
use crate::clock::monotonic_now;

const NOON: i64 = 1_790_000_000_000;
const YEAR: i64 = 365 * 24 * 3_600_000;

fn seen(at: Instant, clocks: &[i64]) -> Vec<Seen> {
    let clocks = clocks.iter();
    clocks
        .map(|unix_ms| Seen {
            unix_ms: *unix_ms,
            at,
        })
        .collect()
}

fn bounded(clock: &ClusterClock, own: i64, now: Instant) -> i64 {
    clock.bounded(Timestamp::from_unix_ms(own), now).unix_ms()
}

#[test]
fn clock_a_year_ahead_stamps_by_the_others() {
    let (clock, now) = (ClusterClock::default(), monotonic_now());
    clock.learn(&seen(now, &[NOON + YEAR, NOON, NOON + 20]), now);
    let limit = NOON + 20 + millis(AHEAD_MAX);
    assert_eq!(bounded(&clock, NOON + YEAR, now), limit);
    // The limit goes on by itself, however long nobody answers.
    let later = now + Duration::from_secs(60);
    assert_eq!(bounded(&clock, NOON + YEAR, later), limit + 60_000);
    // It bounds what is ahead, and nothing else.
    assert_eq!(bounded(&clock, NOON + 7, now), NOON + 7);
    assert_eq!(bounded(&clock, NOON - YEAR, now), NOON - YEAR);
}

#[test]
fn one_wrong_clock_of_three_moves_nobody_else() {
    let (clock, now) = (ClusterClock::default(), monotonic_now());
    for wrong in [NOON - YEAR, NOON + YEAR] {
        clock.learn(&seen(now, &[NOON, wrong, NOON + 3]), now);
        assert_eq!(bounded(&clock, NOON, now), NOON);
    }
}

#[test]
fn two_clocks_say_nothing_and_a_former_limit_stays() {
    let (clock, now) = (ClusterClock::default(), monotonic_now());
    clock.learn(&seen(now, &[NOON, NOON]), now);
    assert_eq!(bounded(&clock, NOON + YEAR, now), NOON + YEAR);
    clock.learn(&seen(now, &[NOON, NOON, NOON]), now);
    clock.learn(&seen(now, &[NOON + YEAR, NOON + YEAR]), now);
    assert_eq!(bounded(&clock, NOON + YEAR, now), NOON + millis(AHEAD_MAX));
}

#[test]
fn answers_that_came_a_while_ago_are_brought_forward() {
    let (clock, start) = (ClusterClock::default(), monotonic_now());
    let now = start + Duration::from_millis(300);
    clock.learn(&seen(start, &[NOON, NOON, NOON]), now);
    let limit = NOON + 300 + millis(AHEAD_MAX);
    assert_eq!(bounded(&clock, NOON + YEAR, now), limit);
}
