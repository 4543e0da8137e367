//! `Settle`: a worker tells what became of an effect.
//!
//! The first terminal outcome counts. One of an earlier attempt, whose claim had run out, still counts when it says
//! that the message went out or the work is done; a failure of an earlier attempt says nothing about the current one and is passed over.

use journey_types::{BirthIndex, Sequence};

use super::{Decision, set_aside};
use crate::command::{Outcome, Rejection, Reply};
use crate::event::EventBody;
use crate::limits::REASON_SIZE_BYTES_MAX;
use crate::state::{EffectBody, EffectStatus, OutboxRow};
use crate::step::{message, work};
use crate::turn::Turn;

/// Records the outcome if it is news.
///
/// # Errors
/// [`Rejection::OutcomeUnfit`] when a message is said to be done, or work to be sent.
pub(super) fn decide(
    mut turn: Turn<'_>,
    birth: BirthIndex,
    (effect, attempt): (Sequence, u32),
    outcome: &Outcome,
) -> Result<Decision, Rejection> {
    if birth != turn.state.birth {
        return Ok(turn.close(Reply::Settled));
    }
    let row = turn.state.outbox.get(&effect).cloned();
    let is_news = match &row {
        Some(row) => {
            refuse_unfit(row, outcome)?;
            is_news(row, attempt, outcome)
        }
        None => {
            if set_aside::settle_late(&mut turn, (effect, attempt), outcome) {
                return Ok(turn.close(Reply::Recorded));
            }
            is_late_receipt(&turn, effect, outcome)
        }
    };
    if !is_news {
        return Ok(turn.close(Reply::Settled));
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
        (Outcome::Completed { result }, _) => work::complete(&mut turn, effect, result),
        (Outcome::FailedForGood { reason }, Some(row)) => {
            set_aside::give_up(&mut turn, &row, reason);
        }
        (Outcome::FailedForGood { reason }, None) => {
            if let Some(position) = message::awaiting(&turn, effect) {
                turn.fail(&position, reason.clone());
            }
        }
        (Outcome::FailedForNow { reason, .. }, _) => {
            if let Some(row) = turn.state.outbox.get(&effect).cloned() {
                set_aside::bury_if_spent(&mut turn, &row, reason);
            }
        }
        (Outcome::Returned { .. }, _) => {}
    }
    turn.advance();
    Ok(turn.close(Reply::Recorded))
}

/// A worker that takes a message for work, or work for a message, is told so: nothing else would wake the instance.
fn refuse_unfit(row: &OutboxRow, outcome: &Outcome) -> Result<(), Rejection> {
    let kind = row.kind();
    let advice = match (&row.body, outcome) {
        (EffectBody::Message(_), Outcome::Completed { .. }) => {
            "completed; answer a message with sent, delivered, failed for now or failed for good"
        }
        (EffectBody::Work(_), Outcome::Sent) => {
            "sent; answer it with completed and its result, failed for now or failed for good"
        }
        (EffectBody::Work(_), Outcome::Delivered) => {
            "delivered; answer it with completed and its result, failed for now or failed for good"
        }
        (EffectBody::Message(_), Outcome::Sent | Outcome::Delivered)
        | (EffectBody::Work(_), Outcome::Completed { .. })
        | (
            _,
            Outcome::FailedForNow { .. } | Outcome::FailedForGood { .. } | Outcome::Returned { .. },
        ) => return Ok(()),
    };
    Err(Rejection::OutcomeUnfit {
        reason: format!("the effect is a {kind} and cannot be {advice}"),
    })
}

fn is_news(row: &OutboxRow, attempt: u32, outcome: &Outcome) -> bool {
    let was_handed_over = (1..=row.attempt).contains(&attempt);
    let is_current = attempt == row.attempt;
    let is_with_worker = matches!(row.status, EffectStatus::Claimed { .. });
    was_handed_over
        && match outcome {
            Outcome::Sent | Outcome::Delivered | Outcome::Completed { .. } => true,
            // What is open again after an attempt was escalated to others, whom an earlier failure does not bind; and what
            // was not begun did not fail.
            Outcome::FailedForGood { .. } => {
                is_current && row.status != EffectStatus::Open && !row.came_back()
            }
            Outcome::FailedForNow { .. } | Outcome::Returned { .. } => is_current && is_with_worker,
        }
}

/// After `Sent` the row is gone, but a step that awaits delivery still wants to know.
fn is_late_receipt(turn: &Turn<'_>, effect: Sequence, outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Delivered | Outcome::FailedForGood { .. } => {
            message::awaiting(turn, effect).is_some()
        }
        Outcome::Sent
        | Outcome::Completed { .. }
        | Outcome::FailedForNow { .. }
        | Outcome::Returned { .. } => false,
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
        Outcome::Completed { result } => Outcome::Completed {
            result: result.clone(),
        },
        Outcome::FailedForGood { reason } => Outcome::FailedForGood {
            reason: cut(reason),
        },
        Outcome::FailedForNow { reason, retry_at } => Outcome::FailedForNow {
            reason: cut(reason),
            retry_at: *retry_at,
        },
        Outcome::Returned { retry_at } => Outcome::Returned {
            retry_at: *retry_at,
        },
    }
}
