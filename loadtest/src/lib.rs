//! The load harness: generates traffic, measures it against a floor, and verifies that every acknowledged event is
//! accounted for.
//!
//! Never looks inside the node: everything goes over the public API, its metrics, and what the system tells of a
//! process; a run that cannot prove its sums fails.
//!
//! ```text
//!   scenario.toml ──► phases × connections ──► node ──► acks ──► ledger ──► latencies by phase and second
//!                          └──► floor (same service, one file, group fsync) ──► share of floor
//!   node: counts, instances, history, metrics ┐
//!   own worker: effects by id ────────────────┴──► sums proven or not ──► report (text, JSON, HTML)
//! ```
//!
//! Start at [`run`]; `measure.rs` is one run, `scenario.rs` what can be said in a scenario file.

mod arguments;
mod changes;
mod compare;
mod drive;
mod figures;
mod floor;
mod ledger;
mod limits;
mod measure;
mod node;
mod nodes;
mod progress;
mod prove;
mod report;
mod run;
mod sampler;
mod scenario;
mod schedule;
mod stage;
mod suite;
mod sums;
mod traffic;
mod worker;

pub use run::run;
