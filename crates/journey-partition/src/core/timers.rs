//! The leader's heap of armed timers: exactly those below a horizon, at most one per customer, bounded.
//!
//! ```text
//!   armed below the horizon ──► in the heap          above it ──► only in the replica's rows
//!   heap over its cap: the largest is evicted, the horizon comes down to what is left
//!   heap below half:   the replica's next rows are loaded, the horizon goes up
//! ```

use std::collections::{BTreeMap, BTreeSet};

use journey_types::{CustomerKey, Timestamp};

use crate::core::limits::{TIMERS_IN_MEMORY_MAX, TIMERS_LOADED_AT_ONCE};
use crate::error::PartitionError;
use crate::reader::CommittedReader;

/// Up to where the heap is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Horizon {
    /// Nothing was loaded yet.
    Nothing,
    /// Up to and with this pair.
    Through(Timestamp, CustomerKey),
    /// Every armed timer is in the heap.
    Everything,
}

/// Customers by the instant of their earliest timer.
///
/// # Invariants
/// `by_due` and `by_customer` hold the same pairs; all armed timers at or below the horizon are among them, except
/// those of customers whose turn is in flight.
#[derive(Debug)]
pub(crate) struct TimerHeap {
    by_due: BTreeSet<(Timestamp, CustomerKey)>,
    by_customer: BTreeMap<CustomerKey, Timestamp>,
    horizon: Horizon,
    /// Customers whose timer is due and is left alone for a while; they are in neither of the two above, and the
    /// horizon, which goes by when timers are due, does not touch them.
    postponed: BTreeSet<(Timestamp, CustomerKey)>,
    timers_max: usize,
}

impl TimerHeap {
    pub(crate) const fn new() -> Self {
        Self::with_cap(TIMERS_IN_MEMORY_MAX)
    }

    pub(crate) const fn with_cap(timers_max: usize) -> Self {
        Self {
            by_due: BTreeSet::new(),
            by_customer: BTreeMap::new(),
            horizon: Horizon::Nothing,
            postponed: BTreeSet::new(),
            timers_max,
        }
    }

    /// Forgets everything, as at the end of a session.
    pub(crate) fn clear(&mut self) {
        self.by_due.clear();
        self.by_customer.clear();
        self.postponed.clear();
        self.horizon = Horizon::Nothing;
    }

    pub(crate) fn len(&self) -> usize {
        self.by_due.len() + self.postponed.len()
    }

    /// Leaves a due customer alone until after an instant. Where too many are, the one left alone for longest is
    /// forgotten until the next session: only a fault of the deciding postpones at all.
    pub(crate) fn postpone(&mut self, customer: &CustomerKey, until: Timestamp) {
        self.take(customer);
        self.postponed.insert((until, customer.clone()));
        if self.postponed.len() > self.timers_max {
            self.postponed.pop_last();
        }
    }

    /// Sets a customer's earliest timer; `None` disarms it.
    pub(crate) fn arm(&mut self, customer: &CustomerKey, due_at: Option<Timestamp>) {
        self.postponed
            .retain(|(_, postponed)| postponed != customer);
        if let Some(before) = self.by_customer.get(customer).copied() {
            if Some(before) == due_at {
                return;
            }
            self.by_customer.remove(customer);
            self.by_due.remove(&(before, customer.clone()));
        }
        let Some(due_at) = due_at else { return };
        let is_below = match &self.horizon {
            Horizon::Nothing => false,
            Horizon::Through(through, last) => (due_at, customer) <= (*through, last),
            Horizon::Everything => true,
        };
        if !is_below {
            return;
        }
        self.insert(customer.clone(), due_at);
        if self.by_due.len() > self.timers_max {
            self.evict_largest();
        }
    }

    /// The earliest timer, if it is due strictly before the stamp.
    pub(crate) fn first_due(&self, stamp: Timestamp) -> Option<&CustomerKey> {
        let first = [self.by_due.first(), self.postponed.first()];
        let (due_at, customer) = first.into_iter().flatten().min()?;
        (*due_at < stamp).then_some(customer)
    }

    /// When the earliest timer is due.
    pub(crate) fn next_due_at(&self) -> Option<Timestamp> {
        let first = [self.by_due.first(), self.postponed.first()];
        first.into_iter().flatten().map(|(due_at, _)| *due_at).min()
    }

    /// How many timers are due strictly before the stamp, counted up to a bound.
    pub(crate) fn n_overdue(&self, stamp: Timestamp, n_max: usize) -> usize {
        let overdue = self.by_due.iter().take(n_max);
        overdue.take_while(|(due_at, _)| *due_at < stamp).count()
    }

    /// Takes a customer out because its timers fire now.
    pub(crate) fn take(&mut self, customer: &CustomerKey) {
        if let Some(due_at) = self.by_customer.remove(customer) {
            self.by_due.remove(&(due_at, customer.clone()));
        }
        self.postponed
            .retain(|(_, postponed)| postponed != customer);
    }

    /// Whether more timers lie beyond the horizon and there is room for them.
    pub(crate) fn wants_more(&self) -> bool {
        self.horizon != Horizon::Everything && self.by_due.len() < self.timers_max / 2
    }

    /// Loads the next timers beyond the horizon, until the heap is half full or holds everything. Customers that
    /// `is_in_flight` names are left out: they are armed when their turn is applied.
    pub(crate) fn load(
        &mut self,
        reader: &dyn CommittedReader,
        is_in_flight: &dyn Fn(&CustomerKey) -> bool,
    ) -> Result<(), PartitionError> {
        while self.wants_more() {
            let after = match &self.horizon {
                Horizon::Nothing => None,
                Horizon::Through(due_at, customer) => Some((*due_at, customer.clone())),
                Horizon::Everything => return Ok(()),
            };
            let n_max = TIMERS_LOADED_AT_ONCE.min(self.timers_max);
            let loaded = reader.timers_after(after.as_ref(), n_max)?;
            let is_last = loaded.len() < n_max;
            if let Some((due_at, customer)) = loaded.last() {
                self.horizon = Horizon::Through(*due_at, customer.clone());
            }
            for (due_at, customer) in loaded {
                if is_in_flight(&customer) {
                    continue;
                }
                // The replica may be ahead of the pair held here: its word is the newer one.
                self.take(&customer);
                self.insert(customer, due_at);
            }
            if is_last {
                self.horizon = Horizon::Everything;
            }
        }
        Ok(())
    }

    fn insert(&mut self, customer: CustomerKey, due_at: Timestamp) {
        self.by_due.insert((due_at, customer.clone()));
        self.by_customer.insert(customer, due_at);
    }

    fn evict_largest(&mut self) {
        if let Some((_, customer)) = self.by_due.pop_last() {
            self.by_customer.remove(&customer);
        }
        self.horizon = match self.by_due.last() {
            Some((due_at, customer)) => Horizon::Through(*due_at, customer.clone()),
            None => Horizon::Nothing,
        };
    }
}

#[cfg(test)]
mod tests;
