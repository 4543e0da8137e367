//! Values to JSON and back, by the number rule of JOURNEYS section 5.

use journey_types::Value;
use serde_json::Number;

/// The value as JSON; an instant becomes its RFC 3339 text.
#[must_use]
pub fn json_from_value(value: &Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match value {
        Value::Null => Json::Null,
        Value::Bool(flag) => Json::Bool(*flag),
        Value::Int(number) => Json::Number(Number::from(*number)),
        Value::Double(number) => Number::from_f64(*number).map_or(Json::Null, Json::Number),
        Value::Text(text) => Json::String(text.clone()),
        Value::Time(instant) => Json::String(instant.to_string()),
        Value::List(items) => Json::Array(items.iter().map(json_from_value).collect()),
        Value::Map(fields) => {
            let fields = fields.iter();
            Json::Object(
                fields
                    .map(|(name, value)| (name.clone(), json_from_value(value)))
                    .collect(),
            )
        }
    }
}

/// The JSON as a value.
#[must_use]
pub fn value_from_json(json: serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(flag),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Value::Int(whole),
            (None, Some(number)) => Value::number(number),
            (None, None) => Value::Null,
        },
        Json::String(text) => Value::Text(text),
        Json::Array(items) => Value::List(items.into_iter().map(value_from_json).collect()),
        Json::Object(fields) => Value::Map(
            fields
                .into_iter()
                .map(|(name, json)| (name, value_from_json(json)))
                .collect(),
        ),
    }
}
