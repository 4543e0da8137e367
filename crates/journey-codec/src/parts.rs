//! The parts a customer's state is stored in, one row each.

use std::fmt;

use journey_types::InstanceNumber;

/// Names one part of a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PartId {
    /// Traits and lifecycle stage.
    Profile,
    /// History aggregates.
    History,
    /// What is remembered of journeys, and goals that outlive their instance.
    Journeys,
    /// Effects without a terminal outcome.
    Outbox,
    /// The latest things that happened.
    Timeline,
    /// What a turn left over.
    PausedTurn,
    /// One instance.
    Instance(InstanceNumber),
    /// Remembered event ids, by number of their chunk.
    DedupeChunk(u64),
}

impl fmt::Display for PartId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Profile => formatter.write_str("profile"),
            Self::History => formatter.write_str("history"),
            Self::Journeys => formatter.write_str("journeys"),
            Self::Outbox => formatter.write_str("outbox"),
            Self::Timeline => formatter.write_str("timeline"),
            Self::PausedTurn => formatter.write_str("paused turn"),
            Self::Instance(number) => write!(formatter, "instance {number}"),
            Self::DedupeChunk(number) => write!(formatter, "event ids {number}"),
        }
    }
}
