//! What a Raft group replicates into: the boundary behind which consensus knows nothing.

use std::any::Any;
use std::sync::Arc;

use bytes::Bytes;

/// What one log entry carries: its bytes, and on the replica that proposed it the decoded form beside them, so that
/// the leader does not decode what it just encoded. After a restart and on followers `decoded` is `None`.
#[derive(Clone)]
pub struct Payload {
    /// The encoded entry, as it lies in the log.
    pub bytes: Bytes,
    /// The same, decoded; opaque to consensus.
    pub decoded: Option<Arc<dyn Any + Send + Sync>>,
}

impl std::fmt::Debug for Payload {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Payload({} bytes)", self.bytes.len())
    }
}

/// A committed entry on its way into the state machine.
#[derive(Debug, Clone)]
pub struct CommittedEntry {
    /// Its place in the log.
    pub index: u64,
    /// `None` for entries that only consensus uses (blank, membership): only the index moves.
    pub payload: Option<Payload>,
}

/// What applying one entry said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApplyOutcome {
    /// The entry took effect.
    Applied,
    /// The entry was void: it changed nothing, the same on every replica.
    Superseded,
}

/// A replica's state, driven by one group.
///
/// All calls come from one thread of that group's own and may block it.
pub trait StateMachine: Send + 'static {
    /// The highest index that is durably reflected in the state, and consensus' own blob stored with it
    /// ([`StateMachine::applied`] must return what the last durable checkpoint holds, not what is in memory).
    fn applied(&self) -> (u64, Option<Bytes>);

    /// Applies entries in order. Called only for entries that are durable in this replica's own log.
    /// `consensus` is an opaque blob (log position and membership) as of the last entry, to be kept beside the state
    /// and returned by [`StateMachine::applied`].
    ///
    /// # Errors
    /// A text that stops the group, visibly.
    fn apply(
        &mut self,
        entries: &[CommittedEntry],
        consensus: Bytes,
    ) -> Result<Vec<ApplyOutcome>, String>;

    /// Makes everything applied so far durable (the checkpoint a log purge may rely on) and returns the index.
    ///
    /// # Errors
    /// A text that stops the group, visibly.
    fn checkpoint(&mut self) -> Result<u64, String>;
}
