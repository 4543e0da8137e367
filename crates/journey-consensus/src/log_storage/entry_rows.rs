//! One entry as rows: a short one is one row, a long one a head row that names its chunks.
//!
//! Chunks are written before their head and removed after it, so that over any crash a head that is there has all its
//! chunks. Chunks without a head are leftovers that nobody reads.

use bytes::Bytes;
use journey_storage::{Put, Row};

use super::keys::{self, EntryKey};
use crate::GroupId;
use crate::limits::{ENTRY_SIZE_BYTES_MAX, LOG_VALUE_SIZE_BYTES_MAX};
use crate::raft_types::Entry;
use crate::record::{self, FORMAT, RecordFault};

/// First byte of the head row of an entry in chunks.
const CHUNKED: u8 = 2;
/// What a head may make its reader reserve, whatever it says.
const ENTRY_ROWS_SIZE_BYTES_MAX: usize = ENTRY_SIZE_BYTES_MAX + 1_024;
const _: () = assert!(CHUNKED != FORMAT, "a head must tell the two forms apart");

/// How large one entry is in the log; kept in memory for each entry, so that reads and purges know without reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct EntrySize(u32);

impl EntrySize {
    /// Encoded bytes.
    pub(super) fn bytes(self) -> u64 {
        u64::from(self.0)
    }

    /// Rows beside the head row.
    fn n_chunks(self) -> u16 {
        n_chunks(self.0 as usize)
    }

    /// Keys of all rows of the entry, the head first.
    pub(super) fn keys(self, group: GroupId, index: u64) -> impl Iterator<Item = Vec<u8>> {
        let chunks = (0..self.n_chunks()).map(move |chunk| keys::chunk(group, index, chunk));
        std::iter::once(keys::entry(group, index)).chain(chunks)
    }
}

/// Encodes the entry into rows, in the order in which they must be written.
pub(super) fn encode(group: GroupId, entry: &Entry, puts: &mut Vec<Put>) -> EntrySize {
    let index = entry.log_id.index();
    let value = record::encode_entry(entry);
    let size = u32::try_from(value.len()).expect("an entry has at most 2 MiB and a header");
    let n_chunks = n_chunks(value.len());
    if n_chunks == 0 {
        puts.push(Put {
            key: keys::entry(group, index),
            value: Some(value),
        });
        return EntrySize(size);
    }
    for (number, part) in (0..n_chunks).zip(value.chunks(LOG_VALUE_SIZE_BYTES_MAX)) {
        puts.push(Put {
            key: keys::chunk(group, index, number),
            value: Some(part.to_vec()),
        });
    }
    let mut head = vec![CHUNKED];
    head.extend_from_slice(&size.to_be_bytes());
    head.extend_from_slice(&crc32c::crc32c(&value).to_be_bytes());
    puts.push(Put {
        key: keys::entry(group, index),
        value: Some(head),
    });
    EntrySize(size)
}

/// Puts entries together from rows in key order, skipping leftovers.
#[derive(Debug, Default)]
pub(super) struct Assembler {
    open: Option<OpenEntry>,
}

/// A head whose chunks are being read.
#[derive(Debug)]
struct OpenEntry {
    index: u64,
    size: u32,
    checksum: u32,
    value: Vec<u8>,
}

/// An index, and why what lies there does not read.
pub(super) type Fault = (u64, RecordFault);

/// What one row was.
#[derive(Debug)]
pub(super) enum RowMeaning {
    /// The last row of an entry.
    Entry { entry: Entry, size: EntrySize },
    /// A row of an entry whose last row comes later.
    Part,
    /// A chunk without a head: written before a crash, read by nobody.
    Leftover { index: u64 },
}

impl Assembler {
    /// Takes the next row.
    ///
    /// # Errors
    /// The index of the entry that does not read, and why.
    pub(super) fn push(&mut self, (key, value): Row) -> Result<RowMeaning, Fault> {
        let Some(key) = keys::parse_entry(&key) else {
            return Err(damaged(
                0,
                format!("a key of {} bytes is no entry", key.len()),
            ));
        };
        match key {
            EntryKey::Head { index } => {
                self.finished()?;
                self.push_head(index, value)
            }
            EntryKey::Chunk { index, chunk } => self.push_chunk(index, chunk, &value),
        }
    }

    /// Checks that no entry waits for chunks.
    ///
    /// # Errors
    /// As [`Assembler::push`].
    pub(super) fn finished(&self) -> Result<(), Fault> {
        self.open.as_ref().map_or(Ok(()), |open| {
            Err(damaged(open.index, "chunks of it are missing"))
        })
    }

    fn push_head(&mut self, index: u64, value: Vec<u8>) -> Result<RowMeaning, Fault> {
        if value.first() != Some(&CHUNKED) {
            let size =
                u32::try_from(value.len()).map_err(|error| damaged(index, error.to_string()))?;
            return decode(index, value, EntrySize(size));
        }
        let (Some(size), Some(checksum)) = (u32_at(&value, 1), u32_at(&value, 5)) else {
            return Err(damaged(index, "its head is too short"));
        };
        self.open = Some(OpenEntry {
            index,
            size,
            checksum,
            value: Vec::with_capacity((size as usize).min(ENTRY_ROWS_SIZE_BYTES_MAX)),
        });
        Ok(RowMeaning::Part)
    }

    fn push_chunk(&mut self, index: u64, chunk: u16, value: &[u8]) -> Result<RowMeaning, Fault> {
        let Some(open) = self.open.as_mut().filter(|open| open.index == index) else {
            self.finished()?;
            return Ok(RowMeaning::Leftover { index });
        };
        if open.value.len() != usize::from(chunk) * LOG_VALUE_SIZE_BYTES_MAX {
            return Err(damaged(index, format!("its chunk {chunk} is out of place")));
        }
        open.value.extend_from_slice(value);
        if open.value.len() < open.size as usize {
            return Ok(RowMeaning::Part);
        }
        let open = self.open.take().expect("checked above");
        if open.value.len() != open.size as usize || crc32c::crc32c(&open.value) != open.checksum {
            return Err(damaged(index, "its checksum does not fit"));
        }
        decode(index, open.value, EntrySize(open.size))
    }
}

fn damaged(index: u64, reason: impl Into<String>) -> Fault {
    (index, RecordFault::Damaged(reason.into()))
}

fn decode(index: u64, value: Vec<u8>, size: EntrySize) -> Result<RowMeaning, Fault> {
    let entry = record::decode_entry(Bytes::from(value)).map_err(|fault| (index, fault))?;
    if entry.log_id.index() != index {
        let found = entry.log_id.index();
        return Err(damaged(index, format!("its row holds entry {found}")));
    }
    Ok(RowMeaning::Entry { entry, size })
}

fn n_chunks(size_bytes: usize) -> u16 {
    if size_bytes <= LOG_VALUE_SIZE_BYTES_MAX {
        return 0;
    }
    u16::try_from(size_bytes.div_ceil(LOG_VALUE_SIZE_BYTES_MAX))
        .expect("entries have at most 2 MiB, checked where they are proposed")
}

fn u32_at(value: &[u8], at: usize) -> Option<u32> {
    let (number, _) = value.get(at..)?.split_first_chunk::<4>()?;
    Some(u32::from_be_bytes(*number))
}
