//! Reads customers from committed state: profile, instances, timeline, pages.

use std::sync::Arc;

use journey_customer::{CustomerState, Instance};
use journey_model::Catalog;
use journey_partition::PartitionHandle;
use journey_proto::v1 as wire;
use journey_proto::v1::customer_service_client::CustomerServiceClient;
use journey_proto::v1::customer_service_server::CustomerService;
use journey_types::{AggregateId, CustomerId, CustomerKey, PartitionId, WorkspaceId};
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use crate::convert::{
    decimal_text, requested_customer, struct_from_map, timestamp_to_wire, workspace_id,
};
use crate::error::ServerError;
use crate::limits::HOP_ANSWER_SIZE_BYTES_MAX;
use crate::node::Node;
use crate::paging::{page_size, token_parts, token_text};
use crate::router::{Hop, Leader, Target, hop_request};
use crate::waits_for::waits_for;

/// The gRPC service.
#[derive(Debug, Clone)]
pub struct CustomerApi {
    node: Arc<Node>,
}

impl CustomerApi {
    /// The service of a node.
    #[must_use]
    pub const fn new(node: Arc<Node>) -> Self {
        Self { node }
    }

    /// The customer here, or where to ask.
    async fn find(
        &self,
        hop: &Hop,
        (workspace, customer_id): (&str, &str),
        options: Option<wire::ReadOptions>,
    ) -> Result<Found, ServerError> {
        let key = requested_customer(workspace, customer_id)?;
        let partition = self.node.partition_of(&key);
        let options = options.unwrap_or_default();
        let handle = match self.reader(hop, partition, options).await? {
            Target::Here(handle) => handle,
            Target::There(leader) => return Ok(Found::There(partition, leader)),
            Target::Nowhere => return Err(self.node.not_leader(partition)),
        };
        wait_for_freshness(&handle, options).await?;
        let state = handle.customer(&key).map_err(internal)?;
        let state = state.ok_or_else(|| ServerError::NotFound {
            kind: "customer",
            name: customer_id.to_owned(),
            hint: "a customer is there from its first accepted event on; check the id and the workspace",
        })?;
        Ok(Found::Here(partition, state))
    }

    /// Who answers a read: the leader, or any replica that is as far as the read asks.
    async fn reader(
        &self,
        hop: &Hop,
        partition: PartitionId,
        options: wire::ReadOptions,
    ) -> Result<Target, ServerError> {
        let any_replica_will_do = options.min_index > 0 && !options.linearizable;
        if any_replica_will_do && let Some(handle) = self.node.partition(partition) {
            return Ok(Target::Here(handle));
        }
        self.node.reader_of(hop, partition).await
    }

    /// Up to so many customers of one partition after one.
    async fn page(
        &self,
        hop: &Hop,
        partition: PartitionId,
        part: PagePart<'_>,
    ) -> Result<Vec<wire::Customer>, Status> {
        let handle = match self.node.reader_of(hop, partition).await? {
            Target::Here(handle) => handle,
            Target::There(leader) => {
                let after = part.after.as_ref().map_or("", CustomerId::as_str);
                let request = wire::ListCustomersRequest {
                    workspace: part.workspace.to_string(),
                    page_size: u32::try_from(part.n_max).unwrap_or(u32::MAX),
                    page_token: token_text(partition.get(), after),
                };
                let answered = self
                    .node
                    .hop(partition, leader, |channel| {
                        let request = hop_request(request.clone(), &[partition]);
                        async move { service(channel).list_customers(request).await }
                    })
                    .await?;
                return Ok(answered.customers);
            }
            Target::Nowhere => return Err(self.node.not_leader(partition).into()),
        };
        let keys = handle
            .customers(part.workspace, part.after.as_ref(), part.n_max)
            .map_err(internal)?;
        let catalog = self.node.catalog();
        let mut customers = Vec::with_capacity(keys.len());
        for key in keys {
            if let Some(state) = handle.customer(&key).map_err(internal)? {
                customers.push(customer_to_wire(partition, &state, &catalog));
            }
        }
        Ok(customers)
    }

    async fn get_customer_once(
        &self,
        hop: &Hop,
        request: &wire::GetCustomerRequest,
    ) -> Result<wire::GetCustomerResponse, Status> {
        let names = (&*request.workspace, &*request.customer_id);
        let (partition, state) = match self.find(hop, names, request.read).await? {
            Found::Here(partition, state) => (partition, state),
            Found::There(partition, leader) => {
                let call = |channel| {
                    let request = hop_request(request.clone(), &[]);
                    async move { service(channel).get_customer(request).await }
                };
                return self.node.hop(partition, leader, call).await;
            }
        };
        let customer = customer_to_wire(partition, &state, &self.node.catalog());
        Ok(wire::GetCustomerResponse {
            customer: Some(customer),
        })
    }

    async fn list_customers_once(
        &self,
        hop: &Hop,
        request: &wire::ListCustomersRequest,
    ) -> Result<wire::ListCustomersResponse, Status> {
        let n_max = page_size(request.page_size)?;
        let workspace = workspace_id(&request.workspace)
            .map_err(|error| ServerError::invalid("workspace", error.to_string()))?;
        let (first, after) = match token_parts(&request.page_token)? {
            None => (PartitionId::new(0), None),
            Some((partition, customer)) => (PartitionId::new(partition), Some(customer)),
        };
        let after = after.filter(|after| !after.is_empty());
        let mut after = after
            .map(CustomerId::new)
            .transpose()
            .map_err(|error| ServerError::invalid("page_token", error.to_string()))?;
        let mut customers: Vec<wire::Customer> = Vec::new();
        let partitions = self.node.partition_ids();
        for partition in partitions.filter(|of| *of >= first && hop.means(*of)) {
            let part = PagePart {
                workspace: &workspace,
                after: after.take(),
                n_max: n_max - customers.len(),
            };
            customers.extend(self.page(hop, partition, part).await?);
            if customers.len() >= n_max {
                break;
            }
        }
        let last = customers.last().filter(|_| customers.len() >= n_max);
        let next_page_token = last.map_or_else(String::new, |last| {
            token_text(last.partition, &last.customer_id)
        });
        Ok(wire::ListCustomersResponse {
            customers,
            next_page_token,
        })
    }

    async fn list_instances_once(
        &self,
        hop: &Hop,
        request: &wire::ListInstancesRequest,
    ) -> Result<wire::ListInstancesResponse, Status> {
        let names = (&*request.workspace, &*request.customer_id);
        let state = match self.find(hop, names, request.read).await? {
            Found::Here(_, state) => state,
            Found::There(partition, leader) => {
                let call = |channel| {
                    let request = hop_request(request.clone(), &[]);
                    async move { service(channel).list_instances(request).await }
                };
                return self.node.hop(partition, leader, call).await;
            }
        };
        let catalog = self.node.catalog();
        let instances = state
            .instances
            .values()
            .map(|instance| instance_to_wire(instance, &state, &catalog))
            .collect();
        Ok(wire::ListInstancesResponse { instances })
    }

    async fn get_timeline_once(
        &self,
        hop: &Hop,
        request: &wire::GetTimelineRequest,
    ) -> Result<wire::GetTimelineResponse, Status> {
        let names = (&*request.workspace, &*request.customer_id);
        let state = match self.find(hop, names, request.read).await? {
            Found::Here(_, state) => state,
            Found::There(partition, leader) => {
                let call = |channel| {
                    let request = hop_request(request.clone(), &[]);
                    async move { service(channel).get_timeline(request).await }
                };
                return self.node.hop(partition, leader, call).await;
            }
        };
        let entries = state
            .timeline
            .iter()
            .map(|entry| wire::TimelineEntry {
                at: Some(timestamp_to_wire(entry.stamp)),
                sequence: entry.sequence.get(),
                instance: entry.instance.map_or(0, journey_types::InstanceNumber::get),
                text: entry.text.to_string(),
            })
            .collect();
        Ok(wire::GetTimelineResponse { entries })
    }
}

/// A customer's state, or who has it.
enum Found {
    Here(PartitionId, Arc<CustomerState>),
    There(PartitionId, Leader),
}

/// What is asked of one partition.
struct PagePart<'p> {
    workspace: &'p WorkspaceId,
    after: Option<CustomerId>,
    n_max: usize,
}

fn service(channel: Channel) -> CustomerServiceClient<Channel> {
    CustomerServiceClient::new(channel).max_decoding_message_size(HOP_ANSWER_SIZE_BYTES_MAX)
}

/// Waits until the read may see what it asks for.
async fn wait_for_freshness(
    handle: &PartitionHandle,
    options: wire::ReadOptions,
) -> Result<(), ServerError> {
    if options.linearizable {
        let proven = handle.prove_leadership().await;
        proven.map_err(|refusal| ServerError::Unavailable {
            reason: refusal.to_string(),
        })?;
    }
    if options.min_index > 0 {
        handle
            .wait_applied(journey_types::Lsn::new(options.min_index))
            .await
            .map_err(|_| ServerError::Unavailable {
                reason: "the partition went away".to_owned(),
            })?;
    }
    Ok(())
}

pub(crate) fn internal(error: impl std::fmt::Display) -> ServerError {
    ServerError::Internal {
        reason: error.to_string(),
    }
}

#[tonic::async_trait]
impl CustomerService for CustomerApi {
    async fn get_customer(
        &self,
        request: Request<wire::GetCustomerRequest>,
    ) -> Result<Response<wire::GetCustomerResponse>, Status> {
        let hop = Hop::of(request.metadata())?;
        let request = request.into_inner();
        let read = self
            .node
            .read(&hop, || self.get_customer_once(&hop, &request));
        read.await.map(Response::new)
    }

    async fn list_customers(
        &self,
        request: Request<wire::ListCustomersRequest>,
    ) -> Result<Response<wire::ListCustomersResponse>, Status> {
        let hop = Hop::of(request.metadata())?;
        let request = request.into_inner();
        let read = self
            .node
            .read(&hop, || self.list_customers_once(&hop, &request));
        read.await.map(Response::new)
    }

    async fn list_instances(
        &self,
        request: Request<wire::ListInstancesRequest>,
    ) -> Result<Response<wire::ListInstancesResponse>, Status> {
        let hop = Hop::of(request.metadata())?;
        let request = request.into_inner();
        let read = self
            .node
            .read(&hop, || self.list_instances_once(&hop, &request));
        read.await.map(Response::new)
    }

    async fn get_timeline(
        &self,
        request: Request<wire::GetTimelineRequest>,
    ) -> Result<Response<wire::GetTimelineResponse>, Status> {
        let hop = Hop::of(request.metadata())?;
        let request = request.into_inner();
        let read = self
            .node
            .read(&hop, || self.get_timeline_once(&hop, &request));
        read.await.map(Response::new)
    }
}

fn customer_to_wire(
    partition: PartitionId,
    state: &CustomerState,
    catalog: &Catalog,
) -> wire::Customer {
    let CustomerKey {
        workspace,
        customer,
    } = &state.key;
    wire::Customer {
        workspace: workspace.to_string(),
        customer_id: customer.to_string(),
        traits: Some(struct_from_map(&state.traits)),
        lifecycle: state.lifecycle.clone().unwrap_or_default(),
        history: history_to_wire(state, catalog),
        sequence: state.last_sequence.get(),
        updated_at: Some(timestamp_to_wire(state.stamp)),
        instances: u32::try_from(state.instances.len()).unwrap_or(u32::MAX),
        open_effects: u32::try_from(state.outbox.len()).unwrap_or(u32::MAX),
        partition: partition.get(),
    }
}

/// The aggregates with their labels; those that no published version reads any more have none and are left out.
fn history_to_wire(state: &CustomerState, catalog: &Catalog) -> Vec<wire::HistoryAggregate> {
    let spec = |id: &AggregateId| {
        catalog
            .aggregates
            .values()
            .flatten()
            .find(|spec| spec.id == *id)
    };
    state
        .history
        .iter()
        .filter_map(|(id, aggregate)| {
            let spec = spec(id)?;
            Some(wire::HistoryAggregate {
                label: spec.label.clone(),
                count: aggregate.n_events,
                first: aggregate.first.map(timestamp_to_wire),
                last: aggregate.last.map(timestamp_to_wire),
                sum: if spec.property.is_some() {
                    decimal_text(aggregate.sum_nanos)
                } else {
                    String::new()
                },
            })
        })
        .collect()
}

fn instance_to_wire(
    instance: &Instance,
    state: &CustomerState,
    catalog: &Catalog,
) -> wire::Instance {
    wire::Instance {
        number: instance.number.get(),
        journey: instance.journey.to_string(),
        version: instance.version.get(),
        key: instance.key.clone().unwrap_or_default(),
        state: if instance.parked.is_some() {
            "parked"
        } else {
            "active"
        }
        .to_owned(),
        step: instance.step.to_string(),
        entered_at: Some(timestamp_to_wire(instance.entered_at)),
        step_entered_at: Some(timestamp_to_wire(instance.step_entered_at)),
        parked_reason: instance.parked.clone().unwrap_or_default(),
        waits_for: waits_for(instance, state, catalog),
        next_timer_at: instance
            .rest
            .timers
            .iter()
            .map(|timer| timer.due_at)
            .min()
            .map(timestamp_to_wire),
        vars: Some(struct_from_map(&instance.vars)),
    }
}
