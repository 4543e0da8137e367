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
/// All calls come from one thread of that group's own and may block it: [`StateMachine::applied`] first, then
/// [`StateMachine::apply`] and [`StateMachine::checkpoint`] in any order. After an error or a panic nothing is called
/// any more.
pub trait StateMachine: Send + 'static {
    /// The highest index that is durably reflected in the state (the floor), and consensus' own blob stored with it:
    /// what the last durable checkpoint holds, not what is in memory. `(0, None)` when there is no checkpoint.
    ///
    /// The blob must be the one that came with the [`StateMachine::apply`] call whose last entry has exactly that
    /// index; a replica with another one does not start. So a checkpoint is taken as of the end of some call.
    fn applied(&self) -> (u64, Option<Bytes>);

    /// Applies entries in order, one outcome each. Called only for entries that are durable in this replica's own log.
    /// After a restart entries above the floor come again, in the same order but cut into other calls.
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

    /// Makes what is applied durable, all of it or up to an earlier call's end, and returns the new floor: from then
    /// on the log may be purged up to it, and [`StateMachine::applied`] answers the same index.
    ///
    /// # Errors
    /// A text that stops the group, visibly.
    fn checkpoint(&mut self) -> Result<u64, String>;

    /// How far the log may be purged as far as this state machine is concerned; the floor is respected beside it. Asked
    /// after each checkpoint. Lower than the floor while somebody reads a snapshot and will need what follows it.
    fn purge_limit(&self) -> u64 {
        u64::MAX
    }
}
