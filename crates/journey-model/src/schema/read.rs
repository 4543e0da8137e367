//! Reads a `schema` document.

use std::collections::BTreeMap;

use super::{EventSchema, PropertyType, Schema};
use crate::fields::Fields;
use crate::reading::Reader;
use crate::yaml::{Entry, Node};

/// Reads `schema: id` with `events` and `traits`.
pub(crate) fn read_schema(reader: &mut Reader<'_, '_>, root: &Node) -> Option<Schema> {
    let mut fields = Fields::of(root, "a schema", reader.problems)?;
    let id = fields.require("schema", reader.problems);
    let events = fields.take("events");
    let traits = fields.take("traits");
    fields.finish(reader.problems);
    let id = id.and_then(|node| reader.id(node));
    let events = events.map_or_else(|| Some(BTreeMap::new()), |node| read_events(reader, node));
    let traits = match traits {
        None => BTreeMap::new(),
        Some(node) => read_types(reader, node, "traits"),
    };
    Some(Schema {
        id: id?,
        events: events?,
        traits,
    })
}

fn read_events(
    reader: &mut Reader<'_, '_>,
    node: &Node,
) -> Option<BTreeMap<journey_types::EventName, EventSchema>> {
    let entries = Fields::of(node, "`events` of a schema", reader.problems)?.rest();
    let mut events = BTreeMap::new();
    for Entry { key, value } in entries {
        let properties = read_types(reader, value, &format!("event `{}`", key.text));
        match key.text.parse() {
            Ok(name) => {
                events.insert(name, EventSchema::new(properties));
            }
            Err(error) => {
                let message = journey_types::InvalidId::to_string(&error);
                reader.problems.error_only(key.span.clone(), message);
            }
        }
    }
    Some(events)
}

fn read_types(
    reader: &mut Reader<'_, '_>,
    node: &Node,
    what: &str,
) -> BTreeMap<String, PropertyType> {
    let Some(fields) = Fields::of(node, what, reader.problems) else {
        return BTreeMap::new();
    };
    let mut types = BTreeMap::new();
    for Entry { key, value } in fields.rest() {
        if matches!(value.value, crate::yaml::NodeValue::Map(_)) {
            let message = format!("a type inside `{}` is not available yet", key.text);
            let suggestion = "leave the property out of the schema's event, or send it flat";
            reader
                .problems
                .error(value.span.clone(), message, suggestion);
            continue;
        }
        let types_later = ["list", "map", "object", "duration"];
        if let Some(kind) = reader.word(value, &PropertyType::WORDS, &types_later) {
            types.insert(key.text.clone(), kind);
        }
    }
    types
}
