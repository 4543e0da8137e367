//! `split`: goes the first arm that holds.

use journey_model::SplitArm;

use super::StepFailure;
use crate::event::Departure;
use crate::turn::{Position, Subject, Turn};

/// Takes an arm; where none holds and there is no `else`, goes to `next`. A condition that cannot be evaluated fails
/// the step: a wrong turn would be worse than a visible stop.
pub(super) fn run<'a>(
    turn: &mut Turn<'a>,
    position: &Position<'a>,
    arms: &[SplitArm],
) -> Result<(), StepFailure> {
    for (arm_idx, arm) in (0..).zip(arms) {
        let subject = Subject::of(&position.instance, position.plan);
        let holds = match &arm.condition {
            None => true,
            Some(condition) => {
                let (holds, _) = turn.read(subject, |scope| condition.holds(scope));
                holds.map_err(|error| error.reason)?
            }
        };
        if holds {
            turn.go(position, Departure::Branch(arm_idx), arm.next);
            return Ok(());
        }
    }
    turn.go(position, Departure::Done, position.step.next);
    Ok(())
}
