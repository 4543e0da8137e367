//! Keeps bytes: named ordered trees over sled or over memory, durable when it says so.

pub mod conformance;
mod engine;
mod error;
mod files;
pub mod limits;
mod memory;
mod sled;

pub use engine::{Engine, Put, Row, Tree};
pub use error::StorageError;
pub use memory::{CrashPoint, Fault, MemoryEngine};
pub use sled::{SledEngine, SledOptions};
