//! The replicated record sequence as the leader sees it: propose, and be told what became of it.

use std::sync::Arc;

use bytes::Bytes;
use journey_types::Lsn;

use crate::decided::DecidedEntry;

/// Told once what became of a proposal. Called from any thread; it must not block.
pub type ProposalDone = Box<dyn FnOnce(ProposeResult) + Send>;

/// Told once whether this replica still leads.
pub type ConfirmationDone = Box<dyn FnOnce(bool) + Send>;

/// Where a leader proposes. Implemented over a Raft group by the composition, and in memory for tests and simulation.
pub trait Journal: Send + Sync {
    /// Proposes an entry and returns at once. `done` is called when the entry was applied on this replica, or when it is
    /// known or feared that it will not be. A `done` that is dropped uncalled counts as [`ProposeResult::Lost`].
    fn propose(&self, entry: Arc<DecidedEntry>, encoded: Bytes, done: ProposalDone);

    /// Asks for proof that this replica leads *after* this call (one ReadIndex round) and that everything committed
    /// before it is applied here; returns at once.
    fn confirm_leadership(&self, done: ConfirmationDone);

    /// Whether this replica was proven to lead so lately that nobody else can lead yet. Costs nothing.
    fn holds_lease(&self) -> bool;
}

/// What became of a proposal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProposeResult {
    /// The entry is committed, and this replica has applied it as valid.
    Applied {
        /// Its place in the journal.
        lsn: Lsn,
    },
    /// The entry is committed and void: the session it belongs to is over.
    Superseded,
    /// It was refused and is not in the journal, though a later one may be.
    Refused(String),
    /// Nobody knows whether it will be committed.
    Lost,
}
