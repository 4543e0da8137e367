//! Looks for damage in sled's log before sled opens it.
//!
//! Where a message of the log does not read, sled takes the log to end there, or the segment, and goes on without what
//! follows: after a crash that is right, but a flipped bit in what was synced long ago silently takes every row behind
//! it. So what lies between sled's index (written at its last open) and the last fsync is read here first, message by
//! message. What the index points to is checked by sled itself when it is read.
//!
//! ```text
//!   segment   crc32 (4), position (8), stable position (8), messages, until a cap or too little room
//!   message   crc32 (4), kind (1), length, segment's number, page (varints), body
//! ```
//!
//! The format is that of the pinned sled 0.34.7.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::error::StorageError;
use crate::files::io_error;

const SEGMENT_HEADER_SIZE_BYTES: usize = 20;
/// No message begins where less than this is left of its segment.
const MESSAGE_HEADER_SIZE_BYTES_MAX: usize = 32;
const KIND_CAP: u8 = 2;
const KIND_MAX: u8 = 11;

/// What is known of a database before it is opened.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    pub(super) segment_size_bytes: usize,
    /// The position that sled's index covers, 0 without one.
    pub(super) index_lsn: i64,
    /// The position up to which everything was synced.
    pub(super) synced_lsn: i64,
}

/// Checks the data file at the path.
///
/// # Errors
/// [`StorageError::DamagedFile`] with the place of what does not read back and was synced.
pub(super) fn scrub(path: &Path, known: Known) -> Result<(), StorageError> {
    let file = File::open(path).map_err(io_error("opening", path))?;
    let size_bytes = file.metadata().map_err(io_error("reading", path))?.len();
    let segment_size = known.segment_size_bytes as u64;
    let mut scrub = Scrub {
        path,
        file,
        known,
        buffer: Vec::new(),
        unnamed: Vec::new(),
        segments: BTreeSet::new(),
    };
    for number in 0..size_bytes.div_ceil(segment_size) {
        scrub.read_header(number * segment_size)?;
    }
    scrub.check_end(size_bytes)?;
    for (lsn, offset) in scrub.segments.clone() {
        if lsn >= known.segment_of(known.index_lsn) && lsn <= known.synced_lsn {
            scrub.check_segment(offset, lsn)?;
        }
    }
    for offset in std::mem::take(&mut scrub.unnamed) {
        scrub.check_unnamed(offset)?;
    }
    Ok(())
}

struct Scrub<'a> {
    path: &'a Path,
    file: File,
    known: Known,
    buffer: Vec<u8>,
    /// Segments by their position in the log, with their offset in the file.
    segments: BTreeSet<(i64, u64)>,
    /// Offsets of segments without a header that reads.
    unnamed: Vec<u64>,
}

/// A message that reads.
struct Message {
    kind: u8,
    segment_number: u64,
    size_bytes: usize,
}

impl Known {
    fn segment_size(&self) -> i64 {
        i64::try_from(self.segment_size_bytes).unwrap_or(i64::MAX)
    }

    /// The position at which the segment of that position begins.
    fn segment_of(&self, lsn: i64) -> i64 {
        lsn - lsn.rem_euclid(self.segment_size())
    }

    fn number_of(&self, segment_lsn: i64) -> u64 {
        u64::try_from(segment_lsn / self.segment_size()).unwrap_or(0)
    }
}

impl Scrub<'_> {
    fn read_header(&mut self, offset: u64) -> Result<(), StorageError> {
        self.read(offset, SEGMENT_HEADER_SIZE_BYTES)?;
        match segment_lsn(&self.buffer) {
            Some(lsn) => {
                self.segments.insert((lsn, offset));
            }
            None => self.unnamed.push(offset),
        }
        Ok(())
    }

    /// Some segment must reach the last synced position. It need not be the one that held it: after a power cut the
    /// witness may be old, and that segment freed and used again since.
    fn check_end(&self, size_bytes: u64) -> Result<(), StorageError> {
        let wanted = self.known.segment_of(self.known.synced_lsn);
        let newest = self.segments.last().map_or(-1, |(lsn, _)| *lsn);
        if newest >= wanted || self.known.synced_lsn <= self.known.index_lsn {
            return Ok(());
        }
        Err(self.damaged(
            size_bytes,
            format!(
                "it was synced up to position {} of its log, and the segment at {wanted} is missing",
                self.known.synced_lsn
            ),
        ))
    }

    /// Every message of a segment must read, up to its end or the last synced position.
    fn check_segment(&mut self, offset: u64, lsn: i64) -> Result<(), StorageError> {
        self.read(offset, self.known.segment_size_bytes)?;
        let number = self.known.number_of(lsn);
        let mut at = SEGMENT_HEADER_SIZE_BYTES;
        while at + MESSAGE_HEADER_SIZE_BYTES_MAX <= self.known.segment_size_bytes {
            let message = message_at(&self.buffer, at);
            match message.filter(|message| message.segment_number == number) {
                Some(message) if message.kind == KIND_CAP => return Ok(()),
                Some(message) => at += message.size_bytes,
                None => {
                    let message_lsn = lsn + i64::try_from(at).unwrap_or(0);
                    let is_synced = message_lsn <= self.known.synced_lsn;
                    if is_synced && !self.is_written_over(at, number) {
                        return Err(self.damaged(
                            offset + at as u64,
                            format!(
                                "what was synced at position {message_lsn} of its log does not read"
                            ),
                        ));
                    }
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Whether what follows belongs to one of the newest segments: sled writes them over freed ones, and a crash may
    /// have kept the middle of one and lost its header. Less than a segment is written between two fsyncs, so it is
    /// the last that is there, the one before or the one behind.
    fn is_written_over(&self, at: usize, own: u64) -> bool {
        let newest = self.segments.last().map_or(0, |(lsn, _)| *lsn);
        let newest = self.known.number_of(newest);
        let last = self
            .buffer
            .len()
            .saturating_sub(MESSAGE_HEADER_SIZE_BYTES_MAX);
        (at..last).any(|at| {
            // Cheap first: nearly no byte is a kind with such a number behind it.
            let message = header_at(&self.buffer, at);
            message.is_some_and(|(message, _)| {
                message.segment_number > own && message.segment_number.abs_diff(newest) <= 1
            }) && message_at(&self.buffer, at).is_some()
        })
    }

    /// A segment without a header that reads was never written, or lost it: then its messages still tell which it is.
    fn check_unnamed(&mut self, offset: u64) -> Result<(), StorageError> {
        self.read(offset, self.known.segment_size_bytes)?;
        let Some(message) = message_at(&self.buffer, SEGMENT_HEADER_SIZE_BYTES) else {
            return Ok(());
        };
        let number = i64::try_from(message.segment_number).unwrap_or(i64::MAX);
        let lsn = number.saturating_mul(self.known.segment_size());
        let is_known = self.segments.iter().any(|(known, _)| *known == lsn);
        let was_synced =
            lsn >= self.known.segment_of(self.known.index_lsn) && lsn < self.known.synced_lsn;
        if was_synced && !is_known {
            let reason =
                format!("the header of the segment at position {lsn} of its log does not read");
            return Err(self.damaged(offset, reason));
        }
        Ok(())
    }

    /// Fills the buffer; what lies behind the end of the file reads as zeros.
    fn read(&mut self, offset: u64, size_bytes: usize) -> Result<(), StorageError> {
        self.buffer.clear();
        self.buffer.resize(size_bytes, 0);
        let mut n_bytes = 0;
        while n_bytes < size_bytes {
            let read = self
                .file
                .read_at(&mut self.buffer[n_bytes..], offset + n_bytes as u64)
                .map_err(io_error("reading", self.path))?;
            if read == 0 {
                break;
            }
            n_bytes += read;
        }
        Ok(())
    }

    fn damaged(&self, offset: u64, reason: String) -> StorageError {
        StorageError::DamagedFile {
            path: self.path.to_owned(),
            offset,
            reason,
        }
    }
}

/// The position that a segment's header names.
fn segment_lsn(header: &[u8]) -> Option<i64> {
    let (checksum, rest) = header.split_first_chunk::<4>()?;
    let rest = rest.get(..SEGMENT_HEADER_SIZE_BYTES - 4)?;
    let checksum = u32::from_le_bytes(*checksum) ^ u32::MAX;
    if crc32fast::hash(rest) != checksum {
        return None;
    }
    let (lsn, _) = rest.split_first_chunk::<8>()?;
    Some(i64::from_le_bytes(*lsn) ^ i64::MAX)
}

/// A message's header, and where its body begins.
fn header_at(segment: &[u8], at: usize) -> Option<(Message, usize)> {
    let kind = *segment.get(at + 4)?;
    if kind == 0 || kind > KIND_MAX {
        return None;
    }
    let (length, n_length) = varint(segment.get(at + 5..)?)?;
    let (segment_number, n_number) = varint(segment.get(at + 5 + n_length..)?)?;
    let (_, n_page) = varint(segment.get(at + 5 + n_length + n_number..)?)?;
    let body = at + 5 + n_length + n_number + n_page;
    let end = body.checked_add(usize::try_from(length).ok()?)?;
    let message = Message {
        kind,
        segment_number,
        size_bytes: end - at,
    };
    (end <= segment.len()).then_some((message, body))
}

/// The message there, if its checksum fits.
fn message_at(segment: &[u8], at: usize) -> Option<Message> {
    let (message, body) = header_at(segment, at)?;
    let checksum = segment.get(at..)?.first_chunk::<4>()?;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&segment[body..at + message.size_bytes]);
    hasher.update(&segment[at + 4..body]);
    let is_whole = hasher.finalize() ^ u32::MAX == u32::from_le_bytes(*checksum);
    is_whole.then_some(message)
}

/// sled's form of numbers: one byte up to 240, else a first byte that tells how many follow.
fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let byte = |at: usize| bytes.get(at).map(|byte| u64::from(*byte));
    Some(match first {
        0..=240 => (u64::from(first), 1),
        241..=248 => (240 + 256 * (u64::from(first) - 241) + byte(1)?, 2),
        249 => (2_288 + 256 * byte(1)? + byte(2)?, 3),
        _ => {
            let n_bytes = usize::from(first) - 247;
            let mut number = [0; 8];
            number
                .get_mut(..n_bytes)?
                .copy_from_slice(bytes.get(1..=n_bytes)?);
            (u64::from_le_bytes(number), 1 + n_bytes)
        }
    })
}
