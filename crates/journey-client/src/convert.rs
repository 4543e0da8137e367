//! Domain values into wire form and instants back.

use std::collections::BTreeMap;

use journey_proto::v1 as wire;
use journey_types::{CustomerEvent, Timestamp, Value};
use pbjson_types::value::Kind;
use pbjson_types::{ListValue, Struct};

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
        anonymous_id: String::new(),
    }
}

/// A map of values as a `Struct`.
#[must_use]
pub fn struct_from_map(map: &BTreeMap<String, Value>) -> Struct {
    let fields = map
        .iter()
        .map(|(name, value)| (name.clone(), value_to_wire(value)))
        .collect();
    Struct { fields }
}

/// A value as a `google.protobuf.Value`; instants become RFC 3339 text. Whole numbers above 2^53 lose precision, as
/// JSON numbers do.
#[must_use]
pub fn value_to_wire(value: &Value) -> pbjson_types::Value {
    #[expect(
        clippy::cast_precision_loss,
        reason = "a Struct carries doubles only; documented above"
    )]
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(flag) => Kind::BoolValue(*flag),
        Value::Int(number) => Kind::NumberValue(*number as f64),
        Value::Double(number) => Kind::NumberValue(*number),
        Value::Text(text) => Kind::StringValue(text.clone()),
        Value::Time(instant) => Kind::StringValue(instant.to_string()),
        Value::List(items) => Kind::ListValue(ListValue {
            values: items.iter().map(value_to_wire).collect(),
        }),
        Value::Map(fields) => Kind::StructValue(struct_from_map(fields)),
    };
    pbjson_types::Value { kind: Some(kind) }
}

/// An instant as it is sent.
#[must_use]
pub fn timestamp_to_wire(instant: Timestamp) -> pbjson_types::Timestamp {
    let unix_ms = instant.unix_ms();
    pbjson_types::Timestamp {
        seconds: unix_ms.div_euclid(1_000),
        nanos: i32::try_from(unix_ms.rem_euclid(1_000) * 1_000_000).unwrap_or(0),
    }
}

/// An instant as it was received, to whole milliseconds.
#[must_use]
pub fn wire_to_timestamp(instant: &pbjson_types::Timestamp) -> Timestamp {
    let ms = instant
        .seconds
        .saturating_mul(1_000)
        .saturating_add(i64::from(instant.nanos) / 1_000_000);
    Timestamp::from_unix_ms(ms)
}
