//! `Enroll`: customers into a journey, each answered for itself.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{join, join_all};
use journey_customer::{Command, Enrollment, Reply};
use journey_model::Catalog;
use journey_partition::{Answer, Refusal};
use journey_proto::v1 as wire;
use journey_proto::v1::enroll_result::Status as EnrollStatus;
use journey_proto::v1::journey_service_client::JourneyServiceClient;
use journey_types::{CustomerKey, EffectOrigin, EnrollmentId, JourneyId, PartitionId};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::convert::{customer_key, map_from_struct};
use crate::error::ServerError;
use crate::ingest::{overload_of, rejection_code, retry_after};
use crate::limits::{ENROLLMENTS_PER_CALL_MAX, RETRY_AFTER_DEFAULT};
use crate::node::{Commands, Node, Submitted};
use crate::router::{Hop, Leader, Target, hop_request, reason_of};
use crate::set_aside::id_text;

/// The customers of one partition.
#[derive(Default)]
struct Share {
    /// Positions in the call, in order.
    positions: Vec<usize>,
    /// As they came, for the node that leads the partition.
    wire: Vec<wire::Enrollment>,
    commands: Commands,
}

/// Enrolls the customers of a call: each partition's here, or by one hop at the node that leads it.
///
/// # Errors
/// What makes the call as a whole no call: no such journey, no such entry, too few or too many customers, and load that
/// refused every one of them.
///
/// # Cancel safety
/// Dropping the future abandons the answer; each enrollment may have taken effect.
pub(crate) async fn enroll(
    node: &Node,
    hop: &Hop,
    request: wire::EnrollRequest,
) -> Result<wire::EnrollResponse, ServerError> {
    let journey = journey_of(&node.catalog(), &request.journey)?;
    let n_customers = request.customers.len();
    if n_customers == 0 || n_customers > ENROLLMENTS_PER_CALL_MAX {
        let text =
            format!("holds {n_customers} customers, 1 to {ENROLLMENTS_PER_CALL_MAX} are allowed");
        return Err(ServerError::invalid("customers", text));
    }
    let mut results = vec![wire::EnrollResult::default(); n_customers];
    let (workspace, text) = (request.workspace, request.journey);
    let shares = sort(
        node,
        (&workspace, &journey),
        request.customers,
        &mut results,
    );
    let n_shared: usize = shares.values().map(|share| share.positions.len()).sum();
    let (mut here, mut there) = (Vec::new(), Vec::new());
    for (partition, share) in shares {
        let refusal = match node.target_for(hop, partition) {
            Ok(Target::Here(_)) => {
                let submitted = node.submit(partition, share.commands, None);
                here.push((partition, share.positions, submitted));
                continue;
            }
            Ok(Target::There(leader)) => {
                let request = wire::EnrollRequest {
                    workspace: workspace.clone(),
                    journey: text.clone(),
                    customers: share.wire,
                };
                let answers = send_on(node, partition, leader, request);
                there.push(async move { (share.positions, answers.await) });
                continue;
            }
            Ok(Target::Nowhere) => node.not_leader(partition),
            Err(refusal) => refusal,
        };
        let refused = refused_as(&refusal.into());
        for position in share.positions {
            results[position] = refused.clone();
        }
    }
    if there.is_empty() && n_shared == n_customers {
        let shed = overload_of(
            here.iter()
                .map(|(partition, _, submitted)| (*partition, submitted)),
        );
        if let Some(refused) = shed {
            node.metrics().shed(refused.reason(), n_customers as u64);
            return Err(refused);
        }
    }
    // Sent first, so that they are under way while the shares here are waited for.
    let (here, there) = join(finish_here(node, here), join_all(there)).await;
    for (positions, answers) in here.into_iter().chain(there) {
        for (position, result) in positions.into_iter().zip(answers) {
            results[position] = result;
        }
    }
    Ok(wire::EnrollResponse { results })
}

/// Puts each customer to its partition; whoever cannot be one has a result.
fn sort(
    node: &Node,
    (workspace, journey): (&str, &JourneyId),
    customers: Vec<wire::Enrollment>,
    results: &mut [wire::EnrollResult],
) -> BTreeMap<PartitionId, Share> {
    let mut shares: BTreeMap<PartitionId, Share> = BTreeMap::new();
    for (position, one) in customers.into_iter().enumerate() {
        match read(workspace, journey, &one) {
            Ok((customer, enrollment)) => {
                let share = shares.entry(node.partition_of(&customer)).or_default();
                let command = Command::Enroll(Arc::new(enrollment));
                share.positions.push(position);
                share.wire.push(one);
                share.commands.push((customer, command));
            }
            Err((code, message)) => results[position] = rejected(code, message),
        }
    }
    shares
}

type Answered = (Vec<usize>, Vec<wire::EnrollResult>);

async fn finish_here(
    node: &Node,
    shares: Vec<(PartitionId, Vec<usize>, Submitted)>,
) -> Vec<Answered> {
    let mut finished = Vec::with_capacity(shares.len());
    for (partition, positions, submitted) in shares {
        let answers = submitted
            .answers(positions.len(), node.answer_max())
            .await
            .into_iter();
        let results = answers.map(|answer| {
            if let Answer::Refused(refusal) = &answer {
                node.metrics().shed(refusal.code(), 1);
            }
            result_of(node.origin(), partition, answer)
        });
        finished.push((positions, results.collect()));
    }
    finished
}

/// One hop to the node that leads a partition: a result for each of its customers.
async fn send_on(
    node: &Node,
    partition: PartitionId,
    leader: Leader,
    request: wire::EnrollRequest,
) -> Vec<wire::EnrollResult> {
    let n_customers = request.customers.len();
    let call = |channel| {
        let request = request.clone();
        async move {
            let mut service = JourneyServiceClient::new(channel);
            service.enroll(hop_request(request, &[])).await
        }
    };
    match node.hop(partition, leader, call).await {
        Ok(wire::EnrollResponse { results }) if results.len() == n_customers => results,
        Ok(_) => {
            let status = Status::internal("another node answered another number of customers");
            vec![refused_as(&status); n_customers]
        }
        Err(status) => vec![refused_as(&status); n_customers],
    }
}

/// What a refusal of a whole share says of each of its customers.
fn refused_as(status: &Status) -> wire::EnrollResult {
    // Without a reason of ours the connection broke, or time was up: nobody knows.
    let reason = reason_of(status).unwrap_or_else(|| "OUTCOME_UNKNOWN".to_owned());
    let message = status.message().to_owned();
    if !is_worth_a_retry(status.code()) {
        return rejected(&reason, message);
    }
    let delay = status
        .get_details_retry_info()
        .and_then(|info| info.retry_delay);
    refused(&reason, message, delay.unwrap_or(RETRY_AFTER_DEFAULT))
}

const fn is_worth_a_retry(code: Code) -> bool {
    matches!(
        code,
        Code::Unavailable
            | Code::ResourceExhausted
            | Code::Aborted
            | Code::Cancelled
            | Code::Unknown
            | Code::DeadlineExceeded
    )
}

/// The journey that is meant, which must have an entry by `api`. Each partition holds it against its own catalog again.
fn journey_of(catalog: &Catalog, text: &str) -> Result<JourneyId, ServerError> {
    let journey =
        JourneyId::new(text).map_err(|error| ServerError::invalid("journey", error.to_string()))?;
    let plan = catalog
        .newest_plan(&journey)
        .ok_or_else(|| ServerError::NotFound {
            kind: "journey",
            name: text.to_owned(),
            hint: "`journeyctl journey list` shows what is published",
        })?;
    if plan.api_entries().next().is_none() {
        let text = format!(
            "journey `{journey}` has no entry by `api`; add `entry: [ {{ api: enroll }} ]` to it and publish it"
        );
        return Err(ServerError::invalid("journey", text));
    }
    Ok(journey)
}

fn read(
    workspace: &str,
    journey: &JourneyId,
    one: &wire::Enrollment,
) -> Result<(CustomerKey, Enrollment), (&'static str, String)> {
    let customer = customer_key(workspace, &one.customer_id)
        .map_err(|error| ("customer_id_invalid", error.to_string()))?;
    let id =
        EnrollmentId::new(&one.id).map_err(|error| ("enroll_id_invalid", error.to_string()))?;
    let enrollment = Enrollment {
        journey: journey.clone(),
        id,
        input: one.input.clone().map(map_from_struct).unwrap_or_default(),
    };
    Ok((customer, enrollment))
}

fn result_of(origin: EffectOrigin, partition: PartitionId, answer: Answer) -> wire::EnrollResult {
    match answer {
        Answer::Done { reply, lsn } => {
            let (status, instance, reason) = match reply {
                Reply::Enrolled {
                    instance: Some(instance),
                } => (EnrollStatus::Entered, instance.get(), ""),
                Reply::Enrolled { instance: None } => (EnrollStatus::Queued, 0, ""),
                Reply::NotEnrolled { reason } => (EnrollStatus::Rejected, 0, reason),
                _ => (EnrollStatus::Duplicate, 0, ""),
            };
            wire::EnrollResult {
                status: status.into(),
                instance,
                reason: reason.to_owned(),
                message: explained(reason).to_owned(),
                partition: partition.get(),
                index: lsn.get(),
                ..Default::default()
            }
        }
        Answer::Rejected(rejection) => {
            let (code, may_be_retried) = rejection_code(&rejection);
            let text = rejection.to_string();
            if may_be_retried {
                return refused(code, text, RETRY_AFTER_DEFAULT);
            }
            // `input_too_large: the input takes …`
            let code = match text.split_once(": ") {
                Some((lead, _)) if !lead.contains(' ') => lead.to_owned(),
                _ => code.to_owned(),
            };
            rejected(&code, text)
        }
        Answer::Refused(refusal) if refusal.is_retryable() => {
            let after = retry_after(&refusal);
            refused(refusal.code(), refusal.to_string(), after)
        }
        Answer::Refused(refusal) => {
            let mut result = rejected(refusal.code(), refusal.to_string());
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

/// What a reason of the journey's rules means, for people.
fn explained(reason: &str) -> &'static str {
    match reason {
        "where" => "no entry by `api` has a `where` that holds for this customer and input",
        "key_invalid" => {
            "the journey's `key` gives no int, boolean or text of 1 to 256 bytes for this input"
        }
        "reentry_never" => "it entered before, and the journey says `again: never`",
        "min_gap" => "its last entry is younger than the journey's `min_gap`",
        "conflict" => "as many instances run already as the journey's `concurrent` allows",
        "exit_rule" => "a `when` of the journey's exit rules holds already",
        "too_many_instances" => "the customer has the most running instances that are allowed",
        _ => "",
    }
}

fn rejected(code: &str, message: String) -> wire::EnrollResult {
    wire::EnrollResult {
        status: EnrollStatus::Rejected.into(),
        reason: code.to_owned(),
        message,
        ..Default::default()
    }
}

fn refused(code: &str, message: String, after: Duration) -> wire::EnrollResult {
    wire::EnrollResult {
        status: EnrollStatus::Refused.into(),
        reason: code.to_owned(),
        message,
        retry_after_ms: u32::try_from(after.as_millis()).unwrap_or(u32::MAX),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests;
