//! The one mapping from refusals to gRPC: code, message, and `google.rpc` details on every one.

use std::collections::HashMap;

use tonic::body::Body;
use tonic::codegen::http::Response;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

use crate::error::ServerError;
use crate::limits::{REQUEST_SIZE_BYTES_MAX, RETRY_AFTER_DEFAULT};

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

/// What the transport says of a request that cannot be decoded, in words of our own; anything else as it is.
pub(crate) fn readable(status: Status) -> Status {
    let said = status.message();
    let description = if let Some(numbers) = said.strip_prefix(TOO_LARGE) {
        let size = numbers.split_whitespace().next().unwrap_or("more");
        format!(
            "takes {size} bytes, at most {REQUEST_SIZE_BYTES_MAX} are taken at once; send less, or in several requests"
        )
    } else if let Some(why) = said.strip_prefix(UNDECODABLE) {
        format!(
            "cannot be decoded as what this call takes: {why}; make the client from the same proto files as the node"
        )
    } else {
        return status;
    };
    ServerError::invalid("request", description).into()
}

/// The same of an answer that holds nothing but a status.
pub(crate) fn readable_answer(answer: Response<Body>) -> Response<Body> {
    let Some(code) = answer.headers().get(Status::GRPC_STATUS) else {
        return answer;
    };
    let by_transport = [Code::OutOfRange, Code::Internal];
    if !by_transport.contains(&Code::from_bytes(code.as_bytes())) {
        return answer;
    }
    match Status::from_header_map(answer.headers()) {
        Some(status)
            if [TOO_LARGE, UNDECODABLE]
                .iter()
                .any(|said| status.message().starts_with(said)) =>
        {
            readable(status).into_http()
        }
        Some(_) | None => answer,
    }
}

/// What tonic says of a message above the bound of its decoder.
const TOO_LARGE: &str = "Error, decoded message length too large: found ";
/// What prost says of bytes that are no such message.
const UNDECODABLE: &str = "failed to decode Protobuf message: ";

#[cfg(test)]
mod tests;
