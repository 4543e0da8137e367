//! How long a partition takes for a batch: deciding and applying it, applying it alone as a follower does, and finding
//! timers that are due among many rows.
//!
//! `cargo bench -p journey-partition` measures; `cargo test` runs each once.

#![expect(
    clippy::unwrap_used,
    reason = "a bench stops where its fixture is wrong"
)]

use std::sync::Arc;

use bytes::Bytes;
use divan::Bencher;
use divan::counter::ItemsCount;
use journey_codec::{Batch, CatalogAdopted, JournalEntry, Record, SessionOpened, Turn};
use journey_customer::{
    Command, CustomerState, DecideContext, DeliverySettings, IngestMode, decide,
};
use journey_model::{Catalog, PublishedDocument, Source, check};
use journey_partition::{Replica, ReplicaOptions, SoloOptions, SoloPartition};
use journey_storage::limits::STATE_VALUE_SIZE_BYTES_MAX;
use journey_storage::{Engine as _, MemoryEngine};
use journey_types::{
    BatchNumber, BirthIndex, CatalogRevision, ClusterKey, CustomerEvent, CustomerId, CustomerKey,
    EventId, EventName, Lsn, PartitionId, SessionId, SourceName, TimeSpan, Timestamp, WorkspaceId,
};

const JOURNEY: &str = "\
journey: advance
entry: [ { event: started } ]
steps:
  left: { wait_until: [ { event: advanced, next: right }, { after: 30d, next: end } ] }
  right: { wait_until: [ { event: advanced, next: left }, { after: 30d, next: end } ] }
";

fn main() {
    divan::main();
}

/// One event for each of so many customers, decided, encoded, applied and answered.
#[divan::bench(args = [1, 16, 256])]
fn submit_batch(bencher: Bencher<'_, '_>, n_events: usize) {
    let mut solo = solo();
    let mut n_batches = 0;
    solo.submit(commands("started", n_events, 0)).unwrap();
    bencher
        .counter(ItemsCount::new(n_events))
        .with_inputs(|| {
            n_batches += 1;
            commands("advanced", n_events, n_batches)
        })
        .bench_local_values(|commands| solo.submit(commands).unwrap());
}

/// The same facts, applied by a replica that did not decide them.
#[divan::bench(args = [1, 16, 256])]
fn apply_batch(bencher: Bencher<'_, '_>, n_events: usize) {
    let started: Vec<CustomerState> = (0..n_events)
        .map(|customer| turn(&CustomerState::new(key(customer)), "started").0)
        .collect();
    let facts = |name: &str| -> Vec<Record> {
        let turns = (0..n_events).map(|customer| {
            let state = match name {
                "started" => CustomerState::new(key(customer)),
                _ => started[customer].clone(),
            };
            let customer = state.key.clone();
            let events = turn(&state, name).1;
            Record::Turn(Turn { customer, events })
        });
        turns.collect()
    };
    let first = batch(1, [vec![adopted()], facts("started")].concat());
    let second = batch(2, facts("advanced"));
    bencher
        .counter(ItemsCount::new(n_events))
        .with_inputs(|| {
            let mut replica = replica();
            let opened = JournalEntry::SessionOpened(SessionOpened { opener: 1 });
            replica
                .apply(Lsn::new(1), Some(&opened), &Bytes::new())
                .unwrap();
            replica
                .apply(Lsn::new(2), Some(&first), &Bytes::new())
                .unwrap();
            replica
        })
        .bench_local_values(|mut replica| {
            replica
                .apply(Lsn::new(3), Some(&second), &Bytes::new())
                .unwrap();
            replica
        });
}

/// The first 256 timers of so many customers, found among rows.
#[divan::bench(args = [1_000, 20_000])]
fn scan_timers(bencher: Bencher<'_, '_>, n_customers: usize) {
    let mut solo = solo();
    for from in (0..n_customers).step_by(250) {
        let customers = from..(from + 250).min(n_customers);
        let commands = customers
            .map(|customer| command("started", customer, 0))
            .collect();
        solo.submit(commands).unwrap();
    }
    solo.checkpoint().unwrap();
    let end = start().plus(TimeSpan::from_days(31));
    let scan = || solo.replica().lock().timers_due(None, end, 256).unwrap();
    assert_eq!(scan().len(), 256);
    bencher.counter(ItemsCount::new(256_u32)).bench_local(scan);
}

fn start() -> Timestamp {
    Timestamp::parse("2026-01-05T09:00:00Z").unwrap()
}

fn solo() -> SoloPartition {
    SoloPartition::in_memory(SoloOptions {
        decide,
        cluster_key: ClusterKey::new([1; 16]),
        start: start(),
        catalog: Arc::new(catalog()),
        hosted_customers_max: 100_000,
        dirty_size_bytes_max: 64 * 1024 * 1024,
        delivers: false,
    })
    .unwrap()
}

fn replica() -> Replica {
    let engine = Arc::new(MemoryEngine::new(STATE_VALUE_SIZE_BYTES_MAX));
    let tree = engine.tree("bench").unwrap();
    Replica::open(ReplicaOptions {
        partition: PartitionId::new(0),
        cluster_key: ClusterKey::new([1; 16]),
        engine,
        tree,
        row_size_bytes_max: STATE_VALUE_SIZE_BYTES_MAX,
        customers_size_bytes_max: 64 * 1024 * 1024,
    })
    .unwrap()
}

fn adopted() -> Record {
    Record::CatalogAdopted(CatalogAdopted {
        stamp: start(),
        revision: CatalogRevision::new(1),
        digest: [0; 32],
    })
}

fn batch(number: u64, records: Vec<Record>) -> JournalEntry {
    JournalEntry::Batch(Batch {
        session: SessionId::new(1),
        number: BatchNumber::new(number),
        records,
    })
}

fn turn(state: &CustomerState, name: &str) -> (CustomerState, Vec<journey_customer::JournalEvent>) {
    let catalog = catalog();
    let context = DecideContext {
        stamp: start(),
        catalog: &catalog,
        cluster_key: &ClusterKey::new([1; 16]),
        birth: BirthIndex::new(2),
        workspace_zone: "UTC",
        delivery: &DeliverySettings::default(),
        set_aside_has_room: true,
        rows_of_ids: journey_customer::RowsOfIds::NotAsked,
    };
    let (event, mode) = (event(name, state.key.clone(), 0), IngestMode::Live);
    let decision = decide(state, &Command::ingest(event, mode), &context).unwrap();
    (decision.state, decision.events)
}

fn commands(name: &str, n_events: usize, round: u64) -> Vec<(CustomerKey, Command)> {
    let customers = 0..n_events;
    customers
        .map(|customer| command(name, customer, round))
        .collect()
}

fn command(name: &str, customer: usize, round: u64) -> (CustomerKey, Command) {
    let key = key(customer);
    let (event, mode) = (event(name, key.clone(), round), IngestMode::Live);
    (key, Command::ingest(event, mode))
}

fn event(name: &str, customer: CustomerKey, round: u64) -> CustomerEvent {
    CustomerEvent {
        customer,
        source: SourceName::new("bench").unwrap(),
        id: EventId::new(format!("{name}-{round}")).unwrap(),
        name: EventName::new(name).unwrap(),
        occurred_at: start(),
        channel: None,
        device: None,
        properties: std::collections::BTreeMap::new(),
    }
}

fn key(customer: usize) -> CustomerKey {
    CustomerKey {
        workspace: WorkspaceId::default_workspace(),
        customer: CustomerId::new(format!("c{customer}")).unwrap(),
    }
}

fn catalog() -> Catalog {
    let report = check(&[Source::new("bench.yaml", JOURNEY)], &Catalog::default());
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
