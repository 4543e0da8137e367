//! A node's data folder: one process at a time, one format, two databases.
//!
//! ```text
//!   <data>/LOCK     held by the process that uses the folder
//!   <data>/FORMAT   `journeyd data format 1`
//!   <data>/log/     Raft log and votes of all groups: flushed before anything is acknowledged
//!   <data>/state/   one tree per partition: written behind, flushed with the floor
//! ```
//!
//! A restart needs both databases as they are; never restore one without the other. `FORMAT` gets its name when both
//! databases are there, so a folder that names a format and lacks one of them has lost it.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::engine::Engine;
use crate::error::StorageError;
use crate::files::{create_folder, io_error, lock_folder, sync_folder};
use crate::limits::{
    LOG_SEGMENT_SIZE_BYTES, LOG_VALUE_SIZE_BYTES_MAX, STATE_SEGMENT_SIZE_BYTES,
    STATE_VALUE_SIZE_BYTES_MAX,
};
use crate::sled::{SledEngine, SledOptions};

/// The format that this release writes, and the latest that it reads.
pub const FORMAT_VERSION: u32 = 1;

const FORMAT_PREFIX: &str = "journeyd data format ";
const FORMAT: &str = "FORMAT";
const FORMAT_BEGUN: &str = "FORMAT.half";
const LOG: &str = "log";
const STATE: &str = "state";

/// How to open a data folder.
#[derive(Debug, Clone)]
pub struct DataFolderOptions {
    /// The folder, created when it is not there.
    pub path: PathBuf,
    /// Page cache of the log database; what is written is hardly ever read, so 64 MiB are plenty.
    pub log_cache_bytes: u64,
    /// Page cache of the state database, 64 to 128 MiB.
    pub state_cache_bytes: u64,
}

/// An open data folder. It is free again when it, its engines and their trees are gone.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    log: Arc<dyn Engine>,
    state: Arc<dyn Engine>,
    _lock: File,
}

impl DataFolder {
    /// Opens the folder, creating it and both databases when they are not there.
    ///
    /// # Errors
    /// [`StorageError::InUse`], [`StorageError::NewerFormat`] or [`StorageError::NotADataFolder`], each naming the
    /// folder; [`StorageError::UnsyncedBlobs`]; or what the engine or the file system says.
    pub fn open(options: DataFolderOptions) -> Result<Self, StorageError> {
        let path = options.path;
        create_folder(&path)?;
        let lock = lock_folder(&path)?;
        let is_new = !check_format(&path)?;
        if is_new {
            begin_format(&path)?;
        }
        let log = SledEngine::open(SledOptions {
            path: path.join(LOG),
            segment_size_bytes: LOG_SEGMENT_SIZE_BYTES,
            value_size_bytes_max: LOG_VALUE_SIZE_BYTES_MAX,
            cache_capacity_bytes: options.log_cache_bytes,
        })?;
        let state = SledEngine::open(SledOptions {
            path: path.join(STATE),
            segment_size_bytes: STATE_SEGMENT_SIZE_BYTES,
            value_size_bytes_max: STATE_VALUE_SIZE_BYTES_MAX,
            cache_capacity_bytes: options.state_cache_bytes,
        })?;
        if is_new {
            finish_format(&path)?;
        }
        Ok(Self {
            path,
            log: Arc::new(log),
            state: Arc::new(state),
            _lock: lock,
        })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The database of the Raft log: rows of up to [`LOG_VALUE_SIZE_BYTES_MAX`].
    #[must_use]
    pub fn log(&self) -> Arc<dyn Engine> {
        Arc::clone(&self.log)
    }

    /// The database of the partitions: rows of up to [`STATE_VALUE_SIZE_BYTES_MAX`].
    #[must_use]
    pub fn state(&self) -> Arc<dyn Engine> {
        Arc::clone(&self.state)
    }

    /// Checks both databases as [`Engine::verify`] does.
    ///
    /// # Errors
    /// Of the first that fails.
    pub fn verify(&self) -> Result<(), StorageError> {
        self.log.verify()?;
        self.state.verify()
    }
}

/// Reads the folder's format and whether its databases are there; false for a folder that is new, or was left while it
/// was made.
fn check_format(folder: &Path) -> Result<bool, StorageError> {
    let path = folder.join(FORMAT);
    let not_ours = |reason: String| StorageError::NotADataFolder {
        path: folder.to_owned(),
        reason,
    };
    let text = match fs::read(&path) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let was_begun = folder.join(FORMAT_BEGUN).exists();
            let database = [LOG, STATE].iter().find(|name| folder.join(name).exists());
            return match database.filter(|_| !was_begun) {
                Some(name) => Err(not_ours(format!("it holds {name} and no FORMAT file"))),
                None => Ok(false),
            };
        }
        Err(error) => return Err(io_error("reading", &path)(error)),
    };
    let version = text.trim_end().strip_prefix(FORMAT_PREFIX);
    let found: u32 = version
        .and_then(|version| version.parse().ok())
        .ok_or_else(|| not_ours("its FORMAT file names no version".to_owned()))?;
    if found > FORMAT_VERSION {
        return Err(StorageError::NewerFormat {
            path: folder.to_owned(),
            found,
            supported: FORMAT_VERSION,
        });
    }
    let is_missing = |name: &&&str| !folder.join(name).join("db").is_file();
    match [LOG, STATE].iter().find(is_missing) {
        None => Ok(true),
        Some(name) => Err(not_ours(format!(
            "its FORMAT file says that data was written, and {name}/db is missing"
        ))),
    }
}

/// Says, before the databases are made, that this folder is being made into a data folder.
fn begin_format(folder: &Path) -> Result<(), StorageError> {
    let begun = folder.join(FORMAT_BEGUN);
    let mut file = File::create(&begun).map_err(io_error("creating", &begun))?;
    writeln!(file, "{FORMAT_PREFIX}{FORMAT_VERSION}")
        .and_then(|()| file.sync_all())
        .map_err(io_error("writing", &begun))?;
    sync_folder(folder)
}

/// Says that the databases are there.
fn finish_format(folder: &Path) -> Result<(), StorageError> {
    let path = folder.join(FORMAT);
    let renamed = fs::rename(folder.join(FORMAT_BEGUN), &path);
    renamed.map_err(io_error("renaming to", &path))?;
    sync_folder(folder)
}

#[cfg(test)]
mod tests;
