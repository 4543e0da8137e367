//! Events as they are sent.

use journey_proto::v1 as wire;
use journey_types::{CustomerEvent, CustomerId, CustomerKey, InvalidId, WorkspaceId};

use crate::{struct_from_map, timestamp_to_wire};

/// An event as it is sent.
#[must_use]
pub fn event_to_wire(event: &CustomerEvent) -> wire::CustomerEvent {
    wire::CustomerEvent {
        workspace: event.customer.workspace.to_string(),
        customer_id: event.customer.customer.to_string(),
        source: event.source.to_string(),
        id: event.id.to_string(),
        name: event.name.to_string(),
        occurred_at: Some(timestamp_to_wire(event.occurred_at)),
        channel: event.channel.clone().unwrap_or_default(),
        device: event.device.clone().unwrap_or_default(),
        properties: (!event.properties.is_empty()).then(|| struct_from_map(&event.properties)),
        // An anonymous customer has a customer id of its own.
        anonymous_id: String::new(),
    }
}

/// Whose event it is, for the way to its partition: the customer id, or else the anonymous one.
///
/// # Errors
/// The id that does not fit, in words.
pub fn customer_of(event: &wire::CustomerEvent) -> Result<CustomerKey, InvalidId> {
    let customer = if event.customer_id.is_empty() && !event.anonymous_id.is_empty() {
        CustomerId::anonymous(&event.anonymous_id)?
    } else {
        CustomerId::new(&event.customer_id)?
    };
    let workspace = if event.workspace.is_empty() {
        WorkspaceId::default_workspace()
    } else {
        WorkspaceId::new(&event.workspace)?
    };
    Ok(CustomerKey {
        workspace,
        customer,
    })
}
