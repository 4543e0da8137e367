//! Counts of one version of a journey, kept from facts alone, so that reports never scan customers.
//!
//! Every number only grows and is a sum over facts: counts of partitions are added up, and what is there *now* is a
//! difference.

use std::collections::BTreeMap;

use bytes::Bytes;
use journey_customer::{Ending, EventBody, JournalEvent};
use journey_types::{ContentId, DefinitionVersion, EventName, JourneyId, StepId, TimeSpan};

use crate::durations::Durations;
use crate::error::CodecError;
use crate::stored;
use crate::wire::message::{Message, message};

/// Raised by the engine itself, so it is no journey's `emit`.
const MESSAGE_FAILED: &str = "message_failed";

/// Counts of one version of a journey.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JourneyCounts {
    /// Instances that entered.
    pub entered: u64,
    /// Instances that parked.
    pub n_parked: u64,
    /// Instances that ended while parked.
    pub n_parked_ended: u64,
    /// Instances that completed, by the end of their steps or by a goal.
    pub completed: u64,
    /// Instances held out.
    pub held_out: u64,
    /// Instances that exited, by reason.
    pub exited: BTreeMap<String, u64>,
    /// Steps entered and left.
    pub steps: BTreeMap<StepId, StepCounts>,
    /// Messages granted, by content.
    pub messages: BTreeMap<ContentId, u64>,
    /// Messages refused, by reason.
    pub refused: BTreeMap<String, u64>,
    /// Entries refused, by reason.
    pub entries_refused: BTreeMap<String, u64>,
    /// Events raised by `emit`, by name.
    pub emitted: BTreeMap<EventName, u64>,
    /// Goals reached, by id.
    pub goals: BTreeMap<String, u64>,
    /// Timers that took effect.
    pub timers_fired: u64,
    /// How long completed instances took, by stamps.
    pub completed_durations: Durations,
    /// Tasks that were not done by their `sla`.
    pub tasks_overdue: u64,
}

/// Counts of one step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StepCounts {
    /// Instances that came to it.
    pub entered: u64,
    /// Instances that left it, also by ending there.
    pub left: u64,
}

impl StepCounts {
    /// Instances that are at it, active or parked.
    #[must_use]
    pub const fn now(&self) -> u64 {
        self.entered.saturating_sub(self.left)
    }
}

impl JourneyCounts {
    /// Instances that are parked.
    #[must_use]
    pub const fn parked(&self) -> u64 {
        self.n_parked.saturating_sub(self.n_parked_ended)
    }

    /// Instances that run: `entered = active + parked + completed + exited + held_out`.
    #[must_use]
    pub fn active(&self) -> u64 {
        let n_exited: u64 = self.exited.values().sum();
        let n_elsewhere = self.parked() + self.completed + n_exited + self.held_out;
        self.entered.saturating_sub(n_elsewhere)
    }

    /// Adds the counts of another partition.
    pub fn add(&mut self, other: &Self) {
        let Self {
            entered,
            n_parked,
            n_parked_ended,
            completed,
            held_out,
            exited,
            steps,
            messages,
            refused,
            entries_refused,
            emitted,
            goals,
            timers_fired,
            completed_durations,
            tasks_overdue,
        } = other;
        self.entered += entered;
        self.n_parked += n_parked;
        self.n_parked_ended += n_parked_ended;
        self.completed += completed;
        self.held_out += held_out;
        self.timers_fired += timers_fired;
        self.tasks_overdue += tasks_overdue;
        add_all(&mut self.exited, exited);
        add_all(&mut self.messages, messages);
        add_all(&mut self.refused, refused);
        add_all(&mut self.entries_refused, entries_refused);
        add_all(&mut self.emitted, emitted);
        add_all(&mut self.goals, goals);
        for (step, counts) in steps {
            let sum = self.steps.entry(step.clone()).or_default();
            sum.entered += counts.entered;
            sum.left += counts.left;
        }
        self.completed_durations.add(completed_durations);
    }

    fn end(&mut self, ending: &Ending, took: TimeSpan) {
        match ending {
            Ending::Completed | Ending::Goal(_) => {
                self.completed += 1;
                self.completed_durations.record(took);
            }
            Ending::Exited(reason) => add_one(&mut self.exited, reason),
        }
    }
}

fn add_all<K: Ord + Clone>(sums: &mut BTreeMap<K, u64>, others: &BTreeMap<K, u64>) {
    for (key, n) in others {
        *sums.entry(key.clone()).or_default() += n;
    }
}

fn add_one<K: Ord + Clone>(sums: &mut BTreeMap<K, u64>, key: &K) {
    // The key is there all but the first time: look before cloning it.
    if let Some(n) = sums.get_mut(key) {
        *n += 1;
    } else {
        sums.insert(key.clone(), 1);
    }
}

/// The version whose counts a fact changes; `None` for facts that are not counted.
#[must_use]
pub fn counted_version(event: &JournalEvent) -> Option<(&JourneyId, DefinitionVersion)> {
    match &event.body {
        EventBody::InstanceEntered(entered) => Some((&entered.journey, entered.version)),
        EventBody::MessageGranted(granted) => Some((&granted.journey, granted.version)),
        EventBody::EntryRefused {
            journey, version, ..
        } => Some((journey, *version)),
        EventBody::EventAccepted {
            raised_by: instance,
            ..
        } => instance.as_ref().map(|by| (&by.journey, by.version)),
        EventBody::StepMoved { instance, .. }
        | EventBody::TimerFired { instance, .. }
        | EventBody::GoalReached { instance, .. }
        | EventBody::InstanceParked { instance, .. }
        | EventBody::InstanceEnded { instance, .. }
        | EventBody::TaskOverdue { instance, .. }
        | EventBody::MessageRefused { instance, .. } => Some((&instance.journey, instance.version)),
        EventBody::CustomerBorn { .. }
        | EventBody::TraitChanged { .. }
        | EventBody::LifecycleChanged { .. }
        | EventBody::EnrollmentAccepted { .. }
        | EventBody::EntryQueued { .. }
        | EventBody::EntryDequeued { .. }
        | EventBody::Rested { .. }
        | EventBody::BranchForeseen { .. }
        | EventBody::VarChanged { .. }
        | EventBody::WorkEmitted(_)
        | EventBody::EffectClaimed { .. }
        | EventBody::EffectWithdrawn { .. }
        | EventBody::EffectSettled { .. }
        | EventBody::EffectDeadLettered { .. }
        | EventBody::CommandQuarantined(_)
        | EventBody::CustomerParked { .. }
        | EventBody::CustomerReleased
        | EventBody::SetAsideClosed { .. }
        | EventBody::TurnPaused { .. }
        | EventBody::TurnResumed => None,
    }
}

/// Counts a fact.
pub fn count(
    counts: &mut BTreeMap<(JourneyId, DefinitionVersion), JourneyCounts>,
    event: &JournalEvent,
) {
    if let Some((journey, version)) = counted_version(event) {
        let counts = counts.entry((journey.clone(), version)).or_default();
        count_fact(counts, event);
    }
}

/// Counts a fact into the counts of its [`counted_version`].
pub fn count_fact(counts: &mut JourneyCounts, event: &JournalEvent) {
    match &event.body {
        EventBody::InstanceEntered(entered) => {
            counts.entered += 1;
            step(counts, &entered.step).entered += 1;
        }
        EventBody::EntryRefused { reason, .. } => add_one(&mut counts.entries_refused, reason),
        EventBody::EventAccepted {
            event, raised_by, ..
        } => {
            if raised_by.is_some() && event.name.as_str() != MESSAGE_FAILED {
                add_one(&mut counts.emitted, &event.name);
            }
        }
        EventBody::StepMoved { from, to, .. } => {
            step(counts, from).left += 1;
            if let Some(to) = to {
                step(counts, to).entered += 1;
            }
        }
        EventBody::TimerFired { .. } => counts.timers_fired += 1,
        EventBody::GoalReached { goal, .. } => add_one(&mut counts.goals, goal),
        EventBody::InstanceParked { .. } => counts.n_parked += 1,
        EventBody::InstanceEnded {
            entered_at,
            left,
            was_parked,
            ending,
            ..
        } => {
            counts.n_parked_ended += u64::from(*was_parked);
            if let Some(left) = left {
                step(counts, left).left += 1;
            }
            counts.end(ending, event.stamp.since(*entered_at));
        }
        EventBody::MessageGranted(granted) => add_one(&mut counts.messages, &granted.content),
        EventBody::MessageRefused { reason, .. } => add_one(&mut counts.refused, reason),
        EventBody::TaskOverdue { .. } => counts.tasks_overdue += 1,
        EventBody::CustomerBorn { .. }
        | EventBody::TraitChanged { .. }
        | EventBody::LifecycleChanged { .. }
        | EventBody::EnrollmentAccepted { .. }
        | EventBody::EntryQueued { .. }
        | EventBody::EntryDequeued { .. }
        | EventBody::Rested { .. }
        | EventBody::BranchForeseen { .. }
        | EventBody::VarChanged { .. }
        | EventBody::WorkEmitted(_)
        | EventBody::EffectClaimed { .. }
        | EventBody::EffectWithdrawn { .. }
        | EventBody::EffectSettled { .. }
        | EventBody::EffectDeadLettered { .. }
        | EventBody::CommandQuarantined(_)
        | EventBody::CustomerParked { .. }
        | EventBody::CustomerReleased
        | EventBody::SetAsideClosed { .. }
        | EventBody::TurnPaused { .. }
        | EventBody::TurnResumed => {}
    }
}

fn step<'c>(counts: &'c mut JourneyCounts, id: &StepId) -> &'c mut StepCounts {
    if !counts.steps.contains_key(id) {
        counts.steps.insert(id.clone(), StepCounts::default());
    }
    counts.steps.get_mut(id).expect("just inserted")
}

/// The bytes of the counts of one version.
#[must_use]
pub fn encode_counts(counts: &JourneyCounts) -> Bytes {
    stored::encode(None, |out| counts.write_fields(out))
}

/// Reads what [`encode_counts`] wrote.
///
/// # Errors
/// [`CodecError`] when the bytes are damaged or of a newer release.
pub fn decode_counts(bytes: &[u8]) -> Result<JourneyCounts, CodecError> {
    JourneyCounts::read_fields(stored::fields(bytes, JourneyCounts::NAME, None)?)
}

message! {
    JourneyCounts as "JourneyCounts" {
        1 => entered,
        2 => n_parked,
        3 => n_parked_ended,
        4 => completed,
        5 => held_out,
        6 => exited,
        7 => steps,
        8 => messages,
        9 => refused,
        10 => entries_refused,
        11 => emitted,
        12 => goals,
        13 => timers_fired,
        14 => completed_durations,
        15 => tasks_overdue,
    }
}

message! {
    StepCounts as "StepCounts" {
        1 => entered,
        2 => left,
    }
}

#[cfg(test)]
mod tests;
