//! What can go wrong in a partition: the machine failing, never a refusal of the domain.

use journey_storage::StorageError;
use journey_types::{CustomerKey, Lsn, PartitionId, Sequence};

/// A failure of one partition. Whatever the variant, this replica serves nothing more until it is opened again.
#[derive(Debug, thiserror::Error)]
pub enum PartitionError {
    /// The rows could not be read or written.
    #[error("partition {partition} failed in {database} while {attempt}")]
    Storage {
        /// Which partition.
        partition: PartitionId,
        /// Where its rows lie.
        database: String,
        /// What was being done, for example `writing rows of customers`.
        attempt: &'static str,
        /// The storage layer's own error.
        source: StorageError,
    },
    /// A row does not read back.
    #[error(
        "partition {partition} cannot read a {table} row in {database}: {reason}; start the release that wrote the row, or restore this replica from another one or from a backup"
    )]
    UnreadableRow {
        /// Which partition.
        partition: PartitionId,
        /// Where its rows lie.
        database: String,
        /// Which kind of row, for example `head`.
        table: &'static str,
        /// What does not fit.
        reason: String,
    },
    /// A value cannot be written as rows.
    #[error("partition {partition} cannot write its {table} row: {reason}")]
    UnwritableRow {
        /// Which partition.
        partition: PartitionId,
        /// Which kind of row.
        table: &'static str,
        /// What does not fit.
        reason: String,
    },
    /// An entry did not follow the last one.
    #[error(
        "partition {partition} was given journal entry {lsn} after entry {applied}; an entry was lost or doubled on the way, restart the node so that it is read again"
    )]
    EntryOutOfOrder {
        /// Which partition.
        partition: PartitionId,
        /// The entry given.
        lsn: Lsn,
        /// The last entry applied.
        applied: Lsn,
    },
    /// A valid batch holds a fact that is not the next one of its customer: a bug of the leader that decided it.
    #[error(
        "partition {partition} stopped at journal entry {lsn}: fact {found} of {customer} follows fact {last}; install a fixed release, or skip the entry"
    )]
    FactOutOfOrder {
        /// Which partition.
        partition: PartitionId,
        /// The entry.
        lsn: Lsn,
        /// Whose fact.
        customer: CustomerKey,
        /// Its sequence.
        found: Sequence,
        /// The last sequence applied to this customer.
        last: Sequence,
    },
    /// The state that the leader decided is not the one that its facts make: a bug of `decide`.
    #[error(
        "partition {partition} stopped at journal entry {lsn}: the state that was decided for {customer} is not what its facts make; restart the node, which applies the facts, and report it"
    )]
    DecidedOtherwise {
        /// Which partition.
        partition: PartitionId,
        /// The entry.
        lsn: Lsn,
        /// Whose state.
        customer: CustomerKey,
    },
    /// Applying a committed entry panicked.
    #[error(
        "partition {partition} stopped at journal entry {lsn}: applying it panicked: {reason}; install a fixed release, or skip the entry"
    )]
    ApplyPanicked {
        /// Which partition.
        partition: PartitionId,
        /// The entry.
        lsn: Lsn,
        /// The panic's message.
        reason: String,
    },
    /// A committed entry does not decode: damaged, or of a newer release.
    #[error("journal entry {lsn} does not decode: {reason}")]
    Undecodable {
        /// The entry.
        lsn: Lsn,
        /// What does not fit.
        reason: String,
    },
    /// A snapshot cannot be read now, or one received is not taken over.
    #[error("partition {partition} refuses a snapshot: {reason}")]
    SnapshotRefused {
        /// Which partition.
        partition: PartitionId,
        /// Why.
        reason: String,
    },
    /// A snapshot stream was given up; the replica goes on, and another stream may be opened.
    #[error("partition {partition} gave up reading a snapshot: {reason}; open another one")]
    SnapshotCancelled {
        /// Which partition.
        partition: PartitionId,
        /// Why.
        reason: String,
    },
    /// The partition's actor did not start.
    #[error("partition {partition} did not start: {reason}")]
    NotStarted {
        /// Which partition.
        partition: PartitionId,
        /// Why.
        reason: String,
    },
    /// An earlier failure stopped this replica.
    #[error("partition {partition} is stopped since an earlier failure: {reason}")]
    Stopped {
        /// Which partition.
        partition: PartitionId,
        /// The first failure, in its own words.
        reason: String,
    },
}
