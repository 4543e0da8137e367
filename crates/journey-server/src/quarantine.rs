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
use crate::paging::{page_size, token_text};
use crate::router::{Hop, Target, hop_request};
use crate::set_aside::{
    Asked, Customers, Deed, Filter, add_sum, carry_out, id_text, list_start, parsed_id,
    partitions_meant, sum, target_of_id, token_behind_all,
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
        let spread = self.node.spread(hop)?;
        let held = spread.here.iter().map(|handle| handle.held().1);
        let mut held = sum(held, QUARANTINE_SIZE_BYTES_MAX);
        let request = wire::ListQuarantinedRequest {
            page_token: token_behind_all(&self.node),
            ..Default::default()
        };
        let call =
            |channel, request| async move { service(channel).list_quarantined(request).await };
        for other in spread.ask(&self.node, &request, call).await? {
            add_sum(&mut held, other.held);
        }
        Ok(held)
    }

    async fn carry_out(
        &self,
        hop: &Hop,
        deed: Deed,
        asked: Asked,
    ) -> Result<Option<wire::SetAsideReport>, Status> {
        refuse_letters_only(asked.filter.as_ref())?;
        carry_out(&self.node, hop, deed, asked).await.map(Some)
    }

    async fn list_quarantined_once(
        &self,
        hop: &Hop,
        request: &wire::ListQuarantinedRequest,
    ) -> Result<wire::ListQuarantinedResponse, Status> {
        let n_max = page_size(request.page_size)?;
        refuse_letters_only(request.filter.as_ref())?;
        let filter = Filter::of(request.filter.clone())?;
        let (first, mut after) = list_start(&request.page_token)?;
        let (mut commands, mut parked) = (Vec::new(), Vec::new());
        let mut next_page_token = String::new();
        for partition in partitions_meant(&self.node, hop, &filter) {
            if partition < first || !next_page_token.is_empty() {
                continue;
            }
            let n_listed = commands.len() + parked.len();
            if n_listed >= n_max {
                next_page_token = token_text(partition.get(), "");
                continue;
            }
            let after = std::mem::take(&mut after);
            match self.node.reader_of(hop, partition)? {
                Target::Here(handle) => {
                    let mut customers = Customers::of(&handle, &filter, &after)?;
                    while let Some((token, state)) = customers.next()? {
                        parked.extend(parked_customer(&state));
                        let quarantined = state.quarantined.iter();
                        commands.extend(
                            quarantined.map(|(entry, command)| {
                                summary(&self.node, &state, *entry, command)
                            }),
                        );
                        if commands.len() + parked.len() >= n_max {
                            next_page_token = token;
                            break;
                        }
                    }
                }
                Target::There(leader) => {
                    let request = wire::ListQuarantinedRequest {
                        page_size: u32::try_from(n_max - n_listed).unwrap_or(u32::MAX),
                        page_token: token_text(partition.get(), &after),
                        filter: request.filter.clone(),
                    };
                    let call = |channel| {
                        let request = hop_request(request.clone(), &[partition]);
                        async move { service(channel).list_quarantined(request).await }
                    };
                    let page = self.node.hop(partition, leader, call).await?;
                    commands.extend(page.commands);
                    parked.extend(page.parked);
                    next_page_token = page.next_page_token;
                }
                Target::Nowhere => return Err(self.node.not_leader(partition).into()),
            }
        }
        Ok(wire::ListQuarantinedResponse {
            commands,
            next_page_token,
            held: Some(self.held(hop).await?),
            parked,
        })
    }

    async fn get_quarantined_once(
        &self,
        hop: &Hop,
        request: &wire::GetQuarantinedRequest,
    ) -> Result<wire::GetQuarantinedResponse, Status> {
        let id = parsed_id(&self.node, &request.id)
            .map_err(|reason| ServerError::invalid("id", reason))?;
        let handle = match target_of_id(&self.node, hop, &id)? {
            (_, Target::Here(handle)) => handle,
            (partition, Target::There(leader)) => {
                let call = |channel| {
                    let request = hop_request(request.clone(), &[]);
                    async move { service(channel).get_quarantined(request).await }
                };
                let read = self.node.hop(partition, leader, call).await;
                return read;
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

fn service(channel: Channel) -> QuarantineServiceClient<Channel> {
    QuarantineServiceClient::new(channel).max_decoding_message_size(HOP_ANSWER_SIZE_BYTES_MAX)
}

#[tonic::async_trait]
impl QuarantineService for QuarantineApi {
    async fn list_quarantined(
        &self,
        request: Request<wire::ListQuarantinedRequest>,
    ) -> Result<Response<wire::ListQuarantinedResponse>, Status> {
        let hop = Hop::of(request.metadata())?;
        let request = request.into_inner();
        let read = self
            .node
            .read(&hop, || self.list_quarantined_once(&hop, &request));
        read.await.map(Response::new)
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
        request: Request<wire::ReplayQuarantinedRequest>,
    ) -> Result<Response<wire::ReplayQuarantinedResponse>, Status> {
        let hop = Hop::of(request.metadata())?;
        let request = request.into_inner();
        let asked = Asked {
            ids: request.ids,
            filter: request.filter,
            is_dry: request.dry_run,
        };
        let report = self.carry_out(&hop, Deed::ReplayQuarantined, asked).await?;
        Ok(Response::new(wire::ReplayQuarantinedResponse { report }))
    }

    async fn discard_quarantined(
        &self,
        request: Request<wire::DiscardQuarantinedRequest>,
    ) -> Result<Response<wire::DiscardQuarantinedResponse>, Status> {
        let hop = Hop::of(request.metadata())?;
        let request = request.into_inner();
        let asked = Asked {
            ids: request.ids,
            filter: request.filter,
            is_dry: request.dry_run,
        };
        let report = self
            .carry_out(&hop, Deed::DiscardQuarantined, asked)
            .await?;
        Ok(Response::new(wire::DiscardQuarantinedResponse { report }))
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
