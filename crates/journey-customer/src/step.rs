//! The interpreter: runs the step an instance stands before. Each kind of step is a file in `step/`.
//!
//! ```text
//!   position ──► run ──► facts: moved on, rests, parked; or an intent for the arbiter
//! ```

pub(crate) mod message;
pub(crate) mod work;

mod delay;
mod due;
mod emit;
mod split;
mod update;
mod value;
mod wait_until;

use journey_model::{StepKind, WaitTrigger};

use crate::event::Departure;
use crate::turn::{Position, Subject, Turn};

/// Why a step could not be done, for people.
pub(crate) type StepFailure = String;

/// Runs a step from its start. Afterwards the instance has moved, rests, ended, is parked or holds an intent.
pub(crate) fn run<'a>(turn: &mut Turn<'a>, position: &Position<'a>) {
    if let Some(only_if) = &position.step.only_if {
        let subject = Subject::of(&position.instance, position.plan);
        if !turn.holds(only_if, subject, position.step.id.as_str()) {
            turn.go(position, Departure::Skipped, position.step.next);
            return;
        }
    }
    let done = match &position.step.kind {
        StepKind::Message(message) => {
            message::ask(turn, position, message);
            Ok(())
        }
        StepKind::Call(call) => work::call(turn, position, call),
        StepKind::Task(task) => work::task(turn, position, task),
        StepKind::Delay(delay) => delay::run(turn, position, delay),
        StepKind::WaitUntil(branches) => wait_until::run(turn, position, branches),
        StepKind::Split(arms) => split::run(turn, position, arms),
        StepKind::Update(assignments) => update::run(turn, position, assignments),
        StepKind::Emit(emit) => emit::run(turn, position, emit),
    };
    if let Err(reason) = done {
        turn.fail(position, reason);
    }
}

/// Whether an instance that rests here has something that wakes it (G9).
pub(crate) fn can_wake(position: &Position<'_>) -> bool {
    let rest = &position.instance.rest;
    let listens = match &position.step.kind {
        StepKind::WaitUntil(branches) => branches.iter().any(|branch| match &branch.trigger {
            WaitTrigger::Event { .. } | WaitTrigger::When { .. } => true,
            WaitTrigger::After { .. } | WaitTrigger::At { .. } => false,
        }),
        StepKind::Message(_)
        | StepKind::Call(_)
        | StepKind::Task(_)
        | StepKind::Delay(_)
        | StepKind::Split(_)
        | StepKind::Update(_)
        | StepKind::Emit(_) => false,
    };
    listens || !rest.timers.is_empty() || rest.awaited_effect.is_some()
}
