//! An entry as the leader that decided it knows it: with the states that its facts lead to.
//!
//! The leader has run `apply` on a scratch copy before it proposes. Where the very same entry comes back to the same
//! process as valid, the replica takes that copy over instead of applying the facts a second time: one state in memory
//! for the leader's core and for the replica.

use std::fmt;
use std::sync::Arc;

use journey_codec::{JournalEntry, Record};
use journey_customer::CustomerState;

/// An entry with the state of each turn's customer behind that turn.
///
/// # Invariants
/// `after` names one state for each turn of the entry, in order, made by `apply` of exactly that turn's facts on the
/// state that the turn was decided on.
pub struct DecidedEntry {
    entry: JournalEntry,
    after: Vec<Arc<CustomerState>>,
}

impl DecidedEntry {
    /// An entry of turns, each with the state behind it.
    ///
    /// # Panics
    /// When there is not one state for each turn.
    pub(crate) fn new(entry: JournalEntry, after: Vec<Arc<CustomerState>>) -> Self {
        let n_turns = match &entry {
            JournalEntry::SessionOpened(_) => 0,
            JournalEntry::Batch(batch) => {
                let is_turn = |record: &&Record| matches!(record, Record::Turn(_));
                batch.records.iter().filter(is_turn).count()
            }
        };
        assert!(
            n_turns == after.len(),
            "{n_turns} turns with {} states",
            after.len()
        );
        Self { entry, after }
    }

    /// The entry.
    #[must_use]
    pub const fn entry(&self) -> &JournalEntry {
        &self.entry
    }

    pub(crate) fn after(&self) -> &[Arc<CustomerState>] {
        &self.after
    }
}

impl fmt::Debug for DecidedEntry {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.entry.fmt(formatter)
    }
}
