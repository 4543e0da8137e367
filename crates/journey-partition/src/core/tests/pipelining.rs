//! Turns decided on the head, while what it depends on is on its way, and what becomes of them with the session.

use journey_codec::{JournalEntry, Record};
use journey_customer::{Command, EventBody, Reply};
use journey_types::{CustomerKey, TimeSpan};

use super::bed::{Bed, ingest, key};
use crate::core::{Answer, Input, Lifecycle, Refusal};
use crate::journal::ProposeResult;

const MINUTE: TimeSpan = TimeSpan::from_secs(60);

/// The customers of the turns of a proposal, in order.
fn turns_of(entry: &JournalEntry) -> Vec<CustomerKey> {
    let JournalEntry::Batch(batch) = entry else {
        return Vec::new();
    };
    let turns = batch.records.iter().filter_map(|record| match record {
        Record::Turn(turn) => Some(turn.customer.clone()),
        Record::CatalogAdopted(_) => None,
    });
    turns.collect()
}

fn is_accepted(answer: Option<&Answer>) -> bool {
    let reply = Reply::Accepted;
    matches!(answer, Some(Answer::Done { reply: given, .. }) if *given == reply)
}

/// Loses the oldest proposal.
fn lose(bed: &mut Bed) {
    let (proposal, _) = bed.proposed.pop_front().expect("something is proposed");
    bed.report(proposal, ProposeResult::Lost);
}

#[test]
fn a_customer_has_its_next_turn_while_the_last_one_is_in_flight() {
    let mut bed = Bed::leading();
    let first = bed.send("ann", "seen", "1");
    let second = bed.send("ann", "seen", "2");
    assert_eq!(bed.proposed.len(), 2);
    assert_eq!(bed.core.lifecycle(&key("ann")), Lifecycle::AwaitingCommit);
    bed.commit();
    assert!(is_accepted(bed.answer(first)) && bed.answer(second).is_none());
    assert_eq!(bed.core.lifecycle(&key("ann")), Lifecycle::AwaitingCommit);
    bed.commit();
    assert!(is_accepted(bed.answer(second)));
    assert_eq!(bed.core.lifecycle(&key("ann")), Lifecycle::Idle);
}

#[test]
fn several_turns_of_one_customer_travel_in_one_batch() {
    let mut bed = Bed::leading();
    let commands = (0..5).map(|n| ingest("ann", "seen", &n.to_string(), bed.now));
    let ticket = bed.submit(commands.collect());
    assert_eq!(bed.proposed.len(), 1);
    assert_eq!(turns_of(bed.proposed[0].1.entry()).len(), 5);
    bed.commit();
    assert!(bed.answers[&ticket].iter().all(|a| is_accepted(Some(a))));
    assert_eq!(bed.n_accepted(), 5);
}

#[test]
fn a_hot_customer_takes_its_place_in_the_row() {
    let mut bed = Bed::leading();
    let hot = (0..60).map(|n| ingest("hot", "seen", &n.to_string(), bed.now));
    let others = (0..10).map(|n| ingest(&format!("other{n}"), "seen", "1", bed.now));
    let commands: Vec<(CustomerKey, Command)> = hot.chain(others).collect();
    bed.submit(commands);
    let turns = turns_of(bed.proposed[0].1.entry());
    let others = |turns: &[CustomerKey]| turns.iter().filter(|k| **k != key("hot")).count();
    assert_eq!((turns.len(), others(&turns[..11])), (70, 10));
}

#[test]
fn a_batch_that_is_applied_proves_those_before_it() {
    let mut bed = Bed::leading();
    let first = bed.send("ann", "seen", "1");
    let second = bed.send("ann", "seen", "2");
    let (first_id, first_entry) = bed.proposed.pop_front().unwrap();
    let (second_id, second_entry) = bed.proposed.pop_front().unwrap();
    bed.apply(first_entry.entry());
    let result = bed.apply(second_entry.entry());
    bed.report(second_id, result);
    assert!(is_accepted(bed.answer(first)) && is_accepted(bed.answer(second)));
    let n_sessions = bed.core.counters().n_sessions;
    bed.report(first_id, ProposeResult::Lost);
    bed.commit_all();
    assert_eq!(bed.core.counters().n_sessions, n_sessions);
}

#[test]
fn everything_decided_on_a_head_falls_with_it() {
    let mut bed = Bed::leading();
    let first = bed.send("ann", "seen", "1");
    let second = bed.send("ann", "seen", "2");
    let duplicate = bed.send("ann", "seen", "2");
    let behind = bed.send("ann", "seen", "3");
    assert!(bed.answers.is_empty());
    lose(&mut bed);
    for ticket in [first, second] {
        let unknown = Answer::Refused(Refusal::OutcomeUnknown);
        assert_eq!(bed.answer(ticket), Some(&unknown));
    }
    bed.proposed.pop_front().expect("the second, for nothing");
    bed.commit_all();
    assert!(is_accepted(bed.answer(duplicate)), "it waited, undecided");
    assert!(is_accepted(bed.answer(behind)));
    let again = [bed.send("ann", "seen", "1"), bed.send("ann", "seen", "2")];
    bed.commit_all();
    assert!(is_accepted(bed.answer(again[0])));
    assert!(!is_accepted(bed.answer(again[1])));
    assert_eq!(bed.n_accepted(), 3);
}

#[test]
fn a_timer_armed_in_flight_fires_on_the_head() {
    let mut bed = Bed::leading();
    bed.send("ann", "wait_a_minute", "1");
    bed.now = bed.now.plus(MINUTE).plus(TimeSpan::from_ms(1));
    bed.input(Input::Wake);
    assert_eq!(bed.proposed.len(), 2, "the event and the timer");
    bed.commit_all();
    assert_eq!(bed.n_fired(), 1);
    assert!(bed.state("ann").instances.is_empty());
}

#[test]
fn a_timer_armed_by_a_turn_that_falls_never_fires() {
    let mut bed = Bed::leading();
    bed.send("ann", "wait_a_minute", "1");
    bed.now = bed.now.plus(MINUTE).plus(MINUTE);
    bed.input(Input::Wake);
    lose(&mut bed);
    bed.proposed.clear();
    bed.input(Input::Wake);
    bed.commit_all();
    bed.pass(MINUTE);
    assert_eq!((bed.n_fired(), bed.n_accepted()), (0, 0));
    assert_eq!(bed.core.status(bed.now).n_timers_in_memory, 0);
}

#[test]
fn a_timer_disarmed_by_a_turn_that_falls_fires_after_all() {
    let mut bed = Bed::leading();
    bed.send("ann", "wait_a_minute", "1");
    bed.commit_all();
    bed.now = bed.now.plus(MINUTE).plus(TimeSpan::from_ms(1));
    bed.input(Input::Wake);
    assert_eq!(bed.core.status(bed.now).n_timers_in_memory, 0);
    lose(&mut bed);
    bed.commit_all();
    assert_eq!(bed.n_fired(), 1);
}

#[test]
fn a_panic_leaves_the_turns_in_flight_as_they_are() {
    let mut bed = Bed::leading();
    let first = bed.send("ann", "seen", "1");
    let poison = bed.send("ann", "poison", "2");
    let third = bed.send("ann", "seen", "3");
    assert_eq!(bed.answer(poison), None, "it depends on the first");
    bed.commit();
    assert!(is_accepted(bed.answer(first)));
    bed.commit_all();
    let Some(Answer::Refused(Refusal::Quarantined { reason, kept })) = bed.answer(poison) else {
        panic!("{:?}", bed.answers);
    };
    assert_eq!(reason, "poisoned");
    assert_eq!(kept.as_ref().map(|kept| kept.entry.get()), Some(3));
    assert!(is_accepted(bed.answer(third)));
    assert_eq!(bed.n_accepted(), 2);
}

#[test]
fn a_customer_parked_with_turns_in_flight_keeps_them() {
    let mut bed = Bed::leading();
    let now = bed.now;
    let poison = (2..5).map(|n| ingest("ann", "poison", &n.to_string(), now));
    let wait = std::iter::once(ingest("ann", "wait_a_minute", "1", now));
    let ticket = bed.submit(wait.chain(poison).collect());
    assert_eq!(bed.core.lifecycle(&key("ann")), Lifecycle::Quarantined);
    bed.commit_all();
    assert!(is_accepted(bed.answers[&ticket].first()));
    bed.pass(MINUTE);
    bed.pass(MINUTE);
    assert_eq!(bed.n_fired(), 0, "it is parked");
    bed.release("ann");
    bed.commit_all();
    bed.pass(TimeSpan::from_ms(1));
    assert_eq!(bed.n_fired(), 1);
}

#[test]
fn a_customer_with_turns_in_flight_is_not_passivated() {
    let mut bed = Bed::with(|options| options.hosted_customers_max = 1).lead();
    bed.send("ann", "seen", "1");
    bed.send("bob", "seen", "2");
    assert_eq!(bed.core.status(bed.now).n_hosted, 2);
    bed.commit_all();
    assert_eq!(bed.core.status(bed.now).n_hosted, 1);
}

#[test]
fn a_paused_turn_goes_on_in_the_same_batch_before_what_came_behind_it() {
    let mut bed = Bed::leading();
    let commands = vec![
        ingest("ann", "pause", "1", bed.now),
        ingest("ann", "seen", "2", bed.now),
        ingest("bob", "seen", "3", bed.now),
    ];
    bed.submit(commands);
    assert_eq!(bed.proposed.len(), 1);
    assert_eq!(turns_of(bed.proposed[0].1.entry()).len(), 4);
    bed.commit();
    let committed = bed.committed.lock();
    let of_ann = committed.facts.iter().filter(|(k, _)| *k == key("ann"));
    let kinds = of_ann.filter_map(|(_, fact)| match &fact.body {
        EventBody::EventAccepted { .. } => Some("accepted"),
        EventBody::TurnPaused { .. } => Some("paused"),
        EventBody::TurnResumed => Some("resumed"),
        _ => None,
    });
    let kinds: Vec<_> = kinds.collect();
    assert_eq!(kinds, ["accepted", "paused", "resumed", "accepted"]);
}
