//! Why a line of a file is no event.

use journey_types::InvalidId;

/// What is wrong with one line: reported with the line's number, counted, and no reason to stop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {message}")]
pub struct LineProblem {
    /// A stable word to count by: `not_json`, `unknown_field`, `bad_time` …
    pub reason: &'static str,
    /// For people, without full stop.
    pub message: String,
}

impl LineProblem {
    /// A problem by its stable word, in words for people.
    pub fn new(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            reason,
            message: message.into(),
        }
    }

    pub(crate) fn before_1970() -> Self {
        Self::new(
            "occurred_before_1970",
            "occurred_at lies before 1970-01-01T00:00:00Z; check its unit (milliseconds, not seconds or days)",
        )
    }
}

/// A text that is no id, by the name of its field.
pub(crate) fn bad_id(field: &str, error: &InvalidId) -> LineProblem {
    LineProblem::new("bad_id", format!("{field}: {error}"))
}
