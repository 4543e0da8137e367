//! A database whose flush is slow or hangs as a file says: a disk that does not answer, seen from inside the process.
//!
//! Where the file is empty flushes hang until it is gone; a number in it is the milliseconds that each one takes longer.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use journey_storage::{Engine, StorageError, Tree};

/// How often a hanging flush looks whether it may go on.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);

/// Wraps an engine.
#[derive(Debug)]
pub struct HangingEngine {
    inner: Arc<dyn Engine>,
    file: PathBuf,
}

impl HangingEngine {
    /// Its flushes do as the file says.
    #[must_use]
    pub fn new(inner: Arc<dyn Engine>, file: PathBuf) -> Self {
        Self { inner, file }
    }
}

impl Engine for HangingEngine {
    fn tree(&self, name: &str) -> Result<Arc<dyn Tree>, StorageError> {
        self.inner.tree(name)
    }

    fn tree_names(&self) -> Vec<String> {
        self.inner.tree_names()
    }

    fn remove_tree(&self, name: &str) -> Result<bool, StorageError> {
        self.inner.remove_tree(name)
    }

    fn flush_durable(&self) -> Result<(), StorageError> {
        while let Ok(text) = std::fs::read_to_string(&self.file) {
            if let Ok(ms) = text.trim().parse() {
                std::thread::sleep(Duration::from_millis(ms));
                break;
            }
            std::thread::sleep(LOOK_INTERVAL);
        }
        self.inner.flush_durable()
    }

    fn size_bytes(&self) -> Result<u64, StorageError> {
        self.inner.size_bytes()
    }

    fn verify(&self) -> Result<(), StorageError> {
        self.inner.verify()
    }
}
