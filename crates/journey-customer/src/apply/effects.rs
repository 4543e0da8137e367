//! The outbox: rows come with a grant and go with a terminal outcome or a withdrawal.

use std::sync::Arc;

use journey_types::{Destination, Sequence, Timestamp};

use crate::command::Outcome;
use crate::event::{MessageGranted, WorkEmitted};
use crate::set_aside::NO_ANSWER;
use crate::state::{CustomerState, EffectBody, EffectStatus, MessageBody, OutboxRow, WorkBody};

/// Puts a granted message into the outbox under the sequence of its own fact.
pub(super) fn grant(state: &mut CustomerState, granted: &MessageGranted) {
    let effect = state.last_sequence;
    let row = OutboxRow {
        effect,
        birth: state.birth,
        created_at: state.stamp,
        instance: granted.instance,
        journey: granted.journey.clone(),
        version: granted.version,
        step: granted.step.clone(),
        destination: Destination::Channel(granted.channel.clone()),
        purpose: granted.purpose.clone(),
        send_by: granted.send_by,
        body: EffectBody::Message(MessageBody {
            content: granted.content.clone(),
            content_version: granted.content_version,
            locale: granted.locale.clone(),
            rendered: granted.rendered.clone(),
            why: granted.why.clone(),
            failed_channels: granted.failed_channels.clone(),
            fallback: granted.fallback.clone(),
        }),
        attempt: 0,
        status: EffectStatus::Open,
        attempts: Vec::new(),
        attempts_before_replay: 0,
        attempts_returned: 0,
        returned_in_a_row: 0,
    };
    state.outbox.insert(effect, Arc::new(row));
}

/// Puts a call or task into the outbox under the sequence of its own fact.
pub(super) fn emit(state: &mut CustomerState, emitted: &WorkEmitted) {
    let effect = state.last_sequence;
    let row = OutboxRow {
        effect,
        birth: state.birth,
        created_at: state.stamp,
        instance: emitted.instance,
        journey: emitted.journey.clone(),
        version: emitted.version,
        step: emitted.step.clone(),
        destination: emitted.destination.clone(),
        purpose: emitted.purpose.clone(),
        send_by: emitted.send_by,
        body: EffectBody::Work(WorkBody {
            kind: emitted.kind,
            input: emitted.input.clone(),
            due_at: emitted.due_at,
        }),
        attempt: 0,
        status: EffectStatus::Open,
        attempts: Vec::new(),
        attempts_before_replay: 0,
        attempts_returned: 0,
        returned_in_a_row: 0,
    };
    state.outbox.insert(effect, Arc::new(row));
}

/// A task was not done in time: where it escalates it is offered there at once, be it with a worker or not.
pub(super) fn escalate(
    state: &mut CustomerState,
    effect: Sequence,
    escalated_to: Option<&Destination>,
) {
    let row = of(state, effect);
    if let Some(destination) = escalated_to {
        row.destination = destination.clone();
        row.returned_in_a_row = 0;
        row.status = EffectStatus::Open;
    }
}

/// Marks a row as handed to a worker.
pub(super) fn claim(
    state: &mut CustomerState,
    (effect, attempt): (Sequence, u32),
    until: Timestamp,
    worker: &str,
) {
    let at = state.stamp;
    let row = of(state, effect);
    assert!(
        attempt == row.attempt + 1,
        "attempt {attempt} of effect {effect} after {}",
        row.attempt
    );
    if matches!(row.status, EffectStatus::Claimed { .. }) {
        row.returned_in_a_row = 0;
    }
    row.end_attempt(NO_ANSWER);
    row.attempt = attempt;
    row.begin_attempt(at, worker);
    row.status = EffectStatus::Claimed { until };
}

/// Records an outcome: a terminal one removes the row. The row may be gone already, when a receipt comes after `Sent`.
pub(super) fn settle(state: &mut CustomerState, effect: Sequence, outcome: &Outcome) {
    match outcome {
        Outcome::Sent
        | Outcome::Delivered
        | Outcome::Completed { .. }
        | Outcome::FailedForGood { .. } => {
            state.outbox.remove(&effect);
        }
        Outcome::FailedForNow { reason, retry_at } => {
            let row = of(state, effect);
            row.end_attempt(reason);
            row.returned_in_a_row = 0;
            row.status = EffectStatus::Retrying {
                retry_at: *retry_at,
                reason: reason.clone(),
            };
        }
        Outcome::Returned { retry_at } => {
            let row = of(state, effect);
            let reason = row.return_attempt();
            row.status = match *retry_at {
                None => EffectStatus::Open,
                Some(retry_at) => EffectStatus::Retrying { retry_at, reason },
            };
        }
    }
}

fn of(state: &mut CustomerState, effect: Sequence) -> &mut OutboxRow {
    let row = state.outbox.get_mut(&effect);
    assert!(
        row.is_some(),
        "a fact speaks of effect {effect}, which is not in the outbox"
    );
    Arc::make_mut(row.expect("asserted above"))
}
