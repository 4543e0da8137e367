//! Measures what a typical predicate costs to compile and to evaluate: `cargo run -p journey-model --release --example
//! predicate_cost`. Prints nanoseconds; no test depends on them.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a program for figures"
)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use journey_model::{
    CustomerScope, Expression, HistoryReader, JourneysReader, Position, Scope, Site,
};
use journey_types::{
    AggregateId, CustomerEvent, CustomerId, CustomerKey, EventId, EventName, JourneyId, SourceName,
    TimeSpan, Timestamp, Value, WorkspaceId,
};

struct NoHistory;

impl HistoryReader for NoHistory {
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
        0
    }
}

impl JourneysReader for NoHistory {
    fn active(&self, _: &JourneyId) -> u64 {
        0
    }
    fn state(&self, _: &JourneyId) -> &str {
        ""
    }
    fn outcome(&self, _: &JourneyId) -> &str {
        ""
    }
}

const SOURCES: [&str; 5] = [
    "event.properties.attempt >= 2",
    "event.properties.value * 2 > 20 && customer.traits.plan in ['gold', 'silver'] && has(customer.traits.email)",
    "history.count('purchase', '30d') >= 3 && customer.traits.?age.orValue(0) > 18",
    "event.properties.missing > 3",
    "event.properties.items.exists(item, item.price > 10.0)",
];

fn main() {
    let items =
        (0..5).map(|price| Value::Map(BTreeMap::from([("price".to_owned(), Value::Int(price))])));
    let event = CustomerEvent {
        customer: CustomerKey {
            workspace: WorkspaceId::default_workspace(),
            customer: CustomerId::new("c").unwrap(),
        },
        source: SourceName::new("s").unwrap(),
        id: EventId::new("e").unwrap(),
        name: EventName::new("purchase").unwrap(),
        occurred_at: Timestamp::EPOCH,
        channel: None,
        device: None,
        properties: BTreeMap::from([
            ("attempt".to_owned(), Value::Int(3)),
            ("value".to_owned(), Value::Double(12.5)),
            ("items".to_owned(), Value::List(items.collect())),
        ]),
    };
    let traits = BTreeMap::from([
        ("plan".to_owned(), Value::text("silver")),
        ("email".to_owned(), Value::text("a@b.c")),
        ("age".to_owned(), Value::Int(40)),
    ]);
    let scope = Scope {
        event: Some(&event),
        entry: None,
        instance: None,
        vars: None,
        customer: CustomerScope {
            id: &event.customer.customer,
            traits: &traits,
            lifecycle: None,
            zone: "UTC",
        },
        history: &NoHistory,
        journeys: &NoHistory,
        now: Timestamp::EPOCH,
    };
    for source in SOURCES {
        let n_rounds = 200_000_u32;
        let started = Instant::now();
        let expression = Expression::compile(source, &Site::at(Position::EntryWhere)).unwrap();
        let compile_us = started.elapsed().as_micros();
        let started = Instant::now();
        for _ in 0..n_rounds {
            black_box(expression.holds(black_box(&scope))).ok();
        }
        let evaluate_ns = started.elapsed().as_nanos() / u128::from(n_rounds);
        println!(
            "{evaluate_ns:>6} ns to evaluate, {compile_us:>6} us to compile (first: cold): {source}"
        );
    }
}
