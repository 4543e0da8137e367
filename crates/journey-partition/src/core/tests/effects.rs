//! Claims and hand-overs.

use std::time::Duration;

use journey_customer::{EffectStatus, EventBody, Outcome, Reply};
use journey_types::TimeSpan;

use super::bed::Bed;
use crate::core::limits::CLAIMS_WAITING_MAX;
use crate::core::{Answer, Input, WorkerId};
use crate::journal::ProposeResult;

const SECOND: TimeSpan = TimeSpan::from_secs(1);

fn n_claims(bed: &Bed) -> usize {
    bed.n_facts(|body| matches!(body, EventBody::EffectClaimed { .. }))
}

#[test]
fn an_effect_is_handed_over_only_after_its_claim_is_applied() {
    let mut bed = Bed::leading();
    let credit = bed.subscribe(1, &["push"], 5);
    bed.send("ann", "message_push", "1");
    assert_eq!(bed.proposed.len(), 1, "with its claim");
    assert!(bed.hand_overs.is_empty());
    bed.commit();
    assert_eq!(bed.hand_overs.len(), 1);
    assert!(bed.proposed.is_empty());
    let hand_over = &bed.hand_overs[0];
    assert_eq!((hand_over.worker, hand_over.row.attempt), (WorkerId(1), 1));
    let until = bed.now.plus(TimeSpan::from_secs(30));
    assert_eq!(hand_over.row.status, EffectStatus::Claimed { until });
    assert_eq!(credit.left(), 4);
}

#[test]
fn nothing_is_claimed_without_credit_or_for_another_channel() {
    let mut bed = Bed::leading();
    let credit = bed.subscribe(1, &["push"], 0);
    bed.subscribe(2, &["email"], 9);
    bed.send("ann", "message_push", "1");
    bed.commit_all();
    assert_eq!(n_claims(&bed), 0);
    credit.add(1);
    bed.input(Input::CreditAdded(WorkerId(1)));
    bed.commit_all();
    assert_eq!(
        (n_claims(&bed), bed.hand_overs.len(), credit.left()),
        (1, 1, 0)
    );
}

#[test]
fn one_effect_of_a_channel_is_out_at_a_time_in_order_of_emission() {
    let mut bed = Bed::leading();
    bed.subscribe(1, &["push", "email"], 100);
    for n in 0..3 {
        bed.send("ann", "message_push", &n.to_string());
    }
    bed.send("ann", "message_email", "mail");
    bed.commit_all();
    assert_eq!(bed.hand_overs.len(), 2, "one for each channel");
    let mut effects = Vec::new();
    for _ in 0..3 {
        let position = bed
            .hand_overs
            .iter()
            .position(|h| h.row.destination.to_string() == "push");
        let hand_over = bed.hand_overs.remove(position.expect("the next push"));
        effects.push(hand_over.row.effect);
        let ticket = bed.settle(&hand_over, Outcome::Delivered);
        bed.commit_all();
        assert!(matches!(
            bed.answer(ticket),
            Some(Answer::Done {
                reply: Reply::Recorded,
                ..
            })
        ));
    }
    assert!(effects.is_sorted(), "{effects:?}");
    assert!(
        bed.hand_overs
            .iter()
            .all(|h| h.row.destination.to_string() == "email")
    );
}

#[test]
fn a_claim_whose_effect_went_out_holds_until_it_expires_though_its_stream_ended() {
    let mut bed = Bed::leading();
    bed.subscribe(1, &["push"], 10);
    bed.send("ann", "message_push", "1");
    bed.commit_all();
    bed.input(Input::Unsubscribe(WorkerId(1)));
    bed.subscribe(2, &["push"], 10);
    bed.commit_all();
    bed.pass(TimeSpan::from_secs(29));
    assert_eq!(bed.hand_overs.len(), 1);
    bed.pass(SECOND);
    assert_eq!(bed.hand_overs.len(), 2);
    let (first, second) = (&bed.hand_overs[0], &bed.hand_overs[1]);
    assert_eq!(first.row.effect, second.row.effect);
    assert_eq!((second.worker, second.row.attempt), (WorkerId(2), 2));
}

#[test]
fn an_effect_that_failed_for_now_comes_back_after_a_growing_pause() {
    let mut bed = Bed::leading();
    bed.subscribe(1, &["push"], 10);
    bed.send("ann", "message_push", "1");
    bed.commit_all();
    let mut pauses = Vec::new();
    for _ in 0..4 {
        let hand_over = bed.hand_overs.pop().expect("handed over");
        let (reason, retry_at) = ("busy".to_owned(), bed.now);
        bed.settle(&hand_over, Outcome::FailedForNow { reason, retry_at });
        bed.commit_all();
        let failed_at = bed.now;
        let wake_at = bed.wake_at.expect("it is offered again");
        bed.pass(wake_at.since(bed.now));
        pauses.push(bed.now.since(failed_at).ms());
    }
    for (pause_ms, least_ms) in pauses.iter().zip([1_000, 2_000, 4_000, 8_000]) {
        assert!(
            (least_ms..=least_ms + least_ms / 4).contains(pause_ms),
            "{pauses:?}"
        );
    }
    assert_eq!(bed.hand_overs.len(), 1);
}

#[test]
fn a_worker_that_returns_everything_gets_it_again_after_growing_pauses() {
    let mut bed = Bed::leading();
    bed.subscribe(1, &["push"], 100);
    bed.send("ann", "message_push", "1");
    bed.commit_all();
    let mut pauses = Vec::new();
    while pauses.len() < 16 {
        let hand_over = bed.hand_overs.pop().expect("handed over");
        let returned_at = bed.now;
        bed.settle(&hand_over, Outcome::Returned { retry_at: None });
        bed.commit_all();
        // The core wakes up in between to look at its clock.
        while bed.hand_overs.is_empty() {
            let wake_at = bed.wake_at.expect("it is offered again");
            bed.pass(wake_at.since(bed.now));
        }
        pauses.push(bed.now.since(returned_at).ms());
    }
    let at_once = [0; 3];
    let growing = (0..13).map(|n| (1_000 << n).min(300_000));
    for (pause_ms, least_ms) in pauses.iter().zip(at_once.into_iter().chain(growing)) {
        assert!(
            (least_ms..=least_ms + least_ms / 4).contains(pause_ms),
            "{pauses:?}"
        );
    }
    let state = bed.state("ann");
    let row = state.outbox.values().next().expect("waits");
    assert_eq!((row.n_attempts(), row.returned_in_a_row), (1, 16));
    let kept: Vec<_> = row.attempts.iter().collect();
    assert_eq!(
        kept.len(),
        2,
        "the returns as one, and the attempt now: {kept:?}"
    );
}

#[test]
fn a_node_that_gives_the_same_effect_back_over_and_over_pauses_too() {
    let mut bed = Bed::leading();
    bed.subscribe(1, &["push"], 100);
    bed.send("ann", "message_push", "1");
    bed.commit_all();
    for _ in 0..3 {
        let hand_over = bed
            .hand_overs
            .pop()
            .expect("handed over in the same instant");
        bed.input(Input::Unsent(Box::new(hand_over)));
        bed.commit_all();
    }
    let fourth = bed
        .hand_overs
        .pop()
        .expect("handed over in the same instant");
    bed.input(Input::Unsent(Box::new(fourth)));
    bed.commit_all();
    assert!(bed.hand_overs.is_empty());
    bed.pass(TimeSpan::from_ms(1_250));
    let fifth = bed.hand_overs.pop().expect("handed over after a pause");
    // A failure in between, or a claim that runs out, and nothing is in a row any more.
    let (reason, retry_at) = ("busy".to_owned(), bed.now);
    bed.settle(&fifth, Outcome::FailedForNow { reason, retry_at });
    bed.commit_all();
    bed.pass(TimeSpan::from_secs(2));
    let sixth = bed.hand_overs.pop().expect("handed over after its backoff");
    bed.input(Input::Unsent(Box::new(sixth)));
    bed.commit_all();
    assert_eq!(bed.hand_overs.len(), 1, "in the same instant");
    assert_eq!(bed.core.counters().of_facts.n_returns, 5);
}

#[test]
fn a_worker_that_returns_an_effect_may_ask_for_a_pause() {
    let mut bed = Bed::leading();
    bed.subscribe(1, &["push"], 100);
    bed.send("ann", "message_push", "1");
    bed.commit_all();
    let hand_over = bed.hand_overs.pop().expect("handed over");
    let retry_at = Some(bed.now.plus(TimeSpan::from_secs(7)));
    bed.settle(&hand_over, Outcome::Returned { retry_at });
    bed.commit_all();
    bed.pass(TimeSpan::from_ms(6_999));
    assert!(bed.hand_overs.is_empty());
    bed.pass(TimeSpan::from_ms(1));
    assert_eq!(bed.hand_overs.len(), 1);
}

#[test]
fn a_session_that_ends_drops_hand_overs_and_a_new_one_offers_after_the_claim() {
    let mut bed = Bed::leading();
    let credit = bed.subscribe(1, &["push"], 3);
    bed.send("ann", "message_push", "1");
    let (proposal, entry) = bed.proposed.pop_front().expect("effect and claim");
    assert_eq!(credit.left(), 2);
    bed.apply(entry.entry());
    bed.report(proposal, ProposeResult::Lost);
    assert_eq!(credit.left(), 3, "it was not handed over");
    bed.commit_all();
    assert!(
        bed.hand_overs.is_empty(),
        "the claim of the former session holds"
    );
    bed.pass(TimeSpan::from_secs(30));
    assert_eq!(bed.hand_overs.len(), 1);
    assert_eq!(bed.hand_overs[0].row.attempt, 2);
}

#[test]
fn a_claim_applied_too_late_is_given_back_and_offered_again_at_once() {
    let mut bed = Bed::leading();
    let credit = bed.subscribe(1, &["push"], 1);
    bed.send("ann", "message_push", "1");
    bed.now = bed.now.plus(SECOND).plus(SECOND).plus(TimeSpan::from_ms(1));
    bed.commit();
    assert!(bed.hand_overs.is_empty());
    assert_eq!(bed.core.counters().n_claims_unused, 1);
    bed.commit_all();
    let attempts: Vec<u32> = bed.hand_overs.iter().map(|h| h.row.attempt).collect();
    assert_eq!(attempts, [2], "in the same instant, as another attempt");
    assert_eq!(credit.left(), 0);
}

#[test]
fn a_clock_that_is_set_back_makes_no_late_hand_over_timely() {
    let mut bed = Bed::leading();
    bed.subscribe(1, &["push"], 1);
    bed.send("ann", "message_push", "1");
    // Three seconds pass, in which somebody sets the clock back by an hour.
    let hour = Duration::from_secs(3_600);
    bed.now = bed.now.minus(TimeSpan::from_secs(3_600 - 3));
    bed.monotonic_ahead = hour;
    bed.commit();
    assert!(bed.hand_overs.is_empty());
    assert_eq!(bed.core.counters().n_claims_unused, 1);
}

#[test]
fn what_was_claimed_for_a_worker_that_left_meanwhile_goes_to_another_at_once() {
    let mut bed = Bed::leading();
    bed.subscribe(1, &["push"], 10);
    bed.send("ann", "message_push", "1");
    bed.input(Input::Unsubscribe(WorkerId(1)));
    bed.subscribe(2, &["push"], 10);
    bed.commit_all();
    let [hand_over] = bed.hand_overs.as_slice() else {
        panic!("handed over once: {:?}", bed.hand_overs)
    };
    assert_eq!((hand_over.worker, hand_over.row.attempt), (WorkerId(2), 2));
}

#[test]
fn an_effect_that_did_not_go_out_is_given_back_once() {
    let mut bed = Bed::leading();
    bed.subscribe(1, &["push"], 10);
    bed.send("ann", "message_push", "1");
    bed.commit_all();
    let first = bed.hand_overs.pop().expect("handed over");
    bed.input(Input::Unsent(Box::new(first.clone())));
    bed.commit_all();
    let second = bed.hand_overs.pop().expect("handed over again");
    assert_eq!((first.row.attempt, second.row.attempt), (1, 2));
    // Said again, it speaks of an attempt that is over, and leaves the second one alone.
    bed.input(Input::Unsent(Box::new(first)));
    bed.commit_all();
    bed.pass(TimeSpan::from_secs(29));
    assert!(bed.hand_overs.is_empty());
    bed.settle(&second, Outcome::Sent);
    bed.commit_all();
    assert!(bed.state("ann").outbox.is_empty());
}

#[test]
fn a_former_leader_gives_nothing_back() {
    let mut bed = Bed::leading();
    bed.subscribe(1, &["push"], 10);
    bed.send("ann", "message_push", "1");
    bed.commit_all();
    let hand_over = bed.hand_overs.pop().expect("handed over");
    bed.input(Input::LeadershipLost);
    bed.input(Input::Unsent(Box::new(hand_over)));
    assert!(bed.proposed.is_empty());
    assert_eq!(bed.core.status(bed.now).n_mailed, 0);
}

#[test]
fn effects_of_before_are_found_when_a_worker_comes() {
    let mut bed = Bed::with(|options| options.hosted_customers_max = 10).lead();
    for n in 0..500 {
        bed.send(&format!("customer{n:03}"), "message_push", "1");
        bed.commit_all();
    }
    assert_eq!(
        bed.core.status(bed.now).n_effects_offered,
        0,
        "nobody wants them"
    );
    bed.subscribe(1, &["push"], 1_000);
    bed.commit_all();
    bed.pass(SECOND);
    assert_eq!(bed.hand_overs.len(), 500);
}

#[test]
fn workers_take_turns() {
    let mut bed = Bed::leading();
    bed.subscribe(1, &["push"], 100);
    bed.subscribe(2, &["push"], 100);
    for n in 0..40 {
        bed.send(&format!("customer{n}"), "message_push", "1");
    }
    bed.commit_all();
    let n_first = bed
        .hand_overs
        .iter()
        .filter(|h| h.worker == WorkerId(1))
        .count();
    assert_eq!((bed.hand_overs.len(), n_first), (40, 20));
}

#[test]
fn an_outcome_for_an_effect_that_is_gone_is_settled() {
    let mut bed = Bed::leading();
    bed.subscribe(1, &["push"], 1);
    bed.send("ann", "message_push", "1");
    bed.commit_all();
    let hand_over = bed.hand_overs.pop().unwrap();
    bed.settle(&hand_over, Outcome::Delivered);
    let again = bed.settle(&hand_over, Outcome::Delivered);
    bed.commit_all();
    assert!(matches!(
        bed.answer(again),
        Some(Answer::Done {
            reply: Reply::Settled,
            ..
        })
    ));
}

#[test]
fn an_effect_that_falls_gives_the_credit_of_its_claim_back() {
    let mut bed = Bed::leading();
    let credit = bed.subscribe(1, &["push"], 3);
    bed.send("ann", "message_push", "1");
    bed.send("ann", "message_push", "2");
    assert_eq!(credit.left(), 2, "one of a channel at a time");
    let (proposal, _) = bed.proposed.pop_front().expect("effect and claim");
    bed.proposed.clear();
    bed.report(proposal, ProposeResult::Refused("stalled".to_owned()));
    assert_eq!(credit.left(), 3);
    bed.commit_all();
    bed.pass(TimeSpan::from_secs(60));
    assert!(bed.hand_overs.is_empty() && n_claims(&bed) == 0);
}

#[test]
fn an_effect_emitted_in_flight_is_claimed_when_credit_comes_and_leaves_when_both_are_applied() {
    let mut bed = Bed::leading();
    let credit = bed.subscribe(1, &["push"], 0);
    bed.send("ann", "message_push", "1");
    credit.add(1);
    bed.input(Input::CreditAdded(WorkerId(1)));
    assert_eq!(bed.proposed.len(), 2, "the effect, and its claim behind it");
    bed.commit();
    assert!(bed.hand_overs.is_empty());
    bed.commit();
    assert_eq!(bed.hand_overs.len(), 1);
}

#[test]
fn what_has_waited_for_credit_goes_before_what_was_just_emitted() {
    let mut bed = Bed::leading();
    let credit = bed.subscribe(1, &["push"], 0);
    for n in 0..CLAIMS_WAITING_MAX + 10 {
        bed.send(&format!("old{n:03}"), "message_push", "1");
    }
    bed.commit_all();
    bed.now = bed.now.plus(SECOND);
    credit.add(1_000);
    bed.send("new", "message_push", "1");
    bed.commit_all();
    let position = |name: &str| {
        let mut handed = bed.hand_overs.iter();
        handed.position(|h| h.customer.customer.as_str() == name)
    };
    assert_eq!(bed.hand_overs.len(), CLAIMS_WAITING_MAX + 11);
    assert!(position("new") > position("old137"));
}

#[test]
fn a_deep_outbox_of_one_workspace_does_not_hold_up_another() {
    let mut bed = Bed::leading();
    let deep = bed.subscribe_in("deep", 1, &["push"], 0);
    let credit = bed.subscribe_in("other", 2, &["push"], 0);
    for n in 0..CLAIMS_WAITING_MAX * 4 {
        bed.send_in("deep", &format!("customer{n:03}"), "message_push");
    }
    for n in 0..4 {
        bed.send_in("other", &format!("customer{n}"), "message_push");
    }
    bed.commit_all();
    deep.add(10_000);
    credit.add(10_000);
    bed.input(Input::CreditAdded(WorkerId(1)));
    bed.commit();
    let of_other = bed.hand_overs.iter().filter(|h| h.worker == WorkerId(2));
    assert_eq!(of_other.count(), 4, "all of them in the first batch");
    assert!(bed.hand_overs.len() <= CLAIMS_WAITING_MAX);
    bed.commit_all();
    assert_eq!(bed.hand_overs.len(), CLAIMS_WAITING_MAX * 4 + 4);
}
