//! `emit: { event: name, properties: { a: CEL } }`: raises an event of this customer in the same turn.

use std::collections::BTreeMap;

use journey_types::{EventName, Value};

use crate::canonical::value_source;
use crate::expression::{Position, nearest};
use crate::fields::Fields;
use crate::plan::{EmitStep, ValueSource};
use crate::reading::{ExpressionSite, Reader};
use crate::schema::fits;
use crate::yaml::{Entry, Node};

pub(super) fn read(reader: &mut Reader<'_, '_>, node: &Node) -> Option<EmitStep> {
    let n_errors = reader.problems.n_errors();
    let mut fields = Fields::of(node, "an `emit`", reader.problems)?;
    let event = fields.require("event", reader.problems);
    let properties = fields.take("properties");
    fields.refuse_later(&["to"], reader.problems);
    fields.finish(reader.problems);
    let event: Option<EventName> = event.and_then(|node| reader.id(node));
    let properties = match properties {
        None => Vec::new(),
        Some(node) => read_properties(reader, node, event.as_ref())?,
    };
    (reader.problems.n_errors() == n_errors).then_some(())?;
    Some(EmitStep {
        event: event?,
        properties,
    })
}

fn read_properties(
    reader: &mut Reader<'_, '_>,
    node: &Node,
    event: Option<&EventName>,
) -> Option<Vec<(String, ValueSource)>> {
    let entries = Fields::of(node, "`properties` of an `emit`", reader.problems)?.rest();
    let mut properties = Vec::new();
    for Entry { key, value } in entries {
        let source = reader.value_source(value, ExpressionSite::at(Position::Step));
        let Some(source) = source else { continue };
        check_declared(
            reader,
            event,
            (&key.text, &key.span),
            (&source, &value.span),
        );
        properties.push((key.text.clone(), source));
    }
    Some(properties)
}

/// Holds a property to the schema of the event, where there is one.
fn check_declared(
    reader: &mut Reader<'_, '_>,
    event: Option<&EventName>,
    (name, name_span): (&String, &std::ops::Range<usize>),
    (source, source_span): (&ValueSource, &std::ops::Range<usize>),
) {
    let known = reader.known;
    let Some((event, schema)) = event.and_then(|event| Some((event, known.schemas.event(event)?)))
    else {
        return;
    };
    match (schema.properties().get(name), source) {
        (None, _) => {
            let message = format!("event `{event}` declares no property `{name}`");
            let near = nearest(name, schema.names().iter().map(String::as_str));
            let suggestion = near.map(|meant| format!("did you mean `{meant}`?"));
            reader
                .problems
                .error_with(name_span.clone(), message, suggestion);
        }
        (Some(expected), ValueSource::Literal(value)) if !fits(*expected, value) => {
            let found = value.kind();
            let message =
                format!("`{name}` of event `{event}` is declared {expected}, found {found}");
            reader.problems.error_only(source_span.clone(), message);
        }
        (Some(_), _) => {}
    }
}

pub(super) fn canonical(emit: &EmitStep) -> Value {
    let properties = emit
        .properties
        .iter()
        .map(|(name, source)| (name.clone(), value_source(source)))
        .collect();
    Value::Map(BTreeMap::from([
        ("event".to_owned(), Value::text(emit.event.as_str())),
        ("properties".to_owned(), Value::Map(properties)),
    ]))
}
