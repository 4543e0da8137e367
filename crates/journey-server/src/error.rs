//! Everything a call can be refused with, before it becomes a gRPC status.

use std::time::Duration;

use journey_types::PartitionId;

use crate::router::Leader;

/// A refused or failed call. [`crate::status`] maps it to a status with `google.rpc` details.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServerError {
    /// Fields of the request do not fit.
    #[error("the request does not fit: {}", violations.iter().map(|v| format!("{}: {}", v.field, v.description)).collect::<Vec<_>>().join("; "))]
    Invalid {
        /// Every field that does not fit.
        violations: Vec<Violation>,
    },
    /// There is no such thing.
    #[error("there is no {kind} `{name}`; {hint}")]
    NotFound {
        /// `customer`, `journey` …
        kind: &'static str,
        /// Which.
        name: String,
        /// What to do.
        hint: &'static str,
    },
    /// What is asked for exists in the contract and is not built yet.
    #[error("{what} is not available yet")]
    NotAvailableYet {
        /// What.
        what: String,
    },
    /// Too much at once; nothing was taken in.
    #[error("{reason}; nothing was taken in; send it again after {} ms", retry_after.as_millis())]
    Overloaded {
        /// `PARTITION_BUSY`, `HOT_CUSTOMER` …
        cause: &'static str,
        /// What is exhausted: `partition:3`, `workspace:default`, `disk`.
        subject: String,
        /// In words.
        reason: String,
        /// When to try again.
        retry_after: Duration,
    },
    /// The command may or may not have taken effect.
    #[error("the outcome is unknown: {reason}; send it again with the same ids")]
    OutcomeUnknown {
        /// Why.
        reason: String,
    },
    /// Not at the moment; nothing took effect.
    #[error("not at the moment: {reason}")]
    Unavailable {
        /// Why.
        reason: String,
    },
    /// Another node leads the partition, or none does. Nothing took effect.
    #[error("this node does not lead partition {partition}; {}", leader.as_ref().map_or_else(|| "no leader is known at the moment, an election may be under way or this node is cut off from the others".to_owned(), |leader| format!("node {} at {} does", leader.node, leader.address)))]
    NotLeader {
        /// Which.
        partition: PartitionId,
        /// Who leads, where that is known.
        leader: Option<Leader>,
    },
    /// The state of things does not allow it; the same call is refused until that has changed.
    #[error("{reason}")]
    Precondition {
        /// What stands against it, and what would have to be done first.
        reason: String,
    },
    /// Another change came between.
    #[error("{reason}; read again and repeat")]
    Conflict {
        /// What came between.
        reason: String,
    },
    /// A fault of the node.
    #[error("the node failed: {reason}; see its log")]
    Internal {
        /// Why.
        reason: String,
    },
}

/// One field that does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// The path of the field, such as `events[3].customer_id`.
    pub field: String,
    /// What is wrong and what would be right.
    pub description: String,
}

impl ServerError {
    /// A request with one field that does not fit.
    #[must_use]
    pub fn invalid(field: impl Into<String>, description: impl Into<String>) -> Self {
        let violation = Violation {
            field: field.into(),
            description: description.into(),
        };
        Self::Invalid {
            violations: vec![violation],
        }
    }

    /// The machine-readable reason, upper snake case.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Invalid { .. } => "INVALID_ARGUMENT",
            Self::NotFound { .. } => "NOT_FOUND",
            Self::NotAvailableYet { .. } => "NOT_AVAILABLE_YET",
            Self::Overloaded { cause, .. } => cause,
            Self::OutcomeUnknown { .. } => "OUTCOME_UNKNOWN",
            Self::Unavailable { .. } => "UNAVAILABLE",
            Self::NotLeader { .. } => "NOT_LEADER",
            Self::Precondition { .. } => "FAILED_PRECONDITION",
            Self::Conflict { .. } => "CONFLICT",
            Self::Internal { .. } => "INTERNAL",
        }
    }
}
