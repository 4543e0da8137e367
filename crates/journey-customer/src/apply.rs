//! The second law: what a fact does to the state. The only place where a customer changes.
//!
//! Never fails, never computes with floats, reads nothing but the state and the fact. A released apply never changes
//! its meaning: replicas of different releases must come to the same state. One file per family of facts.

mod effects;
mod entries;
mod instances;
mod profile;
mod set_aside;
mod timeline;

use std::sync::Arc;

use crate::event::{EventBody, JournalEvent};
use crate::state::{CustomerState, PausedTurn};

/// Changes the state by one fact.
///
/// # Panics
/// When the fact is not exactly the next one of this customer, or speaks of an instance or effect that is not there:
/// a record was lost or doubled.
pub fn apply(state: &mut CustomerState, event: &JournalEvent) {
    assert!(
        event.sequence == state.last_sequence.next(),
        "fact {} of {} after {}",
        event.sequence,
        state.key,
        state.last_sequence
    );
    assert!(
        event.stamp >= state.stamp,
        "fact {} of {} is stamped {} before {}",
        event.sequence,
        state.key,
        event.stamp,
        state.stamp
    );
    state.last_sequence = event.sequence;
    state.stamp = event.stamp;
    // Before the change, while the instance it speaks of is still there.
    timeline::remember(state, event);
    apply_body(state, event);
}

#[expect(
    clippy::too_many_lines,
    reason = "one arm per fact: the whole of the law at one glance, and exhaustive"
)]
fn apply_body(state: &mut CustomerState, fact: &JournalEvent) {
    match &fact.body {
        EventBody::CustomerBorn { birth } => state.birth = *birth,
        EventBody::EventAccepted {
            fingerprint,
            event,
            feeds,
            ..
        } => profile::accept(state, *fingerprint, event, feeds),
        EventBody::TraitChanged { name, value } => {
            profile::write(Arc::make_mut(&mut state.traits), name, value.as_ref());
        }
        EventBody::LifecycleChanged { stage } => state.lifecycle.clone_from(stage),
        EventBody::EnrollmentAccepted { fingerprint, .. } => {
            state.dedupe.remember(*fingerprint, state.stamp);
        }
        EventBody::InstanceEntered(entered) => instances::enter(state, entered),
        EventBody::EntryRefused { .. } => {}
        EventBody::EntryQueued {
            journey,
            key,
            entry,
            n_dropped,
        } => entries::queue(state, (journey, key.as_deref()), entry, *n_dropped),
        EventBody::EntryDequeued { journey, key } => {
            entries::dequeue(state, journey, key.as_deref());
        }
        EventBody::StepMoved {
            instance,
            from,
            how,
            to,
        } => instances::step_move(state, instance.number, (from, how), to.as_ref()),
        EventBody::Rested { instance, rest } => {
            instances::of(state, *instance).rest = rest.clone();
        }
        EventBody::TimerFired {
            instance,
            timer,
            due_at,
        } => instances::disarm(state, instance.number, *timer, *due_at),
        EventBody::BranchForeseen {
            instance,
            step,
            branch_idx,
        } => {
            let instance = instances::of(state, *instance);
            instance.foreseen.push((step.clone(), *branch_idx));
        }
        EventBody::VarChanged {
            instance,
            name,
            value,
        } => {
            let vars = &mut instances::of(state, *instance).vars;
            profile::write(vars, name, value.as_ref());
        }
        EventBody::GoalReached { instance, goal } => {
            instances::reach_goal(state, instance.number, goal);
        }
        EventBody::InstanceParked { instance, reason } => {
            instances::park(state, instance.number, reason);
        }
        EventBody::InstanceEnded {
            instance, ending, ..
        } => instances::end(state, instance.number, ending),
        EventBody::MessageGranted(granted) => effects::grant(state, granted),
        EventBody::MessageRefused { .. } => {}
        EventBody::WorkEmitted(emitted) => effects::emit(state, emitted),
        EventBody::TaskOverdue {
            effect,
            escalated_to,
            ..
        } => effects::escalate(state, *effect, escalated_to.as_ref()),
        EventBody::EffectClaimed {
            effect,
            attempt,
            until,
            worker,
        } => effects::claim(state, (*effect, *attempt), *until, worker),
        EventBody::EffectWithdrawn { effect, .. } => {
            state.outbox.remove(effect);
        }
        EventBody::EffectSettled {
            effect, outcome, ..
        } => effects::settle(state, *effect, outcome),
        EventBody::EffectDeadLettered {
            effect,
            reason,
            size_bytes,
        } => set_aside::dead_letter(state, *effect, reason, *size_bytes),
        EventBody::CommandQuarantined(command) => set_aside::quarantine(state, command),
        EventBody::CustomerParked { reason } => set_aside::park(state, reason),
        EventBody::CustomerReleased => state.parked = None,
        EventBody::SetAsideClosed { what, how, .. } => set_aside::close(state, *what, *how),
        EventBody::TurnPaused {
            round,
            events,
            instances,
        } => {
            state.paused_turn = Some(PausedTurn {
                stamp: fact.stamp,
                round: *round,
                events: events.clone(),
                instances: instances.clone(),
            });
        }
        EventBody::TurnResumed => state.paused_turn = None,
    }
}

#[cfg(test)]
mod tests;
