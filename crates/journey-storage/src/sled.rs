//! The engine on disk: sled 0.34.7 with its known traps closed.
//!
//! sled's flush is not an fsync on Linux, and it relies on such flushes where it uses space again; a crash while it opens
//! leaves a file that blocks every later open; it moves large pages to side files that it never syncs; its backward
//! scan panics on some keys; and it takes damage anywhere in its log for the end of it. All of that is handled here and
//! nowhere else.

mod barrier;
mod contained;
mod database;
mod key;
mod open;
mod scrub;
mod tree;
mod witness;

use std::fs;
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::Arc;

pub use self::contained::panic_is_contained;
use self::database::Database;
use self::tree::SledTree;
use crate::engine::{Engine, Put, Tree};
use crate::error::StorageError;
use crate::files::io_error;
use crate::limits::SCAN_PAGE_ROWS;

/// sled makes this tree by itself; ours never use it.
const DEFAULT_TREE: &[u8] = b"__sled__default";

/// How to open a database.
#[derive(Debug, Clone)]
pub struct SledOptions {
    /// Its folder, created when it is not there.
    pub path: PathBuf,
    /// Size of a segment: a power of two, and the same at every open of this folder.
    pub segment_size_bytes: usize,
    /// The longest value of a row; must fit the segments as [`crate::limits::leaf_fits`] says.
    pub value_size_bytes_max: usize,
    /// Page cache; 64 to 128 MiB, since sled is known to take a multiple of it.
    pub cache_capacity_bytes: u64,
}

/// The engine; clones are handles to the same database.
///
/// The folder is free again when the last handle and the last tree are gone.
#[derive(Clone)]
pub struct SledEngine {
    database: Arc<Database>,
}

impl SledEngine {
    /// Opens the database, creating it when it is not there.
    ///
    /// # Errors
    /// [`StorageError::UnsafeSizes`], [`StorageError::InUse`], [`StorageError::UnsyncedBlobs`], or what sled or the
    /// file system says.
    pub fn open(options: SledOptions) -> Result<Self, StorageError> {
        let engine = Self {
            database: Arc::new(open::open(options)?),
        };
        engine.verify()?;
        Ok(engine)
    }
}

impl Engine for SledEngine {
    fn tree(&self, name: &str) -> Result<Arc<dyn Tree>, StorageError> {
        let database = Arc::clone(&self.database);
        let attempt = format!("opening tree {name} of");
        let tree = database.call(&attempt, |db| db.open_tree(name))?;
        Ok(Arc::new(SledTree::new(tree, name, database)))
    }

    fn location(&self) -> String {
        self.database.path.display().to_string()
    }

    fn tree_names(&self) -> Vec<String> {
        let names = self.database.db.tree_names();
        let mut names: Vec<String> = names
            .iter()
            .filter(|name| **name != DEFAULT_TREE)
            .map(|name| String::from_utf8_lossy(name).into_owned())
            .collect();
        names.sort();
        names
    }

    fn remove_tree(&self, name: &str) -> Result<bool, StorageError> {
        let database = &self.database;
        if !self.tree_names().iter().any(|existing| existing == name) {
            return Ok(false);
        }
        // Rows first, since sled removes a whole tree without a chance to fsync in between.
        let tree = self.tree(name)?;
        loop {
            let rows = tree.range(Bound::Unbounded, Bound::Unbounded, SCAN_PAGE_ROWS)?;
            if rows.is_empty() {
                break;
            }
            let removals: Vec<Put> = rows.into_iter().map(|(key, _)| Put::remove(key)).collect();
            tree.put_ordered(&removals)?;
        }
        database.call(&format!("removing tree {name} of"), |db| db.drop_tree(name))
    }

    fn flush_durable(&self) -> Result<(), StorageError> {
        self.database.flush()
    }

    fn size_bytes(&self) -> Result<u64, StorageError> {
        self.database.call("measuring", ::sled::Db::size_on_disk)
    }

    fn verify(&self) -> Result<(), StorageError> {
        let path = self.database.path.join("blobs");
        let n_files = fs::read_dir(&path)
            .map_err(io_error("reading", &path))?
            .count();
        if n_files > 0 {
            return Err(StorageError::UnsyncedBlobs { path, n_files });
        }
        Ok(())
    }
}

impl std::fmt::Debug for SledEngine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("SledEngine")
            .field("path", &self.database.path)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
