//! Dead letters and quarantined commands: how they come to be, and what an operator does with them.

use std::sync::Arc;

use journey_types::{BirthIndex, Sequence};

use super::{Decision, enroll, ingest};
use crate::command::{Command, IngestMode, Outcome, Rejection, Reply};
use crate::event::EventBody;
use crate::set_aside::{Closing, DeadLetter, QuarantinedCommand, SetAside};
use crate::size;
use crate::state::{EffectBody, OutboxRow};
use crate::step::{message, work};
use crate::turn::Turn;

/// Makes an effect a dead letter if its retry budget is used up, and answers whether it did. Where there is no room for
/// another one the effect stays in its queue, which stops there: nothing is dropped.
pub(super) fn bury_if_spent(turn: &mut Turn<'_>, row: &OutboxRow, reason: &str) -> bool {
    let budget = turn.context.delivery.budget(&row.destination);
    let has_room = turn.context.set_aside_has_room && turn.state.has_room_for_dead_letter();
    if budget.allows_another(row.n_attempts()) || !has_room {
        return false;
    }
    turn.record(EventBody::EffectDeadLettered {
        effect: row.effect,
        reason: reason.to_owned(),
        size_bytes: row.dead_size_bytes(reason),
    });
    give_up(turn, row, reason);
    true
}

/// An effect failed for good where it goes: a message takes its next channel, the step of a call or task fails. The step
/// of a replayed one failed when it first became a dead letter.
pub(super) fn give_up(turn: &mut Turn<'_>, row: &OutboxRow, reason: &str) {
    match &row.body {
        _ if row.is_replay() => {}
        EffectBody::Message(body) => message::fall_back(turn, (row, body), reason),
        EffectBody::Work(_) => work::fail(turn, row.effect, reason),
    }
}

/// A worker said late that a dead letter had gone out after all.
pub(super) fn settle_late(
    turn: &mut Turn<'_>,
    (effect, attempt): (Sequence, u32),
    outcome: &Outcome,
) -> bool {
    let is_done = match outcome {
        Outcome::Sent | Outcome::Delivered | Outcome::Completed { .. } => true,
        Outcome::FailedForGood { .. } | Outcome::FailedForNow { .. } | Outcome::Returned { .. } => {
            false
        }
    };
    let letter = turn.state.dead_letters.get(&effect);
    let was_tried = |letter: &&Arc<DeadLetter>| (1..=letter.row.attempt).contains(&attempt);
    let Some(letter) = letter.filter(|letter| is_done && was_tried(letter)) else {
        return false;
    };
    turn.record(EventBody::SetAsideClosed {
        what: SetAside::DeadLetter(effect),
        how: Closing::Settled,
        size_bytes: letter.size_bytes,
    });
    true
}

/// Hands a dead letter over anew, with a fresh retry budget.
pub(super) fn replay_dead_letter(
    mut turn: Turn<'_>,
    birth: BirthIndex,
    effect: Sequence,
) -> Result<Decision, Rejection> {
    let letter = turn.state.dead_letters.get(&effect).cloned();
    let letter = letter.filter(|letter| letter.row.birth == birth);
    let letter = letter.ok_or(Rejection::NotSetAside)?;
    if let Some(send_by) = letter.row.send_by.filter(|send_by| *send_by < turn.stamp) {
        let reason = format!("it is not worth sending after {send_by}; discard it");
        return Err(Rejection::NotReplayable { reason });
    }
    let note = whereabouts(&turn, &letter.row);
    turn.record(EventBody::SetAsideClosed {
        what: SetAside::DeadLetter(effect),
        how: Closing::Replayed,
        size_bytes: letter.size_bytes,
    });
    Ok(turn.close(Reply::Replayed { note }))
}

/// Where the instance of a dead letter is by now: it did not wait.
fn whereabouts(turn: &Turn<'_>, row: &OutboxRow) -> String {
    match turn.state.instances.get(&row.instance) {
        Some(instance) if instance.step == row.step => String::new(),
        Some(instance) => format!("its instance went on to step {}", instance.step),
        None => "its instance has ended".to_owned(),
    }
}

/// Takes a quarantined event or enroll call in again.
pub(super) fn replay_command(
    mut turn: Turn<'_>,
    birth: BirthIndex,
    entry: Sequence,
) -> Result<Decision, Rejection> {
    let command = of_life(&turn, birth, entry)?;
    if command.event.is_none() && command.enrollment.is_none() {
        let reason = format!(
            "a `{}` comes again by itself where it is still due; discard it",
            command.kind
        );
        return Err(Rejection::NotReplayable { reason });
    }
    turn.record(EventBody::SetAsideClosed {
        what: SetAside::Command(entry),
        how: Closing::Replayed,
        size_bytes: command.size_bytes,
    });
    let mut decision = match (&command.event, &command.enrollment) {
        (Some(event), _) => ingest::decide(turn, event, command.mode)?,
        (None, Some(enrollment)) => enroll::decide(turn, enrollment)?,
        (None, None) => turn.close(Reply::Accepted),
    };
    let note = match decision.reply {
        Reply::Duplicate => "it had been taken in before".to_owned(),
        Reply::NotEnrolled { reason } => format!("the entry was refused: {reason}"),
        _ => String::new(),
    };
    decision.reply = Reply::Replayed { note };
    Ok(decision)
}

/// Gives something up that was set aside.
pub(super) fn discard(
    mut turn: Turn<'_>,
    birth: BirthIndex,
    what: SetAside,
) -> Result<Decision, Rejection> {
    let size_bytes = match what {
        SetAside::DeadLetter(effect) => {
            let letter = turn.state.dead_letters.get(&effect);
            let letter = letter.filter(|letter| letter.row.birth == birth);
            letter.ok_or(Rejection::NotSetAside)?.size_bytes
        }
        SetAside::Command(entry) => of_life(&turn, birth, entry)?.size_bytes,
    };
    turn.record(EventBody::SetAsideClosed {
        what,
        how: Closing::Discarded,
        size_bytes,
    });
    Ok(turn.close(Reply::Discarded))
}

/// Keeps a command whose deciding panicked. Looks at nothing of what that deciding looked at.
pub(super) fn quarantine(
    mut turn: Turn<'_>,
    command: &Command,
    reason: &str,
    parks: bool,
) -> Result<Decision, Rejection> {
    if !turn.context.set_aside_has_room || !turn.state.has_room_in_quarantine() {
        return Err(Rejection::QuarantineFull);
    }
    let (event, mode) = command.event().unzip();
    let mut kept = QuarantinedCommand {
        kind: command.kind().to_owned(),
        event: event.cloned(),
        enrollment: command.enrollment().cloned(),
        mode: mode.unwrap_or(IngestMode::Live),
        reason: reason.to_owned(),
        since: turn.stamp,
        size_bytes: 0,
    };
    kept.size_bytes = u32::try_from(size::of_quarantined(&kept)).unwrap_or(u32::MAX);
    let entry = turn.record(EventBody::CommandQuarantined(Box::new(kept)));
    if parks {
        record_parking(&mut turn, reason);
    }
    let birth = turn.state.birth;
    Ok(turn.close(Reply::Quarantined { birth, entry }))
}

/// Parks the customer alone.
pub(super) fn park(mut turn: Turn<'_>, reason: &str) -> Decision {
    record_parking(&mut turn, reason);
    turn.close(Reply::Parked)
}

fn record_parking(turn: &mut Turn<'_>, reason: &str) {
    let reason = reason.to_owned();
    turn.record(EventBody::CustomerParked { reason });
}

/// Lets the customer go on.
pub(super) fn release(mut turn: Turn<'_>) -> Decision {
    let was_parked = turn.state.parked.is_some();
    if was_parked {
        turn.record(EventBody::CustomerReleased);
    }
    turn.close(Reply::Released { was_parked })
}

fn of_life(
    turn: &Turn<'_>,
    birth: BirthIndex,
    entry: Sequence,
) -> Result<Arc<QuarantinedCommand>, Rejection> {
    let command = turn.state.quarantined.get(&entry).cloned();
    let command = command.filter(|_| turn.state.birth == birth);
    command.ok_or(Rejection::NotSetAside)
}
