//! One step of a journey as it is written: its kind, and the fields that every kind may have.
//!
//! Each kind is a file here, with how it is read and its canonical form; a new kind is a new file, a line in
//! [`read_kind`] and one in [`canonical`].

mod call;
mod delay;
mod emit;
mod input;
mod message;
mod names;
mod split;
mod task;
mod update;
mod wait_until;

use std::collections::BTreeMap;

use journey_types::Value;

use crate::expression::{Position, one_of};
use crate::fields::Fields;
use crate::plan::{Step, StepKind, StepTimeout, Target};
use crate::reading::{ExpressionSite, Reader};
use crate::yaml::{Entry, Node};

pub(crate) use names::StepNames;

/// The kinds that are delivered.
const KINDS: [&str; 8] = [
    "message",
    "call",
    "task",
    "delay",
    "wait_until",
    "split",
    "update",
    "emit",
];
/// The kinds of the language that are not.
const KINDS_LATER: [&str; 7] = [
    "experiment",
    "decide",
    "ask",
    "start_journey",
    "signal_journey",
    "await_journey",
    "parallel",
];

/// What a step needs to know of its journey.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StepContext<'c> {
    pub(crate) names: &'c StepNames,
    /// Whether the journey has a `key`.
    pub(crate) is_keyed: bool,
}

/// What a kind may use of its step.
struct KindContext<'c> {
    step: StepContext<'c>,
    /// Where branches without `next` lead.
    next: Target,
    /// `refused`, which only messages have.
    refused: Option<Target>,
    /// Whether the step can be left by its `timeout`.
    has_timeout: bool,
}

/// Reads one step; `None` when it cannot be used, which is reported.
pub(crate) fn read_step(
    reader: &mut Reader<'_, '_>,
    entry: &Entry,
    context: StepContext<'_>,
) -> Option<Step> {
    let name = entry.key.text.as_str();
    let id = context.names.checked_id(name);
    let mut fields = Fields::of(&entry.value, format!("step `{name}`"), reader.problems)?;
    let n_errors = reader.problems.n_errors();
    let title = fields.take("title").and_then(|node| reader.line(node));
    let target = |reader: &mut Reader<'_, '_>, fields: &mut Fields<'_>, field| {
        let node = fields.take(field)?;
        context.names.target(reader, node)
    };
    let next = target(reader, &mut fields, "next");
    let on_error = target(reader, &mut fields, "on_error");
    let timeout_entry = fields.take_entry("timeout");
    let timeout = timeout_entry.and_then(|entry| read_timeout(reader, &entry.value, context));
    let only_if = fields.take("only_if").and_then(|node| {
        let site = ExpressionSite::at(Position::Step);
        reader.condition(node, site)
    });
    let kind_entry = take_kind(reader, &mut fields);
    let refused = match &kind_entry {
        Some(kind) if kind.key.text == "message" => target(reader, &mut fields, "refused"),
        _ => None,
    };
    fields.finish(reader.problems);
    let kind_entry = kind_entry?;
    let kind = read_kind(
        reader,
        kind_entry,
        &KindContext {
            step: context,
            next: next.unwrap_or(Target::End),
            refused,
            has_timeout: timeout.is_some(),
        },
    )?;
    if let Some(entry) = timeout_entry.filter(|_| !may_rest(&kind)) {
        let message = format!("an instance never rests at `{}`", kind_entry.key.text);
        let span = entry.key.span.clone();
        let advice = "the `timeout` has no effect; leave it out";
        reader.problems.warning(span, message, advice);
    }
    (reader.problems.n_errors() == n_errors).then_some(())?;
    Some(Step {
        id: id?,
        title,
        kind,
        next: next.unwrap_or(Target::End),
        on_error,
        timeout,
        only_if,
    })
}

fn take_kind<'n>(reader: &mut Reader<'_, '_>, fields: &mut Fields<'n>) -> Option<&'n Entry> {
    let later: Vec<&str> = KINDS_LATER
        .into_iter()
        .filter(|kind| fields.has(kind))
        .collect();
    fields.refuse_later(&KINDS_LATER, reader.problems);
    let mut kinds: Vec<&Entry> = KINDS
        .into_iter()
        .filter_map(|kind| fields.take_entry(kind))
        .collect();
    if kinds.len() + later.len() > 1 {
        let names = kinds.iter().map(|kind| kind.key.text.as_str()).chain(later);
        let message = format!(
            "{} has several kinds: {}",
            fields.what(),
            one_of(names).replace(" or ", " and ")
        );
        let advice = "a step does one thing: make it several steps";
        reader.problems.error(fields.span(), message, advice);
        return None;
    }
    if kinds.is_empty() && later.is_empty() {
        let misspelt = KINDS.into_iter().any(|kind| fields.has_near_to(kind));
        if !misspelt {
            let message = format!("{} says not what it does", fields.what());
            let advice = format!("add one of {}", one_of(KINDS));
            reader.problems.error(fields.span(), message, advice);
        }
    }
    kinds.pop()
}

fn read_timeout(
    reader: &mut Reader<'_, '_>,
    node: &Node,
    context: StepContext<'_>,
) -> Option<StepTimeout> {
    let mut fields = Fields::of(node, "a `timeout`", reader.problems)?;
    let after = fields.require("after", reader.problems);
    let next = fields.require("next", reader.problems);
    fields.finish(reader.problems);
    let after = after.and_then(|node| reader.positive_duration(node));
    let next = next.and_then(|node| context.names.target(reader, node));
    Some(StepTimeout {
        after: after?,
        next: next?,
    })
}

fn read_kind(
    reader: &mut Reader<'_, '_>,
    entry: &Entry,
    context: &KindContext<'_>,
) -> Option<StepKind> {
    let node = &entry.value;
    match entry.key.text.as_str() {
        "message" => message::read(reader, node, context).map(StepKind::Message),
        "call" => call::read(reader, node).map(StepKind::Call),
        "task" => task::read(reader, node).map(StepKind::Task),
        "delay" => delay::read(reader, node).map(StepKind::Delay),
        "wait_until" => wait_until::read(reader, node, context).map(StepKind::WaitUntil),
        "split" => split::read(reader, node, context).map(StepKind::Split),
        "update" => update::read(reader, node).map(StepKind::Update),
        "emit" => emit::read(reader, node).map(StepKind::Emit),
        other => unreachable!("`{other}` is not among the kinds"),
    }
}

/// Whether an instance can rest at a step of that kind, so that a `timeout` makes sense.
const fn may_rest(kind: &StepKind) -> bool {
    match kind {
        StepKind::Message(_)
        | StepKind::Call(_)
        | StepKind::Task(_)
        | StepKind::Delay(_)
        | StepKind::WaitUntil(_) => true,
        StepKind::Split(_) | StepKind::Update(_) | StepKind::Emit(_) => false,
    }
}

/// Every way out of a step: where it may lead, and whether only a failure leads there.
pub(crate) fn exits_of(step: &Step) -> Vec<(Target, bool)> {
    let mut targets: Vec<(Target, bool)> = match &step.kind {
        StepKind::Message(message) => message.refused.iter().map(|to| (*to, false)).collect(),
        StepKind::WaitUntil(branches) => {
            branches.iter().map(|branch| (branch.next, false)).collect()
        }
        StepKind::Split(arms) => arms.iter().map(|arm| (arm.next, false)).collect(),
        StepKind::Call(_)
        | StepKind::Task(_)
        | StepKind::Delay(_)
        | StepKind::Update(_)
        | StepKind::Emit(_) => Vec::new(),
    };
    let next_is_used = match &step.kind {
        // A wait is left by its branches, a split by its arms; `next` by what skips or falls through.
        StepKind::WaitUntil(_) => step.only_if.is_some(),
        StepKind::Split(arms) => {
            step.only_if.is_some() || arms.iter().all(|arm| arm.condition.is_some())
        }
        StepKind::Message(_)
        | StepKind::Call(_)
        | StepKind::Task(_)
        | StepKind::Delay(_)
        | StepKind::Update(_)
        | StepKind::Emit(_) => true,
    };
    if next_is_used {
        targets.push((step.next, false));
    }
    targets.extend(step.on_error.map(|to| (to, true)));
    targets.extend(step.timeout.map(|timeout| (timeout.next, false)));
    targets
}

/// Whether time passes while an instance is at a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Each time.
    Always,
    /// Not when its condition holds from the start, its instant lies in the past, or `only_if` skips it.
    Sometimes,
    /// Never.
    Never,
}

/// Whether time passes while an instance is at the step.
pub(crate) fn rest_of(step: &Step) -> Rest {
    let rest = match &step.kind {
        StepKind::Message(message) => message::rest_of(message),
        // Until somebody answers; an answer in the same turn there is not.
        StepKind::Call(_) | StepKind::Task(_) => Rest::Always,
        StepKind::Delay(delay) => delay::rest_of(delay),
        StepKind::WaitUntil(branches) => wait_until::rest_of(branches),
        StepKind::Split(_) | StepKind::Update(_) | StepKind::Emit(_) => Rest::Never,
    };
    match rest {
        Rest::Always if step.only_if.is_some() => Rest::Sometimes,
        rest => rest,
    }
}

/// The canonical form of a step: defaults filled in, without its title.
pub(crate) fn canonical(step: &Step, names: &StepNames) -> Value {
    let (kind, value) = match &step.kind {
        StepKind::Message(message) => ("message", message::canonical(message)),
        StepKind::Call(call) => ("call", call::canonical(call)),
        StepKind::Task(task) => ("task", task::canonical(task)),
        StepKind::Delay(delay) => ("delay", delay::canonical(delay)),
        StepKind::WaitUntil(branches) => ("wait_until", wait_until::canonical(branches, names)),
        StepKind::Split(arms) => ("split", split::canonical(arms, names)),
        StepKind::Update(assignments) => ("update", update::canonical(assignments)),
        StepKind::Emit(emit) => ("emit", emit::canonical(emit)),
    };
    let mut fields = BTreeMap::from([
        (kind.to_owned(), value),
        ("next".to_owned(), names.canonical(step.next)),
    ]);
    if let StepKind::Message(message) = &step.kind {
        let refused = message.refused.unwrap_or(step.next);
        fields.insert("refused".to_owned(), names.canonical(refused));
    }
    if let Some(on_error) = step.on_error {
        fields.insert("on_error".to_owned(), names.canonical(on_error));
    }
    if let Some(timeout) = step.timeout {
        let timeout = BTreeMap::from([
            ("after".to_owned(), Value::text(timeout.after.to_string())),
            ("next".to_owned(), names.canonical(timeout.next)),
        ]);
        fields.insert("timeout".to_owned(), Value::Map(timeout));
    }
    if let Some(only_if) = &step.only_if {
        fields.insert("only_if".to_owned(), Value::text(only_if.source()));
    }
    Value::Map(fields)
}
