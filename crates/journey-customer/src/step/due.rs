//! When something is due: windows, zones, and the longest wait there is.

use journey_model::{Expression, Window, ZoneChoice};
use journey_types::limits::DELAY_MAX;
use journey_types::{TimeSpan, Timestamp, Value};

use super::StepFailure;
use crate::turn::{Position, Subject, Turn};

/// A span from now, then moved into the window.
pub(super) fn after(
    turn: &Turn<'_>,
    position: &Position<'_>,
    span: TimeSpan,
    window: Option<&Window>,
) -> Timestamp {
    let due_at = turn.stamp.plus(span);
    match window {
        Some(window) => {
            window.first_instant_at_or_after(due_at, zone(turn, position, &window.zone))
        }
        None => due_at,
    }
}

/// An instant that an expression gives.
pub(super) fn at(
    turn: &Turn<'_>,
    position: &Position<'_>,
    at: &Expression,
) -> Result<Timestamp, StepFailure> {
    let subject = Subject::of(&position.instance, position.plan);
    match turn.evaluate(at, subject) {
        Ok(Value::Time(instant)) => Ok(instant),
        Ok(other) => Err(format!(
            "{} gave {} instead of a time; write timestamp(…) around a text",
            at.source(),
            other.kind()
        )),
        Err(error) => Err(error.reason),
    }
}

/// Nobody waits longer than ten years.
pub(super) fn within_limit(turn: &Turn<'_>, due_at: Timestamp) -> Result<Timestamp, StepFailure> {
    if due_at <= turn.stamp.plus(DELAY_MAX) {
        Ok(due_at)
    } else {
        Err(format!(
            "due at {due_at}, which is more than 10 years ahead"
        ))
    }
}

/// The zone a step names, fixed when its timer is armed.
pub(super) fn zone<'s>(
    turn: &'s Turn<'_>,
    position: &Position<'s>,
    choice: &'s ZoneChoice,
) -> &'s str {
    match choice {
        ZoneChoice::Named(zone) => zone,
        ZoneChoice::Customer => turn.zone(position.plan.zone.as_deref()),
    }
}
