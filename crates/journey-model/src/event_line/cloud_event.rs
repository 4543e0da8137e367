//! CloudEvents 1.x in structured JSON mode.
//!
//! `id` and `source` are the idempotency key, `type` is the name, `time` is when it happened. The customer is
//! `data.customer_id`, else `data.anonymous_id`, else `subject`. What else `data` holds becomes properties, and so do
//! extension attributes (lower-case names of letters and digits, by the specification); an attribute that `data`
//! names too would hide one of the two and is refused.

use std::collections::BTreeMap;

use journey_types::{ANONYMOUS_ID, CustomerEvent, CustomerId, CustomerKey, Value};

use super::LineDefaults;
use super::fields::{LineFields, missing, parse_id};
use crate::line_problem::LineProblem;
use crate::yaml::shortened;

/// Where an event of another workspace than the default says so, and the touchpoint.
const WORKSPACE: &str = "workspace";
const CHANNEL: &str = "channel";
const DEVICE: &str = "device";

/// Reads a CloudEvent.
pub(super) fn read(
    mut fields: LineFields,
    defaults: &LineDefaults,
) -> Result<CustomerEvent, LineProblem> {
    let version = fields.required_text("specversion")?;
    if !version.starts_with("1.") {
        let message = format!(
            "specversion `{}` is not supported; CloudEvents are read in version 1.0",
            shortened(&version)
        );
        return Err(LineProblem::new("not_supported", message));
    }
    let id = fields.required_id("id")?;
    let source = fields.required_id("source")?;
    let name = fields.required_id("type")?;
    let occurred_at = fields.time(&["time"])?;
    let subject = fields.text("subject")?;
    // Says where `data` is described: nothing of the customer.
    fields.text("dataschema")?;
    let mut data = LineFields::new(data(&mut fields)?);
    let customer = customer(&mut data, subject)?;
    let workspace = fields.id(WORKSPACE)?;
    let (channel, device) = (fields.text(CHANNEL)?, fields.text(DEVICE)?);
    let mut properties = data.rest();
    for (name, value) in fields.rest() {
        if value == Value::Null {
            continue;
        }
        let is_extension = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        if !name.chars().all(is_extension) {
            let message = format!(
                "`{}` is no attribute of CloudEvents (they have lower-case letters and digits only); the content of the event goes into `data`",
                shortened(&name)
            );
            return Err(LineProblem::new("unknown_field", message));
        }
        if properties.contains_key(&name) {
            let message = format!("`{name}` is both an extension attribute and a field of `data`");
            return Err(LineProblem::new("ambiguous_field", message));
        }
        properties.insert(name, value);
    }
    Ok(CustomerEvent {
        customer: CustomerKey {
            workspace: workspace.unwrap_or_else(|| defaults.workspace.clone()),
            customer,
        },
        source,
        id,
        name,
        occurred_at,
        channel,
        device,
        properties,
    })
}

/// The content, which must be JSON.
fn data(fields: &mut LineFields) -> Result<BTreeMap<String, Value>, LineProblem> {
    if fields.has("data_base64") {
        let message = "binary `data_base64` is not supported; send `data` as a JSON object";
        return Err(LineProblem::new("not_supported", message));
    }
    if let Some(kind) = fields.text("datacontenttype")? {
        let media = kind.split(';').next().unwrap_or_default().trim();
        if media != "application/json" && !media.ends_with("+json") {
            let message = format!(
                "datacontenttype `{}` is not supported; send `data` as a JSON object (`application/json`)",
                shortened(&kind)
            );
            return Err(LineProblem::new("not_supported", message));
        }
    }
    fields.map("data")
}

fn customer(data: &mut LineFields, subject: Option<String>) -> Result<CustomerId, LineProblem> {
    if let Some(customer_id) = data.id("customer_id")? {
        return Ok(customer_id);
    }
    if let Some(anonymous) = data.anonymous(ANONYMOUS_ID)? {
        return Ok(anonymous);
    }
    let subject = subject.ok_or_else(|| {
        let mut problem = missing("subject");
        problem.message +=
            ", which names the customer (or `data.customer_id`, `data.anonymous_id`)";
        problem
    })?;
    parse_id("subject", &subject)
}
