//! Submissions of one producer keep their order over failures that are not final (G3).

use journey_customer::Command;
use journey_types::CustomerKey;
use journey_types::limits::CUSTOMER_MAILBOX_MAX;

use super::bed::{Bed, ingest};
use crate::core::{Answer, Input, Refusal, SubmissionOrder, TicketId};
use crate::journal::ProposeResult;

fn submit(
    bed: &mut Bed,
    ticket: u64,
    order: &SubmissionOrder,
    commands: Vec<(CustomerKey, Command)>,
) -> TicketId {
    let ticket = TicketId(1_000 + ticket);
    bed.input(Input::Submit {
        ticket,
        commands,
        order: Some(order.clone()),
    });
    ticket
}

#[test]
fn what_comes_after_an_event_of_unknown_outcome_is_refused_until_that_event_is_resent() {
    let mut bed = Bed::leading();
    let order = SubmissionOrder::default();
    let now = bed.now;
    let failed = vec![ingest("ann", "seen", "1", now)];
    let first = submit(&mut bed, 1, &order, failed.clone());
    let (proposal, _) = bed.proposed.pop_front().unwrap();
    bed.report(proposal, ProposeResult::Lost);
    assert_eq!(
        bed.answer(first),
        Some(&Answer::Refused(Refusal::OutcomeUnknown))
    );
    bed.commit_all();
    let later = vec![ingest("bob", "seen", "2", now)];
    let second = submit(&mut bed, 2, &order, later.clone());
    assert_eq!(
        bed.answer(second),
        Some(&Answer::Refused(Refusal::RetryInOrder)),
        "it may not overtake, though nothing speaks against it by itself"
    );
    assert!(!order.is_resent_by(&later) && order.is_resent_by(&failed));
    let fresh = SubmissionOrder::default();
    let third = submit(&mut bed, 3, &fresh, [failed, later].concat());
    bed.commit_all();
    let is_done = |answer: &Answer| matches!(answer, Answer::Done { .. });
    assert!(bed.answers[&third].iter().all(is_done));
}

#[test]
fn events_behind_a_refused_one_of_the_same_submission_are_refused_with_it() {
    let mut bed = Bed::leading();
    let order = SubmissionOrder::default();
    let flood = (0..=CUSTOMER_MAILBOX_MAX).map(|n| ingest("hot", "seen", &n.to_string(), bed.now));
    let behind = ingest("cool", "seen", "1", bed.now);
    let commands = flood.chain([behind]).collect();
    let ticket = submit(&mut bed, 1, &order, commands);
    bed.commit_all();
    let answers = &bed.answers[&ticket];
    let last_two = &answers[answers.len() - 2..];
    let n_waiting = CUSTOMER_MAILBOX_MAX;
    assert_eq!(
        last_two,
        [
            Answer::Refused(Refusal::HotCustomer { n_waiting }),
            Answer::Refused(Refusal::RetryInOrder)
        ]
    );
}

#[test]
fn a_final_refusal_does_not_break_the_order() {
    let mut bed = Bed::leading();
    let order = SubmissionOrder::default();
    let now = bed.now;
    submit(&mut bed, 1, &order, vec![ingest("ann", "poison", "1", now)]);
    let next = submit(&mut bed, 2, &order, vec![ingest("ann", "seen", "2", now)]);
    bed.commit_all();
    assert!(matches!(bed.answer(next), Some(Answer::Done { .. })));
}

#[test]
fn of_several_failures_the_earliest_is_the_one_to_resend() {
    let mut bed = Bed::leading();
    let order = SubmissionOrder::default();
    let now = bed.now;
    let commands: Vec<_> = (1..=3)
        .map(|n| ingest(&format!("customer{n}"), "seen", &n.to_string(), now))
        .collect();
    for (n, command) in (0..).zip(&commands) {
        submit(&mut bed, n, &order, vec![command.clone()]);
    }
    bed.input(Input::LeadershipLost);
    assert_eq!(bed.answers.len(), 3);
    assert!(order.is_resent_by(&commands));
    assert!(!order.is_resent_by(&commands[1..]));
}

#[test]
fn what_waits_in_a_mailbox_does_not_overtake_what_is_lost_before_it() {
    let mut bed = Bed::leading();
    let order = SubmissionOrder::default();
    let now = bed.now;
    let commands = |n: u32| vec![ingest("ann", "seen", &n.to_string(), now)];
    let first = submit(&mut bed, 1, &order, commands(1));
    let second = submit(&mut bed, 2, &order, commands(2));
    let third = submit(&mut bed, 3, &order, commands(3));
    let other = bed.send("ann", "seen", "4");
    assert_eq!(bed.proposed.len(), 2, "the third waits in the mailbox");
    let (proposal, _) = bed.proposed.pop_front().unwrap();
    bed.report(proposal, ProposeResult::Lost);
    bed.commit_all();
    for in_flight in [first, second] {
        assert_eq!(
            bed.answer(in_flight),
            Some(&Answer::Refused(Refusal::OutcomeUnknown))
        );
    }
    assert_eq!(
        bed.answer(third),
        Some(&Answer::Refused(Refusal::RetryInOrder))
    );
    assert!(matches!(bed.answer(other), Some(Answer::Done { .. })));
    assert!(order.is_resent_by(&commands(1)), "not by the second");
}
