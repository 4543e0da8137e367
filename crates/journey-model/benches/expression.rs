//! How long a condition takes, by what it reads. `cargo bench -p journey-model` measures; `cargo test` runs each once.

#![expect(
    clippy::unwrap_used,
    reason = "a bench stops where its fixture is wrong"
)]

use std::collections::BTreeMap;

use divan::{Bencher, black_box};
use journey_model::{
    CustomerScope, Expression, HistoryReader, InstanceScope, JourneysReader, Position, Scope, Site,
};
use journey_types::{
    AggregateId, CustomerEvent, CustomerId, CustomerKey, EventId, EventName, JourneyId, SourceName,
    StepId, TimeSpan, Timestamp, Value, WorkspaceId,
};

const CONDITIONS: [&str; 6] = [
    "event.properties.value > 1",
    "event.properties.value * 2 + 1 < vars.n",
    "has(event.properties.missing) || customer.traits.plan == 'gold'",
    "history.count('purchase', '30d') >= 3 && history.sum('purchase', 'value') > 100.0",
    "local.hour >= 9 && local.hour < 18 && local.weekday <= 5",
    "[1, 2, 3, 4, 5, 6, 7, 8].exists(n, n == vars.n)",
];

fn main() {
    divan::main();
}

struct Reads;

impl HistoryReader for Reads {
    fn count(&self, _: AggregateId, _: Option<TimeSpan>) -> u64 {
        3
    }
    fn first(&self, _: AggregateId) -> Option<Timestamp> {
        None
    }
    fn last(&self, _: AggregateId) -> Option<Timestamp> {
        None
    }
    fn sum_nanos(&self, _: AggregateId, _: Option<TimeSpan>) -> i128 {
        250_000_000_000
    }
}

impl JourneysReader for Reads {
    fn active(&self, _: &JourneyId) -> u64 {
        1
    }
    fn state(&self, _: &JourneyId) -> &str {
        "active"
    }
    fn outcome(&self, _: &JourneyId) -> &str {
        ""
    }
}

fn map<const N: usize>(pairs: [(&str, Value); N]) -> BTreeMap<String, Value> {
    pairs.map(|(name, value)| (name.to_owned(), value)).into()
}

#[divan::bench(args = CONDITIONS)]
fn evaluate(bencher: Bencher<'_, '_>, condition: &str) {
    let expression = Expression::compile(condition, &Site::at(Position::EventWhere)).unwrap();
    let now = Timestamp::parse("2026-01-05T09:30:00Z").unwrap();
    let customer = CustomerId::new("anna").unwrap();
    let event = CustomerEvent {
        customer: CustomerKey {
            workspace: WorkspaceId::default_workspace(),
            customer: customer.clone(),
        },
        source: SourceName::new("bench").unwrap(),
        id: EventId::new("1").unwrap(),
        name: EventName::new("purchase").unwrap(),
        occurred_at: now,
        channel: None,
        device: None,
        properties: map([("value", Value::Double(2.5))]),
    };
    let (vars, traits) = (
        map([("n", Value::Int(8))]),
        map([("plan", Value::text("gold"))]),
    );
    let step = StepId::new("wait").unwrap();
    let scope = Scope {
        event: Some(&event),
        entry: Some(&event),
        input: None,
        instance: Some(InstanceScope {
            key: None,
            step: &step,
            entered_at: now,
        }),
        vars: Some(&vars),
        customer: CustomerScope {
            id: &customer,
            traits: &traits,
            lifecycle: None,
            zone: "Europe/London",
        },
        history: &Reads,
        journeys: &Reads,
        now,
    };
    assert!(expression.holds(&scope).unwrap(), "{condition}");
    bencher.bench_local(|| black_box(expression.holds(black_box(&scope))));
}

#[divan::bench(args = CONDITIONS)]
fn compile(condition: &str) -> Expression {
    Expression::compile(condition, &Site::at(Position::EventWhere)).unwrap()
}
