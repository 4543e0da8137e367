//! Looks on while a run goes: at every entry that is proposed and at the core after every input, so that a fault is named
//! where it happens and not by what comes of it much later.

use std::collections::{BTreeMap, BTreeSet};

use journey_codec::{JournalEntry, Record};
use journey_customer::{EventBody, JournalEvent};
use journey_partition::ProposalId;
use journey_partition::core::limits::TIMER_FIRES_PER_BATCH_MAX;
use journey_types::{CustomerKey, Timestamp};

use super::World;
use crate::invariants;

/// Inputs at one instant of the clock after which the core counts as spinning: far more than the commands of a run.
const INPUTS_AT_ONE_INSTANT_MAX: u64 = 50_000;

/// What is remembered from one look to the next.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) n_customers: u32,
    /// Whether timers are held.
    pub(crate) holds_timers: bool,
    /// The last stamp proposed in this session.
    stamp: Timestamp,
    /// Whose turns are in flight, by proposal.
    in_flight: BTreeMap<ProposalId, BTreeSet<CustomerKey>>,
    now: Timestamp,
    n_inputs: u64,
}

impl Watch {
    pub(super) const fn new(n_customers: u32) -> Self {
        Self {
            n_customers,
            holds_timers: false,
            stamp: Timestamp::EPOCH,
            in_flight: BTreeMap::new(),
            now: Timestamp::EPOCH,
            n_inputs: 0,
        }
    }

    /// The last stamp proposed in this session.
    pub(crate) const fn stamp(&self) -> Timestamp {
        self.stamp
    }

    /// Another core leads, or another session begins.
    pub(super) fn restart(&mut self) {
        self.stamp = Timestamp::EPOCH;
        self.in_flight.clear();
    }

    /// Looks at an entry; answers whether it holds a turn of a customer that has others in flight.
    pub(super) fn proposed(
        &mut self,
        proposal: ProposalId,
        entry: &JournalEntry,
        size_bytes: usize,
    ) -> bool {
        let JournalEntry::Batch(batch) = entry else {
            self.restart();
            return false;
        };
        let mut customers = BTreeSet::new();
        let mut n_fires = 0;
        for record in &batch.records {
            let Record::Turn(turn) = record else {
                continue;
            };
            for fact in &turn.events {
                self.look_at(&turn.customer, fact);
            }
            let fires = |fact: &JournalEvent| matches!(fact.body, EventBody::TimerFired { .. });
            n_fires += usize::from(turn.events.iter().any(fires));
            customers.insert(turn.customer.clone());
        }
        assert!(
            n_fires <= TIMER_FIRES_PER_BATCH_MAX,
            "invariant 13 bounds: timers of {n_fires} customers fire in one batch"
        );
        invariants::check_entry(batch.records.len(), size_bytes);
        let mut others = self.in_flight.values();
        let is_on_head = others.any(|in_flight| !in_flight.is_disjoint(&customers));
        self.in_flight.insert(proposal, customers);
        is_on_head
    }

    pub(super) fn reported(&mut self, proposal: ProposalId) {
        self.in_flight.remove(&proposal);
    }

    fn look_at(&mut self, customer: &CustomerKey, fact: &JournalEvent) {
        // A turn that goes on has the stamp at which it paused.
        if fact.body != EventBody::TurnResumed {
            assert!(
                fact.stamp >= self.stamp,
                "stamps go back: {} of {customer} is stamped {} after {} in the same session",
                fact.sequence,
                fact.stamp,
                self.stamp
            );
            self.stamp = fact.stamp;
        }
        if let EventBody::TimerFired { due_at, .. } = &fact.body {
            assert!(
                fact.stamp > *due_at,
                "invariant 5 timers: one of {customer} due {due_at} fires early, at {}",
                fact.stamp
            );
            assert!(
                !self.holds_timers,
                "a timer of {customer} fires while the clock is not accepted"
            );
        }
    }
}

impl World {
    /// Looks at the core after an input.
    pub(super) fn watch_core(&mut self) {
        if self.watch.now == self.now {
            self.watch.n_inputs += 1;
        } else {
            self.watch.now = self.now;
            self.watch.n_inputs = 0;
        }
        assert!(
            self.watch.n_inputs < INPUTS_AT_ONE_INSTANT_MAX,
            "the core spins: {INPUTS_AT_ONE_INSTANT_MAX} inputs at {} and no end: {:?}",
            self.now,
            self.core.status(self.now)
        );
        let n_idle_fires = self.core.counters().n_idle_fires;
        assert!(
            n_idle_fires == 0,
            "invariant 5 timers: a customer was woken though nothing of it was due: a timer fires early, or a stale one does"
        );
        let status = self.core.status(self.now);
        self.watch.holds_timers = status.clock_held.is_some();
        if let Err(reason) = invariants::check_bounds(self, &status) {
            panic!("invariant 13 bounds: {reason}");
        }
    }
}
