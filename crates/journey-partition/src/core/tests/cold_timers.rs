//! Timers of customers that are not in memory, while reading them is paced, as it is after a restart or a change of leader.

use std::collections::BTreeSet;

use journey_customer::EventBody;
use journey_types::{CustomerKey, TimeSpan, Timestamp};

use super::bed::{Bed, ingest};
use crate::core::{Input, TicketId};

/// Customers that may be read in a second.
const PER_SECOND: u32 = 100;
const N_TIMERS: usize = 300;
/// Between two timers: they come at half the pace.
const GAP: TimeSpan = TimeSpan::from_ms(20);
const LOOK: TimeSpan = TimeSpan::from_ms(10);
const SECOND: TimeSpan = TimeSpan::from_secs(1);

/// Everyone's timer is armed, a gap after the one before, and then everyone is cold. Answers when the first was armed.
fn armed() -> (Bed, Timestamp) {
    let mut bed =
        Bed::with(|options| options.memory.cold_loads_per_second_max = Some(PER_SECOND)).lead();
    let first = bed.now;
    for n in 0..N_TIMERS {
        bed.send(&format!("c{n:03}"), "wait_a_minute", "1");
        bed.commit_all();
        bed.pass(GAP);
    }
    assert_eq!(bed.n_accepted(), N_TIMERS, "below the pace nobody waits");
    bed.input(Input::LeadershipLost);
    (bed, first)
}

fn lead_at(bed: &mut Bed, now: Timestamp) {
    bed.now = now;
    bed.input(Input::LeadershipGained);
    bed.commit_all();
}

/// Who fired, when it was due, and when it fired, in the order of firing.
fn fired(bed: &Bed) -> Vec<(CustomerKey, Timestamp, Timestamp)> {
    let committed = bed.committed.lock();
    let fired = committed.facts.iter().filter_map(|(key, fact)| {
        let EventBody::TimerFired { due_at, .. } = fact.body else {
            return None;
        };
        Some((key.clone(), due_at, fact.stamp))
    });
    fired.collect()
}

fn expect_in_order_and_once(bed: &Bed) {
    let fired = fired(bed);
    let customers: BTreeSet<&CustomerKey> = fired.iter().map(|(key, ..)| key).collect();
    assert_eq!((fired.len(), customers.len()), (N_TIMERS, N_TIMERS));
    for two in fired.windows(2) {
        assert!(two[0].1 <= two[1].1, "out of order: {two:?}");
    }
    for (customer, due_at, at) in &fired {
        assert!(at > due_at, "{customer} fired early");
    }
}

/// Events of so many customers that nobody has seen yet, all at once.
fn send_cold(bed: &mut Bed, n_events: usize) -> Vec<TicketId> {
    let events = 0..n_events;
    let sent = events.map(|n| {
        let command = ingest(&format!("new{n:04}"), "seen", "1", bed.now);
        bed.submit(vec![command])
    });
    sent.collect()
}

fn n_answered(bed: &Bed, tickets: &[TicketId]) -> usize {
    let answered = tickets
        .iter()
        .filter(|ticket| bed.answer(**ticket).is_some());
    answered.count()
}

#[test]
fn timers_that_came_due_meanwhile_fire_in_order_and_once_at_the_pace_of_reading() {
    let (mut bed, first) = armed();
    let began = first.plus(TimeSpan::from_secs(120));
    let before = bed.core.counters().n_cold_activations;
    lead_at(&mut bed, began);
    while bed.n_fired() < N_TIMERS {
        bed.pass(LOOK);
        let passed = bed.now.since(began);
        assert!(passed < TimeSpan::from_secs(4), "{} fired", bed.n_fired());
        let n_read = bed.core.counters().n_cold_activations - before;
        // A second's worth was saved up.
        let passed_ms = u64::try_from(passed.ms()).unwrap();
        let allowed = u64::from(PER_SECOND) * (1_000 + passed_ms) / 1_000;
        assert!(n_read <= allowed, "{n_read} read in {passed_ms} ms");
    }
    let took = bed.now.since(began);
    assert!(took >= TimeSpan::from_ms(1_900), "paced: {took:?}");
    expect_in_order_and_once(&bed);
    bed.pass(TimeSpan::from_secs(120));
    assert_eq!(bed.n_fired(), N_TIMERS);
}

#[test]
fn timers_are_in_time_while_a_herd_of_clients_waits_for_reads_and_the_herd_gets_through() {
    let (mut bed, first) = armed();
    // The first is due in a moment, the others come one by one.
    let began = first.plus(TimeSpan::from_secs(60));
    lead_at(&mut bed, began);
    let herd = send_cold(&mut bed, 400);
    bed.commit_all();
    bed.pass(TimeSpan::from_secs(3));
    let n_through = n_answered(&bed, &herd);
    assert!(
        n_through >= 200,
        "{n_through} of the herd got through in 3 s"
    );
    bed.pass(TimeSpan::from_secs(5));
    assert_eq!(n_answered(&bed, &herd), herd.len());
    expect_in_order_and_once(&bed);
    let latest = fired(&bed)
        .into_iter()
        .map(|(_, due_at, at)| at.since(due_at))
        .max();
    assert!(latest <= Some(SECOND), "the latest by {latest:?}");
}

#[test]
fn overdue_timers_and_a_herd_of_clients_share_the_reads() {
    let (mut bed, first) = armed();
    lead_at(&mut bed, first.plus(TimeSpan::from_secs(120)));
    let herd = send_cold(&mut bed, N_TIMERS);
    bed.commit_all();
    // 600 reads take 5 s after the saved second; half way both are about half done.
    bed.pass(TimeSpan::from_ms(2_500));
    let (n_fired, n_through) = (bed.n_fired(), n_answered(&bed, &herd));
    assert!(
        n_fired >= 100 && n_through >= 100,
        "{n_fired} fired, {n_through} answered"
    );
    bed.pass(TimeSpan::from_secs(4));
    assert_eq!(n_answered(&bed, &herd), herd.len());
    expect_in_order_and_once(&bed);
}
