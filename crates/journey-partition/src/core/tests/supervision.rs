//! Panics of one customer's turn.

use journey_customer::{Command, Reply};
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
    let Answer::Refused(Refusal::Quarantined { reason, kept }) = &answers[0] else {
        panic!("{answers:?}");
    };
    let kept = kept.as_ref().unwrap();
    let (birth, entry) = (kept.birth, kept.entry);
    assert_eq!(reason, "poisoned");
    assert!(matches!(answers[1], Answer::Done { .. }));
    assert!(matches!(answers[2], Answer::Done { .. }));
    let ann = bed.state("ann");
    assert_eq!(birth, ann.birth);
    let command = &ann.quarantined[&entry];
    assert_eq!(
        (command.kind.as_str(), command.reason.as_str()),
        ("ingest", "poisoned")
    );
    let event = command.event.as_ref().unwrap();
    assert_eq!((event.id.as_str(), event.name.as_str()), ("1", "poison"));
    assert_eq!(bed.n_accepted(), 3);
}

#[test]
fn a_command_that_panicked_is_answered_when_it_is_kept_and_outlives_the_core() {
    let mut bed = Bed::leading();
    let ticket = bed.send("ann", "poison", "1");
    assert_eq!(bed.answer(ticket), None, "it is not in the journal yet");
    bed.commit_all();
    assert!(matches!(
        bed.answer(ticket),
        Some(Answer::Refused(Refusal::Quarantined { kept: Some(_), .. }))
    ));
    bed.input(Input::LeadershipLost);
    bed.input(Input::LeadershipGained);
    bed.commit_all();
    let ann = bed.state("ann");
    let (entry, birth) = (*ann.quarantined.keys().next().unwrap(), ann.birth);
    // By the law itself, which has nothing against this event.
    let replay = Command::ReplayQuarantined { birth, entry };
    let replayed = bed.submit(vec![(key("ann"), replay)]);
    bed.commit_all();
    assert!(matches!(
        bed.answers[&replayed][0],
        Answer::Done {
            reply: Reply::Replayed { .. },
            ..
        }
    ));
    assert!(bed.state("ann").quarantined.is_empty());
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
    bed.fill_quarantine();
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
