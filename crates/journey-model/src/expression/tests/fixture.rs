//! One customer in one turn, for all tables.

use std::collections::BTreeMap;

use journey_types::{
    AggregateId, CustomerEvent, CustomerId, CustomerKey, EventId, EventName, JourneyId, SourceName,
    StepId, TimeSpan, Timestamp, Value, WorkspaceId,
};

use crate::expression::{EvaluationError, Expression, Position, Site};
use crate::scope::{CustomerScope, HistoryReader, InstanceScope, JourneysReader, Scope};

/// Answers every aggregate alike, so that what is asked decides.
pub(super) struct FixedHistory;

impl HistoryReader for FixedHistory {
    fn count(&self, _aggregate: AggregateId, window: Option<TimeSpan>) -> u64 {
        match window {
            None => 7,
            Some(window) if window >= TimeSpan::from_days(30) => 3,
            Some(_) => 0,
        }
    }

    fn first(&self, _aggregate: AggregateId) -> Option<Timestamp> {
        Timestamp::parse("2026-01-01T00:00:00Z")
    }

    fn last(&self, _aggregate: AggregateId) -> Option<Timestamp> {
        None
    }

    fn sum_nanos(&self, _aggregate: AggregateId, window: Option<TimeSpan>) -> i128 {
        if window.is_some() {
            12_500_000_000
        } else {
            99_000_000_000
        }
    }
}

impl JourneysReader for FixedHistory {
    fn active(&self, journey: &JourneyId) -> u64 {
        u64::from(journey.as_str() == "welcome")
    }

    fn state(&self, journey: &JourneyId) -> &str {
        if journey.as_str() == "welcome" {
            "active"
        } else {
            ""
        }
    }

    fn outcome(&self, _journey: &JourneyId) -> &str {
        ""
    }
}

/// The customer and the turn.
pub(crate) struct Fixture {
    pub(crate) event: CustomerEvent,
    entry: CustomerEvent,
    input: BTreeMap<String, Value>,
    vars: BTreeMap<String, Value>,
    customer: CustomerId,
    pub(crate) traits: BTreeMap<String, Value>,
    step: StepId,
    history: FixedHistory,
}

fn fields<const N: usize>(fields: [(&str, Value); N]) -> BTreeMap<String, Value> {
    BTreeMap::from(fields.map(|(name, value)| (name.to_owned(), value)))
}

fn event(name: &str, properties: BTreeMap<String, Value>) -> CustomerEvent {
    CustomerEvent {
        customer: CustomerKey {
            workspace: WorkspaceId::default_workspace(),
            customer: CustomerId::new("c-1").expect("a valid id"),
        },
        source: SourceName::new("shop").expect("a valid id"),
        id: EventId::new("e-1").expect("a valid id"),
        name: EventName::new(name).expect("a valid name"),
        occurred_at: Timestamp::parse("2026-01-05T08:59:00Z").expect("RFC 3339"),
        channel: Some("web".to_owned()),
        device: None,
        properties,
    }
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let basket = fields([
            ("total", Value::Double(19.5)),
            (
                "items",
                Value::List(vec![Value::Int(3), Value::Int(4), Value::Int(5)]),
            ),
        ]);
        let numbers = (0..1_000).map(Value::Int).collect();
        Self {
            event: event(
                "purchase",
                fields([
                    ("quantity", Value::Int(2)),
                    ("value", Value::Double(12.5)),
                    ("sku", Value::text("Ümlaut-7")),
                    ("day", Value::text("2026-01-06T10:00:00+01:00")),
                    (
                        "paid_at",
                        Value::Time(Timestamp::from_unix_ms(1_767_000_000_000)),
                    ),
                    ("gift", Value::Bool(true)),
                    ("note", Value::Null),
                    ("basket", Value::Map(basket)),
                    ("numbers", Value::List(numbers)),
                ]),
            ),
            entry: event("signed_up", fields([("plan", Value::text("gold"))])),
            input: fields([("tier", Value::text("gold")), ("amount", Value::Int(40))]),
            vars: fields([("tries", Value::Int(1))]),
            customer: CustomerId::new("c-1").expect("a valid id"),
            traits: fields([
                ("first_name", Value::text("Ada")),
                ("locale", Value::text("en-GB")),
                ("zone", Value::text("Europe/Berlin")),
                ("age", Value::Int(36)),
            ]),
            step: StepId::new("wait").expect("a valid id"),
            history: FixedHistory,
        }
    }

    /// Monday, 2026-01-05T09:30:15Z, which is 10:30 in Berlin.
    pub(crate) fn scope(&self) -> Scope<'_> {
        let now = Timestamp::parse("2026-01-05T09:30:15Z").expect("RFC 3339");
        Scope {
            event: Some(&self.event),
            entry: Some(&self.entry),
            input: Some(&self.input),
            instance: Some(InstanceScope {
                key: None,
                step: &self.step,
                entered_at: now.minus(TimeSpan::from_days(3)),
            }),
            vars: Some(&self.vars),
            customer: CustomerScope {
                id: &self.customer,
                traits: &self.traits,
                lifecycle: Some("loyal"),
                zone: "Europe/Berlin",
            },
            history: &self.history,
            journeys: &self.history,
            now,
        }
    }
}

/// A position where everything may be named.
pub(super) const ANYWHERE: Site<'static> = Site::at(Position::EventWhere);

pub(super) fn compile(source: &str) -> Expression {
    match Expression::compile(source, &ANYWHERE) {
        Ok(expression) => expression,
        Err(problems) => panic!("{source} does not compile: {problems:?}"),
    }
}

pub(super) fn evaluate(source: &str) -> Result<Value, EvaluationError> {
    compile(source).evaluate(&Fixture::new().scope())
}

/// Holds a table of (expression, value as JSON) against the evaluator, and reports all differences at once.
#[track_caller]
pub(super) fn gives(table: &[(&str, &str)]) {
    let differences: Vec<String> = table
        .iter()
        .filter_map(|(source, wanted)| {
            let given = match evaluate(source) {
                Ok(value) => value.to_string(),
                Err(error) => format!("error: {error}"),
            };
            (given != *wanted).then(|| format!("{source}\n  gave   {given}\n  wanted {wanted}"))
        })
        .collect();
    assert!(differences.is_empty(), "\n{}", differences.join("\n"));
}
