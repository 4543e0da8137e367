//! The stages of the breaker.

use std::time::Duration;

use proptest::prelude::*;

use super::{Breaker, BreakerOptions, BreakerState};
use crate::verdict::Health;

const OPTIONS: BreakerOptions = BreakerOptions {
    failures: 3,
    window: Duration::from_secs(10),
    open_for: Duration::from_secs(5),
};

const fn at(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn opened() -> Breaker {
    let mut breaker = Breaker::new(OPTIONS);
    for _ in 0..3 {
        breaker.record(at(1), Health::Failing);
    }
    assert_eq!(breaker.state(at(1)), BreakerState::Open);
    breaker
}

#[test]
fn enough_failures_in_the_window_open_it() {
    let mut breaker = Breaker::new(OPTIONS);
    breaker.record(at(1), Health::Failing);
    breaker.record(at(2), Health::Failing);
    assert_eq!(breaker.state(at(2)), BreakerState::Closed);
    breaker.record(at(3), Health::Failing);
    assert_eq!(breaker.state(at(3)), BreakerState::Open);
    assert_eq!(
        (breaker.half_open_at(at(3)), breaker.n_opened()),
        (Some(at(8)), 1)
    );
}

#[test]
fn failures_that_left_the_window_do_not_count() {
    let mut breaker = Breaker::new(OPTIONS);
    breaker.record(at(1), Health::Failing);
    breaker.record(at(2), Health::Failing);
    breaker.record(at(13), Health::Failing);
    assert_eq!(breaker.state(at(13)), BreakerState::Closed);
}

#[test]
fn a_few_failures_among_many_results_leave_it_closed() {
    let mut breaker = Breaker::new(OPTIONS);
    for _ in 0..10 {
        breaker.record(at(1), Health::Fine);
    }
    for _ in 0..9 {
        breaker.record(at(1), Health::Failing);
    }
    assert_eq!(breaker.state(at(1)), BreakerState::Closed);
    breaker.record(at(1), Health::Failing);
    assert_eq!(breaker.state(at(1)), BreakerState::Open);
}

#[test]
fn half_open_closes_with_a_success_and_opens_again_with_a_failure() {
    let mut breaker = opened();
    assert_eq!(breaker.state(at(6)), BreakerState::HalfOpen);
    breaker.record(at(6), Health::Failing);
    assert_eq!(breaker.state(at(6)), BreakerState::Open);
    assert_eq!(breaker.state(at(11)), BreakerState::HalfOpen);
    breaker.record(at(11), Health::Fine);
    assert_eq!(
        (breaker.state(at(11)), breaker.n_opened()),
        (BreakerState::Closed, 2)
    );
    // The failures from before do not count any more.
    breaker.record(at(11), Health::Failing);
    assert_eq!(breaker.state(at(11)), BreakerState::Closed);
}

#[test]
fn results_of_requests_from_before_do_not_prolong_it() {
    let mut breaker = opened();
    breaker.record(at(4), Health::Failing);
    breaker.record(at(4), Health::Fine);
    assert_eq!(breaker.half_open_at(at(4)), Some(at(6)));
}

#[test]
fn what_says_nothing_about_the_endpoint_changes_nothing() {
    let mut breaker = opened();
    breaker.record(at(7), Health::Unknown);
    assert_eq!(breaker.state(at(7)), BreakerState::HalfOpen);
}

proptest! {
    /// Whatever the results: it opens only upon a failure, never stays open longer than `open_for` after the last
    /// opening, and keeps no more than its window.
    #[test]
    fn it_is_never_open_without_an_end(results in prop::collection::vec((0_u64..3_000, 0_u8..3), 0..300)) {
        let mut breaker = Breaker::new(OPTIONS);
        let mut now = Duration::ZERO;
        for (pause_ms, health) in results {
            now += Duration::from_millis(pause_ms);
            let before = breaker.n_opened();
            let health = [Health::Fine, Health::Failing, Health::Unknown][usize::from(health)];
            breaker.record(now, health);
            prop_assert!(breaker.n_opened() == before || health == Health::Failing);
            if let Some(until) = breaker.half_open_at(now) {
                prop_assert!(until <= now + OPTIONS.open_for);
            }
            prop_assert!(breaker.parts.len() <= 11);
        }
    }
}
