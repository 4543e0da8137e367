//! The event ids of the last 7 days, as fingerprints in chunks that are stored in rows of their own.

use std::collections::VecDeque;

use journey_types::{Fingerprint, Timestamp};

/// Remembered event ids: an open chunk that lies in the customer's head row, and closed chunks in rows of their own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dedupe {
    /// The newest ids, at most [`crate::limits::DEDUPE_OPEN_IDS_MAX`].
    pub open: Vec<(Fingerprint, Timestamp)>,
    /// Older ids, oldest chunk first.
    pub chunks: VecDeque<DedupeChunk>,
    /// The number the next chunk gets.
    pub next_chunk: u64,
}

/// Ids that lie in one row. The newest chunk grows to [`crate::limits::DEDUPE_CHUNK_IDS_MAX`], older ones never change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DedupeChunk {
    /// Its number, which names its row.
    pub number: u64,
    /// Its ids in the order of acceptance.
    pub ids: Vec<(Fingerprint, Timestamp)>,
}
