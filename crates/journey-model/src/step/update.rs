//! `update: { traits.x: CEL, vars.y: CEL, lifecycle: CEL }`: writes to the customer and the instance.

use journey_types::Value;

use crate::canonical::value_source;
use crate::expression::{Position, nearest};
use crate::fields::Fields;
use crate::plan::{Assignment, Place, ValueSource};
use crate::reading::{ExpressionSite, Reader};
use crate::schema::fits;
use crate::yaml::{Entry, Key, Node};

const PLACES: &str = "an `update` writes `traits.<name>`, `vars.<name>` and `lifecycle`";

pub(super) fn read(reader: &mut Reader<'_, '_>, node: &Node) -> Option<Vec<Assignment>> {
    let n_errors = reader.problems.n_errors();
    let fields = Fields::of(node, "an `update`", reader.problems)?;
    let span = fields.span();
    let entries = fields.rest();
    if entries.is_empty() {
        let message = "this `update` writes nothing";
        reader.problems.error(span, message, PLACES);
    }
    let mut assignments = Vec::new();
    for Entry { key, value } in entries {
        let place = read_place(reader, key);
        let site = ExpressionSite::at(Position::Step);
        let source = reader.value_source(value, site);
        if let (Some(place), Some(source)) = (place, source) {
            check_type(reader, &place, &source, value);
            assignments.push(Assignment {
                place,
                value: source,
            });
        }
    }
    (reader.problems.n_errors() == n_errors).then_some(assignments)
}

fn read_place(reader: &mut Reader<'_, '_>, key: &Key) -> Option<Place> {
    let text = key.text.as_str();
    if text == "lifecycle" {
        return Some(Place::Lifecycle);
    }
    let (root, name) = text.split_once('.').unwrap_or((text, ""));
    match root {
        "interests" | "emotion" | "consent" | "segments" => {
            let message = format!("`{root}` in an `update` is not available yet");
            reader.problems.error_only(key.span.clone(), message);
            None
        }
        "traits" if is_name(name) => {
            check_declared(reader, key, name);
            Some(Place::Trait(name.to_owned()))
        }
        "vars" if is_name(name) => Some(Place::Var(name.to_owned())),
        _ => {
            let message = format!("`{text}` is no place that an `update` can write");
            let suggestion = match nearest(root, ["traits", "vars", "lifecycle"]) {
                Some("lifecycle") => "did you mean `lifecycle`?".to_owned(),
                Some(root) if is_name(name) => format!("did you mean `{root}.{name}`?"),
                _ if is_name(text) => format!("did you mean `traits.{text}` or `vars.{text}`?"),
                _ => format!("{PLACES}, where a name is letters, digits and `_`"),
            };
            reader.problems.error(key.span.clone(), message, suggestion);
            None
        }
    }
}

/// A name that an expression can read back after a dot.
fn is_name(name: &str) -> bool {
    let is_start = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(is_start) && name.chars().all(|c| is_start(c) || c.is_ascii_digit())
}

fn check_declared(reader: &mut Reader<'_, '_>, key: &Key, name: &str) {
    let Some(declared) = reader.known.schemas.trait_names() else {
        return;
    };
    if declared.contains(name) {
        return;
    }
    let suggestion = match nearest(name, declared.iter().map(String::as_str)) {
        Some(meant) => format!("did you mean `traits.{meant}`?"),
        None => "declare it in the schema's `traits`".to_owned(),
    };
    let message = format!("no schema declares the trait `{name}`");
    reader.problems.error(key.span.clone(), message, suggestion);
}

fn check_type(reader: &mut Reader<'_, '_>, place: &Place, source: &ValueSource, node: &Node) {
    let ValueSource::Literal(value) = source else {
        return;
    };
    let message = match place {
        Place::Trait(name) => match reader.known.schemas.trait_type(name) {
            Some(expected) if !fits(expected, value) => {
                let found = value.kind();
                format!("the trait `{name}` is declared {expected}, found {found}")
            }
            Some(_) | None => return,
        },
        Place::Lifecycle if !matches!(value, Value::Null) => {
            format!("a lifecycle stage is text, found {}", value.kind())
        }
        Place::Lifecycle | Place::Var(_) => return,
    };
    reader.problems.error_only(node.span.clone(), message);
}

pub(super) fn canonical(assignments: &[Assignment]) -> Value {
    let line = |assignment: &Assignment| {
        let place = match &assignment.place {
            Place::Trait(name) => format!("traits.{name}"),
            Place::Var(name) => format!("vars.{name}"),
            Place::Lifecycle => "lifecycle".to_owned(),
        };
        (place, value_source(&assignment.value))
    };
    Value::Map(assignments.iter().map(line).collect())
}
