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
    #[error("{} is in use by another process; stop that process or use another data folder", path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
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
