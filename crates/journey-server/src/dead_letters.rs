//! Dead letters: listed, read, replayed, discarded.

use std::sync::Arc;

use journey_customer::{CustomerState, DeadLetter, EffectBody};
use journey_partition::PartitionHandle;
use journey_partition::core::limits::DEAD_LETTERS_SIZE_BYTES_MAX;
use journey_proto::v1 as wire;
use journey_proto::v1::dead_letter_service_client::DeadLetterServiceClient;
use journey_proto::v1::dead_letter_service_server::DeadLetterService;
use journey_types::CustomerKey;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use crate::convert::{struct_from_map, timestamp_to_wire};
use crate::customers::internal;
use crate::error::ServerError;
use crate::limits::HOP_ANSWER_SIZE_BYTES_MAX;
use crate::node::Node;
use crate::router::{Hop, Target, hop_request};
use crate::set_aside::{
    Deed, Filter, Listing, add_sum, carry_out, id_text, list_page, parsed_id, sum, sums_elsewhere,
    target_of_id,
};

/// The gRPC service.
#[derive(Debug, Clone)]
pub struct DeadLetterApi {
    node: Arc<Node>,
}

impl DeadLetterApi {
    /// The service of a node.
    #[must_use]
    pub const fn new(node: Arc<Node>) -> Self {
        Self { node }
    }

    /// What lies here and elsewhere, and the queues that are stopped by it.
    async fn sums(
        &self,
        hop: &Hop,
    ) -> Result<(wire::SetAsideSum, Vec<wire::StoppedQueue>), Status> {
        let spread = self.node.spread(hop).await?;
        let held = spread.here.iter().map(|handle| handle.held().0);
        let mut held = sum(held, DEAD_LETTERS_SIZE_BYTES_MAX);
        let mut stopped = stopped_queues(&spread.here).await;
        stopped.extend(missing_connectors(&self.node));
        for other in sums_elsewhere::<wire::ListDeadLettersResponse>(&self.node, &spread).await? {
            add_sum(&mut held, other.held);
            stopped.extend(other.stopped_queues);
        }
        Ok((held, stopped))
    }

    async fn get_dead_letter_once(
        &self,
        hop: &Hop,
        request: &wire::GetDeadLetterRequest,
    ) -> Result<wire::GetDeadLetterResponse, Status> {
        let id = parsed_id(&self.node, &request.effect_id)
            .map_err(|reason| ServerError::invalid("effect_id", reason))?;
        let handle = match target_of_id(&self.node, hop, &id).await? {
            (_, Target::Here(handle)) => handle,
            (partition, Target::There(leader)) => {
                let call = |channel| {
                    let request = hop_request(request.clone(), &[]);
                    async move { service(channel).get_dead_letter(request).await }
                };
                return self.node.hop(partition, leader, call).await;
            }
            (partition, Target::Nowhere) => return Err(self.node.not_leader(partition).into()),
        };
        let state = handle.customer(&id.customer).map_err(internal)?;
        let letter = state.as_ref().and_then(|state| {
            let letter = state.dead_letters.get(&id.sequence);
            letter.filter(|letter| letter.row.birth == id.birth)
        });
        let letter = letter.ok_or(ServerError::NotFound {
            kind: "dead letter",
            name: request.effect_id.clone(),
            hint: "it was replayed, discarded or expired, or never was there",
        })?;
        Ok(wire::GetDeadLetterResponse {
            dead_letter: Some(whole(&self.node, &id.customer, letter)),
        })
    }
}

impl Listing for wire::ListDeadLettersResponse {
    fn n(&self) -> usize {
        self.dead_letters.len()
    }

    fn add(&mut self, node: &Node, filter: &Filter, state: &CustomerState) {
        let letters = matching(filter, state);
        self.dead_letters
            .extend(letters.map(|letter| summary(node, &state.key, letter)));
    }

    fn append(&mut self, page: Self) -> String {
        self.dead_letters.extend(page.dead_letters);
        page.next_page_token
    }

    async fn ask(
        channel: Channel,
        request: Request<wire::ListSetAsideRequest>,
    ) -> Result<Response<Self>, Status> {
        service(channel).list_dead_letters(request).await
    }
}

async fn stopped_queues(partitions: &[PartitionHandle]) -> Vec<wire::StoppedQueue> {
    let mut stopped = Vec::new();
    for handle in partitions {
        // A partition without its actor is shown by its own status.
        let Ok(status) = handle.status().await else {
            continue;
        };
        stopped.extend(status.stopped_queues.iter().map(|queue| {
            wire::StoppedQueue {
                workspace: queue.workspace.to_string(),
                destination: queue.destination.to_string(),
                partition: handle.partition().get(),
                since: Some(timestamp_to_wire(queue.since)),
                customer_id: queue
                    .customer
                    .as_ref()
                    .map_or(String::new(), ToString::to_string),
                reason: match queue.customer {
                    Some(_) => CUSTOMER_FULL.to_owned(),
                    None => PARTITION_FULL.to_owned(),
                },
            }
        }));
    }
    stopped
}

const PARTITION_FULL: &str =
    "the dead letters of its partition take all of their budget; replay or discard some";
const CUSTOMER_FULL: &str =
    "this customer has as many dead letters as may lie with one; replay or discard some";

/// Calls that wait for connectors which this node has no more.
fn missing_connectors(node: &Node) -> impl Iterator<Item = wire::StoppedQueue> {
    let missing = node.missing_connectors().into_iter();
    missing.map(|(connector, journeys)| wire::StoppedQueue {
        destination: journey_types::Destination::Connector(connector).to_string(),
        reason: format!(
            "calls of {} wait: this node's configuration has no such connector; configure it again, or publish \
             versions that do without it",
            journeys.join(", ")
        ),
        ..Default::default()
    })
}

fn service(channel: Channel) -> DeadLetterServiceClient<Channel> {
    DeadLetterServiceClient::new(channel).max_decoding_message_size(HOP_ANSWER_SIZE_BYTES_MAX)
}

#[tonic::async_trait]
impl DeadLetterService for DeadLetterApi {
    async fn list_dead_letters(
        &self,
        request: Request<wire::ListSetAsideRequest>,
    ) -> Result<Response<wire::ListDeadLettersResponse>, Status> {
        let hop = Hop::of(request.metadata())?;
        let request = request.into_inner();
        let list = || async {
            let (page, next_page_token) = list_page(&self.node, &hop, &request).await?;
            let (held, stopped_queues) = self.sums(&hop).await?;
            Ok(wire::ListDeadLettersResponse {
                next_page_token,
                held: Some(held),
                stopped_queues,
                ..page
            })
        };
        self.node.read(&hop, list).await.map(Response::new)
    }

    async fn get_dead_letter(
        &self,
        request: Request<wire::GetDeadLetterRequest>,
    ) -> Result<Response<wire::GetDeadLetterResponse>, Status> {
        let hop = Hop::of(request.metadata())?;
        let request = request.into_inner();
        let read = self
            .node
            .read(&hop, || self.get_dead_letter_once(&hop, &request));
        read.await.map(Response::new)
    }

    async fn replay_dead_letters(
        &self,
        request: Request<wire::SetAsideRequest>,
    ) -> Result<Response<wire::SetAsideReport>, Status> {
        carry_out(&self.node, Deed::ReplayDeadLetters, request).await
    }

    async fn discard_dead_letters(
        &self,
        request: Request<wire::SetAsideRequest>,
    ) -> Result<Response<wire::SetAsideReport>, Status> {
        carry_out(&self.node, Deed::DiscardDeadLetters, request).await
    }
}

/// The dead letters of a customer that a filter means.
pub(crate) fn matching<'s>(
    filter: &'s Filter,
    state: &'s CustomerState,
) -> impl Iterator<Item = &'s DeadLetter> {
    let letters = state.dead_letters.values().map(AsRef::as_ref);
    letters.filter(|letter: &&DeadLetter| {
        let row = &letter.row;
        (filter.destination.is_empty() || filter.destination == row.destination.to_string())
            && (filter.journey.is_empty() || filter.journey == row.journey.as_str())
    })
}

fn summary(node: &Node, customer: &CustomerKey, letter: &DeadLetter) -> wire::DeadLetter {
    let row = &letter.row;
    wire::DeadLetter {
        effect_id: id_text(node.origin(), customer, row.birth, row.effect),
        kind: row.kind().to_owned(),
        destination: row.destination.to_string(),
        workspace: customer.workspace.to_string(),
        customer_id: customer.customer.to_string(),
        journey: row.journey.to_string(),
        version: row.version.get(),
        step: row.step.to_string(),
        instance: row.instance.get(),
        created_at: Some(timestamp_to_wire(row.created_at)),
        since: Some(timestamp_to_wire(letter.since)),
        reason: letter.reason.clone(),
        attempt_count: row.attempt,
        send_by: row.send_by.map(timestamp_to_wire),
        purpose: row.purpose.clone(),
        ..Default::default()
    }
}

fn whole(node: &Node, customer: &CustomerKey, letter: &DeadLetter) -> wire::DeadLetter {
    let attempts = letter.row.attempts.iter();
    let attempts = attempts.map(|attempt| wire::DeliveryAttempt {
        number: attempt.number,
        at: Some(timestamp_to_wire(attempt.at)),
        worker: attempt.worker.clone(),
        failure: attempt.failure.clone().unwrap_or_default(),
    });
    let letter_to_wire = wire::DeadLetter {
        attempts: attempts.collect(),
        ..summary(node, customer, letter)
    };
    match &letter.row.body {
        EffectBody::Message(message) => wire::DeadLetter {
            why: message.why.clone(),
            content: message.content.to_string(),
            rendered: message.rendered.clone(),
            ..letter_to_wire
        },
        EffectBody::Work(work) => wire::DeadLetter {
            input: Some(struct_from_map(&work.input)),
            ..letter_to_wire
        },
    }
}
