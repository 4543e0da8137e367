//! Schemas: what a workspace declares about its events and traits (JOURNEYS sections 5 and 6).
//!
//! Schemas are optional: events and traits that none declares pass as they are. What is declared is held to its types,
//! and names beside it are refused with a suggestion.

mod conform;
mod read;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use journey_types::{EventName, SchemaId, Value};

use crate::canonical::map;

pub use conform::SchemaRefusal;
pub(crate) use conform::fits;
pub(crate) use read::read_schema;

/// The type of a declared property or trait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PropertyType {
    /// A whole number.
    Int,
    /// Any number.
    Double,
    /// Text.
    Text,
    /// True or false.
    Bool,
    /// An instant, given as RFC 3339 text.
    Time,
}

/// One schema document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schema {
    /// Its id.
    pub id: SchemaId,
    /// The declared events.
    pub events: BTreeMap<EventName, EventSchema>,
    /// The declared traits; empty: any trait passes.
    pub traits: BTreeMap<String, PropertyType>,
}

/// The declared properties of one event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventSchema {
    properties: BTreeMap<String, PropertyType>,
    names: BTreeSet<String>,
}

/// All schemas in force together.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schemas {
    events: BTreeMap<EventName, EventSchema>,
    traits: BTreeMap<String, PropertyType>,
    trait_names: BTreeSet<String>,
}

/// Traits that mean something to the engine: known wherever traits are declared.
const BUILT_IN_TRAITS: [(&str, PropertyType); 3] = [
    ("zone", PropertyType::Text),
    ("locale", PropertyType::Text),
    ("preferred_channel", PropertyType::Text),
];

impl PropertyType {
    /// The words of the language, with the types they name.
    pub const WORDS: [(&'static str, Self); 5] = [
        ("int", Self::Int),
        ("double", Self::Double),
        ("text", Self::Text),
        ("bool", Self::Bool),
        ("time", Self::Time),
    ];

    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Double => "double",
            Self::Text => "text",
            Self::Bool => "bool",
            Self::Time => "time",
        }
    }
}

impl fmt::Display for PropertyType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

impl EventSchema {
    /// An event with these properties and no others.
    #[must_use]
    pub fn new(properties: BTreeMap<String, PropertyType>) -> Self {
        let names = properties.keys().cloned().collect();
        Self { properties, names }
    }

    /// The properties by name.
    #[must_use]
    pub const fn properties(&self) -> &BTreeMap<String, PropertyType> {
        &self.properties
    }

    /// The names of the properties.
    pub(crate) const fn names(&self) -> &BTreeSet<String> {
        &self.names
    }
}

impl Schemas {
    /// Adds a document; where two declare the same, the later one counts.
    pub fn add(&mut self, schema: &Schema) {
        self.events.extend(schema.events.clone());
        self.traits.extend(schema.traits.clone());
        if !self.traits.is_empty() {
            for (name, kind) in BUILT_IN_TRAITS {
                self.traits.entry(name.to_owned()).or_insert(kind);
            }
        }
        self.trait_names = self.traits.keys().cloned().collect();
    }

    /// What is declared of an event, `None` if nothing is.
    #[must_use]
    pub fn event(&self, name: &EventName) -> Option<&EventSchema> {
        self.events.get(name)
    }

    /// The type of a declared trait.
    #[must_use]
    pub fn trait_type(&self, name: &str) -> Option<PropertyType> {
        self.traits.get(name).copied()
    }

    /// The declared traits, `None` where any trait passes.
    pub(crate) fn trait_names(&self) -> Option<&BTreeSet<String>> {
        (!self.trait_names.is_empty()).then_some(&self.trait_names)
    }
}

/// The canonical form: types by event and property.
pub(crate) fn canonical(schema: &Schema) -> Value {
    let types = |types: &BTreeMap<String, PropertyType>| {
        let typed =
            |(name, kind): (&String, &PropertyType)| (name.clone(), Value::text(kind.word()));
        Value::Map(types.iter().map(typed).collect())
    };
    let events = schema
        .events
        .iter()
        .map(|(name, event)| (name.to_string(), types(event.properties())))
        .collect();
    map([
        ("schema", Value::text(schema.id.as_str())),
        ("events", Value::Map(events)),
        ("traits", types(&schema.traits)),
    ])
}

#[cfg(test)]
mod tests;
