//! `input: { a: CEL }`: what a `call` or a `task` is given.

use journey_types::Value;

use crate::canonical::value_source;
use crate::expression::Position;
use crate::fields::Fields;
use crate::plan::ValueSource;
use crate::reading::{ExpressionSite, Reader};
use crate::yaml::{Entry, Node};

/// The values in listed order; none where no `input` is written. `None` when one of them cannot be used.
pub(super) fn read(
    reader: &mut Reader<'_, '_>,
    node: Option<&Node>,
    what: &str,
) -> Option<Vec<(String, ValueSource)>> {
    let Some(node) = node else {
        return Some(Vec::new());
    };
    let entries = Fields::of(node, what, reader.problems)?.rest();
    let sources: Vec<Option<(String, ValueSource)>> = entries
        .into_iter()
        .map(|Entry { key, value }| {
            let source = reader.value_source(value, ExpressionSite::at(Position::Step));
            source.map(|source| (key.text.clone(), source))
        })
        .collect();
    sources.into_iter().collect()
}

pub(super) fn canonical(input: &[(String, ValueSource)]) -> Value {
    let values = input.iter();
    let values = values.map(|(name, source)| (name.clone(), value_source(source)));
    Value::Map(values.collect())
}
