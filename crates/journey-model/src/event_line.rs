//! One line of JSON Lines as an event, in the native form of JOURNEYS section 12.

mod json;

use std::collections::BTreeMap;
use std::str::FromStr;

use journey_types::{
    CustomerEvent, CustomerId, CustomerKey, DEFAULT_SOURCE, InvalidId, SourceName, Timestamp,
    Value, WorkspaceId,
};

use crate::expression::{nearest, one_of};
use crate::line_problem::LineProblem;
use crate::yaml::shortened;

use json::JsonValue;

const FIELDS: [&str; 9] = [
    "workspace",
    "customer_id",
    "source",
    "id",
    "name",
    "occurred_at",
    "channel",
    "device",
    "properties",
];
/// Fields that mark another form of event, with what they mark.
const OTHER_FORMS: [(&str, &str); 4] = [
    ("specversion", "CloudEvents"),
    ("userId", "Segment events"),
    ("anonymousId", "Segment events"),
    ("messageId", "Segment events"),
];

/// Reads one line of a file: `occurred_at` must be there, since a file says nothing of when it was written. Ids and
/// times are checked; sizes are not (see [`CustomerEvent::validate`]).
///
/// # Errors
/// The first [`LineProblem`].
pub fn read_event_line(line: &str) -> Result<CustomerEvent, LineProblem> {
    let JsonValue(value) = serde_json::from_str(line).map_err(|error| {
        // The position inside the line helps; the line's own number is the caller's.
        let message = error
            .to_string()
            .replace(" at line 1 column ", " at column ");
        LineProblem::new("not_json", message)
    })?;
    let Value::Map(mut fields) = value else {
        let message = format!("an event is a JSON object, found {}", value.kind());
        return Err(LineProblem::new("not_an_object", message));
    };
    refuse_unknown(&fields)?;
    let workspace = optional_id(&mut fields, "workspace")?;
    let customer: CustomerId = required_id(&mut fields, "customer_id")?;
    let source = optional_id(&mut fields, "source")?;
    Ok(CustomerEvent {
        customer: CustomerKey {
            workspace: workspace.unwrap_or_else(WorkspaceId::default_workspace),
            customer,
        },
        source: source.map_or_else(default_source, Ok)?,
        id: required_id(&mut fields, "id")?,
        name: required_id(&mut fields, "name")?,
        occurred_at: occurred_at(&mut fields)?,
        channel: optional_text(&mut fields, "channel")?,
        device: optional_text(&mut fields, "device")?,
        properties: properties(&mut fields)?,
    })
}

/// The source of events that name none.
pub(crate) fn default_source() -> Result<SourceName, LineProblem> {
    SourceName::new(DEFAULT_SOURCE).map_err(|error| bad_id("source", &error))
}

pub(crate) fn bad_id(field: &str, error: &InvalidId) -> LineProblem {
    LineProblem::new("bad_id", format!("{field}: {error}"))
}

fn refuse_unknown(fields: &BTreeMap<String, Value>) -> Result<(), LineProblem> {
    for (marker, form) in OTHER_FORMS {
        if fields.contains_key(marker) {
            let message = format!("{form} (marked by `{marker}`) are not available yet");
            return Err(LineProblem::new("not_available_yet", message));
        }
    }
    if fields.contains_key("anonymous_id") {
        let message = "`anonymous_id` is not available yet; send a `customer_id`";
        return Err(LineProblem::new("not_available_yet", message));
    }
    let unknown = fields.keys().find(|name| !FIELDS.contains(&name.as_str()));
    let Some(unknown) = unknown else {
        return Ok(());
    };
    let suggestion = match nearest(unknown, FIELDS) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!(
            "an event has {}; everything else goes into `properties`",
            one_of(FIELDS).replace(" or ", " and ")
        ),
    };
    let message = format!("unknown field `{}`; {suggestion}", shortened(unknown));
    Err(LineProblem::new("unknown_field", message))
}

fn required_id<T: FromStr<Err = InvalidId>>(
    fields: &mut BTreeMap<String, Value>,
    name: &'static str,
) -> Result<T, LineProblem> {
    optional_id(fields, name)?.ok_or_else(|| {
        let message = format!("the event lacks `{name}`");
        LineProblem::new("missing_field", message)
    })
}

fn optional_id<T: FromStr<Err = InvalidId>>(
    fields: &mut BTreeMap<String, Value>,
    name: &'static str,
) -> Result<Option<T>, LineProblem> {
    let text = optional_text(fields, name)?;
    text.map(|text| text.parse().map_err(|error| bad_id(name, &error)))
        .transpose()
}

/// A text; a field that is null is absent.
fn optional_text(
    fields: &mut BTreeMap<String, Value>,
    name: &'static str,
) -> Result<Option<String>, LineProblem> {
    match fields.remove(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Text(text)) => Ok(Some(text)),
        Some(other) => Err(wrong_type(name, "text", &other)),
    }
}

fn occurred_at(fields: &mut BTreeMap<String, Value>) -> Result<Timestamp, LineProblem> {
    let Some(text) = optional_text(fields, "occurred_at")? else {
        let message = "the event lacks `occurred_at`, which every line of a file needs";
        return Err(LineProblem::new("missing_field", message));
    };
    let Some(unix_ms) = Timestamp::parse_unix_ms(&text) else {
        let message = format!(
            "occurred_at `{}` is not RFC 3339 such as `2026-01-05T09:00:00Z`",
            shortened(&text)
        );
        return Err(LineProblem::new("bad_time", message));
    };
    if unix_ms < 0 {
        return Err(LineProblem::before_1970());
    }
    Ok(Timestamp::from_unix_ms(unix_ms))
}

fn properties(
    fields: &mut BTreeMap<String, Value>,
) -> Result<BTreeMap<String, Value>, LineProblem> {
    match fields.remove("properties") {
        None | Some(Value::Null) => Ok(BTreeMap::new()),
        Some(Value::Map(properties)) => Ok(properties),
        Some(other) => Err(wrong_type("properties", "an object", &other)),
    }
}

fn wrong_type(name: &str, expected: &str, found: &Value) -> LineProblem {
    let message = format!("`{name}` is {expected}, found {}", found.kind());
    LineProblem::new("wrong_type", message)
}

#[cfg(test)]
mod tests;
