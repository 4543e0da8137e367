//! Quarantined commands: listed, read, replayed, discarded; and parked customers, released.

use std::sync::Arc;

use journey_customer::{Command, CustomerState, QuarantinedCommand, Reply};
use journey_partition::Answer;
use journey_partition::core::limits::QUARANTINE_SIZE_BYTES_MAX;
use journey_proto::v1 as wire;
use journey_proto::v1::quarantine_service_client::QuarantineServiceClient;
use journey_proto::v1::quarantine_service_server::QuarantineService;
use journey_types::Sequence;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use crate::convert::{requested_customer, struct_from_map, timestamp_to_wire};
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
pub struct QuarantineApi {
    node: Arc<Node>,
}

impl QuarantineApi {
    /// The service of a node.
    #[must_use]
    pub const fn new(node: Arc<Node>) -> Self {
        Self { node }
    }

    /// What lies here and elsewhere.
    async fn held(&self, hop: &Hop) -> Result<wire::SetAsideSum, Status> {
        let spread = self.node.spread(hop).await?;
        let held = spread.here.iter().map(|handle| handle.held().1);
        let mut held = sum(held, QUARANTINE_SIZE_BYTES_MAX);
        for other in sums_elsewhere::<wire::ListQuarantinedResponse>(&self.node, &spread).await? {
            add_sum(&mut held, other.held);
        }
        Ok(held)
    }

    async fn carry_out(
        &self,
        deed: Deed,
        request: Request<wire::SetAsideRequest>,
    ) -> Result<Response<wire::SetAsideReport>, Status> {
        refuse_letters_only(request.get_ref().filter.as_ref())?;
        carry_out(&self.node, deed, request).await
    }

    async fn get_quarantined_once(
        &self,
        hop: &Hop,
        request: &wire::GetQuarantinedRequest,
    ) -> Result<wire::GetQuarantinedResponse, Status> {
        let id = parsed_id(&self.node, &request.id)
            .map_err(|reason| ServerError::invalid("id", reason))?;
        let handle = match target_of_id(&self.node, hop, &id).await? {
            (_, Target::Here(handle)) => handle,
            (partition, Target::There(leader)) => {
                let call = |channel| {
                    let request = hop_request(request.clone(), &[]);
                    async move { service(channel).get_quarantined(request).await }
                };
                return self.node.hop(partition, leader, call).await;
            }
            (partition, Target::Nowhere) => return Err(self.node.not_leader(partition).into()),
        };
        let state = handle.customer(&id.customer).map_err(internal)?;
        let state = state.filter(|state| state.birth == id.birth);
        let found = state.as_ref().and_then(|state| {
            let command = state.quarantined.get(&id.sequence)?;
            let mut wire = summary(&self.node, state, id.sequence, command);
            let event = command.event.as_ref();
            wire.properties = event.map(|event| struct_from_map(&event.properties));
            let enrollment = command.enrollment.as_ref();
            wire.input = enrollment.map(|enrollment| struct_from_map(&enrollment.input));
            Some(wire)
        });
        let command = found.ok_or(ServerError::NotFound {
            kind: "quarantined command",
            name: request.id.clone(),
            hint: "it was replayed, discarded or expired, or never was there",
        })?;
        let command = Some(command);
        Ok(wire::GetQuarantinedResponse { command })
    }
}

impl Listing for wire::ListQuarantinedResponse {
    fn n(&self) -> usize {
        self.commands.len() + self.parked.len()
    }

    fn add(&mut self, node: &Node, _: &Filter, state: &CustomerState) {
        self.parked.extend(parked_customer(state));
        let quarantined = state.quarantined.iter();
        self.commands
            .extend(quarantined.map(|(entry, command)| summary(node, state, *entry, command)));
    }

    fn append(&mut self, page: Self) -> String {
        self.commands.extend(page.commands);
        self.parked.extend(page.parked);
        page.next_page_token
    }

    async fn ask(
        channel: Channel,
        request: Request<wire::ListSetAsideRequest>,
    ) -> Result<Response<Self>, Status> {
        service(channel).list_quarantined(request).await
    }
}

fn service(channel: Channel) -> QuarantineServiceClient<Channel> {
    QuarantineServiceClient::new(channel).max_decoding_message_size(HOP_ANSWER_SIZE_BYTES_MAX)
}

#[tonic::async_trait]
impl QuarantineService for QuarantineApi {
    async fn list_quarantined(
        &self,
        request: Request<wire::ListSetAsideRequest>,
    ) -> Result<Response<wire::ListQuarantinedResponse>, Status> {
        let hop = Hop::of(request.metadata())?;
        refuse_letters_only(request.get_ref().filter.as_ref())?;
        let request = request.into_inner();
        let list = || async {
            let (page, next_page_token) = list_page(&self.node, &hop, &request).await?;
            Ok(wire::ListQuarantinedResponse {
                next_page_token,
                held: Some(self.held(&hop).await?),
                ..page
            })
        };
        self.node.read(&hop, list).await.map(Response::new)
    }

    async fn get_quarantined(
        &self,
        request: Request<wire::GetQuarantinedRequest>,
    ) -> Result<Response<wire::GetQuarantinedResponse>, Status> {
        let hop = Hop::of(request.metadata())?;
        let request = request.into_inner();
        let read = self
            .node
            .read(&hop, || self.get_quarantined_once(&hop, &request));
        read.await.map(Response::new)
    }

    async fn replay_quarantined(
        &self,
        request: Request<wire::SetAsideRequest>,
    ) -> Result<Response<wire::SetAsideReport>, Status> {
        self.carry_out(Deed::ReplayQuarantined, request).await
    }

    async fn discard_quarantined(
        &self,
        request: Request<wire::SetAsideRequest>,
    ) -> Result<Response<wire::SetAsideReport>, Status> {
        self.carry_out(Deed::DiscardQuarantined, request).await
    }

    async fn release_customer(
        &self,
        request: Request<wire::ReleaseCustomerRequest>,
    ) -> Result<Response<wire::ReleaseCustomerResponse>, Status> {
        let hop = Hop::of(request.metadata())?;
        let request = request.into_inner();
        let key = requested_customer(&request.workspace, &request.customer_id)?;
        let partition = self.node.partition_of(&key);
        if let Target::There(leader) = self.node.target_for(&hop, partition)? {
            let call = |channel| {
                let request = hop_request(request.clone(), &[]);
                async move { service(channel).release_customer(request).await }
            };
            let released = self.node.hop(partition, leader, call).await;
            return released.map(Response::new);
        }
        let submitted = self
            .node
            .submit(partition, vec![(key, Command::Release)], None);
        let was_parked = match submitted.answers(1, self.node.answer_max()).await.pop() {
            Some(Answer::Done {
                reply: Reply::Released { was_parked },
                ..
            }) => was_parked,
            Some(Answer::Done { .. }) | None => false,
            Some(Answer::Rejected(rejection)) => {
                let reason = rejection.to_string();
                return Err(ServerError::Unavailable { reason }.into());
            }
            Some(Answer::Refused(refusal)) => {
                let reason = refusal.to_string();
                return Err(ServerError::Unavailable { reason }.into());
            }
        };
        Ok(Response::new(wire::ReleaseCustomerResponse { was_parked }))
    }
}

/// A filter that quarantined commands have no answer to is refused rather than passed over.
fn refuse_letters_only(filter: Option<&wire::SetAsideFilter>) -> Result<(), ServerError> {
    let Some(filter) = filter else { return Ok(()) };
    for (name, value) in [
        ("filter.destination", &filter.destination),
        ("filter.journey", &filter.journey),
    ] {
        if !value.is_empty() {
            let text = "is for dead letters; a quarantined command has none";
            return Err(ServerError::invalid(name, text));
        }
    }
    Ok(())
}

fn parked_customer(state: &CustomerState) -> Option<wire::ParkedCustomer> {
    let parking = state.parked.as_ref()?;
    Some(wire::ParkedCustomer {
        workspace: state.key.workspace.to_string(),
        customer_id: state.key.customer.to_string(),
        reason: parking.reason.clone(),
        since: Some(timestamp_to_wire(parking.since)),
    })
}

fn summary(
    node: &Node,
    state: &CustomerState,
    entry: Sequence,
    command: &QuarantinedCommand,
) -> wire::QuarantinedCommand {
    let key = &state.key;
    let mut wire = wire::QuarantinedCommand {
        id: id_text(node.origin(), key, state.birth, entry),
        workspace: key.workspace.to_string(),
        customer_id: key.customer.to_string(),
        kind: command.kind.clone(),
        reason: command.reason.clone(),
        since: Some(timestamp_to_wire(command.since)),
        ..Default::default()
    };
    if let Some(event) = &command.event {
        wire.event_source = event.source.to_string();
        wire.event_id = event.id.to_string();
        wire.event_name = event.name.to_string();
        wire.occurred_at = Some(timestamp_to_wire(event.occurred_at));
    }
    if let Some(enrollment) = &command.enrollment {
        wire.journey = enrollment.journey.to_string();
        wire.enroll_id = enrollment.id.to_string();
    }
    wire
}
