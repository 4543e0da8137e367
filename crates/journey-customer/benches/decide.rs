//! How long deciding and applying take: by kind of step, and by how many instances listen.
//!
//! `cargo bench -p journey-customer` measures; `cargo test` runs each once.

#![expect(
    clippy::unwrap_used,
    reason = "a bench stops where its fixture is wrong"
)]

use std::collections::BTreeMap;

use divan::{Bencher, black_box};
use journey_customer::{
    Command, CustomerState, DecideContext, Decision, DeliverySettings, IngestMode, apply, decide,
};
use journey_model::{Catalog, PublishedDocument, Source, check};
use journey_types::{
    BirthIndex, CatalogRevision, ClusterKey, CustomerEvent, CustomerId, CustomerKey, EventId,
    EventName, SourceName, TimeSpan, Timestamp, Value, WorkspaceId,
};

/// Kind of step, and the step itself: an instance waits before it and the event moves it on.
const STEPS: [(&str, &str); 8] = [
    ("message", "message: { content: note, channels: [push] }"),
    (
        "call",
        "call: { worker: crm, input: { value: entry.properties.value } }",
    ),
    ("task", "task: { queue: care, sla: 4h }"),
    ("delay", "delay: 2d"),
    (
        "wait_until",
        "wait_until: [ { event: other, next: wait }, { after: 2d, next: wait } ]",
    ),
    (
        "split",
        "split: [ { when: entry.properties.value > 9.0, next: end }, { else: wait } ]",
    ),
    (
        "update",
        "update: { vars.n: vars.?n.orValue(0) + 1, traits.seen: true }",
    ),
    (
        "emit",
        "emit: { event: noted, properties: { value: entry.properties.value } }",
    ),
];

const BUSY: &str = r#"
journey: loop
entry: [{ event: start }]
key: event.properties.key
steps:
  wait:
    wait_until:
      - { event: step, where: event.properties.value > 1, match_key: true, next: count }
      - { after: 30d, next: end }
  count: { update: { vars.n: vars.?n.orValue(0) + 1 }, next: say }
  say: { only_if: vars.n % 10 == 0, message: { content: note, channels: [push] }, next: wait }
---
journey: buyers
entry: [{ event: purchase, where: 'history.sum("purchase", "value", "30d") > 1000000.0' }]
steps:
  wait: { delay: 1d }
"#;

const NOTE: &str = r#"
---
content: note
variants: [{ channel: push, body: "Worth {{ entry.properties.value }}" }]
"#;

fn main() {
    divan::main();
}

/// A journey that waits for `step`, then takes the step of that kind, and rests or waits again.
fn journey_of(kind: &str) -> String {
    let (_, step) = STEPS.iter().find(|(known, _)| *known == kind).unwrap();
    let next = match kind {
        "split" | "wait_until" => "",
        _ => ", next: wait",
    };
    format!(
        "journey: one\nentry: [{{ event: start }}]\nsteps:\n  \
         wait: {{ wait_until: [ {{ event: step, next: do }}, {{ after: 30d, next: end }} ] }}\n  \
         do: {{ {step}{next} }}\n{}",
        if kind == "message" { NOTE } else { "" }
    )
}

fn kinds() -> impl Iterator<Item = &'static str> {
    STEPS.iter().map(|(kind, _)| *kind)
}

#[divan::bench(args = kinds())]
fn decide_step(bencher: Bencher<'_, '_>, kind: &str) {
    let customer = Customer::new(&journey_of(kind), 1);
    let decision = customer.decide(&customer.event("step"));
    assert!(decision.events.len() > 1, "{kind} did not move");
    bencher
        .with_inputs(|| customer.event("step"))
        .bench_local_refs(|command| black_box(customer.decide(command)));
}

#[divan::bench(args = kinds())]
fn apply_step(bencher: Bencher<'_, '_>, kind: &str) {
    let customer = Customer::new(&journey_of(kind), 1);
    customer.bench_apply(bencher, "step");
}

/// An event that nobody waits for, one that is counted, and one that advances one of many instances.
#[divan::bench(args = [("other", 1), ("purchase", 1), ("step", 1), ("step", 10), ("step", 100)])]
fn decide_event(bencher: Bencher<'_, '_>, (name, n_instances): (&str, i64)) {
    let customer = Customer::new(&format!("{BUSY}{NOTE}"), n_instances);
    bencher
        .with_inputs(|| customer.event(name))
        .bench_local_refs(|command| black_box(customer.decide(command)));
}

#[divan::bench(args = [("other", 1), ("purchase", 1), ("step", 1), ("step", 10), ("step", 100)])]
fn apply_event(bencher: Bencher<'_, '_>, (name, n_instances): (&str, i64)) {
    let customer = Customer::new(&format!("{BUSY}{NOTE}"), n_instances);
    customer.bench_apply(bencher, name);
}

/// The timer of a delay that is due.
#[divan::bench]
fn decide_timer(bencher: Bencher<'_, '_>) {
    let mut customer = Customer::new(&journey_of("delay"), 1);
    let command = customer.event("step");
    customer.state = customer.decide(&command).state;
    customer.now = customer.now.plus(TimeSpan::from_days(3));
    let decision = customer.decide(&Command::FireTimers);
    assert!(!decision.events.is_empty(), "no timer fired");
    bencher.bench_local(|| black_box(customer.decide(&Command::FireTimers)));
}

struct Customer {
    catalog: Catalog,
    state: CustomerState,
    now: Timestamp,
}

impl Customer {
    fn new(journeys: &str, n_instances: i64) -> Self {
        let key = CustomerKey {
            workspace: WorkspaceId::default_workspace(),
            customer: CustomerId::new("anna").unwrap(),
        };
        let mut customer = Self {
            catalog: catalog(journeys),
            state: CustomerState::new(key),
            now: Timestamp::parse("2026-01-05T09:00:00Z").unwrap(),
        };
        for key in 0..n_instances {
            let command = customer.ingest("start", key, &format!("start-{key}"));
            customer.state = customer.decide(&command).state;
        }
        customer.now = customer.now.plus(TimeSpan::from_secs(60));
        customer
    }

    /// An event of the first instance's key.
    fn event(&self, name: &str) -> Command {
        self.ingest(name, 0, "next")
    }

    fn ingest(&self, name: &str, key: i64, id: &str) -> Command {
        let properties = [("key", Value::Int(key)), ("value", Value::Double(2.5))];
        let properties = properties.map(|(name, value)| (name.to_owned(), value));
        let event = CustomerEvent {
            customer: self.state.key.clone(),
            source: SourceName::new("bench").unwrap(),
            id: EventId::new(id).unwrap(),
            name: EventName::new(name).unwrap(),
            occurred_at: self.now,
            channel: None,
            device: None,
            properties: BTreeMap::from(properties),
        };
        let mode = IngestMode::Live;
        Command::ingest(event, mode)
    }

    fn decide(&self, command: &Command) -> Decision {
        let context = DecideContext {
            stamp: self.now,
            catalog: &self.catalog,
            cluster_key: &ClusterKey::new([1; 16]),
            birth: BirthIndex::new(7),
            workspace_zone: "UTC",
            delivery: &DeliverySettings::default(),
            set_aside_has_room: true,
            rows_of_ids: journey_customer::RowsOfIds::NotAsked,
        };
        decide(&self.state, command, &context).unwrap()
    }

    /// Applies the facts of one turn to a copy of the state; making the copy is not measured.
    fn bench_apply(&self, bencher: Bencher<'_, '_>, name: &str) {
        let decision = self.decide(&self.event(name));
        bencher
            .with_inputs(|| self.state.clone())
            .bench_local_values(|mut state| {
                for fact in &decision.events {
                    apply(&mut state, fact);
                }
                state
            });
    }
}

fn catalog(journeys: &str) -> Catalog {
    let report = check(&[Source::new("bench.yaml", journeys)], &Catalog::default());
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
