//! Keeps bytes: named ordered trees over sled or over memory, durable when it says so.

mod engine;
mod error;
pub mod limits;

pub use engine::{Engine, Put, Row, Tree};
pub use error::StorageError;
