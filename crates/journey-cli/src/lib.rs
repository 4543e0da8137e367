//! `journeyctl`, one file per noun: journeys, events, customers, workers, the cluster, simulation.
//!
//! Never decides anything itself: it talks to a node through `journey-client`, or runs the engine's own partition in
//! virtual time (`simulate`).
//!
//! ```text
//!   arguments ──► command ──► client or virtual partition ──► table or JSON
//! ```
//!
//! Start at [`run`]; each command is a module.

mod arguments;
mod asking;
mod cluster;
mod customer;
mod deadletter;
mod event_files;
mod ingest;
mod journey;
mod journey_test;
mod node;
mod output;
mod partition;
mod quarantine;
mod run;
mod set_aside;
mod simulate;
mod sources;
mod watching;
mod worker;

pub use arguments::{Arguments, Command, OutputFormat};
pub use run::run;
