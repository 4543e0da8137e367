//! Opens a sled database past the traps that lie there, and makes its files survive a power cut.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};

use super::SledOptions;
use super::contained::contained;
use super::database::{Database, Opened, written_lsn};
use super::scrub::{Known, scrub};
use super::witness::Witness;
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
    let index_lsn = covered_by_index(&path)?;
    let witness = Witness::open(&path)?;
    let data = path.join("db");
    if let Some(synced_lsn) = witness.synced_lsn() {
        let known = Known {
            segment_size_bytes,
            index_lsn,
            synced_lsn,
        };
        scrub(&data, known)?;
    }
    let config = ::sled::Config::new()
        .path(&path)
        .segment_size(segment_size_bytes)
        .cache_capacity(cache_capacity_bytes)
        // Its own thread would clean segments between our fsyncs, see `Database::admit`.
        .flush_every_ms(None);
    let db = open_alone(&config, &path)?;
    check_recovered(&db, &data, &witness)?;
    sync_files(&path)?;
    Ok(Database::new(Opened {
        file: open_file(&data)?,
        db,
        witness,
        lock,
        path,
        segment_size_bytes,
        value_size_bytes_max,
    }))
}

/// The log position that the newest whole index covers, 0 without one.
///
/// sled writes an index of its log at every open. A crash meanwhile leaves `snap.X.generating`, which every later open
/// takes for the newest index and fails on (sled#1527): that is removed. One that does not read is refused, since
/// nothing but damage makes one.
fn covered_by_index(path: &Path) -> Result<i64, StorageError> {
    let mut newest: Option<(i64, PathBuf)> = None;
    for entry in fs::read_dir(path).map_err(io_error("reading", path))? {
        let entry = entry.map_err(io_error("reading", path))?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            tracing::info!(file = %entry.path().display(), "removing a half-written index of sled, left by a crash while it opened");
            fs::remove_file(entry.path()).map_err(io_error("removing", &entry.path()))?;
        } else if let Some(lsn) = name.strip_prefix("snap.") {
            let lsn = i64::from_str_radix(lsn, 16).unwrap_or(0);
            newest = newest.max(Some((lsn, entry.path())));
        }
    }
    let Some((lsn, path)) = newest else {
        return Ok(0);
    };
    let index = fs::read(&path).map_err(io_error("reading", &path))?;
    if !index_reads(&index) {
        return Err(StorageError::DamagedIndex { path });
    }
    Ok(lsn)
}

/// An index ends with its length (8 bytes) and its checksum (4), as sled 0.34.7 checks them.
fn index_reads(index: &[u8]) -> bool {
    let Some((rest, checksum)) = index.split_last_chunk::<4>() else {
        return false;
    };
    let Some((body, _length)) = rest.split_last_chunk::<8>() else {
        return false;
    };
    !body.is_empty() && crc32fast::hash(body) == u32::from_le_bytes(*checksum)
}

/// What sled has found must reach as far as what was synced.
fn check_recovered(db: &::sled::Db, data: &Path, witness: &Witness) -> Result<(), StorageError> {
    let found = written_lsn(db);
    match witness.synced_lsn() {
        Some(synced) if synced > found => Err(StorageError::DamagedFile {
            path: data.to_owned(),
            offset: 0,
            reason: format!(
                "it was synced up to position {synced} of its log and reads only up to {found}"
            ),
        }),
        Some(_) | None => Ok(()),
    }
}

/// sled has a lock of its own. Once ours is held, only threads of a database that this process has just closed can
/// still hold sled's.
fn open_alone(config: &::sled::Config, path: &Path) -> Result<::sled::Db, StorageError> {
    let attempt = || format!("opening {}", path.display());
    poll_lock(path, || {
        let opened = contained(|| config.open());
        let opened = opened.map_err(|reason| StorageError::engine(attempt(), reason))?;
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
