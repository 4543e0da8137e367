//! How long the durable format takes: the events of a batch and the state of a customer, written and read.
//!
//! `cargo bench -p journey-codec` measures; `cargo test` runs each once.

#![expect(
    clippy::unwrap_used,
    reason = "a bench stops where its fixture is wrong"
)]

use std::collections::BTreeMap;

use bytes::Bytes;
use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use journey_codec::{
    Batch, CustomerRows, JournalEntry, PartId, Record, Turn, decode_customer, decode_entry,
    encode_customer, encode_entry,
};
use journey_customer::{
    Command, CustomerState, DecideContext, Decision, DeliverySettings, IngestMode, decide,
};
use journey_model::{Catalog, PublishedDocument, Source, check};
use journey_types::{
    BatchNumber, BirthIndex, CatalogRevision, ClusterKey, CustomerEvent, CustomerId, CustomerKey,
    EventId, EventName, Lsn, SessionId, SourceName, Timestamp, Value, WorkspaceId,
};

const JOURNEY: &str = "\
journey: keyed
entry: [{ event: start }]
key: event.properties.key
steps:
  left: { wait_until: [ { event: step, match_key: true, next: right }, { after: 30d, next: end } ] }
  right: { wait_until: [ { event: step, match_key: true, next: left }, { after: 30d, next: end } ] }
";
const ROW: Lsn = Lsn::new(9);

fn main() {
    divan::main();
}

/// A batch of that many turns, each an event that advances an instance.
#[divan::bench(args = [1, 16, 256])]
fn encode_batch(bencher: Bencher<'_, '_>, n_turns: usize) {
    let entry = batch(n_turns);
    bencher
        .counter(BytesCount::new(encode_entry(&entry).len()))
        .bench_local(|| encode_entry(black_box(&entry)));
}

#[divan::bench(args = [1, 16, 256])]
fn decode_batch(bencher: Bencher<'_, '_>, n_turns: usize) {
    let entry = batch(n_turns);
    let bytes = encode_entry(&entry);
    assert_eq!(decode_entry(&bytes).unwrap(), entry);
    bencher
        .counter(BytesCount::new(bytes.len()))
        .bench_local(|| decode_entry(black_box(&bytes)).unwrap());
}

/// A customer with so many instances, all of it.
#[divan::bench(args = [1, 10, 100])]
fn encode_state(bencher: Bencher<'_, '_>, n_instances: i64) {
    let state = state(n_instances);
    let rows = encode_customer(&state, ROW, None);
    bencher
        .counter(BytesCount::new(rows.size_bytes()))
        .bench_local(|| encode_customer(black_box(&state), ROW, None));
}

#[divan::bench(args = [1, 10, 100])]
fn decode_state(bencher: Bencher<'_, '_>, n_instances: i64) {
    let state = state(n_instances);
    let rows = encode_customer(&state, ROW, None);
    let parts: BTreeMap<PartId, Bytes> = rows.parts.iter().cloned().collect();
    let read = |rows: &CustomerRows| {
        let row = |part, _| parts.get(&part).cloned();
        decode_customer(&rows.head, row).unwrap().0
    };
    assert_eq!(read(&rows), state);
    bencher
        .counter(BytesCount::new(rows.size_bytes()))
        .bench_local(|| read(black_box(&rows)));
}

fn batch(n_turns: usize) -> JournalEntry {
    let state = state(1);
    let decision = turn(&state, "step", 0);
    let turn = Turn {
        customer: state.key,
        events: decision.events,
    };
    JournalEntry::Batch(Batch {
        session: SessionId::new(3),
        number: BatchNumber::new(1),
        records: vec![Record::Turn(turn); n_turns],
    })
}

fn state(n_instances: i64) -> CustomerState {
    let key = CustomerKey {
        workspace: WorkspaceId::default_workspace(),
        customer: CustomerId::new("anna").unwrap(),
    };
    let mut state = CustomerState::new(key);
    for key in 0..n_instances {
        state = turn(&state, "start", key).state;
    }
    state
}

fn turn(state: &CustomerState, name: &str, key: i64) -> Decision {
    let now = Timestamp::parse("2026-01-05T09:00:00Z").unwrap();
    let event = CustomerEvent {
        customer: state.key.clone(),
        source: SourceName::new("bench").unwrap(),
        id: EventId::new(format!("{name}-{key}")).unwrap(),
        name: EventName::new(name).unwrap(),
        occurred_at: now,
        channel: None,
        device: None,
        properties: BTreeMap::from([("key".to_owned(), Value::Int(key))]),
    };
    let context = DecideContext {
        stamp: now,
        catalog: &catalog(),
        cluster_key: &ClusterKey::new([1; 16]),
        birth: BirthIndex::new(7),
        workspace_zone: "UTC",
        delivery: &DeliverySettings::default(),
        set_aside_has_room: true,
        rows_of_ids: journey_customer::RowsOfIds::NotAsked,
    };
    let mode = IngestMode::Live;
    decide(state, &Command::ingest(event, mode), &context).unwrap()
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
