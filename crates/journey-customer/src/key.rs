//! The key of an instance: what tells several instances of one journey and customer apart (JOURNEYS section 2).

use journey_types::Value;

use crate::limits::KEY_SIZE_BYTES_MAX;

/// The key a value makes: a whole number, a boolean or a text of 1 to 256 bytes, kept as text, so that 42 and "42" are
/// one key. Every other value makes none.
pub(crate) fn of_value(value: Value) -> Option<String> {
    let key = match value {
        Value::Int(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Text(text) => text,
        Value::Null | Value::Double(_) | Value::Time(_) | Value::List(_) | Value::Map(_) => {
            return None;
        }
    };
    (1..=KEY_SIZE_BYTES_MAX).contains(&key.len()).then_some(key)
}
