//! The dirty customers by slot, for whoever goes through them in the order of head rows.
//!
//! A pass of the checkpointer sweeps over the slots once: customers that lie side by side are written one after the
//! other, so that they share the pages they lie in.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use journey_types::Slot;

use super::table::{ResidentIdx, Table};
use crate::replica::place::Place;

/// # Invariants
/// Each dirty customer stands in its slot's list, at the position that it holds itself; no list is empty.
#[derive(Debug, Default)]
pub(super) struct DirtySlots {
    slots: BTreeMap<Slot, Vec<ResidentIdx>>,
    n_dirty: usize,
}

/// How far a pass has come.
#[derive(Debug, Default)]
pub(in crate::replica) struct Sweep {
    /// The last slot that was begun.
    slot: Option<Slot>,
    /// What is left of it.
    queue: VecDeque<ResidentIdx>,
}

impl DirtySlots {
    /// Puts a customer in and gives its position.
    pub(super) fn insert(&mut self, slot: Slot, idx: ResidentIdx) -> usize {
        let list = self.slots.entry(slot).or_default();
        list.push(idx);
        self.n_dirty += 1;
        list.len() - 1
    }

    /// Takes the customer at the position out, and gives the one that stands there now instead.
    pub(super) fn remove(&mut self, slot: Slot, position: usize) -> Option<ResidentIdx> {
        let list = self.slots.get_mut(&slot);
        let list = list.expect("a dirty customer stands in its slot's list");
        list.swap_remove(position);
        self.n_dirty -= 1;
        let moved = list.get(position).copied();
        if list.is_empty() {
            self.slots.remove(&slot);
        }
        moved
    }

    pub(super) const fn len(&self) -> usize {
        self.n_dirty
    }

    /// The customers of the first slot behind the given one, in order.
    fn slot_behind(&self, slot: Option<Slot>, table: &Table) -> Option<(Slot, Vec<ResidentIdx>)> {
        let from = slot.map_or(Bound::Unbounded, Bound::Excluded);
        let (slot, list) = self.slots.range((from, Bound::Unbounded)).next()?;
        Some((*slot, in_order(list, table)))
    }

    /// Customers behind the place, in the order of head rows.
    pub(super) fn behind<'a>(
        &'a self,
        after: Bound<&Place>,
        table: &'a Table,
    ) -> impl Iterator<Item = ResidentIdx> + use<'a> {
        let after = after.cloned();
        let from = after.as_ref().map(|place| place.slot);
        // The slot of the place itself may hold more.
        let from = match from {
            Bound::Included(slot) | Bound::Excluded(slot) => Bound::Included(slot),
            Bound::Unbounded => Bound::Unbounded,
        };
        let lists = self.slots.range((from, Bound::Unbounded));
        let all = lists.flat_map(|(_, list)| in_order(list, table));
        all.filter(move |idx| {
            let place = &table.get(*idx).place;
            match &after {
                Bound::Included(after) => place >= after,
                Bound::Excluded(after) => place > after,
                Bound::Unbounded => true,
            }
        })
    }
}

impl Sweep {
    /// The next customer, in the order of head rows. One that is not dirty any more may be among them.
    pub(super) fn next(&mut self, dirty: &DirtySlots, table: &Table) -> Option<ResidentIdx> {
        while self.queue.is_empty() {
            let (slot, list) = dirty.slot_behind(self.slot, table)?;
            self.slot = Some(slot);
            self.queue = list.into();
        }
        self.queue.pop_front()
    }
}

fn in_order(list: &[ResidentIdx], table: &Table) -> Vec<ResidentIdx> {
    let mut list = list.to_vec();
    list.sort_unstable_by(|a, b| {
        let (a, b) = (&table.get(*a).place, &table.get(*b).place);
        a.customer.cmp(&b.customer)
    });
    list
}
