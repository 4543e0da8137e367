//! The one boundary to a storage engine: a handful of synchronous calls that sled, and a memory engine that forgets
//! what was not synced, both honour and that one conformance suite checks.

use std::ops::Bound;
use std::sync::Arc;

use crate::error::StorageError;
use crate::limits::{ATOMIC_BATCH_SIZE_BYTES_MAX, KEY_SIZE_BYTES_MAX};

/// One key with its value, as read from a tree.
pub type Row = (Vec<u8>, Vec<u8>);

/// One change of a tree: a value to store under the key, or `None` to remove the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// The key, at most [`crate::limits::KEY_SIZE_BYTES_MAX`] bytes.
    pub key: Vec<u8>,
    /// The value to store, or `None` to remove the key.
    pub value: Option<Vec<u8>>,
}

impl Put {
    /// Stores the value under the key.
    #[must_use]
    pub fn set(key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        Self {
            key: key.into(),
            value: Some(value.into()),
        }
    }

    /// Removes the key.
    #[must_use]
    pub fn remove(key: impl Into<Vec<u8>>) -> Self {
        Self {
            key: key.into(),
            value: None,
        }
    }
}

/// A database of named, ordered trees that share one durable log.
///
/// # Invariants
/// After a crash the surviving state is a prefix of the writes in the order in which they were made, over all trees,
/// and holds at least everything that a finished [`Engine::flush_durable`] covered.
pub trait Engine: Send + Sync + std::fmt::Debug + 'static {
    /// Opens the tree of that name, creating it when it is not there.
    ///
    /// # Errors
    /// The engine's own failure.
    fn tree(&self, name: &str) -> Result<Arc<dyn Tree>, StorageError>;

    /// Where the database lies, for errors: its folder, or `memory`.
    fn location(&self) -> String {
        "memory".to_owned()
    }

    /// Names of the trees that exist, sorted.
    fn tree_names(&self) -> Vec<String>;

    /// Removes a tree with all its rows; handles to it fail from then on. Answers whether there was one.
    ///
    /// # Errors
    /// The engine's own failure.
    fn remove_tree(&self, name: &str) -> Result<bool, StorageError>;

    /// Blocks until every write made before this call survives a power cut (a real fsync, not a page-cache flush).
    ///
    /// # Errors
    /// The engine's own failure; the writes may or may not be durable then, and since a later fsync could succeed
    /// without them, every later write and flush of this database fails with [`StorageError::FlushFailed`] until it is
    /// opened again.
    fn flush_durable(&self) -> Result<(), StorageError>;

    /// Bytes this database takes on disk (memory engine: bytes of live rows).
    ///
    /// # Errors
    /// The engine's own failure.
    fn size_bytes(&self) -> Result<u64, StorageError>;

    /// Checks that no value went to a side file that is never synced; refuses service otherwise.
    ///
    /// # Errors
    /// [`StorageError::UnsyncedBlobs`] naming the folder and how many files lie in it.
    fn verify(&self) -> Result<(), StorageError>;
}

/// One ordered map of byte keys to byte values.
pub trait Tree: Send + Sync + std::fmt::Debug + 'static {
    /// Its name, for errors.
    fn name(&self) -> &str;

    /// Reads one value.
    ///
    /// # Errors
    /// The engine's own failure.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError>;

    /// Writes the changes one after the other, in the order given. Not atomic over a crash: a prefix may survive.
    /// This is the call for hot paths.
    ///
    /// # Errors
    /// [`StorageError::ValueTooLarge`] or [`StorageError::KeyTooLarge`] before anything is written, or the engine's own
    /// failure, with a prefix of the changes made.
    fn put_ordered(&self, puts: &[Put]) -> Result<(), StorageError>;

    /// Writes all changes or none, also over a crash. Takes a process-wide lock in sled: never on a hot path.
    ///
    /// # Errors
    /// As [`Tree::put_ordered`], but with nothing changed, and [`StorageError::BatchTooLarge`] above
    /// [`ATOMIC_BATCH_SIZE_BYTES_MAX`] in all.
    fn apply_atomic(&self, puts: &[Put]) -> Result<(), StorageError>;

    /// Reads up to `rows_max` rows in key order between the bounds; bounds that cross give none. Writers may go on
    /// meanwhile: a row they touch is read before or after.
    ///
    /// # Errors
    /// The engine's own failure.
    fn range(
        &self,
        from: Bound<&[u8]>,
        to: Bound<&[u8]>,
        rows_max: usize,
    ) -> Result<Vec<Row>, StorageError>;

    /// The last row whose key is below or equal to the bound, if any.
    ///
    /// # Errors
    /// The engine's own failure.
    fn last_at_or_below(&self, to: Bound<&[u8]>) -> Result<Option<Row>, StorageError>;
}

/// Refuses changes that no engine may take, before the first is made.
pub(crate) fn check_sizes(
    tree: &str,
    puts: &[Put],
    value_size_bytes_max: usize,
) -> Result<(), StorageError> {
    for put in puts {
        if put.key.len() > KEY_SIZE_BYTES_MAX {
            return Err(StorageError::KeyTooLarge {
                tree: tree.to_owned(),
                size_bytes: put.key.len(),
                size_bytes_max: KEY_SIZE_BYTES_MAX,
            });
        }
        let size_bytes = put.value.as_ref().map_or(0, Vec::len);
        if size_bytes > value_size_bytes_max {
            return Err(StorageError::ValueTooLarge {
                tree: tree.to_owned(),
                size_bytes,
                size_bytes_max: value_size_bytes_max,
            });
        }
    }
    Ok(())
}

/// Refuses an atomic batch that no engine may take.
pub(crate) fn check_batch_size(tree: &str, puts: &[Put]) -> Result<(), StorageError> {
    let size_of = |put: &Put| put.key.len() + put.value.as_ref().map_or(0, Vec::len);
    let size_bytes = puts.iter().map(size_of).sum();
    if size_bytes > ATOMIC_BATCH_SIZE_BYTES_MAX {
        return Err(StorageError::BatchTooLarge {
            tree: tree.to_owned(),
            size_bytes,
            size_bytes_max: ATOMIC_BATCH_SIZE_BYTES_MAX,
        });
    }
    Ok(())
}

/// Whether no key can lie between the bounds, or they cross.
pub(crate) fn is_empty_range(from: Bound<&[u8]>, to: Bound<&[u8]>) -> bool {
    match (from, to) {
        (Bound::Unbounded, _) | (_, Bound::Unbounded) => false,
        (Bound::Included(from), Bound::Included(to)) => from > to,
        (
            Bound::Included(from) | Bound::Excluded(from),
            Bound::Included(to) | Bound::Excluded(to),
        ) => from >= to,
    }
}
