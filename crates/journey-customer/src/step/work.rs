//! What `call` and `task` have in common: the instance rests on its effect, and the answer lands in `vars.<step>`.

use journey_types::limits::VARS_SIZE_BYTES_MAX;
use journey_types::{Sequence, Value};

use super::message::awaiting;
use crate::event::{Departure, EventBody};
use crate::size;
use crate::turn::{Position, Turn};

/// The work is done: the answer is kept, and the instance that rests on it goes on.
pub(crate) fn complete(turn: &mut Turn<'_>, effect: Sequence, result: &Value) {
    let Some(position) = awaiting(turn, effect) else {
        return;
    };
    let name = position.step.id.as_str();
    if let Err(reason) = fits(&position, name, result) {
        turn.fail(&position, reason);
        return;
    }
    let value = Some(result.clone()).filter(|value| *value != Value::Null);
    if position.instance.vars.get(name) != value.as_ref() {
        turn.record(EventBody::VarChanged {
            instance: position.instance.number,
            name: name.to_owned(),
            value,
        });
    }
    turn.go(&position, Departure::Done, position.step.next);
}

/// Nobody will do the work: the step of the instance that rests on it fails.
pub(crate) fn fail(turn: &mut Turn<'_>, effect: Sequence, reason: &str) {
    if let Some(position) = awaiting(turn, effect) {
        turn.fail(&position, reason.to_owned());
    }
}

fn fits(position: &Position<'_>, name: &str, result: &Value) -> Result<(), String> {
    let mut vars = position.instance.vars.clone();
    vars.insert(name.to_owned(), result.clone());
    let size_bytes = size::of_values(&vars);
    if size_bytes <= VARS_SIZE_BYTES_MAX {
        return Ok(());
    }
    Err(format!(
        "vars_too_large: with the answer vars would take {size_bytes} bytes, at most {VARS_SIZE_BYTES_MAX} are allowed; \
         let the worker answer less"
    ))
}
