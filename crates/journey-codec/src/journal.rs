//! What a partition's journal carries, decoded: the opening of a session, or a batch of records.

use journey_customer::JournalEvent;
use journey_types::{BatchNumber, CatalogRevision, CustomerKey, SessionId, Timestamp};

/// One entry of the journal.
#[derive(Debug, Clone, PartialEq)]
pub enum JournalEntry {
    /// A leader begins: the index of this entry is the id of its session.
    SessionOpened(SessionOpened),
    /// What a leader decided, numbered inside its session.
    Batch(Batch),
}

/// The opening of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionOpened {
    /// A random token of the opening leader, by which it knows its own entry again.
    pub opener: u64,
}

/// Records that are valid or void together.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// The session it was decided in.
    pub session: SessionId,
    /// Its place in the session: 1, 2, 3 …
    pub number: BatchNumber,
    /// Its records, in order.
    pub records: Vec<Record>,
}

/// One thing of a batch.
#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// From here on the partition decides by another catalog.
    CatalogAdopted(CatalogAdopted),
    /// One turn of one customer.
    Turn(Turn),
}

/// The adoption of a catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CatalogAdopted {
    /// When, by the leader's stamp.
    pub stamp: Timestamp,
    /// Which.
    pub revision: CatalogRevision,
    /// The SHA-256 of its documents, so that a replica with another text under that number stops.
    pub digest: [u8; 32],
}

/// The facts of one turn of one customer.
#[derive(Debug, Clone, PartialEq)]
pub struct Turn {
    /// Whose turn.
    pub customer: CustomerKey,
    /// Its facts, in order of their sequence.
    pub events: Vec<JournalEvent>,
}
