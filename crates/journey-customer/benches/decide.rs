//! How long deciding and applying take: an event nobody waits for, one that advances an instance, a busy customer.
//!
//! `cargo bench -p journey-customer` prints microseconds; `cargo test --benches` runs each a few times.

#![expect(clippy::disallowed_methods, reason = "a bench reads the clock")]
#![expect(clippy::print_stdout, reason = "a bench prints what it measured")]
#![expect(
    clippy::unwrap_used,
    reason = "a bench stops where its fixture is wrong"
)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use journey_customer::{
    Command, CustomerState, DecideContext, DeliverySettings, IngestMode, apply, decide,
};
use journey_model::{Catalog, PublishedDocument, Source, check};
use journey_types::{
    BirthIndex, CatalogRevision, ClusterKey, CustomerEvent, CustomerId, CustomerKey, EventId,
    EventName, SourceName, TimeSpan, Timestamp, Value, WorkspaceId,
};

const JOURNEYS: &str = r#"
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
---
content: note
variants: [{ channel: push, body: "Step {{ vars.n }}" }]
"#;

fn main() {
    let is_bench = std::env::args().any(|argument| argument == "--bench");
    let n_rounds = if is_bench { 20_000 } else { 10 };
    let catalog = catalog();
    for (label, n_instances, event) in [
        ("unheard event, 1 instance", 1, "other"),
        ("counted event, 1 instance", 1, "purchase"),
        ("advancing event, 1 instance", 1, "step"),
        ("advancing event, 10 instances", 10, "step"),
        ("advancing event, 100 instances", 100, "step"),
    ] {
        let mut customer = Customer::with_instances(&catalog, n_instances);
        let (decided_us, applied_us, n_facts) = customer.measure(event, n_rounds);
        println!(
            "{label}: decide {decided_us:.2} us, apply {applied_us:.2} us, {n_facts:.1} facts"
        );
    }
}

struct Customer<'a> {
    catalog: &'a Catalog,
    state: CustomerState,
    now: Timestamp,
    n_events: u64,
}

impl<'a> Customer<'a> {
    fn with_instances(catalog: &'a Catalog, n_instances: i64) -> Self {
        let key = CustomerKey {
            workspace: WorkspaceId::default_workspace(),
            customer: CustomerId::new("anna").unwrap(),
        };
        let mut customer = Self {
            catalog,
            state: CustomerState::new(key),
            now: Timestamp::parse("2026-01-05T09:00:00Z").unwrap(),
            n_events: 0,
        };
        for key in 0..n_instances {
            let command = customer.ingest("start", key);
            customer.state = customer.decide(&command).state;
        }
        customer
    }

    /// Microseconds of deciding and of applying, and facts, each on average.
    fn measure(&mut self, event: &str, n_rounds: u32) -> (f64, f64, f64) {
        let (mut deciding, mut applying, mut n_facts) = (0.0, 0.0, 0.0);
        for _ in 0..n_rounds {
            let command = self.ingest(event, 0);
            let began_at = Instant::now();
            let decision = black_box(self.decide(&command));
            deciding += began_at.elapsed().as_secs_f64();
            let began_at = Instant::now();
            for fact in &decision.events {
                apply(&mut self.state, fact);
            }
            applying += began_at.elapsed().as_secs_f64();
            for _ in &decision.events {
                n_facts += 1.0;
            }
            self.state.outbox.clear();
        }
        let per_round = 1e6 / f64::from(n_rounds);
        (
            deciding * per_round,
            applying * per_round,
            n_facts / f64::from(n_rounds),
        )
    }

    fn decide(&self, command: &Command) -> journey_customer::Decision {
        let context = DecideContext {
            stamp: self.now,
            catalog: self.catalog,
            cluster_key: &ClusterKey::new([1; 16]),
            birth: BirthIndex::new(7),
            workspace_zone: "UTC",
            delivery: &DeliverySettings::default(),
            set_aside_has_room: true,
        };
        decide(&self.state, command, &context).unwrap()
    }

    fn ingest(&mut self, name: &str, key: i64) -> Command {
        self.n_events += 1;
        // Fast enough to stay below the cap of remembered ids.
        self.now = self.now.plus(TimeSpan::from_secs(60));
        let properties = [("key", Value::Int(key)), ("value", Value::Double(2.5))];
        let properties = properties.map(|(name, value)| (name.to_owned(), value));
        let event = CustomerEvent {
            customer: self.state.key.clone(),
            source: SourceName::new("bench").unwrap(),
            id: EventId::new(self.n_events.to_string()).unwrap(),
            name: EventName::new(name).unwrap(),
            occurred_at: self.now,
            channel: None,
            device: None,
            properties: BTreeMap::from(properties),
        };
        let mode = IngestMode::Live;
        Command::Ingest { event, mode }
    }
}

fn catalog() -> Catalog {
    let report = check(&[Source::new("bench.yaml", JOURNEYS)], &Catalog::default());
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
