//! The bytes of a snapshot: records one behind the other, cut into chunks anywhere.
//!
//! ```text
//!   record    kind (1), length (4), body
//!   header    format (1), partition (4), entry (8), floor row's value                  first
//!   customer  as in `rows/whole.rs`                                                    in the order of head rows
//!   counts    version (4), length of the journey's id (2), it, the counts              in order
//!   trailer   customers (8), versions counted (8), bytes before it (8) and their hash (16), state hash (16)  last
//! ```

use bytes::{Buf as _, Bytes};
use journey_types::{DefinitionVersion, JourneyId, Lsn, PartitionId};
use xxhash_rust::xxh3::Xxh3;

use crate::limits::SNAPSHOT_RECORD_SIZE_BYTES_MAX;
use crate::replica::counts::CountsKey;

const FORMAT_VERSION: u8 = 1;
const HEADER: u8 = 1;
const CUSTOMER: u8 = 2;
const COUNTS: u8 = 3;
const TRAILER: u8 = 4;
const LEAD_SIZE_BYTES: usize = 1 + 4;

/// A piece of a snapshot, at most [`crate::limits::SNAPSHOT_CHUNK_SIZE_BYTES_MAX`] long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SnapshotChunk {
    /// Bytes of the snapshot before it: a chunk that was lost, doubled or moved is found out.
    pub offset: u64,
    /// The bytes.
    pub bytes: Bytes,
    /// Whether the snapshot ends with it.
    pub is_last: bool,
}

/// What a snapshot begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) partition: PartitionId,
    pub(super) at: Lsn,
    /// Control and consensus' blob, as in the floor's row.
    pub(super) floor: Bytes,
}

/// What a snapshot ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trailer {
    pub(super) n_customers: u64,
    pub(super) n_counts: u64,
    pub(super) size_bytes: u64,
    /// Of all bytes before the trailer: also of what the state's hash does not see, such as consensus' blob.
    pub(super) bytes_hash: u128,
    pub(super) state_hash: u128,
}

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Record {
    Header(Header),
    Customer(Bytes),
    Counts(CountsKey, Bytes),
    Trailer(Trailer),
}

impl Record {
    /// Adds the record's bytes.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend([self.kind(), 0, 0, 0, 0]);
        match self {
            Self::Header(header) => {
                out.push(FORMAT_VERSION);
                out.extend(header.partition.get().to_be_bytes());
                out.extend(header.at.get().to_be_bytes());
                out.extend_from_slice(&header.floor);
            }
            Self::Customer(bytes) => out.extend_from_slice(bytes),
            Self::Counts((journey, version), bytes) => {
                out.extend(version.get().to_be_bytes());
                let length = u16::try_from(journey.as_str().len());
                out.extend(length.expect("ids are short").to_be_bytes());
                out.extend_from_slice(journey.as_str().as_bytes());
                out.extend_from_slice(bytes);
            }
            Self::Trailer(trailer) => {
                out.extend(trailer.n_customers.to_be_bytes());
                out.extend(trailer.n_counts.to_be_bytes());
                out.extend(trailer.size_bytes.to_be_bytes());
                out.extend(trailer.bytes_hash.to_be_bytes());
                out.extend(trailer.state_hash.to_be_bytes());
            }
        }
        let length = u32::try_from(out.len() - start - LEAD_SIZE_BYTES);
        let length = length.expect("a customer has a few MiB at most");
        out[start + 1..start + LEAD_SIZE_BYTES].copy_from_slice(&length.to_be_bytes());
    }

    const fn kind(&self) -> u8 {
        match self {
            Self::Header(_) => HEADER,
            Self::Customer(_) => CUSTOMER,
            Self::Counts(..) => COUNTS,
            Self::Trailer(_) => TRAILER,
        }
    }

    fn read(kind: u8, mut body: Bytes) -> Result<Self, String> {
        let cut = |_| "a record is cut".to_owned();
        match kind {
            HEADER => {
                let format = body.try_get_u8().map_err(cut)?;
                if format != FORMAT_VERSION {
                    return Err(format!(
                        "it has format {format}, and this release reads format {FORMAT_VERSION}"
                    ));
                }
                Ok(Self::Header(Header {
                    partition: PartitionId::new(body.try_get_u32().map_err(cut)?),
                    at: Lsn::new(body.try_get_u64().map_err(cut)?),
                    floor: body,
                }))
            }
            CUSTOMER => Ok(Self::Customer(body)),
            COUNTS => {
                let version = body.try_get_u32().map_err(cut)?;
                let length = usize::from(body.try_get_u16().map_err(cut)?);
                if body.len() < length {
                    return Err("a record is cut".to_owned());
                }
                let journey = body.split_to(length);
                let journey = std::str::from_utf8(&journey).map_err(|error| error.to_string())?;
                let journey = JourneyId::new(journey).map_err(|error| error.to_string())?;
                Ok(Self::Counts(
                    (journey, DefinitionVersion::new(version)),
                    body,
                ))
            }
            TRAILER => Ok(Self::Trailer(Trailer {
                n_customers: body.try_get_u64().map_err(cut)?,
                n_counts: body.try_get_u64().map_err(cut)?,
                size_bytes: body.try_get_u64().map_err(cut)?,
                bytes_hash: body.try_get_u128().map_err(cut)?,
                state_hash: body.try_get_u128().map_err(cut)?,
            })),
            kind => Err(format!("it holds a record of the unknown kind {kind}")),
        }
    }
}

/// Puts records together again, however the bytes were cut.
#[derive(Default)]
pub(super) struct RecordReader {
    /// At most one record and one chunk.
    buffer: Vec<u8>,
    /// Where the next record begins.
    start: usize,
    n_bytes: u64,
    hash: Xxh3,
}

impl RecordReader {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole record.
    pub(super) fn next(&mut self) -> Result<Option<Record>, String> {
        let rest = &self.buffer[self.start..];
        let Some((lead, body)) = rest.split_first_chunk::<LEAD_SIZE_BYTES>() else {
            return Ok(None);
        };
        let [kind, length @ ..] = *lead;
        let length = u32::from_be_bytes(length) as usize;
        if length > SNAPSHOT_RECORD_SIZE_BYTES_MAX {
            return Err(format!(
                "it holds a record of {length} bytes, above the limit of {SNAPSHOT_RECORD_SIZE_BYTES_MAX}"
            ));
        }
        let Some(body) = body.get(..length) else {
            return Ok(None);
        };
        let record = Record::read(kind, Bytes::copy_from_slice(body))?;
        let size_bytes = LEAD_SIZE_BYTES + length;
        if kind != TRAILER {
            self.n_bytes += size_bytes as u64;
            self.hash.update(&rest[..size_bytes]);
        }
        self.start += size_bytes;
        Ok(Some(record))
    }

    /// How many bytes of records came before the trailer, and their hash.
    pub(super) fn passed(&self) -> (u64, u128) {
        (self.n_bytes, self.hash.digest128())
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.start == self.buffer.len()
    }
}

impl std::fmt::Debug for RecordReader {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "RecordReader({} bytes)", self.n_bytes)
    }
}
