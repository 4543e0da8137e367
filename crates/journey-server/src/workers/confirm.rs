//! Whether a hand-over still stands: for a worker that must be sure before it acts.

use journey_customer::{CustomerState, EffectStatus};
use journey_proto::v1 as wire;
use journey_types::{EffectId, Timestamp};
use tonic::Status;

use super::settle::{effect_of, service};
use crate::convert::timestamp_to_wire;
use crate::customers::internal;
use crate::error::ServerError;
use crate::node::Node;
use crate::router::{Hop, Target, hop_request};

/// Asks the leader of the effect's customer, which proves with one round to a quorum that it leads.
pub(super) async fn confirm(
    node: &Node,
    hop: &Hop,
    request: wire::ConfirmRequest,
) -> Result<wire::ConfirmResponse, Status> {
    let effect = effect_of(node, &request.effect_id)
        .map_err(|reason| ServerError::invalid("effect_id", reason))?;
    node.read(hop, || confirm_once(node, hop, &request, &effect))
        .await
}

async fn confirm_once(
    node: &Node,
    hop: &Hop,
    request: &wire::ConfirmRequest,
    effect: &EffectId,
) -> Result<wire::ConfirmResponse, Status> {
    let partition = node.partition_of(&effect.customer);
    let handle = match node.reader_of(hop, partition).await? {
        Target::Here(handle) => handle,
        Target::There(leader) => {
            let call = |channel| {
                let request = hop_request(request.clone(), &[]);
                async move { service(channel).confirm(request).await }
            };
            return node.hop(partition, leader, call).await;
        }
        Target::Nowhere => return Err(node.not_leader(partition).into()),
    };
    handle
        .prove_leadership()
        .await
        .map_err(|_| node.not_leader(partition))?;
    let state = handle.customer(&effect.customer).map_err(internal)?;
    Ok(judge(state.as_deref(), effect, request.attempt, node.now()))
}

/// Whether the customer's outbox holds that attempt under a claim that has not run out.
fn judge(
    state: Option<&CustomerState>,
    effect: &EffectId,
    attempt: u32,
    now: Timestamp,
) -> wire::ConfirmResponse {
    let no = |reason: &str| wire::ConfirmResponse {
        stands: false,
        reason: reason.to_owned(),
        until: None,
    };
    let row = state.and_then(|state| state.outbox.get(&effect.sequence));
    let Some(row) = row.filter(|row| row.birth == effect.birth) else {
        return no("the effect has its outcome, was withdrawn, or never was");
    };
    let EffectStatus::Claimed { until } = row.status else {
        return no("the effect is not claimed: its claim ran out or its attempt failed");
    };
    if row.attempt != attempt {
        return no("the effect was handed over again since, as a later attempt");
    }
    if now >= until {
        return no("the claim has run out");
    }
    if row.send_by.is_some_and(|send_by| now > send_by) {
        return no("it is too late to send it: `send_by` has passed");
    }
    wire::ConfirmResponse {
        stands: true,
        reason: String::new(),
        until: Some(timestamp_to_wire(until)),
    }
}
