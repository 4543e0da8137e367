//! Wire form into domain types, with every fault named by its field; values themselves are `journey-wire`'s.

use journey_proto::v1 as wire;
use journey_types::{
    ALIAS, ANONYMOUS_ID, CustomerEvent, CustomerId, CustomerKey, DEFAULT_SOURCE, EventId,
    EventName, IDENTIFY, SourceName, Timestamp, WorkspaceId,
};
pub(crate) use journey_wire::{
    map_from_struct, struct_from_map, timestamp_from_wire, timestamp_to_wire, value_from_wire,
};
use pbjson_types::value::Kind;

use crate::error::ServerError;

/// Why one event of a batch is refused: a code and words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventFault {
    /// Such as `customer_id_invalid`, `occurred_before_1970`.
    pub code: &'static str,
    /// What is wrong and what to do.
    pub message: String,
}

fn fault<E: std::fmt::Display>(code: &'static str) -> impl Fn(E) -> EventFault {
    move |error| EventFault {
        code,
        message: error.to_string(),
    }
}

/// Reads and checks an event; what it leaves open gets its default (`default` workspace and source, `received_at`).
///
/// # Errors
/// The first fault, with its code.
pub fn event_from_wire(
    mut event: wire::CustomerEvent,
    received_at: Timestamp,
) -> Result<CustomerEvent, EventFault> {
    let customer = event_customer(&mut event)?;
    let source = if event.source.is_empty() {
        DEFAULT_SOURCE
    } else {
        &event.source
    };
    let occurred_at = match &event.occurred_at {
        None => received_at,
        Some(instant) if instant.seconds < 0 => {
            return Err(refusal(&journey_types::EventRefused::BeforeEpoch));
        }
        Some(instant) => timestamp_from_wire(instant),
    };
    let properties = event.properties.map(map_from_struct).unwrap_or_default();
    let optional = |text: String| (!text.is_empty()).then_some(text);
    let event = CustomerEvent {
        customer,
        source: SourceName::new(source).map_err(fault("source_invalid"))?,
        id: EventId::new(&event.id).map_err(fault("event_id_invalid"))?,
        name: EventName::new(&event.name).map_err(fault("event_name_invalid"))?,
        occurred_at,
        channel: optional(event.channel),
        device: optional(event.device),
        properties,
    };
    event
        .validate(received_at)
        .map_err(|refused| refusal(&refused))?;
    Ok(event)
}

/// Whose event it is: one of the two ids. Both only where the event says that they are one customer; the anonymous one
/// then becomes a property.
fn event_customer(event: &mut wire::CustomerEvent) -> Result<CustomerKey, EventFault> {
    let anonymous_id = std::mem::take(&mut event.anonymous_id);
    if anonymous_id.is_empty() {
        if event.customer_id.is_empty() {
            return Err(EventFault {
                code: "customer_id_invalid",
                message: "the event has neither a customer_id nor an anonymous_id".to_owned(),
            });
        }
        let customer = customer_key(&event.workspace, &event.customer_id);
        return customer.map_err(fault("customer_id_invalid"));
    }
    let anonymous = CustomerId::anonymous(&anonymous_id).map_err(fault("anonymous_id_invalid"))?;
    if event.customer_id.is_empty() {
        let customer = customer_key(&event.workspace, anonymous.as_str());
        return customer.map_err(fault("customer_id_invalid"));
    }
    if ![IDENTIFY, ALIAS].contains(&event.name.as_str()) {
        return Err(EventFault {
            code: "two_customers",
            message: "the event has both customer_id and anonymous_id; only `identify` and `alias` say that two ids are one customer, every other event names one".to_owned(),
        });
    }
    let anonymous_id = pbjson_types::Value {
        kind: Some(Kind::StringValue(anonymous_id)),
    };
    let properties = event.properties.get_or_insert_default();
    properties
        .fields
        .insert(ANONYMOUS_ID.to_owned(), anonymous_id);
    customer_key(&event.workspace, &event.customer_id).map_err(fault("customer_id_invalid"))
}

fn refusal(refused: &journey_types::EventRefused) -> EventFault {
    use journey_types::EventRefused as Refused;
    let code = match refused {
        Refused::InFuture { .. } => "occurred_in_future",
        Refused::BeforeEpoch => "occurred_before_1970",
        Refused::PropertiesTooLarge { .. } => "properties_too_large",
        Refused::PropertiesTooDeep => "properties_too_deep",
        Refused::FieldTooLong { .. } => "field_too_long",
    };
    EventFault {
        code,
        message: refused.to_string(),
    }
}

/// A customer's address from its two texts; an empty workspace means `default`.
///
/// # Errors
/// The id that does not fit, in words.
pub(crate) fn customer_key(
    workspace: &str,
    customer_id: &str,
) -> Result<CustomerKey, journey_types::InvalidId> {
    Ok(CustomerKey {
        workspace: workspace_id(workspace)?,
        customer: CustomerId::new(customer_id)?,
    })
}

/// A workspace from its text; empty means `default`.
///
/// # Errors
/// When it does not fit, in words.
pub(crate) fn workspace_id(text: &str) -> Result<WorkspaceId, journey_types::InvalidId> {
    if text.is_empty() {
        Ok(WorkspaceId::default_workspace())
    } else {
        WorkspaceId::new(text)
    }
}

/// [`customer_key`] for the request of a unary call.
///
/// # Errors
/// [`ServerError::Invalid`] naming `customer_id`.
pub(crate) fn requested_customer(
    workspace: &str,
    customer_id: &str,
) -> Result<CustomerKey, ServerError> {
    customer_key(workspace, customer_id)
        .map_err(|error| ServerError::invalid("customer_id", error.to_string()))
}

/// An exact sum in units of 10⁻⁹ as decimal text without trailing zeros, such as `1234.56`.
#[must_use]
pub(crate) fn decimal_text(nanos: i128) -> String {
    const UNIT: u128 = 1_000_000_000;
    let (whole, fraction) = (nanos.unsigned_abs() / UNIT, nanos.unsigned_abs() % UNIT);
    let sign = if nanos < 0 { "-" } else { "" };
    if fraction == 0 {
        return format!("{sign}{whole}");
    }
    let digits = format!("{fraction:09}");
    format!("{sign}{whole}.{}", digits.trim_end_matches('0'))
}

#[cfg(test)]
mod tests;
