//! Journeys from event to effect in virtual time.

use std::collections::BTreeMap;
use std::sync::Arc;

use journey_customer::{Command, EventBody, IngestMode, Reply, decide};
use journey_model::{Catalog, PublishedDocument, Source, check};
use journey_storage::limits::STATE_VALUE_SIZE_BYTES_MAX;
use journey_storage::{CrashPoint, MemoryEngine};
use journey_types::{
    CatalogRevision, ClusterKey, CustomerEvent, CustomerId, CustomerKey, EventId, EventName,
    SourceName, TimeSpan, Timestamp, WorkspaceId,
};
use parking_lot::Mutex;

use super::{SoloOptions, SoloPartition};
use crate::core::Answer;

const LAPSE: &str = "
journey: lapse
entry: [ { event: purchase } ]
reentry: { on_conflict: restart }
steps:
  wait: { delay: 30d, next: tell }
  tell: { emit: { event: lapsed }, next: say }
  say: { message: { content: come_back, channels: [email] }, next: end }
---
content: come_back
variants:
  - { channel: email, subject: We miss you, body: 'Hello {{ customer.id }}' }
";

fn start() -> Timestamp {
    Timestamp::parse("1997-01-01T00:00:00Z").unwrap()
}

pub(crate) fn catalog(text: &str) -> Arc<Catalog> {
    let report = check(&[Source::new("test", text)], &Catalog::default());
    assert!(report.is_publishable(), "{}", report.render());
    let published = report
        .documents
        .into_iter()
        .map(|document| PublishedDocument {
            kind: document.kind,
            id: document.id,
            version: 1,
            hash: document.hash,
            source_name: document.source_name,
            source: document.source,
        });
    let published: Vec<_> = published.collect();
    Arc::new(Catalog::build(CatalogRevision::new(1), &published).unwrap())
}

fn solo(delivers: bool) -> SoloPartition {
    SoloPartition::in_memory(options(delivers)).unwrap()
}

fn options(delivers: bool) -> SoloOptions {
    SoloOptions {
        decide,
        cluster_key: ClusterKey::new([1; 16]),
        start: start(),
        catalog: catalog(LAPSE),
        hosted_customers_max: 100,
        dirty_size_bytes_max: 1024 * 1024,
        delivers,
    }
}

fn key(customer: &str) -> CustomerKey {
    CustomerKey {
        workspace: WorkspaceId::default_workspace(),
        customer: CustomerId::new(customer).unwrap(),
    }
}

fn purchase(customer: &str, id: &str, at: Timestamp) -> CustomerEvent {
    CustomerEvent {
        customer: key(customer),
        source: SourceName::new("shop").unwrap(),
        id: EventId::new(id).unwrap(),
        name: EventName::new("purchase").unwrap(),
        occurred_at: at,
        channel: None,
        device: None,
        properties: BTreeMap::new(),
    }
}

fn buy(solo: &mut SoloPartition, customer: &str, id: &str) -> Answer {
    let event = purchase(customer, id, solo.now());
    solo.ingest(event, IngestMode::Live).unwrap()
}

#[test]
fn an_event_becomes_a_timer_and_the_timer_a_delivered_message() {
    let mut solo = solo(true);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    solo.observe(Box::new(move |_, fact| {
        let word = match &fact.body {
            EventBody::TimerFired { .. } => "fired",
            EventBody::MessageGranted(_) => "granted",
            EventBody::EffectClaimed { .. } => "claimed",
            EventBody::EffectSettled { .. } => "settled",
            EventBody::InstanceEnded { .. } => "ended",
            _ => return,
        };
        log.lock().push((fact.stamp, word));
    }));
    assert!(matches!(
        buy(&mut solo, "ann", "1"),
        Answer::Done {
            reply: Reply::Accepted,
            ..
        }
    ));
    assert_eq!(solo.timers_left().unwrap(), 1);
    let end = solo
        .run_out(start().plus(TimeSpan::from_days(400)))
        .unwrap();
    let fired_at = start()
        .plus(TimeSpan::from_days(30))
        .plus(TimeSpan::from_ms(1));
    assert_eq!(end, fired_at);
    let seen = seen.lock();
    assert!(seen.iter().all(|(stamp, _)| *stamp == fired_at));
    let words: Vec<_> = seen.iter().map(|(_, word)| *word).collect();
    assert_eq!(words, ["fired", "granted", "ended", "claimed", "settled"]);
    assert_eq!(solo.timers_left().unwrap(), 0);
}

#[test]
fn a_restart_disarms_what_it_replaces_and_a_repeat_is_a_duplicate() {
    let mut solo = solo(true);
    buy(&mut solo, "ann", "1");
    solo.advance_to(start().plus(TimeSpan::from_days(20)))
        .unwrap();
    assert!(matches!(
        buy(&mut solo, "ann", "2"),
        Answer::Done {
            reply: Reply::Accepted,
            ..
        }
    ));
    assert!(matches!(
        buy(&mut solo, "ann", "2"),
        Answer::Done {
            reply: Reply::Duplicate,
            ..
        }
    ));
    let end = solo.run_out(Timestamp::MAX).unwrap();
    let fired_at = start()
        .plus(TimeSpan::from_days(50))
        .plus(TimeSpan::from_ms(1));
    assert_eq!((end, solo.core().counters().n_fires), (fired_at, 1));
}

#[test]
fn time_stops_before_what_lies_behind_the_end() {
    let mut solo = solo(true);
    buy(&mut solo, "ann", "1");
    let end = start().plus(TimeSpan::from_days(30));
    assert_eq!(solo.run_out(end).unwrap(), start());
    solo.advance_to(end).unwrap();
    assert_eq!((solo.now(), solo.timers_left().unwrap()), (end, 1));
}

#[test]
fn many_customers_pass_through_little_memory_and_all_timers_fire() {
    let mut options = options(true);
    options.hosted_customers_max = 10;
    options.dirty_size_bytes_max = 100_000;
    let mut solo = SoloPartition::in_memory(options).unwrap();
    for n in 0..2_000 {
        if n % 100 == 0 {
            let later = solo.now().plus(TimeSpan::from_hours(7));
            solo.advance_to(later).unwrap();
        }
        buy(&mut solo, &format!("customer{n}"), "1");
    }
    assert_eq!(solo.timers_left().unwrap(), 2_000);
    assert!(
        solo.replica().lock().floor().get() > 0,
        "rows were written on the way"
    );
    solo.run_out(Timestamp::MAX).unwrap();
    let counters = solo.core().counters();
    assert_eq!((counters.n_fires, counters.n_handed_over), (2_000, 2_000));
    assert!(counters.n_passivations_for_number > 0);
    assert_eq!(solo.timers_left().unwrap(), 0);
}

#[test]
fn two_runs_of_one_script_end_in_the_same_state() {
    let run = || {
        let mut solo = solo(true);
        for n in 0..300 {
            let later = solo.now().plus(TimeSpan::from_hours(5));
            solo.advance_to(later).unwrap();
            buy(
                &mut solo,
                &format!("customer{}", n * n % 37),
                &n.to_string(),
            );
        }
        solo.run_out(Timestamp::MAX).unwrap();
        let hash = solo.replica().lock().state_hash().unwrap();
        (hash, solo.core().counters().clone())
    };
    assert_eq!(run(), run());
}

#[test]
fn without_the_worker_effects_stay_in_the_outbox() {
    let mut solo = solo(false);
    buy(&mut solo, "ann", "1");
    solo.run_out(Timestamp::MAX).unwrap();
    let ann = solo.customer(&key("ann")).unwrap().expect("she is known");
    assert_eq!(ann.outbox.len(), 1);
    assert!(solo.take_hand_overs().is_empty());
    let answers = solo
        .submit(vec![(key("ann"), Command::FireTimers)])
        .unwrap();
    assert!(matches!(
        answers.as_slice(),
        [Answer::Done {
            reply: Reply::Fired { n_fired: 0 },
            ..
        }]
    ));
}

#[test]
fn a_partition_opened_again_goes_on_from_its_checkpoint() {
    let engine = MemoryEngine::new(STATE_VALUE_SIZE_BYTES_MAX);
    let survivor = {
        let mut solo = SoloPartition::open(options(true), Arc::new(engine.clone())).unwrap();
        buy(&mut solo, "ann", "1");
        solo.checkpoint().unwrap();
        buy(&mut solo, "bob", "1");
        engine.crash(CrashPoint::Flushed)
    };
    let mut options = options(true);
    options.start = start().plus(TimeSpan::from_days(40));
    let mut solo = SoloPartition::open(options, Arc::new(survivor)).unwrap();
    assert_eq!(
        solo.core().counters().n_fires,
        1,
        "overdue, fired as soon as it leads"
    );
    assert!(
        solo.customer(&key("bob")).unwrap().is_none(),
        "this journal is not kept"
    );
    let again = buy(&mut solo, "ann", "2");
    assert!(
        matches!(
            again,
            Answer::Done {
                reply: Reply::Accepted,
                ..
            }
        ),
        "{again:?}"
    );
}

#[test]
fn a_repeat_is_a_duplicate_wherever_its_id_lies_and_new_events_hardly_read_rows() {
    let engine = MemoryEngine::new(STATE_VALUE_SIZE_BYTES_MAX);
    let mut solo = SoloPartition::open(options(true), Arc::new(engine.clone())).unwrap();
    for n in 0..600 {
        assert_eq!(n_duplicates_of(&mut solo, n..=n), 0, "{n} is new");
        if n % 50 == 0 {
            solo.checkpoint().unwrap();
        }
    }
    let n_reads = solo.core().counters().n_id_reads;
    assert!(
        n_reads < 20,
        "{n_reads} of 600 new ids were looked up in rows"
    );
    assert_eq!(n_duplicates_of(&mut solo, 0..=599), 600);
    assert!(solo.core().counters().n_id_reads > n_reads + 500);
    solo.checkpoint().unwrap();
    drop(solo);

    let mut options = options(true);
    options.start = start().plus(TimeSpan::from_days(6));
    let survivor = Arc::new(engine.crash(CrashPoint::Flushed));
    let mut solo = SoloPartition::open(options, survivor).unwrap();
    assert_eq!(n_duplicates_of(&mut solo, 0..=599), 600);
    let later = start().plus(TimeSpan::from_days(8));
    solo.advance_to(later).unwrap();
    assert_eq!(n_duplicates_of(&mut solo, 0..=599), 0, "8 days later");
    assert_eq!(n_duplicates_of(&mut solo, 0..=599), 600);
}

/// Sends these events, and says how many were known.
fn n_duplicates_of(solo: &mut SoloPartition, ids: std::ops::RangeInclusive<usize>) -> usize {
    let answers = ids.map(|id| buy(solo, "ann", &id.to_string()));
    let is_known = |answer: &Answer| match answer {
        Answer::Done { reply, .. } => *reply == Reply::Duplicate,
        Answer::Rejected(_) | Answer::Refused(_) => panic!("{answer:?}"),
    };
    answers.filter(is_known).count()
}
