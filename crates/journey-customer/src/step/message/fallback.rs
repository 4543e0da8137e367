//! When a channel fails for good: the next channel as a new effect; after the last, the step fails if it awaits, and
//! the customer event `message_failed` is raised always.

use std::collections::BTreeMap;
use std::sync::Arc;

use journey_model::StepKind;
use journey_types::{Channel, ContentId, EventName, Sequence, StepId, Value};

use super::awaiting;
use crate::arbiter::{Intent, IntentOrigin};
use crate::event::InstanceRef;
use crate::state::{MessageBody, OutboxRow};
use crate::step::emit;
use crate::turn::Turn;

/// The event that tells journeys that a message failed on its last channel.
const MESSAGE_FAILED: &str = "message_failed";

/// A channel failed for good: asks the arbiter for the next one, or gives the message up.
pub(crate) fn fall_back(
    turn: &mut Turn<'_>,
    (row, body): (&OutboxRow, &MessageBody),
    reason: &str,
) {
    let plan = turn.context.catalog.plan(&row.journey, row.version);
    let step = plan.and_then(|plan| Some((plan, plan.step(plan.step_idx(&row.step)?))));
    if let Some(scope) = &body.fallback
        && let Some((plan, step)) = step
        && let StepKind::Message(message) = &step.kind
    {
        turn.intend(Intent {
            instance: instance_ref(row),
            plan,
            step,
            message,
            scope: Arc::clone(scope),
            failed_channels: failed_channels(row, body),
            origin: IntentOrigin::Fallback { of: row.effect },
            depth: turn.depth(),
        });
    } else {
        lose(turn, (row, body), reason);
    }
}

/// The message of this row will not be sent any more, on no channel.
pub(crate) fn lose(turn: &mut Turn<'_>, (row, body): (&OutboxRow, &MessageBody), reason: &str) {
    let lost = Lost {
        instance: instance_ref(row),
        step: &row.step,
        content: &body.content,
        failed_channels: failed_channels(row, body),
    };
    give_up_on(turn, lost, row.effect, reason);
}

/// The arbiter found no other channel for an intent whose earlier effect failed.
pub(super) fn give_up(turn: &mut Turn<'_>, intent: &Intent<'_>, of: Sequence, reason: &str) {
    let lost = Lost {
        instance: intent.instance.clone(),
        step: &intent.step.id,
        content: &intent.message.content,
        failed_channels: intent.failed_channels.clone(),
    };
    give_up_on(turn, lost, of, reason);
}

/// A message that failed on every channel it could take.
struct Lost<'m> {
    instance: InstanceRef,
    step: &'m StepId,
    content: &'m ContentId,
    failed_channels: Vec<Channel>,
}

fn give_up_on(turn: &mut Turn<'_>, lost: Lost<'_>, effect: Sequence, reason: &str) {
    let channels = lost.failed_channels.iter();
    let channels = channels
        .map(|channel| Value::text(channel.as_str()))
        .collect();
    let version = i64::from(lost.instance.version.get());
    let properties = BTreeMap::from([
        (
            "journey".to_owned(),
            Value::text(lost.instance.journey.as_str()),
        ),
        ("version".to_owned(), Value::Int(version)),
        ("step".to_owned(), Value::text(lost.step.as_str())),
        ("content".to_owned(), Value::text(lost.content.as_str())),
        ("channels".to_owned(), Value::List(channels)),
        ("reason".to_owned(), Value::text(reason)),
    ]);
    let name = EventName::new(MESSAGE_FAILED).expect("a short text");
    let raised = emit::raise(turn, lost.instance, name, properties);
    // One effect fails per turn, and before its turn raises anything else.
    assert!(raised.is_ok(), "a turn has room for its first raised event");
    if let Some(position) = awaiting(turn, effect) {
        turn.fail(&position, reason.to_owned());
    }
}

fn failed_channels(row: &OutboxRow, body: &MessageBody) -> Vec<Channel> {
    let mut channels = body.failed_channels.clone();
    channels.extend(row.destination.channel().cloned());
    channels
}

fn instance_ref(row: &OutboxRow) -> InstanceRef {
    InstanceRef {
        number: row.instance,
        journey: row.journey.clone(),
        version: row.version,
    }
}
