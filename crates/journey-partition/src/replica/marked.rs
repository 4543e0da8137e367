//! Rows of one name that carry a mark: the last journal entry they reflect.
//!
//! ```text
//!   key              format (1), mark (8), 0, value                     short values lie in the row
//!   key              format (1), mark (8), 1                            long ones under a new key, written before
//!   body key, mark   value in chunks                                    the row that names them
//! ```

use std::ops::Bound;

use journey_storage::keys::prefix_bounds;
use journey_storage::{Put, Scan, StorageError, Tree, chunked};
use journey_types::Lsn;

const FORMAT_VERSION: u8 = 1;
const INLINE: u8 = 0;
const CHUNKED: u8 = 1;
const HEADER_SIZE_BYTES: usize = 1 + 8 + 1;
/// Second byte of a body's key, behind its table's; no name of a row begins with it.
const BODY: u8 = b'~';

/// A value with the last entry that it reflects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Marked {
    pub(super) mark: Lsn,
    pub(super) value: Vec<u8>,
}

/// Reads the row of that key.
pub(super) fn read(tree: &dyn Tree, key: &[u8]) -> Result<Option<Marked>, StorageError> {
    match tree.get(key)? {
        Some(row) => parse(tree, key, &row).map(Some),
        None => Ok(None),
    }
}

/// Reads what a row of that key says.
pub(super) fn parse(tree: &dyn Tree, key: &[u8], row: &[u8]) -> Result<Marked, StorageError> {
    let damaged = |reason: &str| StorageError::Damaged {
        tree: tree.name().to_owned(),
        reason: reason.to_owned(),
    };
    if let Some(found) = row.first().filter(|found| **found != FORMAT_VERSION) {
        return Err(StorageError::NewerRow {
            tree: tree.name().to_owned(),
            found: *found,
            supported: FORMAT_VERSION,
        });
    }
    let (mark, is_chunked, inline) =
        header(row).ok_or_else(|| damaged("a marked row has no known form"))?;
    let value = if is_chunked {
        let value = chunked::read(tree, &body_key(key, mark))?;
        value.ok_or_else(|| damaged("a marked row names a value that is not there"))?
    } else {
        inline.to_vec()
    };
    Ok(Marked { mark, value })
}

/// The changes that write the row, in the order in which they must be made. Nothing when the row has that mark.
pub(super) fn write(
    tree: &dyn Tree,
    key: &[u8],
    marked: &Marked,
    row_size_bytes_max: usize,
) -> Result<Vec<Put>, StorageError> {
    let row = tree.get(key)?;
    let old = row.as_deref().and_then(header);
    if old.is_some_and(|(mark, ..)| mark == marked.mark) {
        return Ok(Vec::new());
    }
    let named = old.and_then(|(mark, is_chunked, _)| is_chunked.then(|| body_key(key, mark)));
    let mut puts = Vec::new();
    let mut removals = Vec::new();
    // What a crash left half written goes before anything is written, what the row still names goes after.
    let (from, to) = prefix_bounds(&body_prefix(key));
    for body in Scan::new(tree, from, to) {
        let (body, _) = body?;
        let is_named = named
            .as_deref()
            .is_some_and(|named| body.starts_with(named));
        let list = if is_named { &mut removals } else { &mut puts };
        list.push(Put::remove(body));
    }
    removals.reverse();
    let is_chunked = HEADER_SIZE_BYTES + marked.value.len() > row_size_bytes_max;
    let mut row = vec![FORMAT_VERSION];
    row.extend(marked.mark.get().to_be_bytes());
    if is_chunked {
        row.push(CHUNKED);
        let body = body_key(key, marked.mark);
        puts.extend(chunked::split(&body, &marked.value, row_size_bytes_max)?);
    } else {
        row.push(INLINE);
        row.extend_from_slice(&marked.value);
    }
    puts.push(Put::set(key, row));
    puts.extend(removals);
    Ok(puts)
}

fn header(row: &[u8]) -> Option<(Lsn, bool, &[u8])> {
    let (version, row) = row.split_first()?;
    let (mark, row) = row.split_first_chunk()?;
    let (form, inline) = row.split_first()?;
    if *version != FORMAT_VERSION || *form > CHUNKED {
        return None;
    }
    Some((
        Lsn::new(u64::from_be_bytes(*mark)),
        *form == CHUNKED,
        inline,
    ))
}

fn body_prefix(key: &[u8]) -> Vec<u8> {
    let (table, name) = key.split_first().expect("keys begin with their table");
    [&[*table, BODY], name].concat()
}

fn body_key(key: &[u8], mark: Lsn) -> Vec<u8> {
    [body_prefix(key).as_slice(), &mark.get().to_be_bytes()].concat()
}

/// Bounds of the rows whose keys begin with the prefix.
pub(super) fn rows_of(
    tree: &dyn Tree,
    prefix: &[u8],
) -> impl Iterator<Item = Result<(Vec<u8>, Marked), StorageError>> {
    let (from, to): (Bound<Vec<u8>>, Bound<Vec<u8>>) = prefix_bounds(prefix);
    Scan::new(tree, from, to).map(move |row| {
        let (key, row) = row?;
        let marked = parse(tree, &key, &row)?;
        Ok((key, marked))
    })
}

#[cfg(test)]
mod tests;
