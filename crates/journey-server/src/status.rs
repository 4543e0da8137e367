//! The one mapping from refusals to gRPC: code, message, and `google.rpc` details on every one.

use std::collections::HashMap;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::error::ServerError;
use crate::limits::RETRY_AFTER_DEFAULT;

/// The domain of every `ErrorInfo`.
const DOMAIN: &str = "journeyd";
/// Metadata of an `ErrorInfo` whose outcome is unknown: what happened, without advice.
pub(crate) const WHY: &str = "why";

impl From<ServerError> for Status {
    fn from(error: ServerError) -> Self {
        let mut details = ErrorDetails::new();
        details.set_error_info(error.reason(), DOMAIN, facts_of(&error));
        let code = match &error {
            ServerError::Invalid { violations } => {
                for violation in violations {
                    details.add_bad_request_violation(&violation.field, &violation.description);
                }
                Code::InvalidArgument
            }
            ServerError::NotFound { kind, name, hint } => {
                details.set_resource_info(*kind, name, "", *hint);
                Code::NotFound
            }
            ServerError::NotAvailableYet { .. } => Code::Unimplemented,
            ServerError::Precondition { .. } => Code::FailedPrecondition,
            ServerError::Overloaded {
                retry_after,
                subject,
                reason,
                ..
            } => {
                details.add_quota_failure_violation(subject, reason);
                details.set_retry_info(Some(*retry_after));
                Code::ResourceExhausted
            }
            ServerError::OutcomeUnknown { .. }
            | ServerError::Unavailable { .. }
            | ServerError::NotLeader { .. } => {
                details.set_retry_info(Some(RETRY_AFTER_DEFAULT));
                Code::Unavailable
            }
            ServerError::Conflict { .. } => {
                details.set_retry_info(Some(RETRY_AFTER_DEFAULT));
                Code::Aborted
            }
            ServerError::Internal { .. } => Code::Internal,
        };
        Self::with_error_details(code, error.to_string(), details)
    }
}

/// What a program can use of a refusal.
fn facts_of(error: &ServerError) -> HashMap<String, String> {
    if let ServerError::OutcomeUnknown { reason } = error {
        return HashMap::from([(WHY.to_owned(), reason.clone())]);
    }
    let ServerError::NotLeader { partition, leader } = error else {
        return HashMap::new();
    };
    let mut facts = HashMap::from([("partition".to_owned(), partition.to_string())]);
    if let Some(leader) = leader {
        facts.insert("leader_node".to_owned(), leader.node.to_string());
        facts.insert("leader_address".to_owned(), leader.address.clone());
    }
    facts
}

#[cfg(test)]
mod tests;
