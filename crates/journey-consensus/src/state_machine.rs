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

/// A piece of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotPiece {
    /// Bytes of the snapshot before it.
    pub offset: u64,
    /// The bytes, at most [`crate::limits::SNAPSHOT_PIECE_SIZE_BYTES_MAX`].
    pub bytes: Bytes,
    /// Whether the snapshot ends with it.
    pub is_last: bool,
}

/// A snapshot opened for reading.
pub struct OpenSnapshot {
    /// The entry that it is exact at.
    pub index: u64,
    /// Consensus' blob that came with that entry.
    pub consensus: Option<Bytes>,
    /// Where it is read from.
    pub source: Box<dyn SnapshotSource>,
}

impl std::fmt::Debug for OpenSnapshot {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "OpenSnapshot({})", self.index)
    }
}

/// A snapshot being read, exact at one entry while others are applied. Dropping it ends the reading.
pub trait SnapshotSource: Send + 'static {
    /// The next piece; `None` behind the last. May block; called on threads that may be blocked.
    ///
    /// # Errors
    /// A text; the snapshot is then given up, and another may be opened later.
    fn next_piece(&mut self) -> Result<Option<SnapshotPiece>, String>;
}

/// A snapshot being received beside the state. Dropped before it is installed it leaves nothing that counts.
pub trait SnapshotSink: Send + 'static {
    /// Takes the next piece. May block; called on threads that may be blocked.
    ///
    /// # Errors
    /// A text; receiving is then over.
    fn take(&mut self, piece: &SnapshotPiece) -> Result<(), String>;

    /// Everything has come: checks it and makes it durable, so that [`StateMachine::install`] is quick.
    ///
    /// # Errors
    /// A text; receiving is then over.
    fn finish(&mut self) -> Result<(), String>;

    /// For [`StateMachine::install`], to find its own type again.
    fn into_any(self: Box<Self>) -> Box<dyn Any + Send>;
}

/// A replica's state, driven by one group.
///
/// All calls come from one thread of that group's own and may block it: [`StateMachine::applied`] first, then
/// the others in any order. After an error or a panic nothing is called
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

    /// Opens a snapshot as of the last call to [`StateMachine::apply`].
    ///
    /// # Errors
    /// Why there can be none now; the group goes on, and it is tried again.
    fn open_snapshot(&mut self) -> Result<OpenSnapshot, String>;

    /// Begins to receive a snapshot beside the state, which goes on being applied to. One at a time.
    ///
    /// # Errors
    /// Why there can be none now; the group goes on, and it is tried again.
    fn receive_snapshot(&mut self) -> Result<Box<dyn SnapshotSink>, String>;

    /// Makes what a finished sink of [`StateMachine::receive_snapshot`] holds the state, in one durable step: after a
    /// crash it is either all of it or none. [`StateMachine::applied`] then answers the snapshot's index and blob.
    ///
    /// # Errors
    /// A text that stops the group, visibly.
    fn install(&mut self, received: Box<dyn Any + Send>) -> Result<(), String>;

    /// How far the log may be purged as far as this state machine is concerned; the floor is respected beside it. Asked
    /// after each checkpoint. Lower than the floor while somebody reads a snapshot and will need what follows it.
    fn purge_limit(&self) -> u64 {
        u64::MAX
    }
}
