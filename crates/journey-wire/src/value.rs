//! Values, by the number rule: a number without fraction that fits 64 bits is whole.

use std::collections::BTreeMap;

use journey_types::Value;
use pbjson_types::value::Kind;
use pbjson_types::{ListValue, Struct};

/// A `Struct` as values. Nesting is bounded by the decoder (100) and checked by whoever takes the values in.
#[must_use]
pub fn map_from_struct(fields: Struct) -> BTreeMap<String, Value> {
    fields
        .fields
        .into_iter()
        .map(|(name, value)| (name, value_from_wire(value)))
        .collect()
}

/// A `google.protobuf.Value` as a value; no kind at all is null.
#[must_use]
pub fn value_from_wire(value: pbjson_types::Value) -> Value {
    match value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(flag)) => Value::Bool(flag),
        Some(Kind::NumberValue(number)) => Value::number(number),
        Some(Kind::StringValue(text)) => Value::Text(text),
        Some(Kind::ListValue(list)) => {
            Value::List(list.values.into_iter().map(value_from_wire).collect())
        }
        Some(Kind::StructValue(fields)) => Value::Map(map_from_struct(fields)),
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

#[cfg(test)]
mod tests;
