//! The few file system calls that the engines and the data folder share.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::Path;
use std::thread;
use std::time::Duration;

use crate::error::StorageError;

/// Turns the system's error into ours, with what was attempted on which path.
pub(crate) fn io_error(
    attempt: &'static str,
    path: &Path,
) -> impl FnOnce(io::Error) -> StorageError {
    let path = path.to_owned();
    move |source| StorageError::Io {
        attempt,
        path,
        source,
    }
}

/// Creates the folder and those above it, and makes their names survive a power cut.
pub(crate) fn create_folder(path: &Path) -> Result<(), StorageError> {
    if path.is_dir() {
        return Ok(());
    }
    let parent = parent_of(path);
    create_folder(parent)?;
    match fs::create_dir(path) {
        Ok(()) => sync_folder(parent),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(io_error("creating the folder", path)(error)),
    }
}

/// The folder above, as a path that can be opened.
pub(crate) fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent.as_os_str().is_empty() => Path::new("."),
        Some(parent) => parent,
        None => Path::new("/"),
    }
}

/// Makes the names in a folder survive a power cut.
pub(crate) fn sync_folder(path: &Path) -> Result<(), StorageError> {
    let folder = File::open(path).map_err(io_error("opening", path))?;
    folder.sync_all().map_err(io_error("syncing", path))
}

/// How often, and how many times, to ask for a lock: its holder may be a process that is ending just now, or a child of
/// ours between its fork and its exec. Two seconds in all.
const LOCK_POLL: Duration = Duration::from_millis(10);
const LOCK_POLLS_MAX: usize = 200;

/// Calls until a lock is given, or for so long that somebody must really be using the folder.
pub(crate) fn poll_lock<T>(
    folder: &Path,
    mut try_lock: impl FnMut() -> Result<Option<T>, StorageError>,
) -> Result<T, StorageError> {
    for _ in 0..LOCK_POLLS_MAX {
        if let Some(locked) = try_lock()? {
            return Ok(locked);
        }
        thread::sleep(LOCK_POLL);
    }
    Err(StorageError::InUse {
        path: folder.to_owned(),
        process_id: holder_of(folder),
    })
}

/// The process that holds the lock, as it has noted itself in the file; one that has just taken it may not have yet.
fn holder_of(folder: &Path) -> Option<u32> {
    let text = fs::read_to_string(folder.join("LOCK")).ok()?;
    text.trim_end().parse().ok()
}

/// Locks `<folder>/LOCK` against every other process, until the file is dropped, and notes this process in it.
pub(crate) fn lock_folder(folder: &Path) -> Result<File, StorageError> {
    let path = folder.join("LOCK");
    let mut lock = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(io_error("opening", &path))?;
    poll_lock(folder, || match lock.try_lock() {
        Ok(()) => Ok(Some(())),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(source)) => Err(io_error("locking", &path)(source)),
    })?;
    // Only for messages, so it need not survive anything.
    lock.set_len(0)
        .and_then(|()| writeln!(lock, "{}", std::process::id()))
        .map_err(io_error("writing", &path))?;
    Ok(lock)
}
