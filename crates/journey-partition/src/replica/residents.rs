//! The customers that a replica holds in memory: those whose rows are behind, and a bounded number of others.
//!
//! ```text
//!            load                    change                       rows written
//!   rows ──────────► clean (LRU) ──────────► dirty, by slot ─────────────────────► clean
//!                        │                        │
//!                        ▼ byte budget            ▼ three quarters of it
//!                  packed, dropped             packed
//! ```
//!
//! A dirty customer stands before its rows in every read until the checkpointer reports the rows as written. Where
//! memory grows scarce, customers unused for longest are packed into the row that they will be written as, which takes
//! a fraction of a state; the first read or change unpacks them.

mod dirty;
mod resident;
mod table;

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use journey_customer::CustomerState;
use journey_types::{CustomerKey, Lsn, Timestamp, WorkspaceId};

use self::dirty::DirtySlots;
pub(super) use self::dirty::Sweep;
pub(super) use self::resident::{Body, Resident, Taken};
use self::resident::{Unwritten, index_of};
pub(super) use self::table::ResidentIdx;
use self::table::{Table, UseList};
use super::place::Place;
use super::reads::was_born;
use super::rows::{HeadIndex, Written, pack};
use crate::limits::{CLEAN_PART_OF_MEMORY, LIVE_PART_OF_MEMORY};

/// # Invariants
/// `due`, `set_aside` and `open` hold exactly what the dirty customers say, `due` those with far timers at an earlier
/// instant maybe. The live list holds every state but those
/// that are dirty and do not fit a row; clean packed ones stand in theirs, dirty packed ones in none. The sums are those
/// of the customers.
#[derive(Debug)]
pub(super) struct Residents {
    table: Table,
    dirty: DirtySlots,
    due: BTreeSet<(Timestamp, CustomerKey)>,
    set_aside: BTreeSet<(Timestamp, CustomerKey)>,
    open: BTreeSet<CustomerKey>,
    /// Of all of them.
    size_bytes: usize,
    dirty_size_bytes: usize,
    size_bytes_max: usize,
    row_size_bytes_max: usize,
    last_workspace: Option<WorkspaceId>,
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

    pub(super) fn new(size_bytes_max: usize, row_size_bytes_max: usize) -> Self {
        Self {
            table: Table::default(),
            dirty: DirtySlots::default(),
            due: BTreeSet::new(),
            set_aside: BTreeSet::new(),
            open: BTreeSet::new(),
            size_bytes: 0,
            dirty_size_bytes: 0,
            size_bytes_max,
            row_size_bytes_max,
            last_workspace: None,
        }
    }

    pub(super) fn find(&self, place: &Place) -> Option<ResidentIdx> {
        self.table.find(place)
    }

    /// A customer's body, as it is.
    pub(super) fn body(&self, idx: ResidentIdx) -> &Body {
        &self.table.get(idx).body
    }

    /// Notes a use of a customer.
    pub(super) fn touch(&mut self, idx: ResidentIdx) {
        let resident = self.table.get(idx);
        match (&resident.body, &resident.unwritten) {
            (Body::Live(_), _) => self.table.list(idx, UseList::Live),
            (Body::Packed(_), None) => self.table.list(idx, UseList::PackedClean),
            (Body::Packed(_), Some(_)) => {}
        }
    }

    /// Gives a packed customer its state back, as decoded from its row.
    pub(super) fn unpack(&mut self, idx: ResidentIdx, state: Arc<CustomerState>) {
        self.table.get_mut(idx).body = Body::Live(state);
        self.table.list(idx, UseList::Live);
        self.measure(idx);
    }

    /// Keeps a customer just read from its rows, or one that has none and is about to change.
    pub(super) fn keep(
        &mut self,
        mut place: Place,
        state: Arc<CustomerState>,
        written: Option<Written>,
    ) -> ResidentIdx {
        debug_assert!(self.find(&place).is_none(), "memory is newer than rows");
        let workspace = &mut place.customer.workspace;
        // One text for all customers that come one after the other, of the same workspace nearly always.
        match &self.last_workspace {
            Some(last) if last == workspace => workspace.clone_from(last),
            Some(_) | None => self.last_workspace = Some(workspace.clone()),
        }
        let resident = Resident::new(place, state, written);
        self.size_bytes += resident.memory_size_bytes;
        let idx = self.table.insert(resident);
        self.table.list(idx, UseList::Live);
        idx
    }

    pub(super) fn is_dirty(&self, place: &Place) -> bool {
        let found = self.find(place);
        found.is_some_and(|idx| self.table.get(idx).unwritten.is_some())
    }

    /// Marks a live customer as changed by the entry, and gives it to be changed.
    pub(super) fn change(&mut self, idx: ResidentIdx, lsn: Lsn) -> &mut Resident {
        self.table.list(idx, UseList::Live);
        let resident = self.table.get_mut(idx);
        assert!(resident.is_live(), "who changes a customer unpacks it");
        let mark = resident.mark();
        if let Some(unwritten) = &mut resident.unwritten {
            unwritten.last = unwritten.last.max(lsn);
            if unwritten.is_taken {
                unwritten.first_since_taken.get_or_insert(lsn);
            }
        } else {
            let mut unwritten = Box::new(Unwritten::new(lsn, mark.max(lsn)));
            unwritten.position = self.dirty.insert(resident.place.slot, idx);
            resident.unwritten = Some(unwritten);
            self.dirty_size_bytes += resident.memory_size_bytes;
        }
        self.table.get_mut(idx)
    }

    /// Brings the indexes and the sums up to the changed state. A timer that stands behind `far` in the index may stay
    /// there when it moves further.
    pub(super) fn index(&mut self, idx: ResidentIdx, far: Timestamp) {
        if self.table.get_mut(idx).is_to_be_measured() {
            self.measure(idx);
        }
        let resident = self.table.get_mut(idx);
        let (Body::Live(state), Some(unwritten)) = (&resident.body, &mut resident.unwritten) else {
            return;
        };
        unwritten.is_born = was_born(state);
        let index = index_of(state);
        let customer = &resident.place.customer;
        unwritten.due_at = index.due_at;
        let stays = unwritten.filed_at;
        let stays = stays.filter(|at| *at > far && Some(*at) <= index.due_at);
        let filed_at = stays.or(index.due_at);
        if filed_at != unwritten.filed_at {
            move_key(&mut self.due, unwritten.filed_at, filed_at, customer);
            unwritten.filed_at = filed_at;
        }
        if index.set_aside_since != unwritten.set_aside_since {
            let (old, new) = (unwritten.set_aside_since, index.set_aside_since);
            move_key(&mut self.set_aside, old, new, customer);
            unwritten.set_aside_since = new;
        }
        if index.has_open_effects != unwritten.has_open_effects {
            if index.has_open_effects {
                self.open.insert(customer.clone());
            } else {
                self.open.remove(customer);
            }
            unwritten.has_open_effects = index.has_open_effects;
        }
    }

    /// Measures a customer anew and keeps the sums.
    fn measure(&mut self, idx: ResidentIdx) {
        let (before, now) = self.table.measure(idx);
        self.size_bytes = self.size_bytes - before + now;
        if self.table.get(idx).unwritten.is_some() {
            self.dirty_size_bytes = self.dirty_size_bytes - before + now;
        }
    }

    /// Brings memory back into its bounds. What was read to be changed must still be there when the change comes back
    /// as an entry: a part is kept for states, and a part for clean ones, however the others press.
    pub(super) fn shrink(&mut self) {
        let live_kept = self.size_bytes_max / LIVE_PART_OF_MEMORY;
        while self.room_size_bytes() == 0
            && self.table.live_size_bytes() > live_kept
            && self.pack_oldest()
        {}
        let left = self.size_bytes_max.saturating_sub(self.dirty_size_bytes);
        let clean_max = left.max(self.size_bytes_max / CLEAN_PART_OF_MEMORY);
        while self.clean_size_bytes() > clean_max {
            match self.table.oldest(UseList::PackedClean) {
                Some(idx) => self.drop_clean(idx),
                None if self.pack_oldest() => {}
                None => break,
            }
        }
    }

    /// What states may still take before those unused for longest are packed.
    pub(super) const fn room_size_bytes(&self) -> usize {
        (self.size_bytes_max / 4 * 3).saturating_sub(self.size_bytes)
    }

    /// Packs the state unused for longest, or drops it where it needs more than a row and its rows have it; false when
    /// there is none.
    fn pack_oldest(&mut self) -> bool {
        let Some(idx) = self.table.oldest(UseList::Live) else {
            return false;
        };
        let resident = self.table.get_mut(idx);
        let Body::Live(state) = &resident.body else {
            unreachable!("the live list holds states")
        };
        let through = match &resident.unwritten {
            Some(unwritten) => unwritten.last,
            None => resident.mark(),
        };
        let packed = pack(state, through, resident.written, self.row_size_bytes_max);
        match (packed, resident.unwritten.is_some()) {
            (Some(row), is_dirty) => {
                resident.body = Body::Packed(row);
                if is_dirty {
                    self.table.unlist(idx);
                } else {
                    self.table.list(idx, UseList::PackedClean);
                }
                self.measure(idx);
            }
            // Written soon; then it is clean and goes.
            (None, true) => self.table.unlist(idx),
            (None, false) => self.drop_clean(idx),
        }
        true
    }

    fn drop_clean(&mut self, idx: ResidentIdx) {
        let dropped = self.table.remove(idx);
        self.size_bytes -= dropped.memory_size_bytes;
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

    /// Takes the next customers of a sweep whose rows lack an entry up to `through`, in the order of head rows.
    pub(super) fn take_dirty(
        &mut self,
        sweep: &mut Sweep,
        through: Lsn,
        far: Timestamp,
        (n_max, size_bytes_max): (usize, usize),
    ) -> Vec<Taken> {
        let mut taken = Vec::new();
        let mut size_bytes = 0;
        while taken.len() < n_max && size_bytes < size_bytes_max {
            let Some(idx) = sweep.next(&self.dirty, &self.table) else {
                break;
            };
            let resident = self.table.get_mut(idx);
            let Some(unwritten) = &mut resident.unwritten else {
                continue;
            };
            if unwritten.first > through {
                continue;
            }
            unwritten.is_taken = true;
            unwritten.first_since_taken = None;
            size_bytes += resident.memory_size_bytes;
            taken.push(Taken {
                place: resident.place.clone(),
                body: resident.body.clone(),
                through: unwritten.last,
                first: unwritten.first,
                written: resident.written,
                timers_far_from: far,
            });
        }
        taken
    }

    /// The rows of a taken customer are written.
    pub(super) fn settle(&mut self, taken: &Taken, written: Written) {
        if let Body::Live(state) = &taken.body {
            let segments = state.dedupe.unwritten.iter();
            segments.for_each(|segment| segment.mark_written());
        }
        let Some(idx) = self.find(&taken.place) else {
            return;
        };
        let resident = self.table.get_mut(idx);
        resident.written = Some(written);
        let Some(unwritten) = &mut resident.unwritten else {
            return;
        };
        unwritten.is_taken = false;
        if let Some(first) = unwritten.first_since_taken.take() {
            unwritten.first = first;
            return;
        }
        let (slot, position) = (resident.place.slot, unwritten.position);
        let customer = &resident.place.customer;
        move_key(&mut self.due, unwritten.filed_at, None, customer);
        move_key(
            &mut self.set_aside,
            unwritten.set_aside_since,
            None,
            customer,
        );
        if unwritten.has_open_effects {
            self.open.remove(customer);
        }
        self.dirty_size_bytes -= resident.memory_size_bytes;
        resident.unwritten = None;
        let is_live = resident.is_live();
        if let Some(moved) = self.dirty.remove(slot, position) {
            let moved = self.table.get_mut(moved).unwritten.as_mut();
            moved.expect("it stands among the dirty ones").position = position;
        }
        // Being written is no use: one that waits for that as a state keeps its place in the order.
        if !is_live {
            self.table.list(idx, UseList::PackedClean);
        } else if !self.table.is_listed(idx) {
            self.table.list(idx, UseList::Live);
        }
    }

    /// Dirty customers that somebody has heard of behind the place, in the order of head rows.
    pub(super) fn dirty_after(
        &self,
        after: Bound<&Place>,
    ) -> impl Iterator<Item = (&Place, &Body)> {
        let behind = self.dirty.behind(after, &self.table);
        let residents = behind.map(|idx| self.table.get(idx));
        residents
            .filter(|resident| resident.unwritten.as_ref().is_some_and(|it| it.is_born))
            .map(|resident| (&resident.place, &resident.body))
    }

    /// The body of a customer whose rows are behind.
    pub(super) fn dirty_body(&self, place: &Place) -> Option<&Body> {
        let resident = self.table.get(self.find(place)?);
        resident.unwritten.as_ref().map(|_| &resident.body)
    }

    /// Dirty customers with a timer that stand behind the given place in the index of timers.
    pub(super) fn due_behind(
        &self,
        after: Bound<&(Timestamp, CustomerKey)>,
    ) -> impl Iterator<Item = &(Timestamp, CustomerKey)> {
        self.due.range((after, Bound::Unbounded))
    }

    /// When a dirty customer has something to do by itself.
    pub(super) fn dirty_due_at(&self, place: &Place) -> Option<Timestamp> {
        let resident = self.table.get(self.find(place)?);
        resident.unwritten.as_ref()?.due_at
    }

    /// Puts a customer whose timer is due later than it stands in the index, or in rows, where it is due. False where
    /// its rows are to be changed for that.
    pub(super) fn file_dirty(&mut self, place: &Place) -> bool {
        let Some(idx) = self.find(place) else {
            return false;
        };
        let resident = self.table.get_mut(idx);
        let Some(unwritten) = &mut resident.unwritten else {
            return false;
        };
        let customer = &resident.place.customer;
        move_key(
            &mut self.due,
            unwritten.filed_at,
            unwritten.due_at,
            customer,
        );
        unwritten.filed_at = unwritten.due_at;
        true
    }

    /// The timer row of a customer was moved.
    pub(super) fn filed(&mut self, place: &Place, index: HeadIndex) {
        if let Some(idx) = self.find(place)
            && let Some(written) = &mut self.table.get_mut(idx).written
        {
            written.index = index;
        }
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

    pub(super) const fn n_dirty(&self) -> usize {
        self.dirty.len()
    }

    pub(super) const fn dirty_size_bytes(&self) -> usize {
        self.dirty_size_bytes
    }

    pub(super) fn n_clean(&self) -> usize {
        self.table.len() - self.dirty.len()
    }

    pub(super) const fn clean_size_bytes(&self) -> usize {
        self.size_bytes - self.dirty_size_bytes
    }
}

/// Moves a customer in an index from one instant to another.
fn move_key(
    index: &mut BTreeSet<(Timestamp, CustomerKey)>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    customer: &CustomerKey,
) {
    let old = from.and_then(|from| index.take(&(from, customer.clone())));
    if let Some(to) = to {
        let customer = old.map_or_else(|| customer.clone(), |(_, customer)| customer);
        index.insert((to, customer));
    }
}

#[cfg(test)]
mod tests;
