//! What became of one event, in the wire form.

use std::time::Duration;

use journey_customer::{Rejection, Reply};
use journey_partition::{Answer, Refusal};
use journey_proto::v1 as wire;
use journey_proto::v1::event_result::Status as EventStatus;
use journey_types::{EffectOrigin, PartitionId};

use crate::error::ServerError;
use crate::limits::{RETRY_AFTER_BUSY, RETRY_AFTER_DEFAULT, RETRY_AFTER_DISK};
use crate::node::Submitted;
use crate::set_aside::id_text;

pub(super) fn event_result(
    origin: EffectOrigin,
    partition: PartitionId,
    answer: Answer,
) -> wire::EventResult {
    match answer {
        Answer::Done { reply, lsn } => {
            let status = if reply == Reply::Duplicate {
                EventStatus::Duplicate
            } else {
                EventStatus::Accepted
            };
            wire::EventResult {
                status: status.into(),
                partition: partition.get(),
                index: lsn.get(),
                ..Default::default()
            }
        }
        Answer::Rejected(rejection) => {
            let (code, retry) = rejection_code(&rejection);
            rejected(code, rejection.to_string(), retry)
        }
        Answer::Refused(refusal) => {
            let retry = refusal.is_retryable();
            let after = if retry {
                retry_after(&refusal)
            } else {
                Duration::ZERO
            };
            let mut result = wire::EventResult {
                retry_after_ms: u32::try_from(after.as_millis()).unwrap_or(u32::MAX),
                ..rejected(refusal.code(), refusal.to_string(), retry)
            };
            if let Refusal::Quarantined {
                kept: Some(kept), ..
            } = refusal
            {
                result.quarantine_id = id_text(origin, &kept.customer, kept.birth, kept.entry);
            }
            result
        }
    }
}

/// The code of a rejection, and whether the same command may be accepted later.
pub(crate) const fn rejection_code(rejection: &Rejection) -> (&'static str, bool) {
    match rejection {
        Rejection::TooManyEventIds { .. } => ("HOT_CUSTOMER", true),
        Rejection::StateTooLarge { .. } => ("CUSTOMER_TOO_LARGE", false),
        Rejection::EventRefused { .. } => ("EVENT_REFUSED", false),
        Rejection::EnrollRefused { .. } => ("ENROLL_REFUSED", false),
        Rejection::NotClaimable { .. } => ("NOT_CLAIMABLE", false),
        Rejection::OutcomeUnfit { .. } => ("OUTCOME_UNFIT", false),
        Rejection::NotSetAside => ("NOT_SET_ASIDE", false),
        Rejection::NotReplayable { .. } => ("NOT_REPLAYABLE", false),
        Rejection::QuarantineFull => ("QUARANTINE_FULL", true),
    }
}

/// The one refusal to answer with where every share was refused at the door for load or disk: the one to wait longest
/// for.
pub(crate) fn overload_of<'s>(
    shares: impl Iterator<Item = (PartitionId, &'s Submitted)>,
) -> Option<ServerError> {
    let mut longest: Option<(PartitionId, &Refusal)> = None;
    for (partition, submitted) in shares {
        let Submitted::Refused(refusal) = submitted else {
            return None;
        };
        overload_subject(partition, refusal)?;
        let is_longer =
            longest.is_none_or(|(_, longest)| retry_after(refusal) > retry_after(longest));
        if is_longer {
            longest = Some((partition, refusal));
        }
    }
    let (partition, refusal) = longest?;
    Some(ServerError::Overloaded {
        cause: refusal.code(),
        subject: overload_subject(partition, refusal)?,
        reason: refusal.to_string(),
        retry_after: retry_after(refusal),
    })
}

/// What is exhausted, where a refusal is one of load or disk.
fn overload_subject(partition: PartitionId, refusal: &Refusal) -> Option<String> {
    match refusal {
        Refusal::PartitionBusy { .. } => Some(format!("partition:{partition}")),
        Refusal::WorkspaceBusy { .. } => Some(format!("workspace on partition:{partition}")),
        Refusal::WorkspaceRate { .. } => Some("workspace".to_owned()),
        Refusal::DiskLow => Some("disk".to_owned()),
        Refusal::HotCustomer { .. }
        | Refusal::RetryInOrder
        | Refusal::Quarantined { .. }
        | Refusal::CustomerParked { .. }
        | Refusal::NotLeader
        | Refusal::NoSession { .. }
        | Refusal::OutcomeUnknown
        | Refusal::Stopped { .. } => None,
    }
}

/// When what was refused may be sent again.
pub(crate) fn retry_after(refusal: &Refusal) -> Duration {
    match refusal {
        Refusal::PartitionBusy { .. } | Refusal::WorkspaceBusy { .. } => RETRY_AFTER_BUSY,
        Refusal::WorkspaceRate { retry_after_ms, .. } => Duration::from_millis(*retry_after_ms),
        Refusal::DiskLow => RETRY_AFTER_DISK,
        Refusal::HotCustomer { .. }
        | Refusal::RetryInOrder
        | Refusal::Quarantined { .. }
        | Refusal::CustomerParked { .. }
        | Refusal::NotLeader
        | Refusal::NoSession { .. }
        | Refusal::OutcomeUnknown
        | Refusal::Stopped { .. } => RETRY_AFTER_DEFAULT,
    }
}

pub(super) fn rejected(code: &str, message: String, retry: bool) -> wire::EventResult {
    let status = EventStatus::Rejected.into();
    wire::EventResult {
        status,
        reason: code.to_owned(),
        message,
        retry,
        ..Default::default()
    }
}
