//! `entry: [ { event: e, where: CEL, max_age: 1d }, { api: enroll, where: CEL } ]`: who enters.

use std::collections::BTreeMap;
use std::ops::Range;

use journey_types::{EventName, Value};

use crate::expression::Position;
use crate::fields::Fields;
use crate::plan::{EntryRule, EntryTrigger};
use crate::reading::{ExpressionSite, Reader};
use crate::yaml::Node;

/// Entry kinds of the language that are not delivered.
const KINDS_LATER: [&str; 3] = ["qualify", "schedule", "journey"];
/// What `api` may be.
const API: [(&str, ()); 1] = [("enroll", ())];
/// Ways by the API that are not delivered.
const API_LATER: [&str; 1] = ["launch"];

pub(super) fn read(reader: &mut Reader<'_, '_>, node: &Node) -> Option<EntryRule> {
    let mut fields = Fields::of(node, "an entry", reader.problems)?;
    let is_later = KINDS_LATER.iter().any(|kind| fields.has(kind));
    fields.refuse_later(&KINDS_LATER, reader.problems);
    let span = fields.span();
    let is_api = fields.has("api");
    // Also of an entry that is no good: what it would have brought is no mistake of its own.
    reader.entrances.api |= is_api;
    reader.entrances.event |= !is_api;
    let event = if is_later || is_api {
        fields.take("event")
    } else {
        fields.require("event", reader.problems)
    };
    let api = fields.take("api");
    let condition = fields.take("where");
    let max_age = fields.take("max_age");
    fields.finish(reader.problems);
    match api {
        Some(api) => read_api(reader, api, (event.or(max_age), condition), span),
        None => read_event(reader, event?, (condition, max_age)),
    }
}

fn read_event(
    reader: &mut Reader<'_, '_>,
    event: &Node,
    (condition, max_age): (Option<&Node>, Option<&Node>),
) -> Option<EntryRule> {
    let name: Option<EventName> = reader.id(event);
    let site = ExpressionSite::of_event(Position::EntryWhere, name.as_ref());
    let condition = condition.map(|node| reader.condition(node, site));
    let max_age = max_age.map(|node| reader.positive_duration(node));
    Some(EntryRule {
        trigger: EntryTrigger::Event {
            name: name?,
            max_age: max_age.map_or(Some(None), |max_age| max_age.map(Some))?,
        },
        condition: condition.map_or(Some(None), |condition| condition.map(Some))?,
    })
}

fn read_api(
    reader: &mut Reader<'_, '_>,
    api: &Node,
    (of_event, condition): (Option<&Node>, Option<&Node>),
    span: Range<usize>,
) -> Option<EntryRule> {
    let way = reader.word(api, &API, &API_LATER);
    if of_event.is_some() {
        let message = "an entry by `api` has no `event` and no `max_age`";
        let advice = "make it two entries: `[ { event: … }, { api: enroll } ]`";
        reader.problems.error(span, message, advice);
        return None;
    }
    let site = ExpressionSite::at(Position::EnrollWhere);
    let condition = condition.map(|node| reader.condition(node, site));
    way?;
    Some(EntryRule {
        trigger: EntryTrigger::Api,
        condition: condition.map_or(Some(None), |condition| condition.map(Some))?,
    })
}

pub(super) fn canonical(rule: &EntryRule) -> Value {
    let mut fields = BTreeMap::new();
    match &rule.trigger {
        EntryTrigger::Event { name, max_age } => {
            fields.insert("event".to_owned(), Value::text(name.as_str()));
            if let Some(max_age) = max_age {
                fields.insert("max_age".to_owned(), Value::text(max_age.to_string()));
            }
        }
        EntryTrigger::Api => {
            fields.insert("api".to_owned(), Value::text(API[0].0));
        }
    }
    if let Some(condition) = &rule.condition {
        fields.insert("where".to_owned(), Value::text(condition.source()));
    }
    Value::Map(fields)
}
