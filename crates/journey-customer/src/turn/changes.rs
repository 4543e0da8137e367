//! What a turn has changed so far, so that only the conditions that could have changed their value are looked at again.

use std::collections::BTreeSet;

use journey_model::Dependencies;
use journey_types::{AggregateId, InstanceNumber, JourneyId};

use crate::command::IngestMode;
use crate::event::EventBody;

/// What may have changed the value of a condition.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Everything, for what changed is no longer known: the turn is continued.
    everything: bool,
    traits: BTreeSet<String>,
    lifecycle: bool,
    aggregates: BTreeSet<AggregateId>,
    journeys: BTreeSet<JourneyId>,
    /// Instances whose variables or step changed.
    instances: BTreeSet<InstanceNumber>,
}

impl Changes {
    /// As if everything had changed.
    pub(super) fn everything() -> Self {
        Self {
            everything: true,
            ..Self::default()
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        !self.everything
            && self.traits.is_empty()
            && !self.lifecycle
            && self.aggregates.is_empty()
            && self.journeys.is_empty()
            && self.instances.is_empty()
    }

    /// Adds what a fact changes.
    pub(super) fn note(&mut self, body: &EventBody) {
        match body {
            EventBody::EventAccepted {
                feeds,
                mode: IngestMode::Live,
                ..
            } => self
                .aggregates
                .extend(feeds.iter().map(|feed| feed.aggregate)),
            EventBody::TraitChanged { name, .. } => {
                self.traits.insert(name.clone());
            }
            EventBody::LifecycleChanged { .. } => self.lifecycle = true,
            EventBody::InstanceEntered(entered) => {
                self.journeys.insert(entered.journey.clone());
            }
            EventBody::InstanceParked { instance, .. }
            | EventBody::InstanceEnded { instance, .. } => {
                self.journeys.insert(instance.journey.clone());
            }
            EventBody::StepMoved { instance, .. } => {
                self.instances.insert(instance.number);
            }
            EventBody::VarChanged { instance, .. } => {
                self.instances.insert(*instance);
            }
            EventBody::CustomerBorn { .. }
            | EventBody::EventAccepted { .. }
            | EventBody::EntryRefused { .. }
            | EventBody::EnrollmentAccepted { .. }
            | EventBody::EntryQueued { .. }
            | EventBody::EntryDequeued { .. }
            | EventBody::Rested { .. }
            | EventBody::TimerFired { .. }
            | EventBody::BranchForeseen { .. }
            | EventBody::GoalReached { .. }
            | EventBody::MessageGranted(_)
            | EventBody::MessageRefused { .. }
            | EventBody::WorkEmitted(_)
            | EventBody::TaskOverdue { .. }
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

    /// Whether the value of a condition with these dependencies may have changed for this instance.
    pub(super) fn touch(&self, dependencies: &Dependencies, instance: InstanceNumber) -> bool {
        let reads_instance = dependencies.instance || dependencies.vars;
        let reads_all_traits = dependencies.traits.contains("*");
        self.everything
            || (reads_instance && self.instances.contains(&instance))
            || (dependencies.lifecycle && self.lifecycle)
            || (reads_all_traits && !self.traits.is_empty())
            || !self.traits.is_disjoint(&dependencies.traits)
            || !self.aggregates.is_disjoint(&dependencies.aggregates)
            || !self.journeys.is_disjoint(&dependencies.journeys)
    }
}
