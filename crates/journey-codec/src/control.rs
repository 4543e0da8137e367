//! What a partition knows beside its customers, stored with the floor and as of the floor.

use bytes::Bytes;
use journey_types::{BatchNumber, CatalogRevision, SessionId, Timestamp};

use crate::error::CodecError;
use crate::stored;
use crate::wire::message::{Message, message};

/// Control state of a partition. The default is that of a partition without entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Control {
    /// The session whose batches are valid.
    pub session: SessionId,
    /// The number that its next batch must have.
    pub next_batch: BatchNumber,
    /// The latest stamp of anything applied.
    pub stamp: Timestamp,
    /// The adopted catalog; 0 where none was adopted.
    pub catalog_revision: CatalogRevision,
    /// The digest of its documents; zeros where none was adopted.
    pub catalog_digest: [u8; 32],
    /// How many customers were born.
    pub n_customers: u64,
    /// What lies among the dead letters of all customers.
    pub dead_letters: Held,
    /// What lies in the quarantines of all customers.
    pub quarantined: Held,
    /// How many customers are parked.
    pub n_parked: u64,
}

message! {
    Control as "Control" {
        1 => session,
        2 => next_batch,
        3 => stamp,
        4 => catalog_revision,
        5 => catalog_digest,
        6 => n_customers,
        10 => dead_letters,
        11 => quarantined,
        12 => n_parked,
    }
}

/// How many things are held, and what they take of their budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Held {
    /// How many.
    pub n: u64,
    /// Their bytes, as the facts say that put them there.
    pub size_bytes: u64,
}

impl Held {
    /// Takes note of one more.
    pub fn add(&mut self, size_bytes: u32) {
        self.n += 1;
        self.size_bytes += u64::from(size_bytes);
    }

    /// Takes note of one that has gone.
    pub fn remove(&mut self, size_bytes: u32) {
        self.n = self.n.saturating_sub(1);
        self.size_bytes = self.size_bytes.saturating_sub(u64::from(size_bytes));
    }
}

message! {
    Held as "Held" {
        1 => n,
        2 => size_bytes,
    }
}

/// The floor row's value, whose mark is the floor.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Floor {
    control: Control,
    consensus: Option<Bytes>,
}

message! {
    Floor as "Floor" {
        1 => control,
        2 => consensus,
    }
}

/// The bytes of control state together with what consensus keeps beside it, which is not looked into.
#[must_use]
pub fn encode_floor(control: &Control, consensus: Option<&Bytes>) -> Bytes {
    let floor = Floor {
        control: *control,
        consensus: consensus.cloned(),
    };
    stored::encode(None, |out| floor.write_fields(out))
}

/// Reads what [`encode_floor`] wrote.
///
/// # Errors
/// [`CodecError`] when the bytes are damaged or of a newer release.
pub fn decode_floor(bytes: &[u8]) -> Result<(Control, Option<Bytes>), CodecError> {
    let Floor { control, consensus } =
        Floor::read_fields(stored::fields(bytes, Floor::NAME, None)?)?;
    Ok((control, consensus))
}

#[cfg(test)]
mod tests;
