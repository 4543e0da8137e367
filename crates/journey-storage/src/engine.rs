//! The one boundary to a storage engine: a handful of synchronous calls that sled, and a memory engine that forgets
//! what was not synced, both honour and that one conformance suite checks.

use std::ops::Bound;
use std::sync::Arc;

use crate::error::StorageError;

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

    /// Names of the trees that exist, sorted.
    fn tree_names(&self) -> Vec<String>;

    /// Blocks until every write made before this call survives a power cut (a real fsync, not a page-cache flush).
    ///
    /// # Errors
    /// The engine's own failure; the writes may or may not be durable then.
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
    /// Reads one value.
    ///
    /// # Errors
    /// The engine's own failure.
    fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, StorageError>;

    /// Writes the changes one after the other, in the order given. Not atomic over a crash: a prefix may survive.
    /// This is the call for hot paths.
    ///
    /// # Errors
    /// [`StorageError::ValueTooLarge`] before anything is written, or the engine's own failure.
    fn put_ordered(&self, puts: &[Put]) -> Result<(), StorageError>;

    /// Writes all changes or none, also over a crash. Takes a process-wide lock in sled: never on a hot path.
    ///
    /// # Errors
    /// As [`Tree::put_ordered`].
    fn apply_atomic(&self, puts: &[Put]) -> Result<(), StorageError>;

    /// Reads up to `rows_max` rows in key order between the bounds.
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
