//! What the core counts and shows of itself: plain numbers, read by whoever exports metrics.

use std::collections::BTreeMap;

use journey_codec::Held;
use journey_customer::{EventBody, JournalEvent, Outcome};
use journey_types::{CatalogRevision, Lsn, SessionId, Timestamp};

use crate::core::clock::ClockHeld;
use crate::core::histogram::{DepthHistogram, SpanHistogram};
use crate::core::limits::CONDITION_ERROR_PLACES_MAX;
use crate::core::set_aside::StoppedQueue;

/// Counts since the core was made; they only grow.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartitionCounters {
    /// Turns decided, also those without facts.
    pub n_turns: u64,
    /// Events accepted, once applied.
    pub n_accepted: u64,
    /// Events answered `duplicate`.
    pub n_duplicates: u64,
    /// Commands rejected by the domain.
    pub n_rejected: u64,
    /// Commands refused because a mailbox was full.
    pub n_hot_customer: u64,
    /// Commands that panicked.
    pub n_quarantined: u64,
    /// Quarantined commands that fell out of the list because it is bounded.
    pub n_quarantined_forgotten: u64,
    /// Entries proposed.
    pub n_proposals: u64,
    /// Bytes proposed.
    pub n_proposed_bytes: u64,
    /// Own entries that were void.
    pub n_superseded: u64,
    /// Own proposals refused or lost.
    pub n_lost: u64,
    /// Customers read from rows to be decided on.
    pub n_cold_activations: u64,
    /// Commands whose event id was looked up in rows: repeats of older ones, and some new ones that look like one.
    pub n_id_reads: u64,
    /// Sessions opened.
    pub n_sessions: u64,
    /// Turns in which timers were fired, once applied.
    pub n_fires: u64,
    /// What the facts say, once applied.
    pub of_facts: FactFigures,
    /// Turns in which a due timer turned out stale.
    pub n_idle_fires: u64,
    /// Claims applied and handed over.
    pub n_handed_over: u64,
    /// Claims applied too late to hand over, or for a worker that had gone.
    pub n_claims_unused: u64,
    /// Claims refused by the deciding.
    pub n_claims_refused: u64,
    /// Worker streams refused because there were too many.
    pub n_workers_refused: u64,
    /// Rounds of proof of leadership asked for.
    pub n_confirmations: u64,
    /// Customers loaded from the replica.
    pub n_activations: u64,
    /// Customers passivated because there were too many.
    pub n_passivations_for_number: u64,
    /// Customers passivated because all together took too much memory.
    pub n_passivations_for_memory: u64,
    /// How many commands waited with a customer when one came, itself included: `journey_mailbox_depth`.
    pub mailbox_depth: DepthHistogram,
    /// Conditions that failed to evaluate and counted as false, by (journey, step or rule).
    pub condition_errors: BTreeMap<(String, String), u64>,
    /// The same of places beyond the bound of that table.
    pub n_condition_errors_elsewhere: u64,
}

/// What is counted of facts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FactFigures {
    /// How long after its instant each timer was stamped that fired: `journey_timer_lateness_seconds`.
    pub timer_lateness: SpanHistogram,
    /// Times an instance left a step.
    pub n_transitions: u64,
    /// Times an instance was parked.
    pub n_parkings: u64,
    /// Times an effect came back unbegun.
    pub n_returns: u64,
}

impl FactFigures {
    pub(crate) fn count(&mut self, fact: &JournalEvent) {
        match &fact.body {
            EventBody::StepMoved { .. } => self.n_transitions += 1,
            EventBody::InstanceParked { .. } => self.n_parkings += 1,
            EventBody::EffectSettled {
                outcome: Outcome::Returned { .. },
                ..
            } => self.n_returns += 1,
            EventBody::TimerFired { due_at, .. } => {
                self.timer_lateness.record(fact.stamp.since(*due_at));
            }
            _ => {}
        }
    }

    pub(crate) fn merge(&mut self, others: &Self) {
        self.timer_lateness.merge(&others.timer_lateness);
        self.n_transitions += others.n_transitions;
        self.n_parkings += others.n_parkings;
        self.n_returns += others.n_returns;
    }
}

impl PartitionCounters {
    pub(crate) fn count_condition_errors(&mut self, errors: Vec<(String, String, String)>) {
        for (journey, place, _reason) in errors {
            let is_full = self.condition_errors.len() >= CONDITION_ERROR_PLACES_MAX;
            let place = (journey, place);
            if is_full && !self.condition_errors.contains_key(&place) {
                self.n_condition_errors_elsewhere += 1;
            } else {
                *self.condition_errors.entry(place).or_default() += 1;
            }
        }
    }
}

/// What a partition is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// Another replica leads, or none is known to.
    Follower,
    /// Leads, and waits before it can open a session.
    Waiting {
        /// For what.
        reason: String,
    },
    /// Leads, and its session is on the way into the journal.
    Opening,
    /// Decides.
    Leading {
        /// In this session.
        session: SessionId,
    },
    /// Refuses everything; an operator must act.
    Stopped {
        /// Why.
        reason: String,
    },
}

/// The core's state at a glance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionStatus {
    /// What it is doing.
    pub role: Role,
    /// The highest own entry known to be applied.
    pub applied: Lsn,
    /// The catalog it decides with.
    pub catalog_revision: CatalogRevision,
    /// Timers are held since the clock jumped, until an operator accepts it.
    pub clock_held: Option<ClockHeld>,
    /// Customers in memory.
    pub n_hosted: usize,
    /// Commands that wait in mailboxes.
    pub n_mailed: usize,
    /// Customers with timers in the heap, `journey_timers_armed`: all that are armed, up to its cap.
    pub n_timers_in_memory: usize,
    /// Those of them that are due and did not fire yet.
    pub n_timers_overdue: usize,
    /// The same by how long they have been due: `journey_timers_overdue{bucket}`.
    pub timers_overdue: SpanHistogram,
    /// When the earliest timer is due.
    pub next_due_at: Option<Timestamp>,
    /// Effects in memory that wait for a worker.
    pub n_effects_offered: usize,
    /// Worker streams.
    pub n_workers: usize,
    /// Proposals on their way.
    pub n_in_flight: usize,
    /// Customers parked after panics, once that is applied.
    pub n_parked: u64,
    /// What lies among the dead letters: `dlq_messages`.
    pub dead_letters: Held,
    /// What lies in the quarantines.
    pub quarantined: Held,
    /// Queues that stand still because the dead letters take all of their budget.
    pub stopped_queues: Vec<StoppedQueue>,
    /// The counts.
    pub counters: PartitionCounters,
}
