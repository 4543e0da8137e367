//! What `call` and `task` have in common: the effect lies in the outbox, the instance rests on it, and the answer lands
//! in `vars.<step>`. Once the instance has left the step nobody waits for the answer: the effect is withdrawn, be it
//! with a worker or not.

use std::collections::BTreeMap;

use journey_model::{CallStep, StepKind, TaskStep, ValueSource};
use journey_types::limits::VARS_SIZE_BYTES_MAX;
use journey_types::{Destination, InstanceNumber, Sequence, Timestamp, Value};

use super::message::awaiting;
use super::{StepFailure, value};
use crate::event::{ArmedTimer, Departure, EventBody, TimerKind, WorkEmitted};
use crate::limits::INPUT_SIZE_BYTES_MAX;
use crate::size;
use crate::state::WorkKind;
use crate::turn::{Position, Subject, Turn};

/// Lets a program do something.
pub(super) fn call<'a>(
    turn: &mut Turn<'a>,
    position: &Position<'a>,
    call: &'a CallStep,
) -> Result<(), StepFailure> {
    let asked = Asked {
        kind: WorkKind::Call,
        destination: call.to.clone(),
        input: read_input(turn, position, &call.input)?,
        due_at: None,
    };
    emit(turn, position, asked);
    Ok(())
}

/// Gives a person something to do.
pub(super) fn task<'a>(
    turn: &mut Turn<'a>,
    position: &Position<'a>,
    task: &'a TaskStep,
) -> Result<(), StepFailure> {
    let sla = task.sla.as_ref();
    let asked = Asked {
        kind: WorkKind::Task,
        destination: Destination::Queue(task.queue.clone()),
        input: read_input(turn, position, &task.input)?,
        due_at: sla.map(|sla| turn.stamp.plus(sla.after)),
    };
    emit(turn, position, asked);
    Ok(())
}

/// What a step asks for.
struct Asked {
    kind: WorkKind,
    destination: Destination,
    input: BTreeMap<String, Value>,
    due_at: Option<Timestamp>,
}

fn emit<'a>(turn: &mut Turn<'a>, position: &Position<'a>, asked: Asked) {
    let instance = &position.instance;
    let due_at = asked.due_at;
    let effect = turn.record(EventBody::WorkEmitted(Box::new(WorkEmitted {
        instance: instance.number,
        journey: instance.journey.clone(),
        version: instance.version,
        step: position.step.id.clone(),
        kind: asked.kind,
        destination: asked.destination,
        input: asked.input,
        purpose: position.plan.purpose.clone(),
        due_at,
        send_by: position.times_out_at(),
    })));
    let sla = due_at.map(|due_at| ArmedTimer {
        due_at,
        kind: TimerKind::Sla,
    });
    turn.rest(position, sla.into_iter().collect(), Some(effect));
}

fn read_input(
    turn: &Turn<'_>,
    position: &Position<'_>,
    sources: &[(String, ValueSource)],
) -> Result<BTreeMap<String, Value>, StepFailure> {
    let mut input = BTreeMap::new();
    for (name, source) in sources {
        let subject = Subject::of(&position.instance, position.plan);
        let value = value::of(turn, source, subject);
        let value = value.map_err(|reason| format!("input `{name}`: {reason}"))?;
        input.insert(name.clone(), value);
    }
    let size_bytes = size::of_values(&input);
    if size_bytes > INPUT_SIZE_BYTES_MAX {
        return Err(format!(
            "input_too_large: it takes {size_bytes} bytes, at most {INPUT_SIZE_BYTES_MAX} are allowed"
        ));
    }
    Ok(input)
}

/// The `sla` of a task has passed: it is offered to others where the step says so.
pub(crate) fn note_overdue(turn: &mut Turn<'_>, position: &Position<'_>, due_at: Timestamp) {
    let Some(effect) = position.instance.rest.awaited_effect else {
        return;
    };
    let StepKind::Task(task) = &position.step.kind else {
        return;
    };
    let escalate = task.sla.as_ref().and_then(|sla| sla.escalate.clone());
    turn.record(EventBody::TaskOverdue {
        instance: position.instance_ref(),
        effect,
        due_at,
        escalated_to: escalate.map(Destination::Queue),
    });
}

/// The instance leaves the step it is at, and nobody waits for its call or task any more.
pub(crate) fn recall(turn: &mut Turn<'_>, number: InstanceNumber, reason: &str) {
    let instance = turn.state.instances.get(&number);
    let Some(effect) = instance.and_then(|instance| instance.rest.awaited_effect) else {
        return;
    };
    let row = turn.state.outbox.get(&effect);
    if row.is_some_and(|row| row.work().is_some()) {
        turn.record(EventBody::EffectWithdrawn {
            effect,
            reason: reason.to_owned(),
        });
    }
}

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
