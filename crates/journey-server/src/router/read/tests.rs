//! What a read makes of refusals.

use super::*;

#[test]
fn a_read_never_says_that_its_outcome_is_unknown() {
    let reason = "node 2, to which it was sent on, has not answered".to_owned();
    let status: Status = ServerError::OutcomeUnknown { reason }.into();
    assert!(may_pass(&status));
    let read = without_outcome(status);
    assert_eq!(read.code(), Code::Unavailable);
    assert_eq!(reason_of(&read).as_deref(), Some("UNAVAILABLE"));
    assert_eq!(
        read.message(),
        "not at the moment: node 2, to which it was sent on, has not answered"
    );
    let advice = read.get_details_retry_info();
    assert!(advice.is_some_and(|advice| advice.retry_delay.is_some()));
}

#[test]
fn other_refusals_of_a_read_stay_what_they_are() {
    let partition = PartitionId::new(3);
    let leader = None;
    let status: Status = ServerError::NotLeader { partition, leader }.into();
    assert!(may_pass(&status), "somebody will lead");
    assert_eq!(
        reason_of(&without_outcome(status)).as_deref(),
        Some("NOT_LEADER")
    );
    let status: Status = ServerError::invalid("customer_id", "is empty").into();
    assert!(!may_pass(&status));
    assert!(!may_pass(&Status::not_found("no such customer")));
}
