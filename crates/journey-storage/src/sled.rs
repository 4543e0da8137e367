//! The engine on disk: sled 0.34.7 with its known traps closed.
//!
//! sled's flush is not an fsync on Linux, and it uses segments again that only such flushes had freed; a crash while it
//! opens leaves a file that blocks every later open; it moves large pages to side files that it never syncs; and its
//! backward scan panics on some keys. All of that is handled here and nowhere else.

mod key;
mod open;
mod tree;

use std::fs::{self, File};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

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
    /// Log bytes that sled may write before the next fsync.
    unsynced_bytes_max: i64,
    /// sled's log position up to which everything has been fsynced.
    synced_lsn: AtomicI64,
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

    /// The position in sled's log up to which everything has been handed to the system. Hidden in sled's API, whose
    /// version is pinned.
    fn written_lsn(&self) -> i64 {
        self.db.context.pagecache.log.stable_offset()
    }

    /// Makes everything that sled has handed to the system survive a power cut.
    fn sync(&self) -> Result<(), StorageError> {
        let written_lsn = self.written_lsn();
        let synced = self.file.sync_data();
        if synced.is_err() {
            // After a failed fsync the kernel may drop the pages and let the next one succeed without them.
            self.flush_failed.store(true, Ordering::Release);
        }
        synced.map_err(io_error("syncing", &self.path.join("db")))?;
        self.synced_lsn.fetch_max(written_lsn, Ordering::AcqRel);
        Ok(())
    }

    /// Fsyncs before sled can use segments again whose rows moved to places that no fsync has covered.
    ///
    /// sled frees a segment once its rows lie in later segments that it believes stable, at the earliest one whole
    /// segment later. It believes so after a `sync_file_range`, which covers neither the disk's cache nor the growth of
    /// the file. A power cut could then keep the new contents of the old segment and lose the later ones, and with them
    /// rows that were flushed long ago (34 of 60 simulated power cuts, with 5 to 20 MB written since the last fsync). So
    /// every call that writes comes here, and half a segment at most is written between two fsyncs.
    fn sync_when_due(&self) -> Result<(), StorageError> {
        let unsynced_bytes = self.written_lsn() - self.synced_lsn.load(Ordering::Acquire);
        if unsynced_bytes > self.unsynced_bytes_max {
            self.sync()?;
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
        if let Err(error) = database.db.flush() {
            database.flush_failed.store(true, Ordering::Release);
            return Err(database.failed("flushing", error));
        }
        database.sync()
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
