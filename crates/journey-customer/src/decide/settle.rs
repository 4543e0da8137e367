//! `Settle`: a worker tells what became of an effect.
//!
//! The first terminal outcome counts. One of an earlier attempt, whose claim had run out, still counts when it says
//! that the message went out; a failure of an earlier attempt says nothing about the current one and is passed over.

use journey_types::{BirthIndex, Sequence};

use super::Decision;
use crate::command::{Outcome, Reply};
use crate::event::EventBody;
use crate::limits::REASON_SIZE_BYTES_MAX;
use crate::state::{EffectStatus, OutboxRow};
use crate::step::message;
use crate::turn::Turn;

/// Records the outcome if it is news.
pub(super) fn decide(
    mut turn: Turn<'_>,
    birth: BirthIndex,
    (effect, attempt): (Sequence, u32),
    outcome: &Outcome,
) -> Decision {
    if birth != turn.state.birth {
        return turn.close(Reply::Settled);
    }
    let row = turn.state.outbox.get(&effect).cloned();
    let is_news = match &row {
        Some(row) => is_news(row, attempt, outcome),
        None => is_late_receipt(&turn, effect, outcome),
    };
    if !is_news {
        return turn.close(Reply::Settled);
    }
    let outcome = shortened(outcome);
    turn.record(EventBody::EffectSettled {
        effect,
        attempt,
        outcome: outcome.clone(),
    });
    match (&outcome, row) {
        (Outcome::Sent, _) => message::receive(&mut turn, effect, false),
        (Outcome::Delivered, _) => message::receive(&mut turn, effect, true),
        (Outcome::FailedForGood { reason }, Some(row)) => {
            message::fall_back(&mut turn, &row, reason);
        }
        (Outcome::FailedForGood { reason }, None) => {
            if let Some(position) = message::awaiting(&turn, effect) {
                turn.fail(&position, reason.clone());
            }
        }
        (Outcome::FailedForNow { .. }, _) => {}
    }
    turn.advance();
    turn.close(Reply::Recorded)
}

fn is_news(row: &OutboxRow, attempt: u32, outcome: &Outcome) -> bool {
    let was_handed_over = (1..=row.attempt).contains(&attempt);
    let is_current = attempt == row.attempt;
    let is_with_worker = matches!(row.status, EffectStatus::Claimed { .. });
    was_handed_over
        && match outcome {
            Outcome::Sent | Outcome::Delivered => true,
            Outcome::FailedForGood { .. } => is_current,
            Outcome::FailedForNow { .. } => is_current && is_with_worker,
        }
}

/// After `Sent` the row is gone, but a step that awaits delivery still wants to know.
fn is_late_receipt(turn: &Turn<'_>, effect: Sequence, outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Delivered | Outcome::FailedForGood { .. } => {
            message::awaiting(turn, effect).is_some()
        }
        Outcome::Sent | Outcome::FailedForNow { .. } => false,
    }
}

/// The outcome with the worker's words cut to what is kept.
fn shortened(outcome: &Outcome) -> Outcome {
    let cut = |reason: &str| {
        let end = reason.floor_char_boundary(REASON_SIZE_BYTES_MAX);
        reason[..end].to_owned()
    };
    match outcome {
        Outcome::Sent => Outcome::Sent,
        Outcome::Delivered => Outcome::Delivered,
        Outcome::FailedForGood { reason } => Outcome::FailedForGood {
            reason: cut(reason),
        },
        Outcome::FailedForNow { reason, retry_at } => Outcome::FailedForNow {
            reason: cut(reason),
            retry_at: *retry_at,
        },
    }
}
