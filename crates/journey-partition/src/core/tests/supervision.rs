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

fn parked() -> Bed {
    let mut bed = Bed::leading();
    for n in 0..3 {
        bed.send("ann", "poison", &n.to_string());
        bed.commit_all();
    }
    assert_eq!(bed.core.lifecycle(&key("ann")), Lifecycle::Quarantined);
    bed
}

fn refused() -> Answer {
    let reason = "poisoned".to_owned();
    Answer::Refused(Refusal::CustomerParked { reason })
}

#[test]
fn three_panics_in_a_minute_park_the_customer_until_it_is_released() {
    let mut bed = parked();
    assert_eq!(bed.core.status(bed.now).n_parked, 1);
    let of_ann = bed.send("ann", "seen", "a");
    let of_bob = bed.send("bob", "seen", "b");
    bed.commit_all();
    assert_eq!(bed.answer(of_ann), Some(&refused()));
    assert!(matches!(bed.answer(of_bob), Some(Answer::Done { .. })));
    for was_parked in [true, false] {
        let released = bed.release("ann");
        bed.commit_all();
        let Some(Answer::Done { reply, .. }) = bed.answer(released) else {
            panic!("{:?}", bed.answer(released));
        };
        assert_eq!(*reply, Reply::Released { was_parked });
    }
    let again = bed.send("ann", "seen", "a");
    bed.commit_all();
    assert!(matches!(bed.answer(again), Some(Answer::Done { .. })));
    assert_eq!(bed.core.status(bed.now).n_parked, 0);
    // The count begins anew.
    bed.send("ann", "poison", "9");
    bed.commit_all();
    assert_eq!(bed.core.lifecycle(&key("ann")), Lifecycle::Idle);
}

#[test]
fn a_refusal_by_a_parking_leaves_only_when_that_is_applied() {
    let mut bed = Bed::leading();
    let commands = (0..3).map(|n| ingest("ann", "poison", &n.to_string(), bed.now));
    bed.submit(commands.collect());
    let refused_one = bed.send("ann", "seen", "a");
    let confirmations = std::mem::take(&mut bed.confirmations);
    for confirmation in confirmations {
        let leads = true;
        bed.input(Input::LeadershipConfirmed {
            confirmation,
            leads,
        });
    }
    assert_eq!(bed.answer(refused_one), None, "the parking may yet fall");
    bed.commit_all();
    assert_eq!(bed.answer(refused_one), Some(&refused()));
}

#[test]
fn a_parking_that_falls_with_its_session_did_not_happen() {
    let mut bed = Bed::leading();
    let commands = (0..3).map(|n| ingest("ann", "poison", &n.to_string(), bed.now));
    let ticket = bed.submit(commands.collect());
    bed.input(Input::LeadershipLost);
    bed.proposed.clear();
    assert_eq!(
        bed.answers[&ticket].last(),
        Some(&Answer::Refused(Refusal::OutcomeUnknown))
    );
    bed.input(Input::LeadershipGained);
    bed.commit_all();
    let again = bed.send("ann", "seen", "a");
    bed.commit_all();
    assert!(matches!(bed.answer(again), Some(Answer::Done { .. })));
}

#[test]
fn a_customer_whose_poison_cannot_be_kept_is_parked_all_the_same() {
    let mut bed = Bed::leading();
    bed.fill_quarantine();
    for n in 0..3 {
        bed.send("ann", "poison", &n.to_string());
        bed.commit_all();
    }
    assert!(bed.state("ann").quarantined.is_empty());
    assert_eq!(bed.core.quarantined().count(), 3);
    let of_ann = bed.send("ann", "seen", "a");
    bed.commit_all();
    assert_eq!(bed.answer(of_ann), Some(&refused()));
    bed.release("ann");
    let again = bed.send("ann", "seen", "a");
    bed.commit_all();
    assert!(matches!(bed.answer(again), Some(Answer::Done { .. })));
}

#[test]
fn a_parked_customer_is_passivated_and_stays_parked() {
    let mut bed = Bed::with(|options| options.hosted_customers_max = 1).lead();
    for n in 0..3 {
        bed.send("ann", "poison", &n.to_string());
        bed.commit_all();
    }
    bed.send("bob", "seen", "b");
    bed.commit_all();
    assert_eq!(bed.core.lifecycle(&key("ann")), Lifecycle::Passive);
    let of_ann = bed.send("ann", "seen", "a");
    bed.commit_all();
    assert_eq!(bed.answer(of_ann), Some(&refused()));
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
    let mut bed = parked();
    bed.input(Input::LeadershipLost);
    bed.input(Input::LeadershipGained);
    bed.commit_all();
    let of_ann = bed.send("ann", "seen", "a");
    bed.commit_all();
    assert_eq!(bed.answer(of_ann), Some(&refused()));
    assert_eq!(bed.core.lifecycle(&key("ann")), Lifecycle::Quarantined);
}
