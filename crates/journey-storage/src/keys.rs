//! Keys built from typed parts, so that the order of the bytes is the order of the parts.
//!
//! Numbers are big-endian. Text ends with a 0x00, so `ab` lies before `abc` and no key is the beginning of another one
//! with the same parts. Bytes 0x00 and 0x01 inside text (no id of ours holds them) become 0x01 0x01 and 0x01 0x02,
//! which keeps the order too.

use std::ops::Bound;

use journey_types::Timestamp;

use crate::error::StorageError;

const END: u8 = 0x00;
const ESCAPE: u8 = 0x01;

/// Puts a key together, part by part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyWriter {
    bytes: Vec<u8>,
}

impl KeyWriter {
    /// Begins with the byte of a table.
    #[must_use]
    pub fn new(table: u8) -> Self {
        Self { bytes: vec![table] }
    }

    /// Adds one byte.
    #[must_use]
    pub fn u8(self, number: u8) -> Self {
        self.rest(&[number])
    }

    /// Adds a number of two bytes.
    #[must_use]
    pub fn u16(self, number: u16) -> Self {
        self.rest(&number.to_be_bytes())
    }

    /// Adds a number of four bytes.
    #[must_use]
    pub fn u32(self, number: u32) -> Self {
        self.rest(&number.to_be_bytes())
    }

    /// Adds a number of eight bytes.
    #[must_use]
    pub fn u64(self, number: u64) -> Self {
        self.rest(&number.to_be_bytes())
    }

    /// Adds an instant, as a number of eight bytes.
    #[must_use]
    pub fn timestamp(self, timestamp: Timestamp) -> Self {
        self.u64(timestamp.unix_ms().unsigned_abs())
    }

    /// Adds text and its end.
    #[must_use]
    pub fn text(mut self, text: &str) -> Self {
        for byte in text.bytes() {
            match byte {
                END => self.bytes.extend([ESCAPE, 1]),
                ESCAPE => self.bytes.extend([ESCAPE, 2]),
                byte => self.bytes.push(byte),
            }
        }
        self.bytes.push(END);
        self
    }

    /// Adds bytes as they are, of a length that the reader knows or that end the key.
    #[must_use]
    pub fn rest(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// The key, or the beginning of many keys.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

/// Takes a key apart again, in the order in which it was put together. Never panics, whatever the bytes.
#[derive(Debug, Clone)]
pub struct KeyReader<'a> {
    size_bytes: usize,
    rest: &'a [u8],
}

/// A stored key that does not have the parts it should have. Holds no bytes of it: they may name a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("key of {size_bytes} bytes has no {expected} at byte {at}")]
pub struct MalformedKey {
    /// Length of the key.
    pub size_bytes: usize,
    /// Where the reader stood.
    pub at: usize,
    /// The part that should be there.
    pub expected: &'static str,
}

impl MalformedKey {
    /// As damage of the tree that the key was read from.
    #[must_use]
    pub fn in_tree(self, tree: &str) -> StorageError {
        StorageError::Damaged {
            tree: tree.to_owned(),
            reason: self.to_string(),
        }
    }
}

impl<'a> KeyReader<'a> {
    /// Begins at the first byte.
    #[must_use]
    pub const fn new(key: &'a [u8]) -> Self {
        Self {
            size_bytes: key.len(),
            rest: key,
        }
    }

    /// An error at the place where the reader stands, also for parts that were read and make no sense.
    #[must_use]
    pub const fn malformed(&self, expected: &'static str) -> MalformedKey {
        MalformedKey {
            size_bytes: self.size_bytes,
            at: self.size_bytes - self.rest.len(),
            expected,
        }
    }

    /// Reads bytes of a known length.
    ///
    /// # Errors
    /// When the key ends before.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], MalformedKey> {
        let (array, rest) = self
            .rest
            .split_first_chunk()
            .ok_or_else(|| self.malformed("part of known length"))?;
        self.rest = rest;
        Ok(*array)
    }

    /// Reads one byte, the table's for instance.
    ///
    /// # Errors
    /// When the key ends before.
    pub fn u8(&mut self) -> Result<u8, MalformedKey> {
        self.array().map(u8::from_be_bytes)
    }

    /// Reads a number of two bytes.
    ///
    /// # Errors
    /// When the key ends before.
    pub fn u16(&mut self) -> Result<u16, MalformedKey> {
        self.array().map(u16::from_be_bytes)
    }

    /// Reads a number of four bytes.
    ///
    /// # Errors
    /// When the key ends before.
    pub fn u32(&mut self) -> Result<u32, MalformedKey> {
        self.array().map(u32::from_be_bytes)
    }

    /// Reads a number of eight bytes.
    ///
    /// # Errors
    /// When the key ends before.
    pub fn u64(&mut self) -> Result<u64, MalformedKey> {
        self.array().map(u64::from_be_bytes)
    }

    /// Reads an instant.
    ///
    /// # Errors
    /// When the key ends before, or the instant is out of range.
    pub fn timestamp(&mut self) -> Result<Timestamp, MalformedKey> {
        let malformed = self.malformed("instant");
        let unix_ms = i64::try_from(self.u64()?).map_err(|_| malformed)?;
        let timestamp = Timestamp::from_unix_ms(unix_ms);
        if timestamp.unix_ms() == unix_ms {
            Ok(timestamp)
        } else {
            Err(malformed)
        }
    }

    /// Reads text up to its end.
    ///
    /// # Errors
    /// When the end is missing, or the text is not UTF-8.
    pub fn text(&mut self) -> Result<String, MalformedKey> {
        let malformed = self.malformed("text");
        let end = self.rest.iter().position(|byte| *byte == END);
        let (escaped, rest) = self.rest.split_at(end.ok_or(malformed)?);
        self.rest = &rest[1..];
        let mut text = Vec::with_capacity(escaped.len());
        let mut bytes = escaped.iter();
        while let Some(byte) = bytes.next() {
            text.push(match (*byte, *byte == ESCAPE) {
                (byte, false) => byte,
                (_, true) => match bytes.next() {
                    Some(1) => END,
                    Some(2) => ESCAPE,
                    Some(_) | None => return Err(malformed),
                },
            });
        }
        String::from_utf8(text).map_err(|_| malformed)
    }

    /// Reads all that is left.
    #[must_use]
    pub const fn rest(self) -> &'a [u8] {
        self.rest
    }

    /// Checks that nothing is left.
    ///
    /// # Errors
    /// When something is.
    pub fn finish(self) -> Result<(), MalformedKey> {
        if self.rest.is_empty() {
            Ok(())
        } else {
            Err(self.malformed("end"))
        }
    }
}

/// The bounds of all keys that begin with the prefix.
#[must_use]
pub fn prefix_bounds(prefix: &[u8]) -> (Bound<Vec<u8>>, Bound<Vec<u8>>) {
    // The first key behind: the last byte that can be raised is raised, and what follows it is dropped.
    let raised = prefix.iter().rposition(|byte| *byte != u8::MAX);
    let to = raised.map_or(Bound::Unbounded, |position| {
        let mut behind = prefix[..=position].to_vec();
        behind[position] += 1;
        Bound::Excluded(behind)
    });
    (Bound::Included(prefix.to_vec()), to)
}

#[cfg(test)]
mod tests;
