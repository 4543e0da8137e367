//! Mailboxes, fairness between customers, passivation.

use journey_customer::{EventBody, Reply};
use journey_types::TimeSpan;
use journey_types::limits::CUSTOMER_MAILBOX_MAX;

use super::bed::{Bed, ingest, key};
use crate::core::{Answer, Lifecycle, Refusal};

#[test]
fn a_full_mailbox_refuses_hot_customer_and_others_go_on() {
    let mut bed = Bed::leading();
    let flood =
        (0..CUSTOMER_MAILBOX_MAX + 10).map(|n| ingest("hot", "seen", &n.to_string(), bed.now));
    let ticket = bed.submit(flood.collect());
    let other = bed.send("cool", "seen", "1");
    bed.commit_all();
    let answers = &bed.answers[&ticket];
    let n_accepted = answers
        .iter()
        .filter(|answer| {
            matches!(
                answer,
                Answer::Done {
                    reply: Reply::Accepted,
                    ..
                }
            )
        })
        .count();
    let hot = Refusal::HotCustomer {
        n_waiting: CUSTOMER_MAILBOX_MAX,
    };
    let n_refused = answers
        .iter()
        .filter(|answer| **answer == Answer::Refused(hot.clone()))
        .count();
    assert_eq!((n_accepted, n_refused), (CUSTOMER_MAILBOX_MAX, 10));
    assert!(matches!(bed.answer(other), Some(Answer::Done { .. })));
}

#[test]
fn commands_of_one_customer_keep_their_order() {
    let mut bed = Bed::leading();
    let commands = (0..20)
        .map(|n| ingest("ann", "seen", &n.to_string(), bed.now))
        .collect();
    bed.submit(commands);
    bed.commit_all();
    let committed = bed.committed.lock();
    let ids = committed
        .facts
        .iter()
        .filter_map(|(_, fact)| match &fact.body {
            EventBody::EventAccepted { event, .. } => Some(event.id.as_str().to_owned()),
            _ => None,
        });
    let expected: Vec<String> = (0..20).map(|n| n.to_string()).collect();
    assert_eq!(ids.collect::<Vec<_>>(), expected);
}

#[test]
fn a_customer_goes_through_its_lifecycle() {
    let mut bed = Bed::leading();
    assert_eq!(bed.core.lifecycle(&key("ann")), Lifecycle::Passive);
    bed.send("ann", "seen", "1");
    assert_eq!(bed.core.lifecycle(&key("ann")), Lifecycle::AwaitingCommit);
    bed.send("ann", "seen", "2");
    bed.commit_all();
    assert_eq!(bed.core.lifecycle(&key("ann")), Lifecycle::Idle);
}

#[test]
fn customers_unused_for_longest_are_passivated_and_come_back_as_they_were() {
    let mut bed = Bed::with(|options| options.hosted_customers_max = 3).lead();
    for n in 0..10 {
        bed.send(&format!("customer{n}"), "seen", "1");
        bed.commit_all();
    }
    assert_eq!(bed.core.status(bed.now).n_hosted, 3);
    assert_eq!(bed.core.lifecycle(&key("customer0")), Lifecycle::Passive);
    assert_eq!(bed.core.lifecycle(&key("customer9")), Lifecycle::Idle);
    let again = bed.send("customer0", "seen", "1");
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
fn large_customers_are_passivated_by_their_bytes() {
    let mut bed = Bed::leading();
    bed.core.customers.limit_size_bytes(1024 * 1024);
    for n in 0..20 {
        bed.send(&format!("customer{n:02}"), "grow_100", "1");
        bed.commit_all();
    }
    let n_hosted = bed.core.status(bed.now).n_hosted;
    assert!((8..=10).contains(&n_hosted), "{n_hosted}");
    assert_eq!(bed.core.lifecycle(&key("customer19")), Lifecycle::Idle);
}

#[test]
fn states_that_the_replica_has_room_for_stay_at_no_cost_until_it_has_none() {
    let mut bed = Bed::leading();
    bed.core.customers.limit_size_bytes(1024 * 1024);
    bed.committed.lock().room_size_bytes = 10 * 1024 * 1024;
    for n in 0..20 {
        bed.send(&format!("customer{n:02}"), "grow_100", "1");
        bed.commit_all();
    }
    assert_eq!(bed.core.status(bed.now).n_hosted, 20);
    bed.committed.lock().room_size_bytes = 0;
    bed.send("customer00", "seen", "2");
    bed.commit_all();
    let n_hosted = bed.core.status(bed.now).n_hosted;
    assert!((8..=10).contains(&n_hosted), "{n_hosted}");
}

#[test]
fn a_turn_that_paused_goes_on_before_other_commands() {
    let mut bed = Bed::leading();
    let commands = vec![
        ingest("ann", "pause", "1", bed.now),
        ingest("ann", "seen", "2", bed.now),
    ];
    bed.submit(commands);
    bed.commit_all();
    let committed = bed.committed.lock();
    let kinds = committed.facts.iter().map(|(_, fact)| match &fact.body {
        EventBody::CustomerBorn { .. } => "born",
        EventBody::EventAccepted { .. } => "accepted",
        EventBody::TurnPaused { .. } => "paused",
        EventBody::TurnResumed => "resumed",
        _ => "other",
    });
    let kinds: Vec<_> = kinds.collect();
    assert_eq!(kinds, ["born", "accepted", "paused", "resumed", "accepted"]);
}

#[test]
fn a_paused_turn_of_a_former_leader_goes_on_by_itself() {
    let mut bed = Bed::leading();
    bed.send("ann", "pause", "1");
    let (proposal, entry) = bed.proposed.pop_front().unwrap();
    bed.apply(entry.entry());
    bed.report(proposal, crate::journal::ProposeResult::Lost);
    bed.commit_all();
    bed.pass(TimeSpan::from_ms(5));
    assert_eq!(bed.n_facts(|body| *body == EventBody::TurnResumed), 1);
}

#[test]
fn cold_customers_come_into_memory_at_a_bounded_rate_and_hot_ones_do_not_wait_for_them() {
    let mut bed = Bed::with(|options| options.memory.cold_loads_per_second_max = Some(10)).lead();
    let n_cold = |bed: &Bed| bed.core.counters().n_cold_activations;
    let herd = |bed: &Bed, id: &str| {
        let commands = (0..30).map(|n| ingest(&format!("customer{n:02}"), "seen", id, bed.now));
        commands.collect::<Vec<_>>()
    };
    let commands = herd(&bed, "1");
    let first = bed.submit(commands);
    bed.commit_all();
    assert_eq!(n_cold(&bed), 10, "a second's worth");
    assert!(!bed.answers.contains_key(&first));
    bed.pass(TimeSpan::from_secs(1));
    assert!((19..=20).contains(&n_cold(&bed)), "{}", n_cold(&bed));
    bed.pass(TimeSpan::from_secs(2));
    assert_eq!(n_cold(&bed), 30);
    assert_eq!(bed.answers[&first].len(), 30);

    let commands = herd(&bed, "2");
    let second = bed.submit(commands);
    bed.commit_all();
    assert_eq!(bed.answers[&second].len(), 30, "they are in memory");
}
