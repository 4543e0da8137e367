//! Panics of one customer's turn.

use journey_types::TimeSpan;

use super::bed::{Bed, ingest, key};
use crate::core::limits::QUARANTINED_COMMANDS_MAX;
use crate::core::{Answer, Input, Lifecycle, Refusal};

#[test]
fn a_poison_event_is_quarantined_and_its_customer_goes_on() {
    let mut bed = Bed::leading();
    bed.send("ann", "seen", "0");
    bed.commit_all();
    let commands = vec![
        ingest("ann", "poison", "1", bed.now),
        ingest("ann", "seen", "2", bed.now),
        ingest("bob", "seen", "3", bed.now),
    ];
    let ticket = bed.submit(commands);
    bed.commit_all();
    let answers = &bed.answers[&ticket];
    let reason = "poisoned".to_owned();
    assert_eq!(answers[0], Answer::Refused(Refusal::Quarantined { reason }));
    assert!(matches!(answers[1], Answer::Done { .. }));
    assert!(matches!(answers[2], Answer::Done { .. }));
    let quarantined: Vec<_> = bed.core.quarantined().collect();
    assert_eq!(quarantined.len(), 1);
    assert_eq!(
        (&quarantined[0].customer, quarantined[0].reason.as_str()),
        (&key("ann"), "poisoned")
    );
    assert_eq!(bed.n_accepted(), 3);
}

#[test]
fn three_panics_in_a_minute_park_the_customer_until_it_is_released() {
    let mut bed = Bed::leading();
    for n in 0..3 {
        bed.send("ann", "poison", &n.to_string());
        bed.commit_all();
    }
    assert_eq!(bed.core.lifecycle(&key("ann")), Lifecycle::Quarantined);
    let refused = bed.send("ann", "seen", "a");
    let reason = "poisoned".to_owned();
    assert_eq!(
        bed.answer(refused),
        Some(&Answer::Refused(Refusal::CustomerParked { reason }))
    );
    let other = bed.send("bob", "seen", "b");
    bed.commit_all();
    assert!(matches!(bed.answer(other), Some(Answer::Done { .. })));
    bed.input(Input::ReleaseCustomer(key("ann")));
    let again = bed.send("ann", "seen", "a");
    bed.commit_all();
    assert!(matches!(bed.answer(again), Some(Answer::Done { .. })));
}

#[test]
fn panics_that_lie_apart_do_not_park() {
    let mut bed = Bed::leading();
    for n in 0..5 {
        bed.send("ann", "poison", &n.to_string());
        bed.commit_all();
        bed.pass(TimeSpan::from_secs(40));
    }
    assert_eq!(bed.core.lifecycle(&key("ann")), Lifecycle::Idle);
    assert_eq!(bed.core.counters().n_quarantined, 5);
}

#[test]
fn the_list_of_quarantined_commands_is_bounded_and_says_what_it_forgot() {
    let mut bed = Bed::leading();
    for n in 0..QUARANTINED_COMMANDS_MAX + 5 {
        bed.send(&format!("customer{n}"), "poison", "1");
    }
    bed.commit_all();
    assert_eq!(bed.core.quarantined().count(), QUARANTINED_COMMANDS_MAX);
    assert_eq!(bed.core.quarantined().next().unwrap().number, 6);
    assert_eq!(bed.core.counters().n_quarantined_forgotten, 5);
}

#[test]
fn a_parked_customer_stays_parked_over_a_session() {
    let mut bed = Bed::leading();
    for n in 0..3 {
        bed.send("ann", "poison", &n.to_string());
        bed.commit_all();
    }
    bed.input(Input::LeadershipLost);
    bed.input(Input::LeadershipGained);
    bed.commit_all();
    assert_eq!(bed.core.lifecycle(&key("ann")), Lifecycle::Quarantined);
}
