//! `FireTimers`: what is due takes effect, in due order.

use journey_model::{Expression, StepKind, Target};
use journey_types::{InstanceNumber, Timestamp};

use super::Decision;
use crate::command::Reply;
use crate::event::{Departure, EventBody, TimerKind};
use crate::set_aside::Closing;
use crate::step::work;
use crate::turn::{Position, Turn};

/// Fires what was due before the stamp. What is due at one instant fires together, so that the arbiter sees it at
/// once; what was due later comes after all that followed from it, as if it had been on time. What the budget leaves
/// over stays armed, and is due still.
pub(super) fn decide(mut turn: Turn<'_>) -> Decision {
    let mut n_fired = expire(&mut turn);
    while let Some(due_at) = turn.state.next_due_at() {
        if due_at >= turn.stamp || turn.is_spent() {
            break;
        }
        turn.start_from_outside();
        for (number, kind) in due_now(&turn, due_at) {
            n_fired += u32::from(fire(&mut turn, number, (kind, due_at)));
        }
        turn.advance();
    }
    turn.close(Reply::Fired { n_fired })
}

/// Lets go of what was kept for as long as such things are kept.
fn expire(turn: &mut Turn<'_>) -> u32 {
    let mut n_expired = 0;
    for (what, size_bytes) in turn.state.expired(turn.stamp) {
        turn.record(EventBody::SetAsideClosed {
            what,
            how: Closing::Expired,
            size_bytes,
        });
        n_expired += 1;
    }
    n_expired
}

/// Timers due at that instant, by instance number.
fn due_now(turn: &Turn<'_>, due_at: Timestamp) -> Vec<(InstanceNumber, TimerKind)> {
    let instances = turn.state.instances.values();
    let timers = instances.flat_map(|instance| {
        let timers = instance.rest.timers.iter();
        timers.map(|timer| (timer.due_at, instance.number, timer.kind))
    });
    let due = timers.filter(|(at, _, _)| *at == due_at);
    due.map(|(_, number, kind)| (number, kind)).collect()
}

/// Lets one timer take effect if it is still armed; false when it changes nothing.
fn fire(
    turn: &mut Turn<'_>,
    number: InstanceNumber,
    (kind, due_at): (TimerKind, Timestamp),
) -> bool {
    let Some(instance) = turn.state.instances.get(&number).cloned() else {
        return false;
    };
    let mut timers = instance.rest.timers.iter();
    if !timers.any(|timer| timer.kind == kind && timer.due_at == due_at) {
        return false;
    }
    turn.spend_step();
    let Some(position) = turn.position(number) else {
        // Its version is not in the catalog: visible, rather than due for ever.
        turn.park(&instance, "its version or step is not published".to_owned());
        return true;
    };
    if kind == TimerKind::Recheck {
        return recheck(turn, &position, due_at);
    }
    record_fired(turn, &position, (kind, due_at));
    let step = position.step;
    match kind {
        TimerKind::Delay => turn.go(&position, Departure::Done, step.next),
        TimerKind::StepTimeout => {
            let next = step.timeout.map_or(step.next, |timeout| timeout.next);
            turn.go(&position, Departure::TimedOut, next);
        }
        TimerKind::Branch(branch_idx) => {
            let next = branch_target(&position, branch_idx);
            turn.go(&position, Departure::Branch(branch_idx), next);
        }
        TimerKind::Sla => work::note_overdue(turn, &position, due_at),
        TimerKind::Recheck => {}
    }
    true
}

/// Looks at windowed conditions again. The timer has fired only if one of them does something now.
fn recheck<'a>(turn: &mut Turn<'a>, position: &Position<'a>, due_at: Timestamp) -> bool {
    let is_windowed = |condition: &Expression| condition.dependencies().windowed;
    match turn.consequence(position, is_windowed) {
        Some(consequence) => {
            record_fired(turn, position, (TimerKind::Recheck, due_at));
            turn.carry_out(position, consequence);
            true
        }
        None => {
            turn.refresh_rest(position.instance.number);
            false
        }
    }
}

fn record_fired(turn: &mut Turn<'_>, position: &Position<'_>, timer: (TimerKind, Timestamp)) {
    turn.record(EventBody::TimerFired {
        instance: position.instance_ref(),
        timer: timer.0,
        due_at: timer.1,
    });
}

fn branch_target(position: &Position<'_>, branch_idx: u16) -> Target {
    let step = position.step;
    let StepKind::WaitUntil(branches) = &step.kind else {
        return step.next;
    };
    let branch = branches.get(usize::from(branch_idx));
    branch.map_or(step.next, |branch| branch.next)
}
