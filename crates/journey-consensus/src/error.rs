//! What can go wrong in consensus: the machine, never a refusal of the domain.

use journey_storage::StorageError;

use crate::{GroupId, ReplicaId};

/// A failure to open, start, stop or maintain consensus.
#[derive(Debug, thiserror::Error)]
pub enum ConsensusError {
    /// The options contradict each other; every problem is named.
    #[error("consensus options do not fit: {}", problems.join("; "))]
    Options {
        /// One text per problem.
        problems: Vec<String>,
    },
    /// The storage engine failed.
    #[error("the log of this node failed while {attempt}")]
    Storage {
        /// What was being done.
        attempt: String,
        /// The engine's own failure.
        #[source]
        source: StorageError,
    },
    /// The log failed earlier: no group of this node takes writes any more.
    #[error(
        "the log of this node has failed ({reason}); restart the node once the cause is repaired"
    )]
    LogFailed {
        /// What failed first.
        reason: String,
    },
    /// A row of the log does not read back.
    #[error(
        "the log of {} in {log} is damaged at index {index}: {reason}; what was acknowledged there is lost to this replica, restore it from another one or from a backup",
        group.described()
    )]
    Damaged {
        /// The log's database.
        log: String,
        /// The group.
        group: GroupId,
        /// Where.
        index: u64,
        /// What does not fit.
        reason: String,
    },
    /// A row of the log was written by a later release.
    #[error(
        "the log of {} in {log} holds {row} in format {found}, and this release reads format {supported}; start the release that wrote it, or a later one",
        group.described()
    )]
    NewerFormat {
        /// The log's database.
        log: String,
        /// The group.
        group: GroupId,
        /// Which row, for example `entry 12`.
        row: String,
        /// The format that it names.
        found: u8,
        /// The format that this release reads.
        supported: u8,
    },
    /// The log was written by another replica.
    #[error(
        "the log of {} in {log} belongs to replica {found}, not to replica {wanted}; a replica id is never reused, so use the data folder of replica {wanted}",
        group.described()
    )]
    ForeignLog {
        /// The log's database.
        log: String,
        /// The group.
        group: GroupId,
        /// The replica that wrote it.
        found: ReplicaId,
        /// The replica that was asked for.
        wanted: ReplicaId,
    },
    /// State and log do not meet.
    #[error(
        "the state of {} reaches index {floor} but its log in {log} starts after index {purged}; the state folder was lost or is older than the log, restore both together from a backup, or this replica from another one",
        group.described()
    )]
    StateBehindLog {
        /// The log's database.
        log: String,
        /// The group.
        group: GroupId,
        /// What the state durably holds.
        floor: u64,
        /// Up to where the log is purged.
        purged: u64,
    },
    /// The state is there and its log is not, or not all of it.
    #[error(
        "the state of {} reaches index {floor} but its log in {log} {last}; the log folder was lost or is older than the state, restore both together from a backup",
        group.described()
    )]
    LogMissing {
        /// The log's database.
        log: String,
        /// The group.
        group: GroupId,
        /// What the state durably holds.
        floor: u64,
        /// Where the log ends.
        last: String,
    },
    /// The vote was saved before entries that only a later vote allows.
    #[error(
        "the vote of {} in {log} is of term {vote_term} but its log holds entry {index} of term {entry_term}; the vote was lost, and a replica that forgot its vote may vote twice, so restore this replica from another one or from a backup",
        group.described()
    )]
    VoteBehindLog {
        /// The log's database.
        log: String,
        /// The group.
        group: GroupId,
        /// Term of the stored vote, 0 when there is none.
        vote_term: u64,
        /// Term of the last entry.
        entry_term: u64,
        /// Index of the last entry.
        index: u64,
    },
    /// The state machine answered something that cannot be.
    #[error("the state of {} cannot be used: {reason}", group.described())]
    StateMachine {
        /// The group.
        group: GroupId,
        /// What it did.
        reason: String,
    },
    /// The group is started already.
    #[error(
        "{} is already running in this process; shut it down before starting it again",
        group.described()
    )]
    AlreadyRunning {
        /// The group.
        group: GroupId,
    },
    /// The group has stopped.
    #[error("{} has stopped: {reason}", group.described())]
    Stopped {
        /// The group.
        group: GroupId,
        /// Why.
        reason: String,
    },
    /// A replica was to go on where it left off, and its log knows nothing of it.
    #[error(
        "replica {replica} of {} was to go on where it left off, but its log in {log} holds nothing of it; the log folder was lost, so this replica must be removed and replaced by a new one",
        group.described()
    )]
    NothingToResume {
        /// The log's database.
        log: String,
        /// The group.
        group: GroupId,
        /// The replica.
        replica: ReplicaId,
    },
    /// Only the leader can do it.
    #[error(
        "this replica does not lead {}; {}",
        group.described(),
        leader.map_or_else(|| "nobody does at the moment, try again".to_owned(), |leader| format!("replica {leader} does"))
    )]
    NotLeader {
        /// The group.
        group: GroupId,
        /// Who leads it, if anybody is known to.
        leader: Option<ReplicaId>,
    },
    /// The membership is being changed.
    #[error("the membership of {} is being changed; wait for that to end and try again", group.described())]
    ChangeUnderWay {
        /// The group.
        group: GroupId,
    },
    /// The change cannot be made.
    #[error("{} cannot be changed so: {reason}", group.described())]
    ChangeRefused {
        /// The group.
        group: GroupId,
        /// Why.
        reason: String,
    },
    /// No leader could be asked.
    #[error("{} gave no proof of its leader: {reason}; try again", group.described())]
    Unreached {
        /// The group.
        group: GroupId,
        /// Why.
        reason: String,
    },
    /// Something this release does not do.
    #[error("{what} is not available yet")]
    NotAvailableYet {
        /// What was asked for.
        what: String,
    },
    /// The operating system refused a thread or a runtime.
    #[error("could not start {what}: {reason}")]
    Spawn {
        /// What was to be started.
        what: String,
        /// The system's own words.
        reason: String,
    },
    /// A step took longer than it ever should.
    #[error(
        "{} did not finish {attempt} in time; nothing is lost, and the next attempt continues",
        group.described()
    )]
    TimedOut {
        /// The group.
        group: GroupId,
        /// What was waited for.
        attempt: String,
    },
}

impl ConsensusError {
    /// Whether the same call may succeed later without an operator.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::TimedOut { .. } | Self::ChangeUnderWay { .. } | Self::Unreached { .. }
        )
    }
}

/// Why a call on the metadata group did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// Another publish came first.
    #[error("the catalog is at revision {current}, not at {expected}; read it again and retry")]
    RevisionConflict {
        /// The revision the caller built upon.
        expected: u64,
        /// The revision now.
        current: u64,
    },
    /// The cluster has no identity yet.
    #[error("the cluster is not bootstrapped; start its first node before publishing")]
    NotBootstrapped,
    /// A publish without documents.
    #[error("a publish needs at least one document")]
    NoDocuments,
    /// Two documents of one publish have the same kind and id.
    #[error("{kind} {id} stands twice in one publish ({first} and {second}); keep one of them")]
    DocumentTwice {
        /// The kind.
        kind: String,
        /// The id.
        id: String,
        /// Where the first came from.
        first: String,
        /// Where the second came from.
        second: String,
    },
    /// A name is empty or too long.
    #[error(
        "{field} of document {kind} {id} has {size_bytes} bytes; it must have 1 to {size_bytes_max}"
    )]
    DocumentName {
        /// Which field.
        field: &'static str,
        /// The kind, shortened.
        kind: String,
        /// The id, shortened.
        id: String,
        /// Its size.
        size_bytes: usize,
        /// The limit.
        size_bytes_max: usize,
    },
    /// A document is too large.
    #[error(
        "{kind} {id} from {source_name} has {size_bytes} bytes, above the limit of {size_bytes_max}; split it"
    )]
    DocumentTooLarge {
        /// The kind.
        kind: String,
        /// The id.
        id: String,
        /// Where it came from.
        source_name: String,
        /// Its size.
        size_bytes: usize,
        /// The limit.
        size_bytes_max: usize,
    },
    /// A publish is too large for one entry.
    #[error(
        "the publish has {n_documents} documents and {size_bytes} bytes, above the limits of {n_documents_max} and {size_bytes_max}; publish in parts"
    )]
    PublishTooLarge {
        /// How many documents.
        n_documents: usize,
        /// The limit.
        n_documents_max: usize,
        /// Bytes of all of them.
        size_bytes: usize,
        /// The limit.
        size_bytes_max: usize,
    },
    /// The catalog is full.
    #[error(
        "the catalog holds {size_bytes} bytes with this publish, above the limit of {size_bytes_max}"
    )]
    CatalogFull {
        /// Bytes of all versions with this publish.
        size_bytes: usize,
        /// The limit.
        size_bytes_max: usize,
    },
    /// What a node says of itself does not fit.
    #[error("the node's {field} does not fit: {reason}")]
    NodePlace {
        /// Which part of it.
        field: &'static str,
        /// Why.
        reason: String,
    },
    /// A quota or gate does not fit.
    #[error("{kind} {name} cannot be set: {reason}")]
    Setting {
        /// `quota` or `gate`.
        kind: &'static str,
        /// Its name, shortened.
        name: String,
        /// Why.
        reason: String,
    },
    /// Somebody else changed it first, or it does not allow that step now.
    #[error("{what} is not changed: {reason}; read it again")]
    Conflict {
        /// Which node, partition or setting.
        what: String,
        /// Why.
        reason: String,
    },
    /// The call was refused before anything was written.
    #[error("the metadata group refused: {reason}")]
    Refused {
        /// Why.
        reason: String,
    },
    /// Nobody knows whether it took effect.
    #[error(
        "the metadata group stopped before it answered; whether the change took effect is unknown, read the catalog before retrying"
    )]
    OutcomeUnknown,
}

impl MetadataError {
    /// Whether reading again and retrying is the answer.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        matches!(
            self,
            Self::RevisionConflict { .. }
                | Self::Conflict { .. }
                | Self::Refused { .. }
                | Self::OutcomeUnknown
        )
    }
}
