//! Replicates entries: openraft groups behind a plain handle.

mod state_machine;

pub use state_machine::{ApplyOutcome, CommittedEntry, Payload, StateMachine};
