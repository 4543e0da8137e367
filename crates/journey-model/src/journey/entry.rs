//! `entry: [ { event: e, where: CEL, max_age: 1d } ]`: who enters.

use std::collections::BTreeMap;

use journey_types::{EventName, Value};

use crate::expression::Position;
use crate::fields::Fields;
use crate::plan::EntryRule;
use crate::reading::{ExpressionSite, Reader};
use crate::yaml::Node;

/// Entry kinds of the language that are not delivered.
const KINDS_LATER: [&str; 4] = ["qualify", "schedule", "api", "journey"];

pub(super) fn read(reader: &mut Reader<'_, '_>, node: &Node) -> Option<EntryRule> {
    let mut fields = Fields::of(node, "an entry", reader.problems)?;
    let is_later = KINDS_LATER.iter().any(|kind| fields.has(kind));
    fields.refuse_later(&KINDS_LATER, reader.problems);
    let event = if is_later {
        fields.take("event")
    } else {
        fields.require("event", reader.problems)
    };
    let condition = fields.take("where");
    let max_age = fields.take("max_age");
    fields.finish(reader.problems);
    let event: Option<EventName> = event.and_then(|node| reader.id(node));
    let site = ExpressionSite::of_event(Position::EntryWhere, event.as_ref());
    let condition = condition.map(|node| reader.condition(node, site));
    let max_age = max_age.map(|node| reader.positive_duration(node));
    Some(EntryRule {
        event: event?,
        condition: condition.map_or(Some(None), |condition| condition.map(Some))?,
        max_age: max_age.map_or(Some(None), |max_age| max_age.map(Some))?,
    })
}

pub(super) fn canonical(rule: &EntryRule) -> Value {
    let mut fields = BTreeMap::from([("event".to_owned(), Value::text(rule.event.as_str()))]);
    if let Some(condition) = &rule.condition {
        fields.insert("where".to_owned(), Value::text(condition.source()));
    }
    if let Some(max_age) = rule.max_age {
        fields.insert("max_age".to_owned(), Value::text(max_age.to_string()));
    }
    Value::Map(fields)
}
