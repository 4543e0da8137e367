//! Very many timers due at one instant, and a clock that steps back and forth.

use journey_codec::{JournalEntry, Record};
use journey_customer::EventBody;
use journey_types::{CustomerKey, TimeSpan, Timestamp};

use super::bed::{Bed, ingest_in};
use crate::core::Input;
use crate::core::limits::{BATCH_SIZE_BYTES_TARGET, TIMER_FIRES_PER_BATCH_MAX};
use crate::core::timers::TimerHeap;

const MINUTE: TimeSpan = TimeSpan::from_secs(60);
const HOUR: TimeSpan = TimeSpan::from_hours(1);
/// Customers whose timers are due at one instant: ten heaps full.
const N_STORM: usize = 20_000;
const N_CALM: usize = 20;

/// Of a batch: in how many turns timers fire, and how many events are accepted.
fn fires_and_events(entry: &JournalEntry) -> (usize, usize) {
    let JournalEntry::Batch(batch) = entry else {
        return (0, 0);
    };
    let (mut n_fires, mut n_events) = (0, 0);
    for record in &batch.records {
        let Record::Turn(turn) = record else { continue };
        for fact in &turn.events {
            n_fires += usize::from(matches!(fact.body, EventBody::TimerFired { .. }));
            n_events += usize::from(matches!(fact.body, EventBody::EventAccepted { .. }));
        }
    }
    (n_fires, n_events)
}

fn arm(bed: &mut Bed, workspace: &str, n_customers: usize) {
    for from in (0..n_customers).step_by(500) {
        let customers = from..(from + 500).min(n_customers);
        let now = bed.now;
        let command = |n| ingest_in(workspace, &format!("c{n:06}"), "wait_a_minute", now);
        bed.submit(customers.map(command).collect());
        bed.commit_all();
    }
}

fn fired(bed: &Bed) -> Vec<(CustomerKey, Timestamp)> {
    let committed = bed.committed.lock();
    let fired = committed.facts.iter().filter(|(_, fact)| {
        let body = &fact.body;
        matches!(body, EventBody::TimerFired { .. })
    });
    fired.map(|(key, fact)| (key.clone(), fact.stamp)).collect()
}

#[test]
fn a_storm_of_timers_lets_events_and_other_workspaces_through() {
    let mut bed = Bed::leading();
    bed.core.timers = TimerHeap::with_cap(2_000);
    arm(&mut bed, "storm", N_STORM);
    bed.now = bed.now.plus(TimeSpan::from_ms(50));
    arm(&mut bed, "calm", N_CALM);
    bed.now = bed.now.plus(MINUTE).plus(TimeSpan::from_secs(1));
    bed.input(Input::Wake);
    let overdue = bed.core.status(bed.now).timers_overdue;
    assert!(overdue.n() > 1_000, "{overdue:?}");
    let (mut n_batches, mut tickets) = (0, Vec::new());
    let mut calm_done_at = None;
    while !bed.proposed.is_empty() {
        if n_batches < 40 {
            for n in 0..3 {
                let customer = format!("busy{n_batches}_{n}");
                tickets.push(bed.send(&customer, "seen", "1"));
            }
        }
        let (_, entry) = bed.proposed.front().expect("looked at above");
        let (n_fires, n_events) = fires_and_events(entry.entry());
        assert!(n_fires <= TIMER_FIRES_PER_BATCH_MAX, "{n_fires}");
        // The first two were decided before any event came.
        let is_busy = (2..40).contains(&n_batches);
        assert!(!is_busy || n_events > 0, "batch {n_batches} has no event");
        bed.commit();
        n_batches += 1;
        let n_calm = fired(&bed);
        let n_calm = n_calm
            .iter()
            .filter(|(k, _)| k.workspace.as_str() == "calm");
        if calm_done_at.is_none() && n_calm.count() == N_CALM {
            calm_done_at = Some(n_batches);
        }
    }
    assert!(tickets.iter().all(|ticket| bed.answer(*ticket).is_some()));
    assert_eq!(fired(&bed).len(), N_STORM + N_CALM);
    assert!(calm_done_at < Some(12), "{calm_done_at:?} of {n_batches}");
    let lateness = &bed.core.counters().of_facts.timer_lateness;
    assert_eq!(usize::try_from(lateness.n()), Ok(N_STORM + N_CALM));
    let about_a_second = lateness.buckets().find(|(_, n)| *n > 0);
    let bound = about_a_second.and_then(|(bound, _)| bound);
    assert_eq!(bound, Some(TimeSpan::from_secs(1)), "{lateness:?}");
    assert_eq!(bed.core.status(bed.now).timers_overdue.n(), 0);
    let counters = bed.core.counters();
    let mean_bytes = counters.n_proposed_bytes / counters.n_proposals;
    assert!(mean_bytes < BATCH_SIZE_BYTES_TARGET as u64);
}

#[test]
fn a_clock_that_steps_back_and_forth_fires_each_timer_once_and_none_early() {
    let mut bed = Bed::leading();
    let steps_min = [60, -60, 45, -59, 1, -30, 60, -60, 17, -3, 60];
    for (n, step) in steps_min.into_iter().enumerate() {
        bed.send(&format!("customer{n}"), "wait_a_minute", "1");
        bed.commit_all();
        bed.now = bed.now.plus(TimeSpan::from_secs(step * 60));
        bed.input(Input::Wake);
        bed.commit_all();
    }
    for _ in 0..4 {
        bed.pass(HOUR);
        bed.commit_all();
    }
    let committed = bed.committed.lock();
    let mut n_fired = 0;
    let mut stamp = Timestamp::EPOCH;
    for (customer, fact) in &committed.facts {
        assert!(fact.stamp >= stamp, "a stamp of {customer} went back");
        stamp = fact.stamp;
        if let EventBody::TimerFired { due_at, .. } = &fact.body {
            assert!(fact.stamp > *due_at, "{customer} fired early");
            n_fired += 1;
        }
    }
    assert_eq!(n_fired, steps_min.len());
}

#[test]
fn a_clock_that_went_back_keeps_a_timer_until_its_stamp_is_reached() {
    let mut bed = Bed::leading();
    let start = bed.now;
    bed.now = start.plus(HOUR);
    bed.send("ann", "seen", "1");
    bed.commit_all();
    bed.now = start;
    bed.send("ann", "wait_a_minute", "2");
    bed.commit_all();
    bed.pass(MINUTE);
    bed.pass(MINUTE);
    assert_eq!(
        bed.n_fired(),
        0,
        "it was armed in the stamp of an hour ahead"
    );
    bed.pass(HOUR);
    assert_eq!(bed.n_fired(), 1);
}
