//! The canonical form of a document: the same tree whatever its spelling, its defaults filled in, as JSON of RFC 8785.
//!
//! Its SHA-256 is the document's hash. Titles, owners and tests are left out: they change nothing that happens.

mod json;

use std::collections::BTreeMap;

use journey_types::Value;
use sha2::{Digest, Sha256};

use crate::calendar::{WeekdaySet, Window, ZoneChoice};
use crate::plan::{EventMatch, MatchKey, ValueSource};

pub(crate) use json::canonical_json;

/// SHA-256 of a canonical JSON text, lower-case hex.
pub(crate) fn hash_of(canonical_json: &str) -> String {
    let digest = Sha256::digest(canonical_json.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A map of named values.
pub(crate) fn map<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let owned = |(name, value): (&str, Value)| (name.to_owned(), value);
    Value::Map(fields.into_iter().map(owned).collect())
}

/// `{ event, where?, match_key }`.
pub(crate) fn event_match(matching: &EventMatch) -> BTreeMap<String, Value> {
    let match_key = match &matching.match_key {
        MatchKey::Any => Value::Bool(false),
        MatchKey::JourneyKey => Value::Bool(true),
        MatchKey::Expression(expression) => Value::text(expression.source()),
    };
    let mut fields = BTreeMap::from([
        ("event".to_owned(), Value::text(matching.event.as_str())),
        ("match_key".to_owned(), match_key),
    ]);
    if let Some(condition) = &matching.condition {
        fields.insert("where".to_owned(), Value::text(condition.source()));
    }
    fields
}

/// An expression's text, or the literal itself.
pub(crate) fn value_source(source: &ValueSource) -> Value {
    match source {
        ValueSource::Literal(value) => value.clone(),
        ValueSource::Expression(expression) => Value::text(expression.source()),
    }
}

/// `{ zone, days, hours }`.
pub(crate) fn window(window: &Window) -> Value {
    map([
        ("zone", zone_choice(&window.zone)),
        ("days", weekdays(window.days)),
        (
            "hours",
            Value::text(format!("{}-{}", window.from, window.to)),
        ),
    ])
}

/// The days one by one from Monday on.
pub(crate) fn weekdays(days: WeekdaySet) -> Value {
    Value::List(days.names().into_iter().map(Value::text).collect())
}

/// `customer` or the zone.
pub(crate) fn zone_choice(zone: &ZoneChoice) -> Value {
    Value::text(match zone {
        ZoneChoice::Customer => "customer",
        ZoneChoice::Named(zone) => zone,
    })
}
