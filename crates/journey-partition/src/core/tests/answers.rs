//! No answer leaves before what it depends on is applied.

use journey_customer::Reply;

use super::bed::{Bed, ingest};
use crate::core::{Answer, Input, Refusal};
use crate::journal::ProposeResult;

fn is_duplicate(answer: Option<&Answer>) -> bool {
    matches!(
        answer,
        Some(Answer::Done {
            reply: Reply::Duplicate,
            ..
        })
    )
}

#[test]
fn a_duplicate_of_an_event_in_flight_waits_for_it() {
    let mut bed = Bed::leading();
    let first = bed.send("ann", "seen", "1");
    let second = bed.send("ann", "seen", "1");
    assert!(bed.answer(first).is_none() && bed.answer(second).is_none());
    let confirmation = bed.confirmations.pop_front().expect("one is asked for");
    let leads = true;
    bed.input(Input::LeadershipConfirmed {
        confirmation,
        leads,
    });
    assert!(
        bed.answer(second).is_none(),
        "leadership is proven, the first is not applied"
    );
    bed.commit();
    assert!(matches!(
        bed.answer(first),
        Some(Answer::Done {
            reply: Reply::Accepted,
            ..
        })
    ));
    assert!(is_duplicate(bed.answer(second)));
    let Some(Answer::Done { lsn, .. }) = bed.answer(second) else {
        panic!("a duplicate has a place");
    };
    assert_eq!(*lsn, bed.committed.lock().control.applied);
    assert_eq!(bed.n_accepted(), 1);
}

#[test]
fn a_duplicate_of_an_event_in_flight_waits_for_proof_of_leadership_too() {
    let mut bed = Bed::leading();
    bed.send("ann", "seen", "1");
    let second = bed.send("ann", "seen", "1");
    bed.commit();
    assert!(
        bed.answer(second).is_none(),
        "leadership is not proven since it came"
    );
    bed.commit_all();
    assert!(is_duplicate(bed.answer(second)));
}

#[test]
fn a_duplicate_of_an_event_that_is_lost_is_not_answered_duplicate() {
    let mut bed = Bed::leading();
    let first = bed.send("ann", "seen", "1");
    let second = bed.send("ann", "seen", "1");
    let (proposal, _) = bed.proposed.pop_front().unwrap();
    bed.report(proposal, ProposeResult::Lost);
    for ticket in [first, second] {
        assert_eq!(
            bed.answer(ticket),
            Some(&Answer::Refused(Refusal::OutcomeUnknown))
        );
    }
    let again = bed.send("ann", "seen", "1");
    bed.commit_all();
    assert!(matches!(
        bed.answer(again),
        Some(Answer::Done {
            reply: Reply::Accepted,
            ..
        })
    ));
}

#[test]
fn an_answer_without_facts_is_released_by_the_next_batch_of_the_session() {
    let mut bed = Bed::leading();
    bed.send("ann", "seen", "1");
    bed.commit_all();
    let commands = vec![
        ingest("ann", "seen", "1", bed.now),
        ingest("bob", "seen", "2", bed.now),
    ];
    let ticket = bed.submit(commands);
    assert!(
        bed.confirmations.is_empty(),
        "the batch with bob's event proves leadership"
    );
    bed.commit();
    let answers = &bed.answers[&ticket];
    assert!(is_duplicate(answers.first()));
    assert!(matches!(
        answers[1],
        Answer::Done {
            reply: Reply::Accepted,
            ..
        }
    ));
}

#[test]
fn an_answer_without_facts_is_not_released_by_a_batch_proposed_before_it() {
    let mut bed = Bed::leading();
    bed.send("ann", "seen", "1");
    bed.commit_all();
    bed.send("bob", "seen", "2");
    let ticket = bed.send("ann", "seen", "1");
    bed.commit();
    assert!(bed.answer(ticket).is_none());
    assert_eq!(bed.confirmations.len(), 1);
    bed.commit_all();
    assert!(is_duplicate(bed.answer(ticket)));
}

#[test]
fn one_proof_of_leadership_is_shared_and_later_arrivals_wait_for_the_next() {
    let mut bed = Bed::leading();
    let first = bed.read();
    let second = bed.read();
    let third = bed.read();
    assert_eq!(bed.confirmations.len(), 1, "at most one is under way");
    let confirmation = bed.confirmations.pop_front().unwrap();
    bed.input(Input::LeadershipConfirmed {
        confirmation,
        leads: true,
    });
    assert_eq!(bed.reads.get(&first), Some(&Ok(())));
    assert!(
        !bed.reads.contains_key(&second),
        "it came after the proof was asked for"
    );
    assert_eq!(bed.confirmations.len(), 1);
    bed.commit_all();
    assert_eq!(
        (bed.reads.get(&second), bed.reads.get(&third)),
        (Some(&Ok(())), Some(&Ok(())))
    );
}

#[test]
fn leadership_that_cannot_be_proven_ends_the_session() {
    let mut bed = Bed::leading();
    let n_sessions = bed.core.counters().n_sessions;
    let read = bed.read();
    let confirmation = bed.confirmations.pop_front().unwrap();
    bed.input(Input::LeadershipConfirmed {
        confirmation,
        leads: false,
    });
    assert_eq!(bed.reads.get(&read), Some(&Err(Refusal::OutcomeUnknown)));
    bed.commit_all();
    assert_eq!(bed.core.counters().n_sessions, n_sessions + 1);
}

#[test]
fn a_rejection_waits_for_proof_like_any_answer() {
    let mut bed = Bed::leading();
    bed.now = bed.now.plus(journey_types::TimeSpan::from_secs(1));
    let too_far = bed.now.plus(journey_types::TimeSpan::from_days(3));
    let ticket = bed.submit(vec![ingest("ann", "seen", "1", too_far)]);
    assert!(bed.answer(ticket).is_none());
    bed.commit_all();
    assert!(
        matches!(bed.answer(ticket), Some(Answer::Rejected(_))),
        "{:?}",
        bed.answers
    );
}

#[test]
fn an_empty_submission_is_answered_at_once() {
    let mut bed = Bed::leading();
    let ticket = bed.submit(Vec::new());
    assert_eq!(bed.answers[&ticket], []);
}
