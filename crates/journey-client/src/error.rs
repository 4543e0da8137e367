//! What can go wrong between a client and a node, in words that say what to do.

use tonic_types::StatusExt as _;

/// A failed call.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The address does not parse.
    #[error("`{address}` is no address of a node; write it as http://127.0.0.1:7701")]
    Address {
        /// As given.
        address: String,
    },
    /// Nobody answers there.
    #[error(
        "no journeyd answers at {address}; is it running? (start one with `journeyd demo`, or give --address)"
    )]
    Unreachable {
        /// Where.
        address: String,
        /// Why.
        #[source]
        source: tonic::transport::Error,
    },
    /// The node refused or failed the call.
    #[error("{}", render(status))]
    Refused {
        /// The answer, with its details.
        status: Box<tonic::Status>,
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
            Self::Unreachable { .. } | Self::StreamEnded => true,
            Self::Refused { status } => matches!(
                status.code(),
                tonic::Code::Unavailable | tonic::Code::ResourceExhausted | tonic::Code::Aborted
            ),
        }
    }
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
