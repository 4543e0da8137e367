//! Segment's calls: `track`, `page`, `screen`, `identify`, `group`, `alias`.
//!
//! `messageId` is the event's id. The customer is `userId`, else `anonymousId`. What describes Segment's own delivery
//! (`integrations`, `sentAt`, `version` …, and names that begin with `_`) says nothing of the customer and is left out.

use std::collections::BTreeMap;

use journey_types::{
    ALIAS, ANONYMOUS_ID, CustomerEvent, CustomerId, CustomerKey, EventName, IDENTIFY, PREVIOUS_ID,
    Value,
};

use super::LineDefaults;
use super::fields::{LineFields, parse_id};
use crate::expression::{nearest, one_of};
use crate::line_problem::LineProblem;
use crate::yaml::shortened;

/// Fields that mark this form.
pub(super) const MARKERS: [&str; 3] = ["userId", "anonymousId", "messageId"];
/// Times, the most trusted first: `timestamp` is Segment's own correction of the device's clock.
const TIMES: [&str; 4] = ["timestamp", "originalTimestamp", "sentAt", "receivedAt"];
/// What is said of the delivery.
const LEFT_OUT: [&str; 8] = [
    "integrations",
    "originalTimestamp",
    "sentAt",
    "receivedAt",
    "version",
    "writeKey",
    "projectId",
    "sourceId",
];
/// The calls, and the names of the fields that each may have beside those of all.
const CALLS: [(&str, &[&str]); 6] = [
    ("track", &["event", "properties"]),
    ("page", &["name", "category", "properties"]),
    ("screen", &["name", "category", "properties"]),
    ("identify", &["traits"]),
    ("group", &["groupId", "traits"]),
    ("alias", &["previousId"]),
];
const COMMON: [&str; 7] = [
    "type",
    "messageId",
    "userId",
    "anonymousId",
    "timestamp",
    "context",
    "channel",
];

/// Reads a call.
pub(super) fn read(
    mut fields: LineFields,
    defaults: &LineDefaults,
) -> Result<CustomerEvent, LineProblem> {
    let call = call(&mut fields)?;
    refuse_unknown(&fields, call)?;
    let user_id = fields.text("userId")?.filter(|id| !id.is_empty());
    let anonymous_id = fields.text("anonymousId")?.filter(|id| !id.is_empty());
    let customer = match (&user_id, &anonymous_id) {
        (Some(user_id), _) => parse_id("userId", user_id)?,
        (None, Some(anonymous_id)) => CustomerId::anonymous(anonymous_id)
            .map_err(|error| crate::line_problem::bad_id("anonymousId", &error))?,
        (None, None) => {
            let message = "the event lacks `userId` (or `anonymousId`)";
            return Err(LineProblem::new("missing_field", message));
        }
    };
    let id = fields.required_id("messageId")?;
    let occurred_at = fields.time(&TIMES)?;
    let channel = fields.text("channel")?;
    let context = fields.map("context")?;
    let device = device(&context)?;
    let (name, mut properties) = content(call, &mut fields)?;
    if let (Some(_), Some(anonymous_id)) = (&user_id, anonymous_id) {
        properties
            .entry(ANONYMOUS_ID.to_owned())
            .or_insert(Value::Text(anonymous_id));
    }
    // The properties of `identify` are traits, and the context of one call is none.
    if name.as_str() != IDENTIFY && !context.is_empty() {
        properties
            .entry("context".to_owned())
            .or_insert(Value::Map(context));
    }
    Ok(CustomerEvent {
        customer: CustomerKey {
            workspace: defaults.workspace.clone(),
            customer,
        },
        source: defaults.source.clone(),
        id,
        name,
        occurred_at,
        channel,
        device,
        properties,
    })
}

fn call(fields: &mut LineFields) -> Result<&'static str, LineProblem> {
    let names = || CALLS.map(|(name, _)| name);
    let Some(found) = fields.text("type")? else {
        let message = format!(
            "the event lacks `type`: a Segment event is one of {}",
            one_of(names())
        );
        return Err(LineProblem::new("missing_field", message));
    };
    names()
        .into_iter()
        .find(|name| *name == found)
        .ok_or_else(|| {
            let message = format!(
                "`type` is one of {} in a Segment event, found `{}`",
                one_of(names()),
                shortened(&found)
            );
            LineProblem::new("unknown_type", message)
        })
}

/// A misspelt field would lose what it says.
fn refuse_unknown(fields: &LineFields, call: &str) -> Result<(), LineProblem> {
    let own = CALLS.iter().find(|(name, _)| *name == call);
    let known: Vec<&str> = own
        .map_or(&[][..], |(_, own)| own)
        .iter()
        .chain(&COMMON)
        .copied()
        .collect();
    let is_unknown =
        |name: &&str| !known.contains(name) && !LEFT_OUT.contains(name) && !name.starts_with('_');
    let Some(unknown) = fields.names().find(is_unknown) else {
        return Ok(());
    };
    let suggestion = match nearest(unknown, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!(
            "a Segment `{call}` has {}",
            one_of(known.iter().copied()).replace(" or ", " and ")
        ),
    };
    let message = format!("unknown field `{}`; {suggestion}", shortened(unknown));
    Err(LineProblem::new("unknown_field", message))
}

/// `context.device.id`.
fn device(context: &BTreeMap<String, Value>) -> Result<Option<String>, LineProblem> {
    match context.get("device").and_then(|device| device.field("id")) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Text(text)) => Ok(Some(text.clone())),
        Some(other) => Err(super::fields::wrong_type(
            "context.device.id",
            "text",
            other,
        )),
    }
}

/// The name and what the call says.
fn content(
    call: &str,
    fields: &mut LineFields,
) -> Result<(EventName, BTreeMap<String, Value>), LineProblem> {
    let fixed = |name: &str| parse_id::<EventName>("type", name);
    match call {
        "track" => Ok((fields.required_id("event")?, fields.map("properties")?)),
        "page" | "screen" => {
            let mut properties = fields.map("properties")?;
            for field in ["name", "category"] {
                if let Some(text) = fields.text(field)? {
                    properties
                        .entry(field.to_owned())
                        .or_insert(Value::Text(text));
                }
            }
            Ok((fixed(&format!("{call}_viewed"))?, properties))
        }
        "identify" => Ok((fixed(IDENTIFY)?, fields.map("traits")?)),
        "group" => {
            let mut properties = BTreeMap::new();
            let group_id = fields.required_text("groupId")?;
            properties.insert("group_id".to_owned(), Value::Text(group_id));
            properties.insert("traits".to_owned(), Value::Map(fields.map("traits")?));
            Ok((fixed("group")?, properties))
        }
        _ => {
            let previous_id: CustomerId = fields.required_id("previousId")?;
            let previous_id = Value::Text(previous_id.to_string());
            Ok((
                fixed(ALIAS)?,
                [(PREVIOUS_ID.to_owned(), previous_id)].into(),
            ))
        }
    }
}
