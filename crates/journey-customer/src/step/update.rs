//! `update`: writes traits, variables and the lifecycle stage.

use journey_model::{Assignment, Place};
use journey_types::Value;
use journey_types::limits::VARS_SIZE_BYTES_MAX;

use super::{StepFailure, value};
use crate::event::{Departure, EventBody};
use crate::size;
use crate::turn::{Position, Subject, Turn};

/// Writes all lines or, when one of them fails, none: every value is computed from what held before the step.
pub(super) fn run<'a>(
    turn: &mut Turn<'a>,
    position: &Position<'a>,
    assignments: &'a [Assignment],
) -> Result<(), StepFailure> {
    let mut values = Vec::with_capacity(assignments.len());
    for assignment in assignments {
        let subject = Subject::of(&position.instance, position.plan);
        let value = value::of(turn, &assignment.value, subject)?;
        if assignment.place == Place::Lifecycle && !matches!(value, Value::Text(_) | Value::Null) {
            return Err(format!("lifecycle is a text or null, not {}", value.kind()));
        }
        values.push((&assignment.place, value));
    }
    refuse_large_vars(position, &values)?;
    for (place, value) in values {
        write(turn, position, place, value);
    }
    turn.go(position, Departure::Done, position.step.next);
    Ok(())
}

fn refuse_large_vars(
    position: &Position<'_>,
    values: &[(&Place, Value)],
) -> Result<(), StepFailure> {
    let mut vars = position.instance.vars.clone();
    for (place, value) in values {
        if let Place::Var(name) = place {
            vars.insert(name.clone(), value.clone());
        }
    }
    let size_bytes = size::of_values(&vars);
    if size_bytes <= VARS_SIZE_BYTES_MAX {
        return Ok(());
    }
    Err(format!(
        "vars would take {size_bytes} bytes, at most {VARS_SIZE_BYTES_MAX} are allowed"
    ))
}

/// Writes one place; what would not change it leaves no trace.
fn write(turn: &mut Turn<'_>, position: &Position<'_>, place: &Place, value: Value) {
    match place {
        Place::Trait(name) => turn.write_trait(name, &value),
        Place::Var(name) => {
            let value = Some(value).filter(|value| *value != Value::Null);
            if position.instance.vars.get(name) != value.as_ref() {
                turn.record(EventBody::VarChanged {
                    instance: position.instance.number,
                    name: name.clone(),
                    value,
                });
            }
        }
        Place::Lifecycle => {
            let stage = value.as_text().map(str::to_owned);
            if turn.state.lifecycle != stage {
                turn.record(EventBody::LifecycleChanged { stage });
            }
        }
    }
}
