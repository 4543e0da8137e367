//! Values while an expression is evaluated: borrowed from the scope and the source wherever they can be.

use std::collections::BTreeMap;
use std::rc::Rc;

use journey_types::{Timestamp, Value};

use super::EvaluationError;
use super::limits::RESULT_SIZE_BYTES_MAX;

/// A value at hand.
#[derive(Debug, Clone)]
pub(crate) enum Operand<'a> {
    Null,
    Bool(bool),
    Int(i64),
    /// Always finite: what would not be is an error.
    Double(f64),
    Text(&'a str),
    MadeText(Rc<str>),
    /// Milliseconds since 1970; also before it, as birthdays are.
    Time(i64),
    /// Milliseconds.
    Span(i64),
    List(&'a [Value]),
    MadeList(Rc<[Self]>),
    Map(&'a BTreeMap<String, Value>),
    MadeMap(Rc<BTreeMap<String, Self>>),
    Optional(Option<Rc<Self>>),
}

pub(crate) fn fault(reason: impl Into<String>) -> EvaluationError {
    EvaluationError {
        reason: reason.into(),
    }
}

impl<'a> Operand<'a> {
    pub(crate) fn of(value: &'a Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(flag) => Self::Bool(*flag),
            Value::Int(number) => Self::Int(*number),
            Value::Double(number) => Self::Double(*number),
            Value::Text(text) => Self::Text(text),
            Value::Time(instant) => Self::Time(instant.unix_ms()),
            Value::List(items) => Self::List(items),
            Value::Map(fields) => Self::Map(fields),
        }
    }

    pub(crate) fn made_text(text: impl Into<Rc<str>>) -> Self {
        Self::MadeText(text.into())
    }

    pub(crate) fn some(value: Self) -> Self {
        Self::Optional(Some(Rc::new(value)))
    }

    pub(crate) fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self {
            Some(text)
        } else if let Self::MadeText(text) = self {
            Some(text)
        } else {
            None
        }
    }

    /// The name of the kind, for messages.
    pub(crate) const fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Double(_) => "double",
            Self::Text(_) | Self::MadeText(_) => "text",
            Self::Time(_) => "time",
            Self::Span(_) => "span",
            Self::List(_) | Self::MadeList(_) => "list",
            Self::Map(_) | Self::MadeMap(_) => "map",
            Self::Optional(_) => "optional",
        }
    }

    /// Items of a list; `None` for what is no list.
    pub(crate) fn n_items(&self) -> Option<usize> {
        if let Self::List(items) = self {
            Some(items.len())
        } else if let Self::MadeList(items) = self {
            Some(items.len())
        } else {
            None
        }
    }

    /// An item of a list.
    pub(crate) fn item(&self, idx: usize) -> Option<Self> {
        if let Self::List(items) = self {
            items.get(idx).map(Operand::of)
        } else if let Self::MadeList(items) = self {
            items.get(idx).cloned()
        } else {
            None
        }
    }

    /// Entries of a map; `None` for what is no map.
    pub(crate) fn n_entries(&self) -> Option<usize> {
        if let Self::Map(fields) = self {
            Some(fields.len())
        } else if let Self::MadeMap(fields) = self {
            Some(fields.len())
        } else {
            None
        }
    }

    /// Whether fields can be asked of it.
    pub(crate) const fn is_map(&self) -> bool {
        matches!(self, Self::Map(_) | Self::MadeMap(_))
    }

    /// The field of a map.
    pub(crate) fn field(&self, name: &str) -> Option<Self> {
        if let Self::Map(fields) = self {
            fields.get(name).map(Operand::of)
        } else if let Self::MadeMap(fields) = self {
            fields.get(name).cloned()
        } else {
            None
        }
    }

    /// The keys of a map in order.
    pub(crate) fn keys(&self) -> Vec<Self> {
        if let Self::Map(fields) = self {
            fields.keys().map(|key| Self::Text(key)).collect()
        } else if let Self::MadeMap(fields) = self {
            fields
                .keys()
                .map(|key| Self::made_text(key.as_str()))
                .collect()
        } else {
            Vec::new()
        }
    }

    /// The value as the engine keeps it. Numbers follow the number rule: a double without fraction becomes an int.
    pub(crate) fn into_value(self) -> Result<Value, EvaluationError> {
        let mut bytes_left = RESULT_SIZE_BYTES_MAX;
        let value = self.to_value(&mut bytes_left)?;
        if value.depth_is_fine() {
            Ok(value)
        } else {
            Err(fault("the result nests too deeply"))
        }
    }

    fn to_value(&self, bytes_left: &mut usize) -> Result<Value, EvaluationError> {
        let mut spend = |size_bytes: usize| {
            *bytes_left = bytes_left.checked_sub(size_bytes).ok_or_else(|| {
                fault(format!(
                    "the result is larger than {RESULT_SIZE_BYTES_MAX} bytes"
                ))
            })?;
            Ok(())
        };
        match self {
            Self::List(items) => {
                spend(items.iter().map(Value::size_bytes).sum())?;
                Ok(Value::List(items.to_vec()))
            }
            Self::Map(fields) => {
                spend(
                    fields
                        .iter()
                        .map(|(name, value)| name.len() + value.size_bytes())
                        .sum(),
                )?;
                Ok(Value::Map((*fields).clone()))
            }
            Self::MadeList(items) => {
                spend(3)?;
                let items: Result<Vec<Value>, EvaluationError> =
                    items.iter().map(|item| item.to_value(bytes_left)).collect();
                Ok(Value::List(items?))
            }
            Self::MadeMap(fields) => {
                spend(3)?;
                let mut values = BTreeMap::new();
                for (name, value) in fields.iter() {
                    values.insert(name.clone(), value.to_value(bytes_left)?);
                }
                Ok(Value::Map(values))
            }
            Self::Text(text) => {
                spend(text.len())?;
                Ok(Value::text(*text))
            }
            Self::MadeText(text) => {
                spend(text.len())?;
                Ok(Value::text(&**text))
            }
            scalar @ (Self::Null
            | Self::Bool(_)
            | Self::Int(_)
            | Self::Double(_)
            | Self::Time(_)
            | Self::Span(_)
            | Self::Optional(_)) => {
                spend(10)?;
                scalar.scalar_value()
            }
        }
    }

    fn scalar_value(&self) -> Result<Value, EvaluationError> {
        if let Self::Bool(flag) = self {
            Ok(Value::Bool(*flag))
        } else if let Self::Int(number) = self {
            Ok(Value::Int(*number))
        } else if let Self::Double(number) = self {
            Ok(Value::number(*number))
        } else if let Self::Time(unix_ms) = self {
            let instant = Timestamp::from_unix_ms(*unix_ms);
            if instant.unix_ms() == *unix_ms {
                Ok(Value::Time(instant))
            } else {
                Err(fault("gave a time outside 1970 to 9999"))
            }
        } else if let Self::Span(_) = self {
            Err(fault("gave a span: give a timestamp or a number"))
        } else if let Self::Optional(_) = self {
            Err(fault("gave an optional: end it with `.orValue(…)`"))
        } else {
            Ok(Value::Null)
        }
    }
}
