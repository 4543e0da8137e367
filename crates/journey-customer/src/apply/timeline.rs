//! The customer's timeline: the last things that happened, each with its reason, in the printer's words.

use journey_types::InstanceNumber;

use crate::command::Outcome;
use crate::event::{EventBody, JournalEvent};
use crate::limits::TIMELINE_TEXT_SIZE_BYTES_MAX;
use crate::printer;
use crate::state::CustomerState;

/// Adds a fact that people want to see; the machinery between such facts is left to the journal.
pub(super) fn remember(state: &mut CustomerState, fact: &JournalEvent) {
    let Some(instance) = subject(&fact.body) else {
        return;
    };
    if is_one_more_return(state, &fact.body) {
        return;
    }
    let mut text = printer::describe(&fact.body);
    if text.len() > TIMELINE_TEXT_SIZE_BYTES_MAX {
        text.truncate(text.floor_char_boundary(TIMELINE_TEXT_SIZE_BYTES_MAX));
    }
    let of = (fact.sequence, instance);
    state.timeline.push(fact.stamp, of, &text);
}

/// Whether the fact is a return among others, which would push everything else out: of those in a row the 1st, 2nd, 4th,
/// 8th and so on are kept.
fn is_one_more_return(state: &CustomerState, body: &EventBody) -> bool {
    let EventBody::EffectSettled {
        effect,
        outcome: Outcome::Returned { .. },
        ..
    } = body
    else {
        return false;
    };
    let row = state.outbox.get(effect);
    row.is_some_and(|row| !(row.returned_in_a_row + 1).is_power_of_two())
}

/// The instance a fact is about, if any; `None` for facts that stay out of the timeline.
fn subject(body: &EventBody) -> Option<Option<InstanceNumber>> {
    match body {
        EventBody::CustomerBorn { .. }
        | EventBody::EnrollmentAccepted { .. }
        | EventBody::EntryDequeued { .. }
        | EventBody::Rested { .. }
        | EventBody::BranchForeseen { .. }
        | EventBody::VarChanged { .. }
        | EventBody::EffectClaimed { .. }
        | EventBody::TurnPaused { .. }
        | EventBody::TurnResumed => None,
        EventBody::EventAccepted { .. }
        | EventBody::TraitChanged { .. }
        | EventBody::LifecycleChanged { .. }
        | EventBody::EntryRefused { .. }
        | EventBody::EntryQueued { .. }
        | EventBody::EffectWithdrawn { .. }
        | EventBody::EffectSettled { .. }
        | EventBody::EffectDeadLettered { .. }
        | EventBody::CommandQuarantined(_)
        | EventBody::CustomerParked { .. }
        | EventBody::CustomerReleased
        | EventBody::SetAsideClosed { .. } => Some(None),
        EventBody::InstanceEntered(entered) => Some(Some(entered.instance)),
        EventBody::MessageGranted(granted) => Some(Some(granted.instance)),
        EventBody::WorkEmitted(emitted) => Some(Some(emitted.instance)),
        EventBody::StepMoved { instance, .. }
        | EventBody::TimerFired { instance, .. }
        | EventBody::GoalReached { instance, .. }
        | EventBody::InstanceParked { instance, .. }
        | EventBody::InstanceEnded { instance, .. }
        | EventBody::TaskOverdue { instance, .. }
        | EventBody::MessageRefused { instance, .. } => Some(Some(instance.number)),
    }
}
