//! One partition: the leader's core that decides, and the replica that applies.
//!
//! Never knows Raft, never hands anything out before it is applied, never lists all customers in memory.
//!
//! ```text
//!   commands ──► PartitionCore ──► JournalEntry ──► Journal (elsewhere) ──► Replica: state, timers, outboxes ──► rows
//!                     ▲                                                          │                 Checkpointer
//!                     └──────────────── CommittedReader ◄────────────────────────┘
//! ```
//!
//! Start at [`PartitionCore`] for the leader's side and at [`Replica`] for the other; [`SoloPartition`] runs both in
//! virtual time.

mod clock;
mod decided;
mod error;
mod hashed;
pub mod limits;

mod journal;
mod reader;

pub mod core;

pub mod actor;

mod applier;
mod replica;

mod solo;

pub use crate::actor::{
    Closed, DoorStatus, InstanceFigures, Intake, PartitionHandle, PartitionOptions, SubmitError,
};
pub use crate::applier::{Applier, Committed, EntryForm};
pub use crate::clock::Clock;
pub use crate::core::{
    Answer, ClockHeld, ConfirmationId, CoreOptions, Decide, DepthHistogram, Destinations,
    FactFigures, HandOver, Input, Lifecycle, MemoryBounds, Output, PartitionCore,
    PartitionCounters, PartitionStatus, ProposalId, QuarantineEntry, QuarantinedCommand, Refusal,
    Role, SpanHistogram, StoppedQueue, SubmissionOrder, Subscription, TicketId, WorkerCredit,
    WorkerId,
};
pub use decided::DecidedEntry;
pub use error::PartitionError;
pub use journal::{ConfirmationDone, Journal, ProposalDone, ProposeResult};
pub use journey_customer::{DeliverySettings, RetryBudget};
pub use reader::{CommittedControl, CommittedReader, Loaded};
pub use replica::{
    ApplyVerdict, CheckpointProgress, Checkpointer, MemoryPressure, Replica, ReplicaOptions,
    ReplicaStats, SharedReplica, SnapshotChunk, SnapshotReceiver, SnapshotSender, TimerPage,
    partition_tree, remove_partition,
};
pub use solo::{FactObserver, SoloOptions, SoloPartition};
