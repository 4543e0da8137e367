//! An open sled database: what its engine and its trees share, and when it must reach the disk.

use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use parking_lot::Mutex;

use super::barrier::Barrier;
use super::contained::contained;
use super::witness::Witness;
use crate::engine::Put;
use crate::error::StorageError;
use crate::files::io_error;

/// The fields are dropped in this order, so that the lock goes last.
pub(super) struct Database {
    pub(super) db: ::sled::Db,
    /// Our own handle of sled's data file, for the fsync that sled leaves out.
    file: File,
    pub(super) path: PathBuf,
    pub(super) value_size_bytes_max: usize,
    barrier: Mutex<Barrier>,
    /// sled's log position up to which everything has been fsynced.
    pub(super) synced_lsn: AtomicI64,
    flush_failed: AtomicBool,
    witness: Mutex<Witness>,
    _lock: File,
}

/// What a database is made of when it is opened.
pub(super) struct Opened {
    pub(super) db: ::sled::Db,
    pub(super) file: File,
    pub(super) lock: File,
    pub(super) witness: Witness,
    pub(super) path: PathBuf,
    pub(super) segment_size_bytes: usize,
    pub(super) value_size_bytes_max: usize,
}

impl Database {
    /// Takes over a database of which everything is on disk.
    pub(super) fn new(opened: Opened) -> Self {
        Self {
            synced_lsn: AtomicI64::new(written_lsn(&opened.db)),
            barrier: Mutex::new(Barrier::new(opened.segment_size_bytes)),
            db: opened.db,
            file: opened.file,
            path: opened.path,
            value_size_bytes_max: opened.value_size_bytes_max,
            flush_failed: AtomicBool::new(false),
            witness: Mutex::new(opened.witness),
            _lock: opened.lock,
        }
    }

    pub(super) fn failed(&self, attempt: &str, error: impl std::fmt::Display) -> StorageError {
        StorageError::engine(format!("{attempt} {}", self.path.display()), error)
    }

    /// Calls sled and tells its failure, or its panic, as ours.
    pub(super) fn call<T>(
        &self,
        attempt: &str,
        call: impl FnOnce(&::sled::Db) -> ::sled::Result<T>,
    ) -> Result<T, StorageError> {
        match contained(|| call(&self.db)) {
            Ok(Ok(done)) => Ok(done),
            Ok(Err(error)) => Err(self.failed(attempt, error)),
            Err(reason) => Err(self.failed(attempt, reason)),
        }
    }

    pub(super) fn check_writable(&self) -> Result<(), StorageError> {
        // Acquire pairs with the store after a failed flush: whoever saw that failure is refused here.
        if self.flush_failed.load(Ordering::Acquire) {
            let database = self.path.display().to_string();
            return Err(StorageError::FlushFailed { database });
        }
        Ok(())
    }

    /// Makes every write that was made before survive a power cut.
    pub(super) fn flush(&self) -> Result<(), StorageError> {
        self.check_writable()?;
        let flushed = self.flush_and_sync();
        if flushed.is_err() {
            // After a failed fsync the kernel may drop the pages and let the next one succeed without them.
            self.flush_failed.store(true, Ordering::Release);
        }
        let flushed_lsn = flushed?;
        let growth = flushed_lsn - self.synced_lsn.fetch_max(flushed_lsn, Ordering::AcqRel);
        self.barrier
            .lock()
            .passed(u64::try_from(growth).unwrap_or(0));
        Ok(())
    }

    /// To be called before each write. Flushes when sled could otherwise write so much between two fsyncs that a power
    /// cut may take what was flushed before.
    ///
    /// sled believes what it has handed to the system with `sync_file_range` to be stable, which covers neither the
    /// disk's cache nor the growth of the file. On the strength of that it
    ///
    /// - writes over segments whose rows lie in later ones by now, at the earliest one whole segment later;
    /// - says in the header of a new segment up to where its log is stable, and reads nothing at all after a crash that
    ///   has kept this header and lost that of the segment which it points into.
    ///
    /// Both lose rows flushed long ago, if a power cut keeps some writes and loses earlier ones. Neither can happen
    /// while less than one segment is written between two fsyncs.
    pub(super) fn admit(&self, puts: &[Put]) -> Result<(), StorageError> {
        let unsynced = written_lsn(&self.db) - self.synced_lsn.load(Ordering::Acquire);
        let unsynced = u64::try_from(unsynced).unwrap_or(0);
        let is_due = self.barrier.lock().is_due(puts, unsynced);
        if is_due {
            self.flush()?;
            // They come after this flush, so they count for the next.
            self.barrier.lock().is_due(puts, 0);
        }
        Ok(())
    }

    fn flush_and_sync(&self) -> Result<i64, StorageError> {
        self.call("flushing", |db| db.flush())?;
        let flushed_lsn = written_lsn(&self.db);
        self.file
            .sync_data()
            .map_err(io_error("syncing", &self.path.join("db")))?;
        self.witness.lock().note(flushed_lsn)?;
        Ok(flushed_lsn)
    }
}

/// The position in sled's log up to which everything has been handed to the system. Hidden in sled's API, whose version
/// is pinned.
pub(super) fn written_lsn(db: &::sled::Db) -> i64 {
    db.context.pagecache.log.stable_offset()
}
