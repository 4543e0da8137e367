//! The pace of reads.

use super::*;

fn at(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(1_000_000 + ms)
}

fn loads_in_a_call(pace: &mut ActivationPace, now: Timestamp) -> usize {
    pace.begin_call(now);
    let mut n_loads = 0;
    while pace.takes_more() && n_loads < 100_000 {
        pace.loaded();
        n_loads += 1;
    }
    n_loads
}

#[test]
fn a_herd_is_read_at_the_rate_and_in_bounded_calls() {
    let mut pace = ActivationPace::new(Some(2_000));
    let mut n_loads = 0;
    for ms in 0..3_000 {
        let in_call = loads_in_a_call(&mut pace, at(ms));
        assert!(in_call <= COLD_LOADS_PER_CALL_MAX);
        n_loads += in_call;
    }
    // A second's worth is saved up, then three more come as they pass.
    assert!((7_990..=8_000).contains(&n_loads), "{n_loads}");
    assert_eq!(pace.goes_on_at(at(3_000)), Some(at(3_005)));
}

#[test]
fn idle_time_is_saved_up_for_a_second_only_and_a_clock_that_goes_back_gives_nothing() {
    let mut pace = ActivationPace::new(Some(100));
    assert_eq!(loads_in_a_call(&mut pace, at(0)), 100);
    assert_eq!(loads_in_a_call(&mut pace, at(-500)), 0);
    assert_eq!(loads_in_a_call(&mut pace, at(500)), 100);
    assert_eq!(loads_in_a_call(&mut pace, at(60_000)), 100);
}

#[test]
fn without_a_rate_nothing_waits() {
    let mut pace = ActivationPace::new(None);
    assert_eq!(loads_in_a_call(&mut pace, at(0)), 100_000);
    assert_eq!(pace.goes_on_at(at(0)), None);
}
