//! `tests`: what should happen to one customer, told beside the journey. Everything in it is literal; it is no part of the
//! journey's hash.

use std::collections::BTreeMap;

use journey_types::{EventName, StepId, TimeSpan, Timestamp, Value};

use crate::fields::Fields;
use crate::plan::{EmbeddedTest, Expectation, Given, GivenKind};
use crate::reading::Reader;
use crate::step::StepNames;
use crate::yaml::{Node, NodeValue};

/// Where time begins when a test says nothing: a Monday.
const START: &str = "2026-01-05T09:00:00Z";
/// What an instance can be in.
const STATES: [(&str, &str); 5] = [
    ("active", "active"),
    ("parked", "parked"),
    ("completed", "completed"),
    ("exited", "exited"),
    ("none", "none"),
];

pub(super) fn read(
    reader: &mut Reader<'_, '_>,
    node: &Node,
    names: &StepNames,
) -> Option<EmbeddedTest> {
    let mut fields = Fields::of(node, "a test", reader.problems)?;
    let name = fields.require("name", reader.problems);
    let customer = fields.take("customer");
    let start = fields.take("start");
    let given = fields.require("given", reader.problems);
    let until = fields.take("until");
    let expect = fields.require("expect", reader.problems);
    fields.finish(reader.problems);
    let name = name.and_then(|node| reader.line(node));
    let traits = customer.map_or(Some(BTreeMap::new()), |node| read_customer(reader, node));
    let start = match start {
        None => Timestamp::parse(START),
        Some(node) => read_instant(reader, node),
    };
    let given: Option<Vec<Given>> =
        given
            .map(|node| reader.items(node, "events"))
            .map(|items| {
                let given = items.iter().map(|item| read_given(reader, item, names));
                given.collect::<Vec<Option<Given>>>().into_iter().collect()
            })?;
    let mut given = given?;
    // As it happens, whatever the order it is told in.
    given.sort_by_key(|given| given.at);
    let until = match until {
        None => Some(given.last().map_or(TimeSpan::ZERO, |last| last.at)),
        Some(node) => reader.duration(node),
    };
    let expect = expect.and_then(|node| read_expect(reader, node, names));
    Some(EmbeddedTest {
        name: name?,
        traits: traits?,
        start: start?,
        given,
        until: until?,
        expect: expect?,
    })
}

fn read_customer(reader: &mut Reader<'_, '_>, node: &Node) -> Option<BTreeMap<String, Value>> {
    let mut fields = Fields::of(node, "the `customer` of a test", reader.problems)?;
    let traits = fields.take("traits");
    fields.finish(reader.problems);
    traits.map_or(Some(BTreeMap::new()), |node| {
        literal_map(reader, node, "`traits`")
    })
}

fn read_instant(reader: &mut Reader<'_, '_>, node: &Node) -> Option<Timestamp> {
    let text = reader.text(node, "an instant, as text,")?;
    let instant = Timestamp::parse(text);
    if instant.is_none() {
        let message = format!("`{text}` is no RFC 3339 instant");
        let advice = format!("such as `{START}`");
        reader.problems.error(node.span.clone(), message, advice);
    }
    instant
}

fn read_given(reader: &mut Reader<'_, '_>, node: &Node, names: &StepNames) -> Option<Given> {
    let mut fields = Fields::of(node, "what is `given`", reader.problems)?;
    let at = fields.require("at", reader.problems);
    let outcome = fields.take("outcome");
    let enroll = fields.take("enroll");
    let event = if outcome.is_some() || enroll.is_some() {
        fields.take("event")
    } else {
        fields.require("event", reader.problems)
    };
    let properties = fields.take("properties");
    let span = fields.span();
    fields.finish(reader.problems);
    let at = at.and_then(|node| reader.duration(node));
    let kind = match (event, outcome, enroll) {
        (Some(_), Some(_), _) | (Some(_), _, Some(_)) | (_, Some(_), Some(_)) => {
            let message = "an `event`, an `outcome` and an `enroll` are things of their own";
            reader
                .problems
                .error(span, message, "tell them one after the other");
            None
        }
        (None, Some(node), None) => read_outcome(reader, node, names),
        (None, None, Some(node)) => read_enroll(reader, node),
        (Some(event), None, None) => {
            let name: Option<EventName> = reader.id(event);
            let properties = properties.map_or(Some(BTreeMap::new()), |node| {
                literal_map(reader, node, "`properties`")
            });
            name.zip(properties)
                .map(|(name, properties)| GivenKind::Event { name, properties })
        }
        (None, None, None) => None,
    };
    Some(Given {
        at: at?,
        kind: kind?,
    })
}

fn read_enroll(reader: &mut Reader<'_, '_>, node: &Node) -> Option<GivenKind> {
    if !reader.entrances.api {
        let message = "this journey has no entry by `api`";
        let advice = "add it: `entry: [ { api: enroll } ]`";
        reader.problems.error(node.span.clone(), message, advice);
        return None;
    }
    let input = literal_map(reader, node, "the input of `enroll`")?;
    Some(GivenKind::Enroll { input })
}

fn read_outcome(reader: &mut Reader<'_, '_>, node: &Node, names: &StepNames) -> Option<GivenKind> {
    let mut fields = Fields::of(node, "an `outcome`", reader.problems)?;
    let step = fields.require("step", reader.problems);
    let result = fields.take("result");
    let failed = fields.take("failed");
    fields.finish(reader.problems);
    let step = step.and_then(|node| read_step(reader, node, names))?;
    let result = match (result, failed) {
        (_, Some(node)) => Err(reader.line(node)?),
        (Some(node), None) => Ok(literal(reader, node)?),
        (None, None) => Ok(Value::Null),
    };
    Some(GivenKind::Outcome { step, result })
}

fn read_step(reader: &mut Reader<'_, '_>, node: &Node, names: &StepNames) -> Option<StepId> {
    names.step_idx(reader, node)?;
    reader.id(node)
}

fn read_expect(reader: &mut Reader<'_, '_>, node: &Node, names: &StepNames) -> Option<Expectation> {
    let mut fields = Fields::of(node, "`expect`", reader.problems)?;
    let span = fields.span();
    let state = fields.take("state");
    let outcome = fields.take("outcome");
    let step = fields.take("step");
    let entered = fields.take("entered");
    let lists = ["goals", "sent", "emitted"].map(|name| fields.take(name));
    let maps = ["traits", "vars"].map(|name| fields.take(name));
    fields.finish(reader.problems);
    let [goals, sent, emitted] = lists.map(|node| node.map(|node| read_names(reader, node)));
    let [traits, vars] = maps.map(|node| {
        node.map_or(Some(BTreeMap::new()), |node| {
            literal_map(reader, node, "what is expected")
        })
    });
    let expect = Expectation {
        state: state.and_then(|node| reader.word(node, &STATES, &[])),
        outcome: outcome.and_then(|node| reader.line(node)),
        step: step.and_then(|node| read_step(reader, node, names)),
        entered: entered.and_then(|node| reader.whole_number(node, 0, 1_000)),
        goals,
        sent,
        emitted,
        traits: traits?,
        vars: vars?,
    };
    if expect == Expectation::default() {
        let message = "a test that expects nothing cannot fail";
        let advice = "say what should be: `expect: { state: completed }`";
        reader.problems.error(span, message, advice);
    }
    Some(expect)
}

/// Names in order; an empty list says that there are none.
fn read_names(reader: &mut Reader<'_, '_>, node: &Node) -> Vec<String> {
    let NodeValue::List(items) = &node.value else {
        reader.expected(node, "a list of names");
        return Vec::new();
    };
    let names = items.iter().filter_map(|item| reader.line(item));
    names.collect()
}

fn literal_map(
    reader: &mut Reader<'_, '_>,
    node: &Node,
    what: &str,
) -> Option<BTreeMap<String, Value>> {
    let entries = Fields::of(node, what, reader.problems)?.rest();
    entries
        .into_iter()
        .map(|entry| Some((entry.key.text.clone(), literal(reader, &entry.value)?)))
        .collect()
}

/// A value as it is written.
fn literal(reader: &mut Reader<'_, '_>, node: &Node) -> Option<Value> {
    Some(match &node.value {
        NodeValue::Null => Value::Null,
        NodeValue::Bool(flag) => Value::Bool(*flag),
        NodeValue::Int(number) => Value::Int(*number),
        NodeValue::Double(number) => Value::number(*number),
        NodeValue::Text(text) => Value::text(text.as_str()),
        NodeValue::List(items) => {
            let items = items.iter().map(|item| literal(reader, item));
            Value::List(items.collect::<Option<Vec<Value>>>()?)
        }
        NodeValue::Map(_) => Value::Map(literal_map(reader, node, "a value")?),
        NodeValue::Refused => return None,
    })
}
