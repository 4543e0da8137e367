//! Leadership that goes and comes back: what a new leader takes over at once, and what only when its time has come.

use journey_customer::{EventBody, Outcome, Reply};
use journey_types::TimeSpan;

use super::bed::Bed;
use crate::core::{Answer, Input, Refusal, Role, WorkerId};
use crate::journal::ProposeResult;

fn fall_and_rise(bed: &mut Bed) {
    bed.input(Input::LeadershipLost);
    bed.input(Input::LeadershipGained);
    bed.commit_all();
}

#[test]
fn callers_of_a_leader_that_falls_are_all_answered() {
    let mut bed = Bed::leading();
    let decided = bed.send("ann", "seen", "1");
    let read = bed.read();
    bed.input(Input::LeadershipLost);
    assert_eq!(
        bed.answer(decided),
        Some(&Answer::Refused(Refusal::OutcomeUnknown))
    );
    assert!(matches!(bed.reads.get(&read), Some(Err(_))));
    let late = bed.send("ann", "seen", "2");
    assert_eq!(bed.answer(late), Some(&Answer::Refused(Refusal::NotLeader)));
    assert_eq!(bed.core.status(bed.now).role, Role::Follower);
}

#[test]
fn an_entry_that_another_leader_commits_after_all_is_no_surprise() {
    let mut bed = Bed::leading();
    bed.send("ann", "seen", "1");
    let (proposal, entry) = bed.proposed.pop_front().expect("the batch");
    bed.input(Input::LeadershipLost);
    // The new leader had it in its log.
    assert!(matches!(
        bed.apply(entry.entry()),
        ProposeResult::Applied { .. }
    ));
    bed.report(proposal, ProposeResult::Lost);
    bed.input(Input::LeadershipGained);
    bed.commit_all();
    let again = bed.send("ann", "seen", "1");
    bed.commit_all();
    assert!(matches!(
        bed.answer(again),
        Some(Answer::Done {
            reply: Reply::Duplicate,
            ..
        })
    ));
}

#[test]
fn a_timer_whose_firing_was_on_its_way_fires_once_under_the_next_leader() {
    let mut bed = Bed::leading();
    bed.send("ann", "wait_a_minute", "1");
    bed.commit_all();
    bed.now = bed.now.plus(TimeSpan::from_secs(120));
    bed.input(Input::Wake);
    assert_eq!(bed.proposed.len(), 1, "the firing is proposed");
    bed.proposed.clear();
    assert_eq!(bed.n_fired(), 0);
    fall_and_rise(&mut bed);
    bed.pass(TimeSpan::from_ms(10));
    assert_eq!(bed.n_fired(), 1, "taken over at once");
    bed.pass(TimeSpan::from_secs(300));
    assert_eq!(bed.n_fired(), 1);
}

#[test]
fn unclaimed_effects_are_offered_at_once_and_claimed_ones_when_their_claim_has_run_out() {
    let mut bed = Bed::leading();
    bed.subscribe(1, &["push"], 10);
    bed.send("ann", "message_push", "1");
    bed.commit_all();
    assert_eq!(bed.hand_overs.len(), 1, "claimed");
    bed.input(Input::Unsubscribe(WorkerId(1)));
    bed.send("bob", "message_push", "1");
    bed.commit_all();
    assert_eq!(bed.hand_overs.len(), 1, "nobody takes it");
    // Subscribed while it follows: the subscription stands when it leads.
    bed.input(Input::LeadershipLost);
    let credit = bed.subscribe(2, &["push"], 10);
    bed.pass(TimeSpan::from_secs(1));
    assert_eq!(
        (bed.hand_overs.len(), credit.left()),
        (1, 10),
        "a follower hands nothing over"
    );
    bed.input(Input::LeadershipGained);
    bed.commit_all();
    assert_eq!(bed.hand_overs.len(), 2, "what was unclaimed");
    let unclaimed = bed.hand_overs.pop().expect("it");
    assert_eq!(unclaimed.customer.customer.as_str(), "bob");
    bed.settle(&unclaimed, Outcome::Sent);
    bed.commit_all();
    bed.pass(TimeSpan::from_secs(27));
    assert_eq!(bed.hand_overs.len(), 1, "the claim still holds");
    bed.pass(TimeSpan::from_secs(3));
    assert_eq!(bed.hand_overs.len(), 2, "its claim has run out");
    let again = bed.hand_overs.last().expect("it");
    assert_eq!(
        (again.customer.customer.as_str(), again.row.attempt),
        ("ann", 2)
    );
}

#[test]
fn a_claim_that_was_not_applied_is_never_handed_over() {
    let mut bed = Bed::leading();
    let credit = bed.subscribe(1, &["push"], 3);
    bed.send("ann", "message_push", "1");
    let (proposal, _) = bed.proposed.pop_front().expect("the turn with its claim");
    bed.input(Input::LeadershipLost);
    bed.report(proposal, ProposeResult::Lost);
    assert!(bed.hand_overs.is_empty());
    assert_eq!(credit.left(), 3, "its credit came back");
    bed.input(Input::LeadershipGained);
    bed.commit_all();
    assert!(bed.hand_overs.is_empty(), "the effect never was");
    let claims = bed.n_facts(|body| matches!(body, EventBody::EffectClaimed { .. }));
    assert_eq!(claims, 0);
}
