//! Holds an event to what is declared of it.

use journey_types::{
    ALIAS, ANONYMOUS_ID, CustomerEvent, EventName, IDENTIFY, PREVIOUS_ID, Timestamp, Value,
};

use super::{EventSchema, PropertyType, Schemas};
use crate::expression::{nearest, one_of};

/// Why an event does not fit its schema; the reason goes back to its producer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaRefusal {
    /// A property that the schema does not declare.
    #[error("unknown_property: event `{event}` has no property `{property}`; {suggestion}")]
    UnknownProperty {
        /// The event.
        event: EventName,
        /// The property.
        property: String,
        /// What was probably meant, or what there is.
        suggestion: String,
    },
    /// A property of another type.
    #[error(
        "wrong_type: property `{property}` of event `{event}` is declared {expected}, found {found}"
    )]
    WrongType {
        /// The event.
        event: EventName,
        /// The property.
        property: String,
        /// The declared type.
        expected: PropertyType,
        /// The kind of the value that came.
        found: &'static str,
    },
    /// A `time` property that is no instant.
    #[error(
        "bad_time: property `{property}` of event `{event}` is declared time, and `{text}` is not an RFC 3339 instant from 1970 on such as `2026-01-05T09:00:00Z`"
    )]
    BadTime {
        /// The event.
        event: EventName,
        /// The property.
        property: String,
        /// The text that came.
        text: String,
    },
}

impl Schemas {
    /// Checks an event and turns the text of its `time` properties into instants. Events that no schema declares pass
    /// untouched, and so do properties that are absent or null; the other identifiers of `identify` and `alias` need no
    /// declaration.
    ///
    /// # Errors
    /// The first [`SchemaRefusal`], in the order of property names; the event may then be half converted.
    pub fn conform(&self, event: &mut CustomerEvent) -> Result<(), SchemaRefusal> {
        let Some(schema) = self.event(&event.name) else {
            return Ok(());
        };
        let names_customer = [IDENTIFY, ALIAS].contains(&event.name.as_str());
        for (property, value) in &mut event.properties {
            if names_customer && [ANONYMOUS_ID, PREVIOUS_ID].contains(&property.as_str()) {
                continue;
            }
            let Some(expected) = schema.properties().get(property) else {
                return Err(SchemaRefusal::UnknownProperty {
                    event: event.name.clone(),
                    property: property.clone(),
                    suggestion: suggestion(schema, property),
                });
            };
            conform_value(&event.name, property, *expected, value)?;
        }
        Ok(())
    }
}

fn conform_value(
    event: &EventName,
    property: &str,
    expected: PropertyType,
    value: &mut Value,
) -> Result<(), SchemaRefusal> {
    if fits(expected, value) {
        return Ok(());
    }
    let Value::Text(text) = value else {
        return Err(wrong_type(event, property, expected, value));
    };
    if expected != PropertyType::Time {
        return Err(wrong_type(event, property, expected, value));
    }
    match Timestamp::parse_unix_ms(text).filter(|unix_ms| *unix_ms >= 0) {
        Some(unix_ms) => {
            *value = Value::Time(Timestamp::from_unix_ms(unix_ms));
            Ok(())
        }
        None => Err(SchemaRefusal::BadTime {
            event: event.clone(),
            property: property.to_owned(),
            text: crate::yaml::shortened(text),
        }),
    }
}

/// Whether a value is of a declared type as it is; null passes for absent.
pub(crate) const fn fits(expected: PropertyType, value: &Value) -> bool {
    matches!(
        (expected, value),
        (_, Value::Null)
            | (PropertyType::Int | PropertyType::Double, Value::Int(_))
            | (PropertyType::Double, Value::Double(_))
            | (PropertyType::Text, Value::Text(_))
            | (PropertyType::Bool, Value::Bool(_))
            | (PropertyType::Time, Value::Time(_))
    )
}

fn wrong_type(
    event: &EventName,
    property: &str,
    expected: PropertyType,
    value: &Value,
) -> SchemaRefusal {
    SchemaRefusal::WrongType {
        event: event.clone(),
        property: property.to_owned(),
        expected,
        found: value.kind(),
    }
}

fn suggestion(schema: &EventSchema, property: &str) -> String {
    let names = || schema.properties().keys().map(String::as_str);
    match nearest(property, names()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("it has {}", one_of(names())),
    }
}
