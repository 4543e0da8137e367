//! One line of JSON Lines as an event (JOURNEYS section 12): native, CloudEvents or Segment, told apart by their fields.

mod cloud_event;
mod fields;
mod json;
mod native;
mod segment;

use journey_types::{CustomerEvent, SourceName, Value, WorkspaceId};

use crate::line_problem::LineProblem;

use fields::LineFields;
use json::JsonValue;

/// What a line that does not name them belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineDefaults {
    /// The workspace of lines that name none.
    pub workspace: WorkspaceId,
    /// The source of lines that name none.
    pub source: SourceName,
}

impl LineDefaults {
    /// Of a workspace, with the source `default`.
    ///
    /// # Panics
    /// Never: the default source is a valid name.
    #[must_use]
    pub fn of(workspace: WorkspaceId) -> Self {
        Self {
            workspace,
            source: SourceName::new(journey_types::DEFAULT_SOURCE)
                .expect("the default source is a valid name"),
        }
    }
}

/// Reads one line of a file, in any of the forms: the time must be there, since a file says nothing of when it was
/// written. Ids and times are checked; sizes are not (see [`CustomerEvent::validate`]).
///
/// - `specversion` marks CloudEvents 1.x: `subject` is the customer id unless `data` carries `customer_id` or
///   `anonymous_id`; `type` becomes the name; `source` and `id` stay; `data` and extension attributes become
///   properties.
/// - `userId`, `anonymousId` or `messageId` mark Segment: `track` keeps its name, `page` and `screen` become
///   `page_viewed` and `screen_viewed`, `identify` merges its traits, `alias` and `group` are kept under their names.
/// - Everything else is native.
///
/// # Errors
/// The first [`LineProblem`].
pub fn read_event_line(line: &str, defaults: &LineDefaults) -> Result<CustomerEvent, LineProblem> {
    if line.contains('\0') {
        let message = "the line holds NUL bytes: the file is binary, UTF-16, or was cut off by a crash; write it as UTF-8 text";
        return Err(LineProblem::new("not_json", message));
    }
    let JsonValue(value) = serde_json::from_str(line).map_err(|error| not_json(&error))?;
    let Value::Map(fields) = value else {
        let mut message = format!("an event is a JSON object, found {}", value.kind());
        if matches!(value, Value::List(_)) {
            message += "; a file holds one object a line, not an array";
        }
        return Err(LineProblem::new("not_an_object", message));
    };
    let fields = LineFields::new(fields);
    if fields.has("specversion") {
        cloud_event::read(fields, defaults)
    } else if segment::MARKERS.iter().any(|marker| fields.has(marker)) {
        segment::read(fields, defaults)
    } else {
        native::read(fields, defaults)
    }
}

fn not_json(error: &serde_json::Error) -> LineProblem {
    // The position inside the line helps; the line's own number is the caller's.
    let mut message = error
        .to_string()
        .replace(" at line 1 column ", " at column ")
        .replace(
            "recursion limit exceeded",
            "nested deeper than any event (properties nest at most 32 levels)",
        );
    if error.is_eof() {
        message += "; an event stands whole on one line";
    }
    LineProblem::new("not_json", message)
}

#[cfg(test)]
mod tests;
