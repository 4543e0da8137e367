//! Opens a sled database past the traps that lie there, and makes its files survive a power cut.

use std::fs::{self, File, OpenOptions};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use super::SledOptions;
use super::database::{Database, Opened};
use crate::error::StorageError;
use crate::files::{create_folder, io_error, lock_folder, poll_lock, sync_folder};
use crate::limits::leaf_fits;

/// Opens the database in the options' folder, alone.
pub(super) fn open(options: SledOptions) -> Result<Database, StorageError> {
    let SledOptions {
        path,
        segment_size_bytes,
        value_size_bytes_max,
        cache_capacity_bytes,
    } = options;
    if !leaf_fits(segment_size_bytes, value_size_bytes_max) {
        return Err(StorageError::UnsafeSizes {
            segment_size_bytes,
            value_size_bytes_max,
        });
    }
    create_folder(&path)?;
    let lock = lock_folder(&path)?;
    remove_half_written_indexes(&path)?;
    let config = ::sled::Config::new()
        .path(&path)
        .segment_size(segment_size_bytes)
        .cache_capacity(cache_capacity_bytes)
        // Its own thread would clean segments between our fsyncs, see `Database::admit`.
        .flush_every_ms(None);
    let db = open_alone(&config, &path)?;
    sync_files(&path)?;
    Ok(Database::new(Opened {
        file: open_file(&path.join("db"))?,
        db,
        lock,
        path,
        segment_size_bytes,
        value_size_bytes_max,
    }))
}

/// sled writes an index of its log at every open. A crash meanwhile leaves `snap.X.generating`, which every later open
/// takes for the newest index and fails on (sled#1527).
fn remove_half_written_indexes(path: &Path) -> Result<(), StorageError> {
    for entry in fs::read_dir(path).map_err(io_error("reading", path))? {
        let entry = entry.map_err(io_error("reading", path))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            tracing::warn!(file = %entry.path().display(), "removing a half-written index of sled");
            fs::remove_file(entry.path()).map_err(io_error("removing", &entry.path()))?;
        }
    }
    Ok(())
}

/// sled has a lock of its own. Once ours is held, only threads of a database that this process has just closed can
/// still hold sled's.
fn open_alone(config: &::sled::Config, path: &Path) -> Result<::sled::Db, StorageError> {
    let attempt = || format!("opening {}", path.display());
    poll_lock(path, || {
        // sled panics on some kinds of damage; input from the disk must not take the process down.
        let opened = catch_unwind(AssertUnwindSafe(|| config.open())).map_err(|_| {
            StorageError::engine(attempt(), "it panicked, so its files are probably damaged")
        })?;
        match opened {
            Ok(db) => Ok(Some(db)),
            Err(error) if error.to_string().contains("could not acquire lock") => Ok(None),
            Err(error) => Err(StorageError::engine(attempt(), error)),
        }
    })
}

/// sled syncs neither its settings file nor the names of its files.
fn sync_files(path: &Path) -> Result<(), StorageError> {
    for name in ["conf", "db"] {
        let path = path.join(name);
        open_file(&path)?
            .sync_all()
            .map_err(io_error("syncing", &path))?;
    }
    sync_folder(path)
}

fn open_file(path: &Path) -> Result<File, StorageError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .map_err(io_error("opening", path))
}
