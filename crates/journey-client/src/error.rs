//! What can go wrong between a client and a node, in words that say what to do.

use std::time::Duration;

use journey_proto::v1 as wire;
use tonic::Code;
use tonic_types::StatusExt as _;

/// A failed call.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address does not parse.
    #[error(
        "`{address}` is no address of a node; write it as http://127.0.0.1:7701, with its port"
    )]
    Address {
        /// As given.
        address: String,
    },
    /// Nobody answers there.
    #[error(
        "no journeyd answers at {address}: {reason}; is it running? (start one with `journeyd demo`, or give --address)"
    )]
    Unreachable {
        /// Where; of several, divided by commas, each was asked.
        address: String,
        /// Why; of several the last.
        reason: String,
    },
    /// The node refused or failed the call.
    #[error("{}", render(status))]
    Refused {
        /// The answer, with its details.
        status: Box<tonic::Status>,
    },
    /// No answer came in time.
    #[error(
        "no answer within {} s; it may or may not have taken effect: send it again with the same ids",
        within.as_secs()
    )]
    NoAnswer {
        /// How long it was waited for.
        within: Duration,
    },
    /// The stream ended before everything was answered.
    #[error(
        "the node closed the stream; unanswered events may or may not have taken effect: send them again with the same ids"
    )]
    StreamEnded,
}

impl From<tonic::Status> for ClientError {
    fn from(status: tonic::Status) -> Self {
        Self::Refused {
            status: Box::new(status),
        }
    }
}

impl ClientError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Address { .. } => false,
            Self::Unreachable { .. } | Self::StreamEnded | Self::NoAnswer { .. } => true,
            Self::Refused { status } => match status.code() {
                Code::Unavailable | Code::ResourceExhausted | Code::Aborted => true,
                // Without a reason of the node's the connection broke, or time was up.
                Code::Unknown | Code::Cancelled | Code::DeadlineExceeded | Code::Internal => {
                    status.get_details_error_info().is_none()
                }
                _ => false,
            },
        }
    }

    /// Whether there is too much at once.
    pub(crate) fn is_overload(&self) -> bool {
        matches!(self, Self::Refused { status } if status.code() == Code::ResourceExhausted)
    }

    /// How long to wait before the same call is made again, where the node says so.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        let Self::Refused { status } = self else {
            return None;
        };
        status.get_details_retry_info()?.retry_delay
    }

    /// What a failed call says of each of its events.
    pub(crate) fn as_result(&self) -> wire::EventResult {
        let info = match self {
            Self::Refused { status } => status.get_details_error_info(),
            Self::Address { .. }
            | Self::Unreachable { .. }
            | Self::StreamEnded
            | Self::NoAnswer { .. } => None,
        };
        let mut metadata = info
            .as_ref()
            .map(|info| info.metadata.clone())
            .unwrap_or_default();
        let reason = info.map_or_else(|| "OUTCOME_UNKNOWN".to_owned(), |info| info.reason);
        let retry_after = self.retry_after().map_or(0, |after| after.as_millis());
        wire::EventResult {
            status: wire::event_result::Status::Rejected.into(),
            reason,
            message: self.to_string(),
            retry: true,
            retry_after_ms: u32::try_from(retry_after).unwrap_or(u32::MAX),
            leader_address: metadata.remove("leader_address").unwrap_or_default(),
            ..Default::default()
        }
    }
}

/// What lies at the bottom of an error: what lies above says where in the transport it was met, and says it twice.
pub(crate) fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(below) = cause.source() {
        cause = below;
    }
    cause.to_string()
}

/// The message with its reason, its field violations and its retry advice.
fn render(status: &tonic::Status) -> String {
    let details = status.get_error_details();
    let mut text = status.message().to_owned();
    if let Some(info) = details.error_info() {
        text = format!("{text} [{}]", info.reason);
    }
    if let Some(bad_request) = details.bad_request() {
        // The node's message mostly names them already.
        let violations = bad_request.field_violations.iter();
        for violation in violations.filter(|v| !status.message().contains(&v.description)) {
            text.push_str(&format!(
                "\n  {}: {}",
                violation.field, violation.description
            ));
        }
    }
    if let Some(delay) = details.retry_info().and_then(|retry| retry.retry_delay) {
        text.push_str(&format!("\n  retry in {} ms", delay.as_millis()));
    }
    text
}
