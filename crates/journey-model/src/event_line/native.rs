//! The native form.

use std::collections::BTreeMap;

use journey_types::{
    ALIAS, ANONYMOUS_ID, CustomerEvent, CustomerId, CustomerKey, EventName, IDENTIFY, Value,
};

use super::LineDefaults;
use super::fields::{LineFields, parse_id};
use crate::expression::{nearest, one_of};
use crate::line_problem::LineProblem;
use crate::yaml::shortened;

const FIELDS: [&str; 10] = [
    "workspace",
    "customer_id",
    "anonymous_id",
    "source",
    "id",
    "name",
    "occurred_at",
    "channel",
    "device",
    "properties",
];

/// Reads a native event.
pub(super) fn read(
    mut fields: LineFields,
    defaults: &LineDefaults,
) -> Result<CustomerEvent, LineProblem> {
    refuse_unknown(&fields)?;
    let workspace = fields.id("workspace")?;
    let customer_id = fields.id("customer_id")?;
    let anonymous_id = fields.text(ANONYMOUS_ID)?;
    let source = fields.id("source")?;
    let id = fields.required_id("id")?;
    let name = fields.required_id("name")?;
    let mut properties = fields.map("properties")?;
    let customer = customer(customer_id, anonymous_id, &name, &mut properties)?;
    Ok(CustomerEvent {
        customer: CustomerKey {
            workspace: workspace.unwrap_or_else(|| defaults.workspace.clone()),
            customer,
        },
        source: source.unwrap_or_else(|| defaults.source.clone()),
        id,
        name,
        occurred_at: fields.time(&["occurred_at"])?,
        channel: fields.text("channel")?,
        device: fields.text("device")?,
        properties,
    })
}

/// One of the two ids; both only where an event says that they are one customer.
fn customer(
    customer_id: Option<CustomerId>,
    anonymous_id: Option<String>,
    name: &EventName,
    properties: &mut BTreeMap<String, Value>,
) -> Result<CustomerId, LineProblem> {
    match (customer_id, anonymous_id) {
        (Some(customer_id), None) => Ok(customer_id),
        (None, Some(anonymous_id)) => {
            let anonymous = CustomerId::anonymous(&anonymous_id);
            anonymous.map_err(|error| crate::line_problem::bad_id(ANONYMOUS_ID, &error))
        }
        (Some(customer_id), Some(anonymous_id)) => {
            if ![IDENTIFY, ALIAS].contains(&name.as_str()) {
                let message = "the event has both `customer_id` and `anonymous_id`; only `identify` and `alias` say that two ids are one customer, every other event names one";
                return Err(LineProblem::new("two_customers", message));
            }
            // Checked here, kept as the producer wrote it.
            parse_id::<CustomerId>(ANONYMOUS_ID, &anonymous_id)?;
            properties.insert(ANONYMOUS_ID.to_owned(), Value::Text(anonymous_id));
            Ok(customer_id)
        }
        (None, None) => {
            let message = "the event lacks `customer_id` (or `anonymous_id`)";
            Err(LineProblem::new("missing_field", message))
        }
    }
}

fn refuse_unknown(fields: &LineFields) -> Result<(), LineProblem> {
    let unknown = fields.names().find(|name| !FIELDS.contains(name));
    let Some(unknown) = unknown else {
        return Ok(());
    };
    let suggestion = match nearest(unknown, FIELDS) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!(
            "an event has {}; everything else goes into `properties`",
            one_of(FIELDS).replace(" or ", " and ")
        ),
    };
    let message = format!("unknown field `{}`; {suggestion}", shortened(unknown));
    Err(LineProblem::new("unknown_field", message))
}
