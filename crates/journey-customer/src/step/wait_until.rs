//! `wait_until`: rests until the first branch holds. On arrival branches are tried in listed order: an event foreseen,
//! a level condition that holds, an instant already reached.

use journey_model::{WaitBranch, WaitTrigger};
use journey_types::Timestamp;

use super::{StepFailure, due};
use crate::event::{ArmedTimer, Departure, TimerKind};
use crate::turn::{Position, Subject, Turn};

/// Takes the first branch that holds already, else rests on all of them.
pub(super) fn run<'a>(
    turn: &mut Turn<'a>,
    position: &Position<'a>,
    branches: &'a [WaitBranch],
) -> Result<(), StepFailure> {
    let mut timers = Vec::new();
    for (branch_idx, branch) in (0..).zip(branches) {
        let due_at = match &branch.trigger {
            WaitTrigger::Event { .. } if is_foreseen(position, branch_idx) => {
                turn.go(position, Departure::Branch(branch_idx), branch.next);
                return Ok(());
            }
            WaitTrigger::When {
                condition,
                rising: false,
            } if turn.holds(
                condition,
                Subject::of(&position.instance, position.plan),
                position.step.id.as_str(),
            ) =>
            {
                turn.go(position, Departure::Branch(branch_idx), branch.next);
                return Ok(());
            }
            WaitTrigger::Event { .. } | WaitTrigger::When { .. } => continue,
            WaitTrigger::After { .. } | WaitTrigger::At { .. } => {
                branch_due_at(turn, position, branch)?
            }
        };
        if due_at <= turn.stamp {
            let how = Departure::AlreadyDue {
                branch_idx: Some(branch_idx),
                due_at,
            };
            turn.go(position, how, branch.next);
            return Ok(());
        }
        timers.push(ArmedTimer {
            due_at,
            kind: TimerKind::Branch(branch_idx),
        });
    }
    turn.rest(position, timers, None);
    Ok(())
}

fn is_foreseen(position: &Position<'_>, branch_idx: u16) -> bool {
    let mut foreseen = position.instance.foreseen.iter();
    foreseen.any(|(step, idx)| *step == position.step.id && *idx == branch_idx)
}

fn branch_due_at(
    turn: &Turn<'_>,
    position: &Position<'_>,
    branch: &WaitBranch,
) -> Result<Timestamp, StepFailure> {
    let due_at = match &branch.trigger {
        WaitTrigger::After { span, window } => due::after(turn, position, *span, window.as_ref()),
        WaitTrigger::At { at } => due::at(turn, position, at)?,
        WaitTrigger::Event { .. } | WaitTrigger::When { .. } => turn.stamp,
    };
    due::within_limit(turn, due_at)
}
