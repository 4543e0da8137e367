//! Values: what properties, traits and variables hold.

use std::collections::BTreeMap;
use std::fmt;

use crate::limits::VALUE_DEPTH_MAX;
use crate::time::Timestamp;

/// A JSON-like value with the number rule of JOURNEYS section 5: a number without fraction that fits an i64 is `Int`,
/// every other is `Double`.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Value {
    /// Nothing.
    #[default]
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number; never NaN or infinite when made by [`Value::number`].
    Double(f64),
    /// Text.
    Text(String),
    /// An instant: only from `time` fields of a schema and from expressions, never from plain JSON.
    Time(Timestamp),
    /// Values in order.
    List(Vec<Self>),
    /// Values by name.
    Map(BTreeMap<String, Self>),
}

/// 2^63 as a double: the first whole double that does not fit an i64.
const I64_END: f64 = 9_223_372_036_854_775_808.0;

impl Value {
    /// A number by the number rule; NaN and infinities become `Null`, as JSON has no word for them.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "checked: no fraction and inside the i64 range"
    )]
    pub fn number(number: f64) -> Self {
        if !number.is_finite() {
            Self::Null
        } else if number.fract() == 0.0 && (-I64_END..I64_END).contains(&number) {
            Self::Int(number as i64)
        } else {
            Self::Double(number)
        }
    }

    /// Text.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// The field of a map, or `None` when there is none or this is no map.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Self> {
        if let Self::Map(fields) = self {
            fields.get(name)
        } else {
            None
        }
    }

    /// The text inside, if this is text.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self {
            Some(text)
        } else {
            None
        }
    }

    /// The name of the kind of value, for messages: `null`, `bool`, `int`, `double`, `text`, `time`, `list`, `map`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Double(_) => "double",
            Self::Text(_) => "text",
            Self::Time(_) => "time",
            Self::List(_) => "list",
            Self::Map(_) => "map",
        }
    }

    /// Bytes this value takes about, encoded: the measure of every size limit on values.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        match self {
            Self::Null | Self::Bool(_) => 2,
            Self::Int(_) | Self::Double(_) | Self::Time(_) => 10,
            Self::Text(text) => text.len() + 3,
            Self::List(items) => 3 + items.iter().map(Self::size_bytes).sum::<usize>(),
            Self::Map(fields) => {
                3 + fields
                    .iter()
                    .map(|(name, value)| name.len() + 4 + value.size_bytes())
                    .sum::<usize>()
            }
        }
    }

    /// Whether maps and lists nest no deeper than [`VALUE_DEPTH_MAX`].
    #[must_use]
    pub fn depth_is_fine(&self) -> bool {
        fn fits(value: &Value, depth_left: usize) -> bool {
            match value {
                Value::List(items) => {
                    depth_left > 0 && items.iter().all(|item| fits(item, depth_left - 1))
                }
                Value::Map(fields) => {
                    depth_left > 0 && fields.values().all(|item| fits(item, depth_left - 1))
                }
                Value::Null
                | Value::Bool(_)
                | Value::Int(_)
                | Value::Double(_)
                | Value::Text(_)
                | Value::Time(_) => true,
            }
        }
        fits(self, VALUE_DEPTH_MAX)
    }
}

impl fmt::Display for Value {
    /// Compact JSON, instants as RFC 3339 text.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => formatter.write_str("null"),
            Self::Bool(flag) => flag.fmt(formatter),
            Self::Int(number) => number.fmt(formatter),
            Self::Double(number) => write!(formatter, "{number:?}"),
            Self::Text(text) => write_json_text(formatter, text),
            Self::Time(instant) => write!(formatter, "\"{instant}\""),
            Self::List(items) => {
                formatter.write_str("[")?;
                for (item_idx, item) in items.iter().enumerate() {
                    if item_idx > 0 {
                        formatter.write_str(",")?;
                    }
                    item.fmt(formatter)?;
                }
                formatter.write_str("]")
            }
            Self::Map(fields) => {
                formatter.write_str("{")?;
                for (field_idx, (name, value)) in fields.iter().enumerate() {
                    if field_idx > 0 {
                        formatter.write_str(",")?;
                    }
                    write_json_text(formatter, name)?;
                    formatter.write_str(":")?;
                    value.fmt(formatter)?;
                }
                formatter.write_str("}")
            }
        }
    }
}

fn write_json_text(formatter: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    formatter.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' => formatter.write_str("\\\"")?,
            '\\' => formatter.write_str("\\\\")?,
            '\n' => formatter.write_str("\\n")?,
            '\r' => formatter.write_str("\\r")?,
            '\t' => formatter.write_str("\\t")?,
            c if u32::from(c) < 0x20 => write!(formatter, "\\u{:04x}", u32::from(c))?,
            c => write!(formatter, "{c}")?,
        }
    }
    formatter.write_str("\"")
}

#[cfg(test)]
mod tests;
