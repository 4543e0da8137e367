//! Reads customers from committed state: profile, instances, timeline, pages.

use std::sync::Arc;

use journey_customer::{CustomerState, Instance};
use journey_model::Catalog;
use journey_partition::PartitionHandle;
use journey_proto::v1 as wire;
use journey_proto::v1::customer_service_server::CustomerService;
use journey_types::{AggregateId, CustomerId, CustomerKey, PartitionId};
use tonic::{Request, Response, Status};

use crate::convert::{
    decimal_text, requested_customer, struct_from_map, timestamp_to_wire, workspace_id,
};
use crate::error::ServerError;
use crate::node::Node;
use crate::paging::{page_size, token_parts, token_text};
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

    async fn read(
        &self,
        workspace: &str,
        customer_id: &str,
        options: Option<wire::ReadOptions>,
    ) -> Result<(PartitionId, Arc<CustomerState>), ServerError> {
        let key = requested_customer(workspace, customer_id)?;
        let partition = self.node.partition_of(&key);
        let handle = self.handle(partition)?;
        if let Some(options) = options {
            wait_for_freshness(&handle, options).await?;
        }
        let state = handle.customer(&key).map_err(internal)?;
        let state = state.ok_or_else(|| ServerError::NotFound {
            kind: "customer",
            name: customer_id.to_owned(),
            hint: "a customer is there from its first accepted event on; check the id and the workspace",
        })?;
        Ok((partition, state))
    }

    fn handle(&self, partition: PartitionId) -> Result<PartitionHandle, ServerError> {
        self.node
            .partition(partition)
            .ok_or_else(|| ServerError::Unavailable {
                reason: format!("partition {partition} is not on this node"),
            })
    }
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
        let request = request.into_inner();
        let (partition, state) = self
            .read(&request.workspace, &request.customer_id, request.read)
            .await?;
        let customer = customer_to_wire(partition, &state, &self.node.catalog());
        Ok(Response::new(wire::GetCustomerResponse {
            customer: Some(customer),
        }))
    }

    async fn list_customers(
        &self,
        request: Request<wire::ListCustomersRequest>,
    ) -> Result<Response<wire::ListCustomersResponse>, Status> {
        let request = request.into_inner();
        let n_max = page_size(request.page_size)?;
        let workspace = workspace_id(&request.workspace)
            .map_err(|error| ServerError::invalid("workspace", error.to_string()))?;
        let (first, mut after) = match token_parts(&request.page_token)? {
            None => (PartitionId::new(0), None),
            Some((partition, customer)) => (PartitionId::new(partition), Some(customer)),
        };
        let catalog = self.node.catalog();
        let mut customers = Vec::new();
        let mut next_page_token = String::new();
        for handle in self
            .node
            .partitions()
            .values()
            .filter(|handle| handle.partition() >= first)
        {
            let after = after
                .take()
                .map(CustomerId::new)
                .transpose()
                .map_err(|error| ServerError::invalid("page_token", error.to_string()))?;
            let n_left = n_max - customers.len();
            let keys = handle
                .customers(&workspace, after.as_ref(), n_left)
                .map_err(internal)?;
            for key in keys {
                if let Some(state) = handle.customer(&key).map_err(internal)? {
                    customers.push(customer_to_wire(handle.partition(), &state, &catalog));
                    if customers.len() == n_max {
                        next_page_token =
                            token_text(handle.partition().get(), key.customer.as_str());
                    }
                }
            }
            if !next_page_token.is_empty() {
                break;
            }
        }
        Ok(Response::new(wire::ListCustomersResponse {
            customers,
            next_page_token,
        }))
    }

    async fn list_instances(
        &self,
        request: Request<wire::ListInstancesRequest>,
    ) -> Result<Response<wire::ListInstancesResponse>, Status> {
        let request = request.into_inner();
        let (_, state) = self
            .read(&request.workspace, &request.customer_id, request.read)
            .await?;
        let catalog = self.node.catalog();
        let instances = state
            .instances
            .values()
            .map(|instance| instance_to_wire(instance, &catalog))
            .collect();
        Ok(Response::new(wire::ListInstancesResponse { instances }))
    }

    async fn get_timeline(
        &self,
        request: Request<wire::GetTimelineRequest>,
    ) -> Result<Response<wire::GetTimelineResponse>, Status> {
        let request = request.into_inner();
        let (_, state) = self
            .read(&request.workspace, &request.customer_id, request.read)
            .await?;
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
        Ok(Response::new(wire::GetTimelineResponse { entries }))
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

fn instance_to_wire(instance: &Instance, catalog: &Catalog) -> wire::Instance {
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
        waits_for: waits_for(instance, catalog),
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
