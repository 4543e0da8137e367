//! What can go wrong between the node and its disk.

use std::path::PathBuf;

/// A failure of the storage layer: the machine or the disk, never a refusal of the domain.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The engine itself failed.
    #[error("storage engine failed while {attempt}: {reason}")]
    Engine {
        /// What was being done, for example `inserting into tree p7`.
        attempt: String,
        /// The engine's own words.
        reason: String,
    },
    /// The file system failed.
    #[error("failed {attempt} {}", path.display())]
    Io {
        /// What was being done, for example `creating the folder`.
        attempt: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's own error.
        source: std::io::Error,
    },
    /// An earlier flush failed: what the disk holds is not known, so nothing more may be promised.
    #[error(
        "{database} takes no more writes because a flush to disk failed; check the disk, then restart the node"
    )]
    FlushFailed {
        /// The folder of the database, or `memory`.
        database: String,
    },
    /// A key is longer than any row may have.
    #[error(
        "key of {size_bytes} bytes in tree {tree} is above the limit of {size_bytes_max} bytes"
    )]
    KeyTooLarge {
        /// The tree.
        tree: String,
        /// Size of the key.
        size_bytes: usize,
        /// The limit of every database.
        size_bytes_max: usize,
    },
    /// A value is larger than this database may hold in one row.
    #[error(
        "value of {size_bytes} bytes under a key of tree {tree} is above the limit of {size_bytes_max} bytes; split it into chunks"
    )]
    ValueTooLarge {
        /// The tree.
        tree: String,
        /// Size of the value.
        size_bytes: usize,
        /// The limit of this database.
        size_bytes_max: usize,
    },
    /// An atomic batch is larger than may be written without an fsync in between.
    #[error(
        "atomic batch of {size_bytes} bytes in tree {tree} is above the limit of {size_bytes_max} bytes; write the rows in order, and last the one that makes them count"
    )]
    BatchTooLarge {
        /// The tree.
        tree: String,
        /// Size of all keys and values.
        size_bytes: usize,
        /// The limit of every database.
        size_bytes_max: usize,
    },
    /// A value is larger than chunks may make up.
    #[error(
        "value of {size_bytes} bytes is above the limit of {size_bytes_max} bytes for a value in chunks"
    )]
    ChunkedValueTooLarge {
        /// Size of the value.
        size_bytes: usize,
        /// The limit.
        size_bytes_max: usize,
    },
    /// A database's file does not hold what was written to it and synced.
    #[error(
        "{} is damaged at byte {offset}: {reason}; acknowledged data is lost to this node, so restore its data from another replica or a backup, log/ and state/ together",
        path.display()
    )]
    DamagedFile {
        /// The file.
        path: PathBuf,
        /// Where in it.
        offset: u64,
        /// What does not fit.
        reason: String,
    },
    /// The index that sled made of its log at its last open does not hold what was written to it.
    #[error(
        "{} does not read: it is an index that sled made of its log beside it; move the file away and start again, sled makes it anew from the log",
        path.display()
    )]
    DamagedIndex {
        /// The file.
        path: PathBuf,
    },
    /// sled moved values to side files, which it never syncs.
    #[error(
        "{} holds {n_files} side files that are never synced, so a power cut could lose acknowledged data; restore this node's data from another replica or a backup, and report it",
        path.display()
    )]
    UnsyncedBlobs {
        /// The `blobs` folder.
        path: PathBuf,
        /// How many files lie in it.
        n_files: usize,
    },
    /// The folder is in use by another process.
    #[error(
        "{} is in use by another process{}; stop that process or use another data folder",
        path.display(),
        process_id.map(|id| format!(" (process id {id})")).unwrap_or_default()
    )]
    InUse {
        /// The folder.
        path: PathBuf,
        /// Which process, where it has left its id.
        process_id: Option<u32>,
    },
    /// The data folder was written by a later release.
    #[error(
        "{} has data format {found}, and this release reads up to {supported}; start the release that wrote it, or a later one",
        path.display()
    )]
    NewerFormat {
        /// The data folder.
        path: PathBuf,
        /// The version that it names.
        found: u32,
        /// The latest version that this release reads.
        supported: u32,
    },
    /// The folder is not a node's data folder, or its format file is unreadable.
    #[error("{} is not a data folder: {reason}; use an empty folder, or restore this one", path.display())]
    NotADataFolder {
        /// The folder.
        path: PathBuf,
        /// What speaks against it.
        reason: String,
    },
    /// The settings would make the engine unsafe.
    #[error(
        "values of {value_size_bytes_max} bytes do not fit segments of {segment_size_bytes} bytes; raise the segment size or lower the value size"
    )]
    UnsafeSizes {
        /// Size of a segment.
        segment_size_bytes: usize,
        /// The longest value.
        value_size_bytes_max: usize,
    },
    /// A row was written by a later release.
    #[error(
        "a row of tree {tree} has format {found}, and this release reads format {supported}; start the release that wrote it, or a later one"
    )]
    NewerRow {
        /// The tree.
        tree: String,
        /// The format that the row names.
        found: u8,
        /// The format that this release reads.
        supported: u8,
    },
    /// A stored value does not read back.
    #[error("stored value in tree {tree} is damaged: {reason}")]
    Damaged {
        /// The tree.
        tree: String,
        /// What does not fit.
        reason: String,
    },
}

impl StorageError {
    /// Whether the same call may succeed later in this process: never once the disk has failed.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::InUse { .. })
    }

    /// An engine's failure in its own words.
    pub(crate) fn engine(attempt: impl Into<String>, reason: impl std::fmt::Display) -> Self {
        Self::Engine {
            attempt: attempt.into(),
            reason: reason.to_string(),
        }
    }
}
