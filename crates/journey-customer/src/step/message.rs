//! `message`: asks the arbiter, and where the step awaits more than the grant, rests until the channel answers.
//!
//! A receipt comes as an outcome (`Sent`, `Delivered`), also after the row is gone, or as the customer event
//! `message_delivered` with the effect's id in `properties.effect_id`.

mod fallback;

use std::sync::Arc;

use journey_model::{MessageAwait, MessageStep, StepKind};
use journey_types::{CustomerEvent, EffectId, Sequence, Value};

use crate::arbiter::{Intent, IntentOrigin};
use crate::event::Departure;
use crate::state::FallbackScope;
use crate::turn::{Position, Turn};

pub(crate) use fallback::{fall_back, lose};

/// The event by which a channel tells later that a message arrived.
const MESSAGE_DELIVERED: &str = "message_delivered";

/// Hands an intent to the arbiter; the instance stands at the step until the ruling.
pub(super) fn ask<'a>(turn: &mut Turn<'a>, position: &Position<'a>, message: &'a MessageStep) {
    let instance = &position.instance;
    turn.intend(Intent {
        instance: position.instance_ref(),
        plan: position.plan,
        step: position.step,
        message,
        scope: Arc::new(FallbackScope {
            key: instance.key.clone(),
            entry: instance.entry.clone(),
            entered_at: instance.entered_at,
            vars: instance.vars.clone(),
        }),
        failed_channels: Vec::new(),
        origin: IntentOrigin::Step,
        depth: turn.depth(),
    });
}

/// The arbiter refused: `refused`, else `next`. A refused fallback is the end of the intent.
pub(crate) fn be_refused(turn: &mut Turn<'_>, intent: &Intent<'_>, reason: &str) {
    if let IntentOrigin::Fallback { of } = intent.origin {
        fallback::give_up(turn, intent, of, reason);
        return;
    }
    let Some(position) = turn.position(intent.instance.number) else {
        return;
    };
    let target = intent.message.refused.unwrap_or(position.step.next);
    turn.go(&position, Departure::Refused(reason.to_owned()), target);
}

/// The content could not be rendered: the step fails.
pub(crate) fn fail_to_render(turn: &mut Turn<'_>, intent: &Intent<'_>, reason: String) {
    if let IntentOrigin::Fallback { of } = intent.origin {
        fallback::give_up(turn, intent, of, &reason);
    } else if let Some(position) = turn.position(intent.instance.number) {
        turn.fail(&position, reason);
    }
}

/// The instance that rests on this effect, if there is one.
pub(crate) fn awaiting<'a>(turn: &Turn<'a>, effect: Sequence) -> Option<Position<'a>> {
    let mut instances = turn.state.instances.values();
    let awaiting = instances.find(|instance| instance.rest.awaited_effect == Some(effect))?;
    turn.position(awaiting.number)
}

/// A channel took the message, or it arrived: an instance that rests on it goes on.
pub(crate) fn receive(turn: &mut Turn<'_>, effect: Sequence, is_delivered: bool) {
    let Some(position) = awaiting(turn, effect) else {
        return;
    };
    let StepKind::Message(message) = &position.step.kind else {
        return;
    };
    if is_delivered || message.awaits == MessageAwait::Sent {
        turn.go(&position, Departure::Done, position.step.next);
    }
}

/// Whether `message_delivered` speaks of the effect this instance rests on; then it goes on.
pub(crate) fn hear_receipt<'a>(
    turn: &mut Turn<'a>,
    position: &Position<'a>,
    message: &MessageStep,
    event: &CustomerEvent,
) -> bool {
    if event.name.as_str() != MESSAGE_DELIVERED || message.awaits == MessageAwait::Granted {
        return false;
    }
    let effect_id = event.properties.get("effect_id").and_then(Value::as_text);
    let effect_id: Option<EffectId> = effect_id.and_then(|text| text.parse().ok());
    let is_awaited = effect_id.is_some_and(|id| {
        id.customer == turn.state.key
            && id.birth == turn.state.birth
            && Some(id.sequence) == position.instance.rest.awaited_effect
    });
    if is_awaited {
        turn.go(position, Departure::Done, position.step.next);
    }
    is_awaited
}
