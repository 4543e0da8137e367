//! `goals: [ { id: g, event: e, within: 14d, value: 3.5, exit: true } ]`: what counts as success.

use journey_types::{StepId, Value};

use crate::canonical::event_match;
use crate::event_match::read_event_match;
use crate::fields::Fields;
use crate::plan::Goal;
use crate::reading::Reader;
use crate::yaml::{Node, NodeValue};

/// Outcomes that the engine itself gives: a goal's id would be mistaken for them.
const OUTCOMES_RESERVED: [&str; 1] = ["completed"];

pub(super) fn read(reader: &mut Reader<'_, '_>, node: &Node, is_keyed: bool) -> Option<Goal> {
    let mut fields = Fields::of(node, "a goal", reader.problems)?;
    let id = fields.require("id", reader.problems);
    let reached_by = read_event_match(reader, &mut fields, is_keyed);
    let within = fields
        .take("within")
        .map(|node| reader.positive_duration(node));
    let exit = fields.take("exit").map(|node| reader.flag(node));
    let value = fields.take("value").map(|node| read_value(reader, node));
    fields.finish(reader.problems);
    let id = id.and_then(|node| read_id(reader, node));
    Some(Goal {
        id: id?,
        reached_by: reached_by?,
        within: within.map_or(Some(None), |within| within.map(Some))?,
        exit: exit.unwrap_or(Some(false))?,
        value: value.map_or(Some(None), |value| value.map(Some))?,
    })
}

fn read_id(reader: &mut Reader<'_, '_>, node: &Node) -> Option<String> {
    let text = reader.text(node, "the id of the goal, as text,")?;
    // Goals have ids of the form of every authored id.
    if let Err(error) = StepId::new(text) {
        let message = error.to_string().replacen("step id", "goal id", 1);
        reader.problems.error_only(node.span.clone(), message);
        return None;
    }
    if OUTCOMES_RESERVED.contains(&text) {
        let message = format!("the outcome `{text}` is given by the engine itself");
        let advice = "give the goal another id";
        reader.problems.error(node.span.clone(), message, advice);
        return None;
    }
    Some(text.to_owned())
}

fn read_value(reader: &mut Reader<'_, '_>, node: &Node) -> Option<Value> {
    match node.value {
        NodeValue::Int(number) => Some(Value::Int(number)),
        NodeValue::Double(number) => Some(Value::number(number)),
        NodeValue::Null
        | NodeValue::Bool(_)
        | NodeValue::Text(_)
        | NodeValue::List(_)
        | NodeValue::Map(_)
        | NodeValue::Refused => {
            reader.expected(node, "a number");
            None
        }
    }
}

pub(super) fn canonical(goal: &Goal) -> Value {
    let mut fields = event_match(&goal.reached_by);
    fields.insert("id".to_owned(), Value::text(goal.id.as_str()));
    fields.insert("exit".to_owned(), Value::Bool(goal.exit));
    if let Some(within) = goal.within {
        fields.insert("within".to_owned(), Value::text(within.to_string()));
    }
    if let Some(value) = &goal.value {
        fields.insert("value".to_owned(), value.clone());
    }
    Value::Map(fields)
}
