//! Timers and stamps.

use journey_customer::EventBody;
use journey_types::{TimeSpan, Timestamp};

use super::bed::{Bed, key};
use crate::core::Input;
use crate::core::limits::{CLOCK_STEP_MAX, TIMER_FIRES_PER_BATCH_MAX};
use crate::journal::ProposeResult;

const MINUTE: TimeSpan = TimeSpan::from_secs(60);

#[test]
fn a_timer_fires_in_a_turn_stamped_after_it_is_due() {
    let mut bed = Bed::leading();
    bed.send("ann", "wait_a_minute", "1");
    bed.commit_all();
    let due_at = bed.now.plus(MINUTE);
    assert_eq!(bed.wake_at, Some(due_at.plus(TimeSpan::from_ms(1))));
    bed.pass(MINUTE);
    assert_eq!(bed.n_fired(), 0, "due at this very instant");
    bed.pass(TimeSpan::from_ms(1));
    assert_eq!(bed.n_fired(), 1);
    let committed = bed.committed.lock();
    let fired = committed
        .facts
        .iter()
        .find_map(|(_, fact)| match &fact.body {
            EventBody::TimerFired { due_at, .. } => Some((*due_at, fact.stamp)),
            _ => None,
        });
    assert_eq!(fired, Some((due_at, due_at.plus(TimeSpan::from_ms(1)))));
}

#[test]
fn an_event_stamped_when_a_timer_is_due_comes_first_and_a_later_one_after() {
    let mut bed = Bed::leading();
    bed.send("ann", "wait_a_minute", "1");
    bed.commit_all();
    bed.now = bed.now.plus(MINUTE);
    bed.send("ann", "on_time", "2");
    bed.now = bed.now.plus(TimeSpan::from_ms(1));
    bed.send("ann", "late", "3");
    bed.commit_all();
    let committed = bed.committed.lock();
    let order = committed
        .facts
        .iter()
        .filter_map(|(_, fact)| match &fact.body {
            EventBody::EventAccepted { event, .. } => Some(event.name.as_str().to_owned()),
            EventBody::TimerFired { .. } => Some("fired".to_owned()),
            _ => None,
        });
    assert_eq!(
        order.collect::<Vec<_>>(),
        ["wait_a_minute", "on_time", "fired", "late"]
    );
}

#[test]
fn timers_survive_a_session_and_fires_in_flight_end_with_it() {
    let mut bed = Bed::leading();
    bed.send("ann", "wait_a_minute", "1");
    bed.commit_all();
    bed.now = bed.now.plus(MINUTE).plus(TimeSpan::from_ms(1));
    bed.input(Input::Wake);
    let (proposal, _) = bed.proposed.pop_front().expect("the fire is proposed");
    bed.report(proposal, ProposeResult::Lost);
    bed.commit_all();
    assert_eq!(
        bed.n_fired(),
        1,
        "fired again in the next session, and once"
    );
}

#[test]
fn a_crowd_of_timers_does_not_starve_events() {
    let mut bed = Bed::leading();
    for n in 0..2_000 {
        bed.send(&format!("waiting{n}"), "wait_a_minute", "1");
    }
    bed.commit_all();
    bed.now = bed.now.plus(MINUTE).plus(MINUTE);
    bed.input(Input::Wake);
    assert_eq!(bed.n_fired(), 0);
    let tickets: Vec<_> = (0..100)
        .map(|n| bed.send(&format!("busy{n}"), "seen", "1"))
        .collect();
    bed.commit();
    bed.commit();
    let n_fired = bed.n_fired();
    assert!(n_fired <= 2 * TIMER_FIRES_PER_BATCH_MAX, "{n_fired}");
    bed.commit();
    assert!(
        tickets.iter().all(|ticket| bed.answer(*ticket).is_some()),
        "in the next batch"
    );
    bed.commit_all();
    assert_eq!(bed.n_fired(), 2_000);
}

#[test]
fn stamps_never_go_back_when_the_clock_does() {
    let mut bed = Bed::leading();
    bed.send("ann", "wait_a_minute", "1");
    bed.commit_all();
    let before = bed.now;
    bed.now = before.minus(TimeSpan::from_hours(5));
    bed.send("ann", "seen", "2");
    bed.send("bob", "seen", "3");
    bed.commit_all();
    let committed = bed.committed.lock();
    assert!(committed.facts.iter().all(|(_, fact)| fact.stamp >= before));
}

#[test]
fn stamps_never_go_back_over_sessions() {
    let mut bed = Bed::leading();
    let ahead = bed.now.plus(TimeSpan::from_hours(9));
    bed.committed.lock().control.stamp = ahead;
    bed.input(Input::LeadershipLost);
    bed.input(Input::LeadershipGained);
    bed.commit_all();
    bed.send("ann", "seen", "1");
    bed.commit_all();
    assert_eq!(bed.state("ann").stamp, ahead);
}

fn watched() -> Bed {
    Bed::with(|options| options.clock_step_max = Some(CLOCK_STEP_MAX)).lead()
}

#[test]
fn a_clock_that_jumps_ahead_holds_timers_until_it_is_accepted() {
    let mut bed = watched();
    bed.send("ann", "wait_a_minute", "1");
    bed.commit_all();
    bed.now = bed.now.plus(TimeSpan::from_days(365));
    bed.input(Input::Wake);
    bed.commit_all();
    assert!(bed.core.status(bed.now).clock_held.is_some());
    assert_eq!(bed.n_fired(), 0);
    let event = bed.send("bob", "seen", "2");
    bed.commit_all();
    assert!(bed.answer(event).is_some(), "events go on");
    bed.input(Input::AcceptClock);
    bed.commit_all();
    assert_eq!(bed.n_fired(), 1);
    assert!(bed.core.status(bed.now).clock_held.is_none());
}

#[test]
fn a_clock_ahead_at_the_start_holds_timers() {
    let mut bed = Bed::with(|options| options.clock_step_max = Some(CLOCK_STEP_MAX));
    bed.committed.lock().control.stamp = bed.now.minus(TimeSpan::from_days(2));
    bed = bed.lead();
    let held = bed
        .core
        .status(bed.now)
        .clock_held
        .expect("two days are more than 24 hours");
    assert_eq!(held.to, bed.now);
}

#[test]
fn an_idle_leader_journals_its_stamp_so_that_a_restart_is_no_jump() {
    let mut bed = watched();
    bed.pass(TimeSpan::from_days(5));
    let stamp = bed.committed.lock().control.stamp;
    assert!(
        bed.now.since(stamp) < CLOCK_STEP_MAX,
        "{stamp} at {}",
        bed.now
    );
    assert!(bed.core.status(bed.now).clock_held.is_none());
}

#[test]
fn a_customer_with_many_timers_is_armed_with_the_earliest() {
    let mut bed = Bed::leading();
    bed.send("ann", "wait_a_minute", "1");
    bed.commit_all();
    let first_due: Timestamp = bed.now.plus(MINUTE);
    bed.pass(TimeSpan::from_secs(10));
    bed.send("ann", "wait_a_minute", "2");
    bed.commit_all();
    let status = bed.core.status(bed.now);
    assert_eq!(
        (status.n_timers_in_memory, status.next_due_at),
        (1, Some(first_due))
    );
    bed.pass(TimeSpan::from_secs(55));
    assert_eq!(bed.n_fired(), 1);
    bed.pass(TimeSpan::from_secs(10));
    assert_eq!(bed.n_fired(), 2);
    assert!(bed.state("ann").instances.is_empty());
    assert_eq!(
        bed.core.lifecycle(&key("ann")),
        crate::core::Lifecycle::Idle
    );
}
