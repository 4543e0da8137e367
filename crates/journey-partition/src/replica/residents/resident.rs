//! One customer in memory: its state, or the row that it packs into, and what its rows hold.

use std::sync::Arc;

use journey_customer::CustomerState;
use journey_types::{Lsn, Timestamp};

use super::table::Links;
use crate::limits::{CHANGES_BETWEEN_MEASURES, RESIDENT_OVERHEAD_BYTES};
use crate::replica::place::Place;
use crate::replica::rows::{HeadIndex, Written};

/// The two forms a customer has in memory.
#[derive(Debug, Clone)]
pub(in crate::replica) enum Body {
    /// To be read and changed.
    Live(Arc<CustomerState>),
    /// As the one row that it fits into, at a fraction of the memory.
    Packed(Box<[u8]>),
}

/// A customer in memory.
#[derive(Debug)]
pub(in crate::replica) struct Resident {
    pub(in crate::replica) place: Place,
    pub(super) body: Body,
    /// What its rows hold; `None` without rows.
    pub(in crate::replica) written: Option<Written>,
    /// What lies behind its rows.
    pub(super) unwritten: Option<Box<Unwritten>>,
    /// What it takes in memory, about, as last measured.
    pub(super) memory_size_bytes: usize,
    /// Changes until it is measured again: measuring walks over the whole state.
    changes_until_measured: u8,
    pub(super) links: Links,
}

/// What a dirty customer's rows lack, and what the indexes of dirty customers hold of it.
#[derive(Debug)]
pub(super) struct Unwritten {
    /// The first entry that the rows lack.
    pub(super) first: Lsn,
    /// The last entry that the state reflects.
    pub(super) last: Lsn,
    /// The first entry applied since the checkpointer took the state, if it has.
    pub(super) first_since_taken: Option<Lsn>,
    pub(super) is_taken: bool,
    pub(super) is_born: bool,
    pub(super) due_at: Option<Timestamp>,
    /// Where it stands in the index of timers: at `due_at`, or before it.
    pub(super) filed_at: Option<Timestamp>,
    pub(super) set_aside_since: Option<Timestamp>,
    pub(super) has_open_effects: bool,
    /// Where it stands among the dirty ones of its slot.
    pub(super) position: usize,
}

impl Resident {
    /// A customer as its rows have it.
    pub(super) fn new(place: Place, state: Arc<CustomerState>, written: Option<Written>) -> Self {
        let memory_size_bytes = live_size_bytes(&state);
        Self {
            place,
            body: Body::Live(state),
            written,
            unwritten: None,
            memory_size_bytes,
            // One that nobody has heard of grows with its first change.
            changes_until_measured: if written.is_some() {
                CHANGES_BETWEEN_MEASURES
            } else {
                0
            },
            links: Links::default(),
        }
    }

    /// The last entry that its rows reflect; 0 without rows.
    pub(in crate::replica) fn mark(&self) -> Lsn {
        self.written
            .map_or(Lsn::new(0), |written| written.index.mark)
    }

    /// The state, for the applier to change.
    pub(in crate::replica) const fn state_mut(&mut self) -> Option<&mut Arc<CustomerState>> {
        match &mut self.body {
            Body::Live(state) => Some(state),
            Body::Packed(_) => None,
        }
    }

    pub(super) const fn is_live(&self) -> bool {
        matches!(self.body, Body::Live(_))
    }

    /// Whether it has changed often enough to be measured anew.
    pub(super) const fn is_to_be_measured(&mut self) -> bool {
        let is_due = self.changes_until_measured == 0;
        if !is_due {
            self.changes_until_measured -= 1;
        }
        is_due
    }

    /// Measures it anew; gives what it took before.
    pub(super) fn measure(&mut self) -> usize {
        self.changes_until_measured = CHANGES_BETWEEN_MEASURES;
        let size_bytes = match &self.body {
            Body::Live(state) => live_size_bytes(state),
            Body::Packed(row) => RESIDENT_OVERHEAD_BYTES + row.len(),
        };
        std::mem::replace(&mut self.memory_size_bytes, size_bytes)
    }
}

impl Unwritten {
    pub(super) const fn new(first: Lsn, last: Lsn) -> Self {
        Self {
            first,
            last,
            first_since_taken: None,
            is_taken: false,
            is_born: false,
            due_at: None,
            filed_at: None,
            set_aside_since: None,
            has_open_effects: false,
            position: 0,
        }
    }
}

fn live_size_bytes(state: &CustomerState) -> usize {
    RESIDENT_OVERHEAD_BYTES + state.memory_size_bytes()
}

/// A customer on its way into the rows.
#[derive(Debug, Clone)]
pub(in crate::replica) struct Taken {
    pub(in crate::replica) place: Place,
    pub(in crate::replica) body: Body,
    /// The last entry that the state reflects.
    pub(in crate::replica) through: Lsn,
    /// The first entry that the rows lack.
    pub(in crate::replica) first: Lsn,
    /// What the rows hold so far, as far as memory knows.
    pub(in crate::replica) written: Option<Written>,
    /// A timer row behind this instant may stay where it is when its timer moves further ahead.
    pub(in crate::replica) timers_far_from: Timestamp,
}

/// What the index rows of a dirty customer will be.
pub(super) fn index_of(state: &CustomerState) -> HeadIndex {
    HeadIndex::of(state, Lsn::new(0))
}
