//! The load harness: generates traffic, measures it, and verifies that every acknowledged event is accounted for.
//!
//! Never looks inside the node: everything goes over the public API; a run that cannot prove its sums fails.
//!
//! ```text
//!   scenario ──► connections × batches ──► node ──► acks ──► histogram
//!                                            └────► counts ──► sums proven or not
//! ```
//!
//! Start at [`run`]; a scenario is a module.

mod advance;
mod arguments;
mod closed_loop;
mod node;
mod report;
mod run;

pub use run::run;
