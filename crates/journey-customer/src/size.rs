//! About how many bytes things take when encoded: the measure of the bounds on state and turns.

use std::collections::BTreeMap;

use journey_types::{CustomerEvent, Fingerprint, JourneyId, Timestamp, Value};

use crate::command::Outcome;
use crate::entrance::{Enrollment, Entrance};
use crate::event::{EventBody, Rest};
use crate::set_aside::{Attempt, DeadLetter, QuarantinedCommand};
use crate::state::{
    Aggregate, CustomerState, EffectBody, FallbackScope, Instance, JourneyMemory, OutboxRow,
    WatchedGoal,
};

/// What a record takes beside its texts and values: numbers, stamps, tags.
const RECORD_SIZE_BYTES: usize = 48;
/// What an entry of a window takes: an instant and an amount.
const WINDOW_EVENT_SIZE_BYTES: usize = 24;

/// What a chunk or a segment of event ids takes in memory beside what it holds.
const CHUNK_SIZE_BYTES: usize = 128;
/// What an event takes in memory beside its texts and values.
const EVENT_SIZE_BYTES: usize = size_of::<CustomerEvent>() + 32;
/// What an instance takes in memory beside its texts and values, with the event by which it entered.
const INSTANCE_SIZE_BYTES: usize = size_of::<Instance>() + 32 + EVENT_SIZE_BYTES;
/// What a named value takes in memory beside its texts: its place in a map that is two thirds full, two allocations.
const VALUE_SIZE_BYTES: usize = 112;
/// The texts of a customer's address and what sharing the state takes.
const SHARED_TEXTS_SIZE_BYTES: usize = 96;

/// The state without remembered event ids, which lie in rows of their own.
pub(crate) fn of_state(state: &CustomerState) -> usize {
    let instances = state.instances.values().map(|i| of_instance(i));
    let outbox = state.outbox.values().map(|row| of_row(row));
    let watched = state.watched_goals.iter();
    let watched = watched.map(|goal| RECORD_SIZE_BYTES + goal.goal.len() + of_entry(&goal.entry));
    let timeline = state.timeline.len() * RECORD_SIZE_BYTES + state.timeline.size_bytes();
    let paused = state.paused_turn.iter().flat_map(|paused| &paused.events);
    let paused = paused.map(|raised| RECORD_SIZE_BYTES + of_event(&raised.event));
    let letters = state.dead_letters.values();
    let letters = letters.map(|letter| of_row(&letter.row) + letter.reason.len());
    let quarantined = state.quarantined.values();
    let quarantined = quarantined.map(|command| of_quarantined(command));
    of_values(&state.traits)
        + state.history.values().map(of_aggregate).sum::<usize>()
        + state.journeys.values().map(of_memory).sum::<usize>()
        + instances.sum::<usize>()
        + outbox.sum::<usize>()
        + watched.sum::<usize>()
        + timeline
        + paused.sum::<usize>()
        + letters.sum::<usize>()
        + quarantined.sum::<usize>()
        + of_parking(state)
}

/// The state as it lies in memory, with what lies around it there.
pub(crate) fn of_state_in_memory(state: &CustomerState) -> usize {
    let ids = |n_ids: usize| n_ids * size_of::<(Fingerprint, Timestamp)>();
    let chunks = state.dedupe.chunks.iter();
    let chunks = chunks.map(|chunk| CHUNK_SIZE_BYTES + size_of_val(&chunk.prefixes[..]));
    let segments = state.dedupe.unwritten.iter();
    let segments = segments.map(|segment| CHUNK_SIZE_BYTES + ids(segment.ids.len()));
    let instances = state.instances.values();
    let instances = instances.map(|i| INSTANCE_SIZE_BYTES + of_instance(i));
    let journeys = state.journeys.values();
    let journeys = journeys.map(|it| size_of::<(JourneyId, JourneyMemory)>() + of_memory(it));
    let outbox = state.outbox.values();
    let outbox = outbox.map(|row| 2 * size_of::<OutboxRow>() + of_row(row));
    let watched = state.watched_goals.iter();
    let watched = watched.map(|goal| size_of::<WatchedGoal>() + of_entry(&goal.entry));
    let paused = state.paused_turn.iter().flat_map(|paused| &paused.events);
    let paused = paused.map(|raised| EVENT_SIZE_BYTES + of_event(&raised.event));
    let letters = state.dead_letters.values();
    let letters = letters
        .map(|letter| 2 * size_of::<DeadLetter>() + of_row(&letter.row) + letter.reason.len());
    let quarantined = state.quarantined.values();
    let quarantined = quarantined.map(|command| {
        2 * size_of::<QuarantinedCommand>() + EVENT_SIZE_BYTES + of_quarantined(command)
    });
    // Entries of ordered maps: their nodes are about two thirds full.
    let history = state.history.values();
    let history = history.map(|it| 2 * size_of::<Aggregate>() + of_aggregate(it));
    let traits = of_values(&state.traits) + state.traits.len() * VALUE_SIZE_BYTES;
    size_of::<CustomerState>()
        + SHARED_TEXTS_SIZE_BYTES
        + ids(state.dedupe.open.len())
        + state.timeline.size_bytes()
        + traits
        + chunks.sum::<usize>()
        + segments.sum::<usize>()
        + instances.sum::<usize>()
        + journeys.sum::<usize>()
        + outbox.sum::<usize>()
        + watched.sum::<usize>()
        + paused.sum::<usize>()
        + history.sum::<usize>()
        + letters.sum::<usize>()
        + quarantined.sum::<usize>()
        + of_parking(state)
}

/// One fact.
pub(crate) fn of_fact(body: &EventBody) -> usize {
    RECORD_SIZE_BYTES
        + match body {
            EventBody::EventAccepted { event, feeds, .. } => {
                of_event(event) + feeds.len() * RECORD_SIZE_BYTES
            }
            EventBody::TraitChanged { name, value } | EventBody::VarChanged { name, value, .. } => {
                name.len() + value.as_ref().map_or(0, Value::size_bytes)
            }
            EventBody::InstanceEntered(entered) => RECORD_SIZE_BYTES + of_entry(&entered.entry),
            EventBody::EntryQueued { entry, .. } => of_entry(entry),
            EventBody::Rested { rest, .. } => of_rest(rest),
            EventBody::MessageGranted(granted) => {
                let fallback = granted.fallback.as_deref().map_or(0, of_fallback);
                of_texts(&granted.rendered) + granted.why.len() + fallback + RECORD_SIZE_BYTES
            }
            EventBody::WorkEmitted(emitted) => of_values(&emitted.input) + RECORD_SIZE_BYTES,
            EventBody::EffectSettled { outcome, .. } => RECORD_SIZE_BYTES + of_outcome(outcome),
            EventBody::TurnPaused { events, .. } => {
                events.iter().map(|raised| of_event(&raised.event)).sum()
            }
            EventBody::InstanceParked { reason, .. }
            | EventBody::MessageRefused { reason, .. }
            | EventBody::EffectWithdrawn { reason, .. }
            | EventBody::EffectDeadLettered { reason, .. }
            | EventBody::CustomerParked { reason } => reason.len(),
            EventBody::CommandQuarantined(command) => of_quarantined(command),
            EventBody::CustomerBorn { .. }
            | EventBody::LifecycleChanged { .. }
            | EventBody::EntryRefused { .. }
            | EventBody::EnrollmentAccepted { .. }
            | EventBody::EntryDequeued { .. }
            | EventBody::StepMoved { .. }
            | EventBody::TimerFired { .. }
            | EventBody::BranchForeseen { .. }
            | EventBody::GoalReached { .. }
            | EventBody::InstanceEnded { .. }
            | EventBody::EffectClaimed { .. }
            | EventBody::TaskOverdue { .. }
            | EventBody::SetAsideClosed { .. }
            | EventBody::CustomerReleased
            | EventBody::TurnResumed => RECORD_SIZE_BYTES,
        }
}

/// By what someone entered.
pub(crate) fn of_entry(entry: &Entrance) -> usize {
    match entry {
        Entrance::Event(event) => of_event(event),
        Entrance::Enrolled(enrollment) => of_enrollment(enrollment),
    }
}

/// An enroll call.
pub(crate) fn of_enrollment(enrollment: &Enrollment) -> usize {
    RECORD_SIZE_BYTES
        + enrollment.journey.as_str().len()
        + enrollment.id.as_str().len()
        + of_values(&enrollment.input)
}

/// An event.
pub(crate) fn of_event(event: &CustomerEvent) -> usize {
    RECORD_SIZE_BYTES
        + event.customer.workspace.as_str().len()
        + event.customer.customer.as_str().len()
        + event.source.as_str().len()
        + event.id.as_str().len()
        + event.name.as_str().len()
        + of_values(&event.properties)
}

/// Values by name.
pub(crate) fn of_values(values: &BTreeMap<String, Value>) -> usize {
    let fields = values.iter();
    fields
        .map(|(name, v)| name.len() + 4 + v.size_bytes())
        .sum()
}

/// Texts by name.
pub(crate) fn of_texts(texts: &BTreeMap<String, String>) -> usize {
    let fields = texts.iter();
    fields.map(|(name, text)| name.len() + text.len() + 8).sum()
}

fn of_aggregate(aggregate: &Aggregate) -> usize {
    RECORD_SIZE_BYTES + aggregate.recent.len() * WINDOW_EVENT_SIZE_BYTES
}

fn of_rest(rest: &Rest) -> usize {
    (rest.timers.len() + rest.when_values.len()) * 16
}

fn of_instance(instance: &Instance) -> usize {
    let texts = instance.journey.as_str().len()
        + instance.step.as_str().len()
        + instance.key.as_ref().map_or(0, String::len)
        + instance.parked.as_ref().map_or(0, String::len);
    let lists = (instance.open_goals.len() + instance.foreseen.len()) * RECORD_SIZE_BYTES;
    let values = of_entry(&instance.entry) + of_values(&instance.vars);
    RECORD_SIZE_BYTES + texts + lists + values + of_rest(&instance.rest)
}

fn of_memory(memory: &JourneyMemory) -> usize {
    let entries = memory.entries.keys().map(|key| key.len() + 24);
    let queued = memory.queue.values().flatten();
    let queued = queued.map(of_entry);
    RECORD_SIZE_BYTES + memory.outcome.len() + entries.sum::<usize>() + queued.sum::<usize>()
}

/// An effect with its attempts.
pub(crate) fn of_row(row: &OutboxRow) -> usize {
    2 * RECORD_SIZE_BYTES
        + match &row.body {
            EffectBody::Message(message) => {
                let fallback = message.fallback.as_deref().map_or(0, of_fallback);
                of_texts(&message.rendered) + message.why.len() + fallback
            }
            EffectBody::Work(work) => of_values(&work.input),
        }
        + row.attempts.iter().map(of_attempt).sum::<usize>()
}

fn of_outcome(outcome: &Outcome) -> usize {
    match outcome {
        Outcome::Sent | Outcome::Delivered | Outcome::Returned { .. } => 0,
        Outcome::Completed { result } => result.size_bytes(),
        Outcome::FailedForGood { reason } | Outcome::FailedForNow { reason, .. } => reason.len(),
    }
}

fn of_attempt(attempt: &Attempt) -> usize {
    24 + attempt.worker.len() + attempt.failure.as_ref().map_or(0, String::len)
}

/// A quarantined command.
pub(crate) fn of_quarantined(command: &QuarantinedCommand) -> usize {
    let event = command.event.as_deref().map_or(0, of_event);
    let enrollment = command.enrollment.as_deref().map_or(0, of_enrollment);
    RECORD_SIZE_BYTES + command.reason.len() + event + enrollment
}

fn of_parking(state: &CustomerState) -> usize {
    let parking = state.parked.as_deref();
    parking.map_or(0, |parking| RECORD_SIZE_BYTES + parking.reason.len())
}

fn of_fallback(scope: &FallbackScope) -> usize {
    RECORD_SIZE_BYTES + of_entry(&scope.entry) + of_values(&scope.vars)
}
