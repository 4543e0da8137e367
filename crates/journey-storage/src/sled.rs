//! The engine on disk: sled 0.34.7 with its known traps closed.
//!
//! sled's flush is not an fsync on Linux, a crash while it opens leaves a file that blocks every later open, and it
//! moves large pages to side files that it never syncs. All of that is handled here and nowhere else.

mod key;
mod open;
mod tree;

use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use self::tree::SledTree;
use crate::engine::{Engine, Tree};
use crate::error::StorageError;
use crate::files::io_error;

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
    /// How often sled's own thread writes out what nobody flushed and frees segments; 200 ms is a good value.
    pub flush_every: Duration,
}

/// The engine; clones are handles to the same database.
///
/// The folder is free again when the last handle and the last tree are gone.
#[derive(Clone)]
pub struct SledEngine {
    database: Arc<Database>,
}

/// The fields are dropped in this order, so that the lock goes last.
struct Database {
    db: ::sled::Db,
    /// Our own handle of sled's data file, for the fsync that sled leaves out.
    file: File,
    path: PathBuf,
    value_size_bytes_max: usize,
    flush_failed: AtomicBool,
    _lock: File,
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

impl Database {
    fn failed(&self, attempt: &str, error: impl std::fmt::Display) -> StorageError {
        StorageError::engine(format!("{attempt} {}", self.path.display()), error)
    }

    fn check_writable(&self) -> Result<(), StorageError> {
        // Acquire pairs with the store after a failed flush: whoever saw that failure is refused here.
        if self.flush_failed.load(Ordering::Acquire) {
            let database = self.path.display().to_string();
            return Err(StorageError::FlushFailed { database });
        }
        Ok(())
    }
}

impl Engine for SledEngine {
    fn tree(&self, name: &str) -> Result<Arc<dyn Tree>, StorageError> {
        let database = Arc::clone(&self.database);
        let tree = database
            .db
            .open_tree(name)
            .map_err(|error| database.failed(&format!("opening tree {name} of"), error))?;
        Ok(Arc::new(SledTree::new(tree, name, database)))
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
        database.check_writable()?;
        let removed = database.db.drop_tree(name);
        removed.map_err(|error| database.failed(&format!("removing tree {name} of"), error))
    }

    fn flush_durable(&self) -> Result<(), StorageError> {
        let database = &self.database;
        database.check_writable()?;
        let flushed = database
            .db
            .flush()
            .map_err(|error| database.failed("flushing", error))
            .and_then(|_| {
                let synced = database.file.sync_data();
                synced.map_err(io_error("syncing", &database.path.join("db")))
            });
        if flushed.is_err() {
            // After a failed fsync the kernel may drop the pages and let the next one succeed without them.
            database.flush_failed.store(true, Ordering::Release);
        }
        flushed
    }

    fn size_bytes(&self) -> Result<u64, StorageError> {
        let size_bytes = self.database.db.size_on_disk();
        size_bytes.map_err(|error| self.database.failed("measuring", error))
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
