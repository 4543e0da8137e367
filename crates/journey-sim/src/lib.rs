//! One partition under a virtual clock, an in-memory journal that misbehaves, and power cuts that drop what was not
//! synced; an oracle outside holds every promise against what clients saw.
//!
//! Never uses threads, clocks or chance beside its seed: two runs of one seed are identical to the last fact.
//!
//! ```text
//!   seed ──► World: traffic, faults, time ──► PartitionCore ──► JournalModel ──► Replica on MemoryEngine
//!                       │                            │                               │
//!                       └──────── Oracle: what clients were told ◄── invariants ─────┘
//! ```
//!
//! Start at [`simulate`]; a failure prints the command that repeats it.

mod catalog;
mod deciding;
mod invariants;
mod journal;
mod options;
mod oracle;
mod producer;
mod scenario;
mod traffic;
mod world;

pub use options::{Fate, Faults, SessionEnd, SimOptions};
pub use scenario::{Summary, Violation, simulate};

#[cfg(test)]
mod tests;
