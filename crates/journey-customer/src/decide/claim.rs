//! `Claim`: an effect is to be handed to a worker (DESIGN section 6).

use journey_types::{Sequence, Timestamp};

use super::{Decision, set_aside};
use crate::command::{Rejection, Reply};
use crate::event::EventBody;
use crate::limits::WORKER_NAME_SIZE_BYTES_MAX;
use crate::set_aside::NO_ANSWER;
use crate::state::{EffectBody, EffectStatus, OutboxRow};
use crate::step::{message, work};
use crate::turn::Turn;

/// Grants the claim when the effect is free, and the oldest of its channel if it goes to one; an effect not worth sending any more is
/// withdrawn, and its step fails if it awaits.
pub(super) fn decide(
    mut turn: Turn<'_>,
    effect: Sequence,
    until: Timestamp,
    worker: &str,
) -> Result<Decision, Rejection> {
    let Some(row) = turn.state.outbox.get(&effect).cloned() else {
        return Err(not_claimable("it is gone"));
    };
    let mut rows = turn.state.outbox.values();
    let is_ordered = row.destination.is_ordered();
    let oldest = rows.find(|other| is_ordered && other.destination == row.destination);
    if oldest.is_some_and(|oldest| oldest.effect != effect) {
        return Err(not_claimable(
            "an earlier effect of its channel comes first",
        ));
    }
    if turn.stamp < row.claimable_from() {
        return Err(not_claimable(match &row.status {
            EffectStatus::Claimed { .. } => "it is claimed by another worker",
            EffectStatus::Retrying { .. } => "it waits for its retry",
            EffectStatus::Open => "it was not emitted yet",
        }));
    }
    if row.send_by.is_some_and(|send_by| send_by < turn.stamp) {
        return Ok(withdraw(turn, &row, "expired"));
    }
    let is_unanswered = matches!(row.status, EffectStatus::Claimed { .. });
    if is_unanswered && set_aside::bury_if_spent(&mut turn, &row, NO_ANSWER) {
        turn.advance();
        let reason = format!("its retry budget is used up: {NO_ANSWER}");
        return Ok(turn.close(Reply::Withdrawn { reason }));
    }
    let attempt = row.attempt + 1;
    let end = worker.floor_char_boundary(WORKER_NAME_SIZE_BYTES_MAX);
    turn.record(EventBody::EffectClaimed {
        effect,
        attempt,
        until,
        worker: worker[..end].to_owned(),
    });
    let row = turn.state.outbox.get(&effect).expect("claimed just now");
    let row = Box::new(OutboxRow::clone(row));
    Ok(turn.close(Reply::Claimed { row }))
}

fn withdraw(mut turn: Turn<'_>, row: &OutboxRow, reason: &str) -> Decision {
    turn.record(EventBody::EffectWithdrawn {
        effect: row.effect,
        reason: reason.to_owned(),
    });
    match &row.body {
        _ if row.is_replay() => {}
        EffectBody::Message(body) => message::lose(&mut turn, (row, body), reason),
        EffectBody::Work(_) => work::fail(&mut turn, row.effect, reason),
    }
    turn.advance();
    turn.close(Reply::Withdrawn {
        reason: reason.to_owned(),
    })
}

const fn not_claimable(reason: &'static str) -> Rejection {
    Rejection::NotClaimable { reason }
}
