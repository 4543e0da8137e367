//! Credit under concurrency, rate and breaker.

use std::time::Duration;

use proptest::prelude::*;

use super::{Flow, FlowOptions};
use crate::breaker::{BreakerOptions, BreakerState};
use crate::verdict::Health;

const fn at(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn flow(concurrency: u32, rate: Option<&str>) -> Flow {
    Flow::new(FlowOptions {
        concurrency,
        rate: rate.map(|rate| rate.parse().unwrap()),
        breaker: BreakerOptions {
            failures: 2,
            window: Duration::from_secs(10),
            open_for: Duration::from_secs(1),
        },
    })
}

/// What a driver does: withdraws what is too much (here all of it is still left), grants what is missing.
fn adjust(flow: &mut Flow, now: Duration) -> u32 {
    let target = flow.target(now);
    if target < flow.n_with_partitions() {
        flow.withdrawn(flow.n_with_partitions());
    }
    let more = target.saturating_sub(flow.n_with_partitions());
    flow.granted(more);
    more
}

#[test]
fn credit_is_the_concurrency_that_is_free() {
    let mut flow = flow(3, None);
    assert_eq!(adjust(&mut flow, at(0)), 3);
    flow.begun(at(0));
    flow.begun(at(0));
    assert_eq!(adjust(&mut flow, at(0)), 0);
    assert_eq!((flow.n_in_flight(), flow.n_with_partitions()), (2, 1));
    flow.ended(at(1), Health::Fine);
    assert_eq!(adjust(&mut flow, at(1)), 1);
    assert_eq!(flow.next_look(at(1)), None);
}

#[test]
fn the_rate_holds_credit_back() {
    let mut flow = flow(8, Some("20/s"));
    assert_eq!(adjust(&mut flow, at(0)), 2);
    for _ in 0..2 {
        flow.begun(at(0));
        flow.ended(at(0), Health::Fine);
    }
    assert_eq!(adjust(&mut flow, at(10)), 0);
    assert_eq!(flow.next_look(at(10)), Some(at(50)));
    assert_eq!(adjust(&mut flow, at(50)), 1);
    // What lies with the partitions and is not used takes no more tokens.
    assert_eq!(adjust(&mut flow, at(60_000)), 1);
    assert_eq!(flow.n_with_partitions(), 2);
}

#[test]
fn an_open_breaker_takes_credit_back_and_half_open_gives_one() {
    let mut flow = flow(4, None);
    adjust(&mut flow, at(0));
    flow.begun(at(0));
    flow.begun(at(0));
    flow.ended(at(0), Health::Failing);
    flow.ended(at(0), Health::Failing);
    assert_eq!(flow.breaker(at(0)), BreakerState::Open);
    assert_eq!(adjust(&mut flow, at(0)), 0);
    assert_eq!(flow.n_with_partitions(), 0);
    assert_eq!(flow.next_look(at(0)), Some(at(1_000)));
    assert_eq!(adjust(&mut flow, at(1_000)), 1);
    flow.begun(at(1_000));
    assert_eq!(adjust(&mut flow, at(1_001)), 0);
    flow.ended(at(1_002), Health::Fine);
    assert_eq!(adjust(&mut flow, at(1_002)), 4);
    assert_eq!(flow.n_breaker_opened(), 1);
}

proptest! {
    /// Never more under way than the concurrency, never credit under an open breaker, and with nothing under way and a
    /// healthy endpoint there is always credit, now or at the next look.
    #[test]
    fn the_account_holds(
        concurrency in 1_u32..8,
        rate in prop::option::of(1_u32..200),
        actions in prop::collection::vec((0_u8..4, 0_u64..400), 0..300),
    ) {
        let rate = rate.map(|rate| format!("{rate}/s"));
        let mut flow = flow(concurrency, rate.as_deref());
        let mut now = Duration::ZERO;
        for (action, pause_ms) in actions {
            now += Duration::from_millis(pause_ms);
            match action {
                0 | 1 if flow.n_with_partitions() > 0 => flow.begun(now),
                2 if flow.n_in_flight() > 0 => flow.ended(now, Health::Fine),
                3 if flow.n_in_flight() > 0 => flow.ended(now, Health::Failing),
                _ => {}
            }
            adjust(&mut flow, now);
            prop_assert!(flow.n_in_flight() + flow.n_with_partitions() <= concurrency);
            if flow.breaker(now) == BreakerState::Open {
                prop_assert_eq!(flow.n_with_partitions(), 0);
            }
            if flow.n_in_flight() == 0 && flow.n_with_partitions() == 0 {
                let mut later = flow.clone();
                let mut look = now;
                // Not at the first look where the breaker half-opens before the next token comes.
                for _ in 0..3 {
                    look = later.next_look(look).unwrap_or(look);
                }
                prop_assert!(later.target(look) > 0);
            }
        }
    }
}
