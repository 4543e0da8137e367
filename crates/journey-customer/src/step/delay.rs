//! `delay`: rests for a time.

use journey_model::{Delay, until_local};

use super::{StepFailure, due};
use crate::event::{ArmedTimer, Departure, TimerKind};
use crate::turn::{Position, Turn};

/// Arms the timer; an instant already reached goes on at once and says so.
pub(super) fn run<'a>(
    turn: &mut Turn<'a>,
    position: &Position<'a>,
    delay: &Delay,
) -> Result<(), StepFailure> {
    let due_at = match delay {
        Delay::For { span, window } => due::after(turn, position, *span, window.as_ref()),
        Delay::Until { at, offset } => due::at(turn, position, at)?.plus(*offset),
        Delay::UntilLocal { time, days, zone } => {
            until_local(turn.stamp, *time, *days, due::zone(turn, position, zone))
        }
    };
    let due_at = due::within_limit(turn, due_at)?;
    if due_at <= turn.stamp {
        let how = Departure::AlreadyDue {
            branch_idx: None,
            due_at,
        };
        turn.go(position, how, position.step.next);
    } else {
        let kind = TimerKind::Delay;
        turn.rest(position, vec![ArmedTimer { due_at, kind }], None);
    }
    Ok(())
}
