//! Quarantined commands: listed, read, replayed, discarded; and parked customers, released.

use std::sync::Arc;

use journey_customer::{Command, CustomerState, QuarantinedCommand, Reply, SetAside};
use journey_partition::Answer;
use journey_partition::core::limits::QUARANTINE_SIZE_BYTES_MAX;
use journey_proto::v1 as wire;
use journey_proto::v1::quarantine_service_server::QuarantineService;
use journey_types::Sequence;
use tonic::{Request, Response, Status};

use crate::convert::{requested_customer, struct_from_map, timestamp_to_wire};
use crate::error::ServerError;
use crate::node::Node;
use crate::paging::page_size;
use crate::set_aside::{
    Asked, Customers, Filter, carry_out, dry_run, id_text, meant, parsed_id, state_of, sum,
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

    fn meant(&self, asked: Asked) -> Result<(Vec<String>, bool), ServerError> {
        refuse_letters_only(asked.filter.as_ref())?;
        meant(&self.node, asked, |_, state| {
            let entries = state.quarantined.keys();
            entries
                .map(|entry| id_text(self.node.origin(), &state.key, state.birth, *entry))
                .collect()
        })
    }
}

#[tonic::async_trait]
impl QuarantineService for QuarantineApi {
    async fn list_quarantined(
        &self,
        request: Request<wire::ListQuarantinedRequest>,
    ) -> Result<Response<wire::ListQuarantinedResponse>, Status> {
        let request = request.into_inner();
        let n_max = page_size(request.page_size)?;
        refuse_letters_only(request.filter.as_ref())?;
        let filter = Filter::of(request.filter)?;
        let mut customers = Customers::from(&self.node, filter, &request.page_token)?;
        let (mut commands, mut parked) = (Vec::new(), Vec::new());
        let mut next_page_token = String::new();
        while let Some((token, state)) = customers.next()? {
            parked.extend(parked_customer(&state));
            let quarantined = state.quarantined.iter();
            commands.extend(
                quarantined.map(|(entry, command)| summary(&self.node, &state, *entry, command)),
            );
            if commands.len() + parked.len() >= n_max {
                next_page_token = token;
                break;
            }
        }
        let handles = self.node.partitions();
        let held = handles.values().map(|handle| handle.held().1);
        Ok(Response::new(wire::ListQuarantinedResponse {
            commands,
            next_page_token,
            held: Some(sum(held, QUARANTINE_SIZE_BYTES_MAX)),
            parked,
        }))
    }

    async fn get_quarantined(
        &self,
        request: Request<wire::GetQuarantinedRequest>,
    ) -> Result<Response<wire::GetQuarantinedResponse>, Status> {
        let text = request.into_inner().id;
        let id =
            parsed_id(&self.node, &text).map_err(|reason| ServerError::invalid("id", reason))?;
        let state = state_of(&self.node, &id.customer)?.filter(|state| state.birth == id.birth);
        let found = state.as_ref().and_then(|state| {
            let command = state.quarantined.get(&id.sequence)?;
            let mut wire = summary(&self.node, state, id.sequence, command);
            let event = command.event.as_ref();
            wire.properties = event.map(|event| struct_from_map(&event.properties));
            Some(wire)
        });
        let command = found.ok_or(ServerError::NotFound {
            kind: "quarantined command",
            name: text,
            hint: "it was replayed, discarded or expired, or never was there",
        })?;
        let command = Some(command);
        Ok(Response::new(wire::GetQuarantinedResponse { command }))
    }

    async fn replay_quarantined(
        &self,
        request: Request<wire::ReplayQuarantinedRequest>,
    ) -> Result<Response<wire::ReplayQuarantinedResponse>, Status> {
        let request = request.into_inner();
        let is_dry = request.dry_run;
        let meant = self.meant(Asked {
            ids: request.ids,
            filter: request.filter,
        })?;
        let report = if is_dry {
            dry_run(meant)
        } else {
            carry_out(&self.node, meant, |id| Command::ReplayQuarantined {
                birth: id.birth,
                entry: id.sequence,
            })
            .await
        };
        let report = Some(report);
        Ok(Response::new(wire::ReplayQuarantinedResponse { report }))
    }

    async fn discard_quarantined(
        &self,
        request: Request<wire::DiscardQuarantinedRequest>,
    ) -> Result<Response<wire::DiscardQuarantinedResponse>, Status> {
        let request = request.into_inner();
        let is_dry = request.dry_run;
        let meant = self.meant(Asked {
            ids: request.ids,
            filter: request.filter,
        })?;
        let report = if is_dry {
            dry_run(meant)
        } else {
            carry_out(&self.node, meant, |id| Command::Discard {
                birth: id.birth,
                what: SetAside::Command(id.sequence),
            })
            .await
        };
        let report = Some(report);
        Ok(Response::new(wire::DiscardQuarantinedResponse { report }))
    }

    async fn release_customer(
        &self,
        request: Request<wire::ReleaseCustomerRequest>,
    ) -> Result<Response<wire::ReleaseCustomerResponse>, Status> {
        let request = request.into_inner();
        let key = requested_customer(&request.workspace, &request.customer_id)?;
        let partition = self.node.partition_of(&key);
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
    wire
}
