//! Keeps bytes: named ordered trees over sled or over memory, durable when it says so.
//!
//! Never knows what a customer, a journey or a Raft entry is; holds no cache and no queue of its own; gives no promise
//! before [`Engine::flush_durable`] has returned.
//!
//! ```text
//!                      ┌ log:   one commit thread: put_ordered … flush_durable ─► acknowledge
//!   DataFolder::open ──┤
//!                      └ state: checkpointer: put_ordered (new rows, then the row that names them),
//!                               put_ordered (floor), flush_durable ─► the log may be purged
//!
//!   Put, bounds ──► Engine / Tree ──► sled: write ─► sled flush ─► fsync of its file
//!                                 └─► memory: written ─► flushed; crash() keeps flushed + a prefix of the rest
//! ```
//!
//! What callers build on: after any crash the surviving state is a *prefix* of all writes in the order in which they
//! were made, over all trees of a database, and holds at least what a finished flush covered. So plain
//! [`Tree::put_ordered`] is enough wherever the row that makes others count is written last.
//!
//! Start at [`Engine`] and [`Tree`]; [`DataFolder`] opens a node's two databases, [`MemoryEngine`] stands in for them in
//! tests and simulation. [`tables`] and [`keys`] build keys, [`chunked`] stores what is longer than a row, [`Scan`]
//! reads any number of rows. [`conformance`] holds any engine to all of this.

mod engine;
mod error;
pub mod limits;

mod data_folder;
mod files;
mod memory;
mod sled;

pub mod keys;
pub mod tables;

pub mod chunked;
mod scan;

pub mod conformance;

pub use data_folder::{DataFolder, DataFolderOptions, FORMAT_VERSION};
pub use engine::{Engine, Put, Row, Tree};
pub use error::StorageError;
pub use keys::{KeyReader, KeyWriter, MalformedKey};
pub use memory::{CrashPoint, Fault, MemoryEngine};
pub use scan::Scan;
pub use sled::{SledEngine, SledOptions, panic_is_contained};
pub use tables::Table;
