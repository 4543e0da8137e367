//! Every refusal carries its reason and what to do.

use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::error::ServerError;

#[test]
fn every_refusal_carries_code_reason_and_details() {
    let cases = [
        (
            ServerError::invalid("events", "is empty"),
            Code::InvalidArgument,
        ),
        (
            ServerError::NotFound {
                kind: "customer",
                name: "c".into(),
                hint: "h",
            },
            Code::NotFound,
        ),
        (
            ServerError::NotAvailableYet {
                what: "queues".into(),
            },
            Code::Unimplemented,
        ),
        (
            ServerError::Overloaded {
                cause: "PARTITION_BUSY",
                subject: "partition:3".into(),
                reason: "PARTITION_BUSY: r".into(),
                retry_after: Duration::from_millis(50),
            },
            Code::ResourceExhausted,
        ),
        (
            ServerError::OutcomeUnknown { reason: "r".into() },
            Code::Unavailable,
        ),
        (
            ServerError::Unavailable { reason: "r".into() },
            Code::Unavailable,
        ),
        (ServerError::Conflict { reason: "r".into() }, Code::Aborted),
        (ServerError::Internal { reason: "r".into() }, Code::Internal),
    ];
    for (error, code) in cases {
        let reason = error.reason();
        let status = Status::from(error);
        assert_eq!(status.code(), code);
        assert_eq!(status.get_details_error_info().unwrap().reason, reason);
        let has_retry = status.get_details_retry_info().is_some();
        let may_retry = matches!(
            code,
            Code::ResourceExhausted | Code::Unavailable | Code::Aborted
        );
        assert_eq!(has_retry, may_retry, "{reason}");
    }
}
