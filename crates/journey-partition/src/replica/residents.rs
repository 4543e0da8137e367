//! The customers that a replica holds in memory: those whose rows are behind, and a bounded number of others.
//!
//! ```text
//!            load                    change                       rows written
//!   rows ──────────► clean (LRU) ──────────► dirty, in order of ───────────────► clean
//!                        │                   the first entry that
//!                        ▼ byte budget       its rows lack
//!                      dropped
//! ```
//!
//! A dirty customer stands before its rows in every read until the checkpointer reports the rows as written.

mod clean;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use journey_customer::CustomerState;
use journey_types::{CustomerKey, Lsn, Timestamp};

use self::clean::CleanCustomers;
use super::place::Place;
use crate::limits::{CLEAN_PART_OF_MEMORY, RESIDENT_OVERHEAD_BYTES};

/// A customer as its rows have it.
#[derive(Debug, Clone)]
pub(super) struct Resident {
    pub(super) state: Arc<CustomerState>,
    /// The last entry that its rows reflect; 0 without rows.
    pub(super) mark: Lsn,
    /// Its encoded size when it was last read or written.
    pub(super) size_bytes: usize,
    /// What it takes in memory, about, as last measured.
    memory_size_bytes: usize,
}

impl Resident {
    /// A customer as its rows have it.
    pub(super) fn new(state: Arc<CustomerState>, mark: Lsn, size_bytes: usize) -> Self {
        Self {
            memory_size_bytes: state.memory_size_bytes() + RESIDENT_OVERHEAD_BYTES,
            state,
            mark,
            size_bytes,
        }
    }

    /// A customer without rows.
    pub(super) fn unheard_of(customer: CustomerKey) -> Self {
        Self::new(Arc::new(CustomerState::new(customer)), Lsn::new(0), 0)
    }

    const fn resident_size_bytes(&self) -> usize {
        self.memory_size_bytes
    }
}

/// A customer that the rows do not reflect.
#[derive(Debug)]
pub(super) struct Dirty {
    pub(super) resident: Resident,
    /// The first entry that the rows lack.
    first: Lsn,
    /// The last entry that the state reflects.
    last: Lsn,
    /// The first entry applied since the checkpointer took the state, if it has.
    first_since_taken: Option<Lsn>,
    is_taken: bool,
    /// What the indexes hold of it.
    due_at: Option<Timestamp>,
    set_aside_since: Option<Timestamp>,
    has_open_effects: bool,
}

/// A customer on its way into the rows.
#[derive(Debug, Clone)]
pub(super) struct Taken {
    pub(super) place: Place,
    pub(super) state: Arc<CustomerState>,
    /// The last entry that the state reflects.
    pub(super) through: Lsn,
    /// The first entry that the rows lack.
    pub(super) first: Lsn,
}

/// # Invariants
/// No customer is both dirty and clean. `order`, `due`, `set_aside` and `open` hold exactly what the dirty customers say.
#[derive(Debug)]
pub(super) struct Residents {
    dirty: BTreeMap<Place, Dirty>,
    /// Dirty customers by the first entry that their rows lack.
    order: BTreeSet<(Lsn, Place)>,
    due: BTreeSet<(Timestamp, CustomerKey)>,
    set_aside: BTreeSet<(Timestamp, CustomerKey)>,
    open: BTreeSet<CustomerKey>,
    dirty_size_bytes: usize,
    clean: CleanCustomers,
    size_bytes_max: usize,
}

/// How much of the memory that customers may take is taken by those that cannot be dropped before they are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum MemoryPressure {
    /// Up to three quarters: what changes often is written once, so writing takes its time.
    Low,
    /// More: to be written without pause.
    High,
    /// Nearly all: nothing more is to be applied before some are written.
    Full,
}

impl Residents {
    /// What customers may take.
    pub(super) const fn size_bytes_max(&self) -> usize {
        self.size_bytes_max
    }

    pub(super) fn new(size_bytes_max: usize) -> Self {
        Self {
            dirty: BTreeMap::new(),
            order: BTreeSet::new(),
            due: BTreeSet::new(),
            set_aside: BTreeSet::new(),
            open: BTreeSet::new(),
            dirty_size_bytes: 0,
            clean: CleanCustomers::new(size_bytes_max),
            size_bytes_max,
        }
    }

    /// The state of a customer in memory.
    pub(super) fn state(&mut self, place: &Place) -> Option<Arc<CustomerState>> {
        match self.dirty.get(place) {
            Some(dirty) => Some(Arc::clone(&dirty.resident.state)),
            None => self.clean.state(place),
        }
    }

    /// The state of a customer whose rows are behind.
    pub(super) fn dirty_state(&self, place: &Place) -> Option<Arc<CustomerState>> {
        let dirty = self.dirty.get(place);
        dirty.map(|dirty| Arc::clone(&dirty.resident.state))
    }

    /// Keeps a customer just read from its rows.
    pub(super) fn keep(&mut self, place: Place, resident: Resident) {
        debug_assert!(
            !self.dirty.contains_key(&place),
            "rows are behind a dirty customer"
        );
        self.clean.insert(place, resident);
    }

    /// Takes a customer out of the clean ones, to be given back by [`Self::change`].
    pub(super) fn take_clean(&mut self, place: &Place) -> Option<Resident> {
        self.clean.take(place)
    }

    pub(super) fn is_dirty(&self, place: &Place) -> bool {
        self.dirty.contains_key(place)
    }

    /// Marks a customer as changed by the entry. `resident` is the customer as its rows have it, unless it is dirty.
    pub(super) fn change(
        &mut self,
        place: &Place,
        lsn: Lsn,
        resident: Option<Resident>,
    ) -> &mut Dirty {
        if let Some(resident) = resident {
            self.dirty_size_bytes += resident.resident_size_bytes();
            self.order.insert((lsn, place.clone()));
            let dirty = Dirty {
                first: lsn,
                last: resident.mark.max(lsn),
                first_since_taken: None,
                is_taken: false,
                due_at: None,
                set_aside_since: None,
                has_open_effects: false,
                resident,
            };
            let replaced = self.dirty.insert(place.clone(), dirty);
            assert!(
                replaced.is_none(),
                "{place:?} is read from rows while dirty"
            );
        }
        let dirty = self.dirty.get_mut(place);
        let dirty = dirty.expect("the caller gives the customer unless it is dirty");
        dirty.last = dirty.last.max(lsn);
        if dirty.is_taken {
            dirty.first_since_taken.get_or_insert(lsn);
        }
        dirty
    }

    /// Brings the indexes and the sums up to the changed state.
    pub(super) fn index(&mut self, place: &Place) {
        let Some(dirty) = self.dirty.get_mut(place) else {
            return;
        };
        let resident = &mut dirty.resident;
        let size_bytes = resident.state.memory_size_bytes() + RESIDENT_OVERHEAD_BYTES;
        let before = std::mem::replace(&mut resident.memory_size_bytes, size_bytes);
        self.dirty_size_bytes = self.dirty_size_bytes - before + size_bytes;
        let due_at = dirty.resident.state.next_wake_at();
        if due_at != dirty.due_at {
            if let Some(old) = dirty.due_at {
                self.due.remove(&(old, place.customer.clone()));
            }
            if let Some(new) = due_at {
                self.due.insert((new, place.customer.clone()));
            }
            dirty.due_at = due_at;
        }
        let since = dirty.resident.state.set_aside_since();
        if since != dirty.set_aside_since {
            if let Some(old) = dirty.set_aside_since {
                self.set_aside.remove(&(old, place.customer.clone()));
            }
            if let Some(new) = since {
                self.set_aside.insert((new, place.customer.clone()));
            }
            dirty.set_aside_since = since;
        }
        let has_open_effects = !dirty.resident.state.outbox.is_empty();
        if has_open_effects != dirty.has_open_effects {
            if has_open_effects {
                self.open.insert(place.customer.clone());
            } else {
                self.open.remove(&place.customer);
            }
            dirty.has_open_effects = has_open_effects;
        }
        self.share_out();
    }

    /// Gives the clean ones what the dirty ones leave, and always a part: what was read to be changed must still be
    /// there when the change comes back as an entry.
    fn share_out(&mut self) {
        let left = self.size_bytes_max.saturating_sub(self.dirty_size_bytes);
        let kept = self.size_bytes_max / CLEAN_PART_OF_MEMORY;
        self.clean.limit(left.max(kept));
    }

    pub(super) const fn pressure(&self) -> MemoryPressure {
        let full = self.size_bytes_max - self.size_bytes_max / CLEAN_PART_OF_MEMORY;
        if self.dirty_size_bytes > full {
            MemoryPressure::Full
        } else if self.dirty_size_bytes > self.size_bytes_max / 4 * 3 {
            MemoryPressure::High
        } else {
            MemoryPressure::Low
        }
    }

    /// Takes the customers that have waited longest among those whose rows lack an entry up to `through`.
    pub(super) fn take_dirty(
        &mut self,
        through: Lsn,
        n_max: usize,
        size_bytes_max: usize,
    ) -> Vec<Taken> {
        let mut taken = Vec::new();
        let mut size_bytes = 0;
        for (first, place) in &self.order {
            if *first > through || taken.len() >= n_max || size_bytes >= size_bytes_max {
                break;
            }
            let dirty = self.dirty.get_mut(place).expect("order names dirty ones");
            dirty.is_taken = true;
            dirty.first_since_taken = None;
            size_bytes += dirty.resident.size_bytes;
            taken.push(Taken {
                place: place.clone(),
                state: Arc::clone(&dirty.resident.state),
                through: dirty.last,
                first: *first,
            });
        }
        taken
    }

    /// The rows of a taken customer are written.
    pub(super) fn settle(&mut self, taken: &Taken, size_bytes: usize) {
        let place = &taken.place;
        let Some(mut dirty) = self.dirty.remove(place) else {
            return;
        };
        self.order.remove(&(dirty.first, place.clone()));
        self.dirty_size_bytes -= dirty.resident.resident_size_bytes();
        dirty.resident.mark = taken.through;
        dirty.resident.size_bytes = size_bytes;
        dirty.is_taken = false;
        if let Some(first) = dirty.first_since_taken.take() {
            dirty.first = first;
            self.dirty_size_bytes += dirty.resident.resident_size_bytes();
            self.order.insert((first, place.clone()));
            self.dirty.insert(place.clone(), dirty);
            return;
        }
        if let Some(due_at) = dirty.due_at {
            self.due.remove(&(due_at, place.customer.clone()));
        }
        if let Some(since) = dirty.set_aside_since {
            self.set_aside.remove(&(since, place.customer.clone()));
        }
        self.open.remove(&place.customer);
        self.share_out();
        self.clean.insert(place.clone(), dirty.resident);
    }

    /// Dirty customers behind the place, in the order of head rows.
    pub(super) fn dirty_after<'a>(
        &'a self,
        after: Bound<&Place>,
    ) -> impl Iterator<Item = (&'a Place, &'a CustomerState)> + use<'a> {
        let behind = self.dirty.range((after, Bound::Unbounded));
        behind.map(|(place, dirty)| (place, dirty.resident.state.as_ref()))
    }

    /// Dirty customers with a timer behind the given one, as they fall due.
    pub(super) fn due_after(
        &self,
        after: Option<&(Timestamp, CustomerKey)>,
    ) -> impl Iterator<Item = &(Timestamp, CustomerKey)> {
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.due.range((after, Bound::Unbounded))
    }

    /// Dirty customers with something set aside behind the given one, oldest first.
    pub(super) fn set_aside_after(
        &self,
        after: Option<&(Timestamp, CustomerKey)>,
    ) -> impl Iterator<Item = &(Timestamp, CustomerKey)> {
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.set_aside.range((after, Bound::Unbounded))
    }

    /// Dirty customers with open effects behind the given one.
    pub(super) fn open_after(
        &self,
        after: Option<&CustomerKey>,
    ) -> impl Iterator<Item = &CustomerKey> {
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.open.range((after, Bound::Unbounded))
    }

    pub(super) fn n_dirty(&self) -> usize {
        self.dirty.len()
    }

    pub(super) const fn dirty_size_bytes(&self) -> usize {
        self.dirty_size_bytes
    }

    pub(super) fn n_clean(&self) -> usize {
        self.clean.len()
    }

    pub(super) const fn clean_size_bytes(&self) -> usize {
        self.clean.size_bytes()
    }
}

#[cfg(test)]
mod tests;
