//! Values that are longer than a row may be, as rows under key + chunk number.
//!
//! ```text
//!   key 0000 ─► 00 bytes …
//!   key 0001 ─► 00 bytes …
//!   key 0002 ─► 01 number of chunks (2), crc32c of the whole value (4), bytes …      the last one, written last
//! ```
//!
//! Since a crash leaves a prefix of the writes, a value is there as soon as its last chunk is, and a value without its
//! last chunk was never whole. Write a new value under a *new* key and the row that names it after it; a key that must
//! be used again is first cleared with [`removals`]. Then no crash can mix two values, and the CRC catches whoever does
//! otherwise.

use std::ops::Bound;

use crate::engine::{Put, Tree};
use crate::error::StorageError;
use crate::limits::{CHUNKED_VALUE_SIZE_BYTES_MAX, VALUE_CHUNKS_MAX};
use crate::scan::Scan;

const MORE: u8 = 0;
const LAST: u8 = 1;
/// Tag, number of chunks, CRC.
const LAST_HEADER_SIZE_BYTES: usize = 1 + 2 + 4;

/// The changes that write the value, in the order in which they must be made. `row_size_bytes_max` is the value limit
/// of the database.
///
/// # Errors
/// [`StorageError::ChunkedValueTooLarge`].
pub fn split(
    key: &[u8],
    value: &[u8],
    row_size_bytes_max: usize,
) -> Result<Vec<Put>, StorageError> {
    let too_large = || StorageError::ChunkedValueTooLarge {
        size_bytes: value.len(),
        size_bytes_max: CHUNKED_VALUE_SIZE_BYTES_MAX,
    };
    if value.len() > CHUNKED_VALUE_SIZE_BYTES_MAX || row_size_bytes_max <= LAST_HEADER_SIZE_BYTES {
        return Err(too_large());
    }
    let mut puts = Vec::new();
    let mut rest = value;
    let mut number: u16 = 0;
    while rest.len() > row_size_bytes_max - LAST_HEADER_SIZE_BYTES {
        let (payload, behind) = rest.split_at(rest.len().min(row_size_bytes_max - 1));
        rest = behind;
        puts.push(Put::set(
            chunk_key(key, number),
            [&[MORE], payload].concat(),
        ));
        number = number.checked_add(1).ok_or_else(too_large)?;
    }
    let n_chunks = number.checked_add(1).ok_or_else(too_large)?;
    if usize::from(n_chunks) > VALUE_CHUNKS_MAX {
        return Err(too_large());
    }
    let crc = crc32c::crc32c(value).to_be_bytes();
    let last = [&[LAST], n_chunks.to_be_bytes().as_slice(), &crc, rest].concat();
    puts.push(Put::set(chunk_key(key, number), last));
    Ok(puts)
}

/// Reads the value back. `None` when its last chunk is not there: it was never written, was cut off by a crash, or its
/// removal was.
///
/// # Errors
/// [`StorageError::Damaged`] when the last chunk is there and the rest does not fit it, or the engine's own failure.
pub fn read(tree: &dyn Tree, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError> {
    let damaged = |reason: String| StorageError::Damaged {
        tree: tree.name().to_owned(),
        reason,
    };
    let mut value = Vec::new();
    let mut n_chunks: u16 = 0;
    let mut is_gapless = true;
    for chunk in chunks(tree, key).take(VALUE_CHUNKS_MAX) {
        let (number, row) = chunk?;
        is_gapless &= number == n_chunks;
        n_chunks += 1;
        match row.split_first() {
            Some((&MORE, payload)) => value.extend_from_slice(payload),
            Some((&LAST, last)) => {
                let (stored_chunks, crc, payload) =
                    parse_last(last).ok_or_else(|| damaged("its last chunk is cut".to_owned()))?;
                value.extend_from_slice(payload);
                if !is_gapless || stored_chunks != n_chunks {
                    let reason = format!("{n_chunks} of {stored_chunks} chunks were found");
                    return Err(damaged(reason));
                }
                if crc != crc32c::crc32c(&value) {
                    return Err(damaged(format!(
                        "the CRC of {n_chunks} chunks does not fit"
                    )));
                }
                return Ok(Some(value));
            }
            Some(_) | None => return Err(damaged(format!("chunk {number} has no known form"))),
        }
    }
    Ok(None)
}

/// The changes that remove the value, whatever is left of it, in the order in which they must be made: the last chunk
/// first, so that no crash leaves something that looks whole.
///
/// # Errors
/// The engine's own failure.
pub fn removals(tree: &dyn Tree, key: &[u8]) -> Result<Vec<Put>, StorageError> {
    let mut puts = chunks(tree, key)
        .map(|chunk| chunk.map(|(number, _)| Put::remove(chunk_key(key, number))))
        .collect::<Result<Vec<_>, _>>()?;
    puts.reverse();
    Ok(puts)
}

fn chunk_key(key: &[u8], number: u16) -> Vec<u8> {
    [key, &number.to_be_bytes()].concat()
}

fn parse_last(last: &[u8]) -> Option<(u16, u32, &[u8])> {
    let (n_chunks, last) = last.split_first_chunk()?;
    let (crc, payload) = last.split_first_chunk()?;
    Some((
        u16::from_be_bytes(*n_chunks),
        u32::from_be_bytes(*crc),
        payload,
    ))
}

/// The chunks under the key with their numbers. Longer keys between them belong to others.
fn chunks<'a>(
    tree: &'a dyn Tree,
    key: &'a [u8],
) -> impl Iterator<Item = Result<(u16, Vec<u8>), StorageError>> + 'a {
    let from = Bound::Included(chunk_key(key, 0));
    let to = Bound::Included(chunk_key(key, u16::MAX));
    Scan::new(tree, from, to).filter_map(|row| match row {
        Ok((found, row)) => {
            let number = found.strip_prefix(key)?.try_into().ok()?;
            Some(Ok((u16::from_be_bytes(number), row)))
        }
        Err(error) => Some(Err(error)),
    })
}

#[cfg(test)]
mod tests;
