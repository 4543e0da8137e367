//! Replicates entries: openraft groups behind a plain handle.
//!
//! One group per partition plus the metadata group 0. A group's log and votes lie in one tree that all groups of the
//! node share, so that they share each fsync; committed entries go, in order and never ahead of this replica's own
//! durable log, to a [`StateMachine`] on a thread of its own.
//!
//! Never: knows what an entry of a partition means, reads a clock, spawns a task per proposal, acknowledges what is
//! not on disk. It is the only crate that names openraft, and nothing of it shows through.
//!
//! ```text
//!  GroupHandle::propose(payload, done) ──► Raft group ──► LogStorage ──► one commit thread ──► one fsync
//!                                              │ committed, and durable in this replica's log
//!                                              ▼
//!                      applier thread ──► StateMachine::apply ──► done(Applied | Superseded)
//! ```
//!
//! Replicas of one group reach each other over `peers`: streams of requests of all groups, to addresses that a
//! [`ReplicaDirectory`] knows, answered by a [`PeerService`].
//!
//! Start at [`Consensus::start`], then [`Consensus::start_group`], which answers a [`GroupHandle`]. The
//! metadata group is started by [`MetadataHandle::start`].

pub mod limits;

mod error;
mod identifiers;
mod options;
mod state_machine;

mod raft_types;
mod record;

mod log_appends;
mod log_storage;
mod log_trial;

mod adapter;
mod applier;
mod consensus;
mod group;
mod outcome;
mod peers;

mod metadata;
pub mod placement;

pub use consensus::Consensus;
pub use error::{ConsensusError, MetadataError};
pub use group::{
    GroupHandle, GroupMembership, GroupMetrics, GroupOptions, GroupStart, Leadership, PurgeOutcome,
};
pub use identifiers::{GroupId, ReplicaId};
pub use log_appends::LogAppends;
pub use log_storage::{LogMetrics, LogStorage};
pub use log_trial::{TrialOutcome, log_trial};
pub use metadata::{
    ClusterIdentity, JoinKey, MetadataHandle, MetadataState, NewDocument, NewNode, NodeIdentity,
    NodeMembership, NodePlace, NodeRecord, NodeState, PartitionPlacement, PartitionTable,
    PlacedReplica, PlacementChange, PublishOutcome, PublishedVersion, ReplicaRole, Setting,
    SettingKind, StoredDocument,
};
pub use options::ConsensusOptions;
pub use outcome::{
    LeadershipProof, OnLeadershipProof, OnProposeOutcome, ProposalFault, ProposalFaults,
    ProposeOutcome,
};
pub use peers::{NoPeers, PeerAddress, PeerService, ReplicaDirectory};
pub use state_machine::{
    ApplyOutcome, CommittedEntry, OpenSnapshot, Payload, SnapshotPiece, SnapshotSink,
    SnapshotSource, StateMachine,
};

#[cfg(test)]
mod testing;
