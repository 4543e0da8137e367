//! The ractor drivers: a supervisor, one actor per partition, and the handle that the rest of the node holds.
//!
//! ```text
//!   PartitionHandle ─ permit ─► PartitionActor (owns PartitionCore) ─► Journal
//!         ▲                          ▲        │ Output: replies, hand-overs, wake-ups
//!         └───────── answers ────────┘        └─► callers, workers, its own timer
//!   PartitionSupervisor: starts an actor anew when it fails, gives up when it keeps failing
//! ```

mod door;
mod handle;
pub mod limits;
mod message;
mod partition_actor;
mod supervisor;
mod timed_reader;

pub use door::{DoorStatus, Intake, SubmitError};
pub use handle::{Closed, InstanceFigures, PartitionHandle};
pub use supervisor::PartitionOptions;

#[cfg(test)]
mod tests;
