//! Counts allocations on the hot path: an event that advances an instance, from the core's input to its answer.
//!
//! Time is not measured in tests, since it is never the same; allocations are, and each costs. Whoever raises the bound
//! says why.

#![expect(
    clippy::unwrap_used,
    reason = "a test stops where its fixture is wrong"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use allocation_counter::measure;
use journey_customer::{Command, IngestMode, Reply, decide};
use journey_model::{Catalog, PublishedDocument, Source, check};
use journey_partition::{Answer, SoloOptions, SoloPartition};
use journey_types::{
    CatalogRevision, ClusterKey, CustomerEvent, CustomerId, CustomerKey, EventId, EventName,
    SourceName, Timestamp, WorkspaceId,
};

const JOURNEY: &str = "\
journey: advance
entry: [ { event: started } ]
steps:
  left: { wait_until: [ { event: advanced, next: right }, { after: 30d, next: end } ] }
  right: { wait_until: [ { event: advanced, next: left }, { after: 30d, next: end } ] }
";
/// Events of one batch, each of a customer of its own, as a partition gets them under load.
const N_EVENTS: usize = 64;
/// Batches measured, after some that fill what is kept.
const N_BATCHES: u64 = 32;
/// Allocations of one event: 35 when this was written, and room for a field or two. They are a copy of the state with
/// its instance and ids, the facts, the entry and its bytes, the answer, and the timer's place in its indexes.
const ALLOCATIONS_PER_EVENT_MAX: u64 = 40;

#[test]
fn an_advancing_event_allocates_within_its_bound() {
    let mut solo = solo();
    solo.submit(commands("started", 0)).unwrap();
    for round in 0..N_BATCHES {
        solo.submit(commands("advanced", round)).unwrap();
    }
    let mut n_allocations = 0;
    for round in N_BATCHES..2 * N_BATCHES {
        let commands = commands("advanced", round);
        let mut answers = Vec::new();
        let counted = measure(|| answers = solo.submit(commands).unwrap());
        n_allocations += counted.count_total;
        let is_done = |answer: &Answer| matches!(answer, Answer::Done { reply, .. } if *reply != Reply::Duplicate);
        assert!(answers.iter().all(is_done), "{answers:?}");
    }
    let per_event = n_allocations / (N_BATCHES * N_EVENTS as u64);
    assert!(
        per_event <= ALLOCATIONS_PER_EVENT_MAX,
        "{per_event} allocations an event, at most {ALLOCATIONS_PER_EVENT_MAX} are allowed: \
         find the new one with `cargo bench -p journey-partition` under a heap profiler, or raise the bound with a reason"
    );
}

fn solo() -> SoloPartition {
    let start = Timestamp::parse("2026-01-05T09:00:00Z").unwrap();
    SoloPartition::in_memory(SoloOptions {
        decide,
        cluster_key: ClusterKey::new([1; 16]),
        start,
        catalog: Arc::new(catalog()),
        hosted_customers_max: 10_000,
        dirty_size_bytes_max: 64 * 1024 * 1024,
        delivers: false,
    })
    .unwrap()
}

fn commands(name: &str, round: u64) -> Vec<(CustomerKey, Command)> {
    let command = |customer| {
        let key = CustomerKey {
            workspace: WorkspaceId::default_workspace(),
            customer: CustomerId::new(format!("c{customer}")).unwrap(),
        };
        let event = CustomerEvent {
            customer: key.clone(),
            source: SourceName::new("test").unwrap(),
            id: EventId::new(format!("{name}-{round}")).unwrap(),
            name: EventName::new(name).unwrap(),
            occurred_at: Timestamp::parse("2026-01-05T09:00:00Z").unwrap(),
            channel: None,
            device: None,
            properties: BTreeMap::new(),
        };
        let mode = IngestMode::Live;
        (key, Command::ingest(event, mode))
    };
    (0..N_EVENTS).map(command).collect()
}

fn catalog() -> Catalog {
    let report = check(&[Source::new("test.yaml", JOURNEY)], &Catalog::default());
    assert!(report.is_publishable(), "{}", report.render());
    let documents = report
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
    let documents: Vec<PublishedDocument> = documents.collect();
    Catalog::build(CatalogRevision::new(1), &documents).unwrap()
}
