//! Every refusal carries its reason and what to do.

use std::time::Duration;

use journey_proto::v1 as wire;
use prost::Message as _;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::{TOO_LARGE, readable, readable_answer};
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

#[test]
fn bytes_that_are_no_request_are_told_as_such() {
    // A number where the name of a workspace stands.
    let fault = wire::GetCustomerRequest::decode(&[0x08, 1][..]).unwrap_err();
    let status = readable(Status::internal(fault.to_string()));
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(
        status.message().contains("the same proto files"),
        "{status:?}"
    );
    let own = Status::internal("the node failed");
    assert_eq!(readable(own).message(), "the node failed");
}

#[test]
fn a_too_large_request_is_told_with_its_size_the_limit_and_what_to_do() {
    let said = Status::out_of_range(format!(
        "{TOO_LARGE}5242899 bytes, the limit is: 4194304 bytes"
    ));
    let answer = readable_answer(said.into_http());
    let status = Status::from_header_map(answer.headers()).unwrap();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert_eq!(
        status.message(),
        "the request does not fit: request: takes 5242899 bytes, at most 4194304 are taken at once; send less, or in several requests"
    );
    let own = Status::from(ServerError::invalid("events", "is empty")).into_http();
    let kept = Status::from_header_map(readable_answer(own).headers()).unwrap();
    assert!(kept.message().contains("events: is empty"), "{kept:?}");
}
