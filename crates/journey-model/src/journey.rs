//! The `journey` document: read as it is written, checked, and made a [`Plan`].

mod canonical;
mod embedded_test;
mod entry;
mod exit;
mod goal;
mod graph;
mod reentry;

use std::ops::Range;

use journey_types::JourneyId;

use crate::expression::{Entrances, Expression, Position};
use crate::fields::Fields;
use crate::limits::STEPS_PER_JOURNEY_MAX;
use crate::plan::{
    EmbeddedTest, EntryRule, EntryTrigger, ExitRule, Goal, Plan, Reentry, Step, StepIdx,
};
use crate::reading::{ExpressionSite, Reader};
use crate::step::{StepContext, StepNames, read_step};
use crate::yaml::{Entry, Node};

pub(crate) use canonical::canonical;

/// Consent purpose of journeys that name none (JOURNEYS section 7).
const DEFAULT_PURPOSE: &str = "service";

/// The parts of a document before they are read.
struct Parts<'n> {
    span: Range<usize>,
    id: Option<&'n Node>,
    title: Option<&'n Node>,
    owner: Option<&'n Node>,
    zone: Option<&'n Node>,
    entry: Option<&'n Node>,
    key: Option<&'n Node>,
    reentry: Option<&'n Node>,
    goals: Option<&'n Node>,
    exit: Option<&'n Node>,
    start: Option<&'n Node>,
    steps: Option<&'n Node>,
    tests: Option<&'n Node>,
}

/// Reads a journey. The plan has no version and no hash yet; `None` when there is any error.
pub(crate) fn read_journey(reader: &mut Reader<'_, '_>, root: &Node) -> Option<Plan> {
    let n_errors = reader.problems.n_errors();
    let parts = take_parts(reader, root)?;
    let id: Option<JourneyId> = parts.id.and_then(|node| reader.id(node));
    let title = parts.title.and_then(|node| reader.line(node));
    let owner = parts.owner.and_then(|node| reader.line(node));
    let zone = parts.zone.and_then(|node| reader.zone(node));
    let is_keyed = parts.key.is_some();
    let entry = read_entry(reader, &parts);
    let key = parts.key.and_then(|node| read_key(reader, node));
    let reentry = parts
        .reentry
        .map_or(Some(Reentry::DEFAULT), |node| reentry::read(reader, node));
    let goals = read_goals(reader, parts.goals, is_keyed);
    let exits = read_exits(reader, parts.exit, is_keyed);
    let (names, steps) = read_steps(reader, &parts, is_keyed);
    let start = parts
        .start
        .map_or(Some(StepIdx(0)), |node| names.step_idx(reader, node));
    if let (Some(steps), Some(start)) = (&steps, start) {
        graph::check(reader, &names, steps, start);
    }
    let tests = parts
        .tests
        .map_or(&[][..], |node| reader.items(node, "tests"));
    let tests: Vec<EmbeddedTest> = tests
        .iter()
        .filter_map(|item| embedded_test::read(reader, item, &names))
        .collect();
    let plan = Plan {
        journey: id?,
        version: journey_types::DefinitionVersion::default(),
        hash: String::new(),
        title,
        owner,
        zone,
        entry,
        key,
        reentry: reentry?,
        goals,
        exits,
        purpose: DEFAULT_PURPOSE.to_owned(),
        start: start?,
        steps: steps?,
        tests,
    };
    (reader.problems.n_errors() == n_errors).then_some(plan)
}

fn take_parts<'n>(reader: &mut Reader<'_, '_>, root: &'n Node) -> Option<Parts<'n>> {
    let mut fields = Fields::of(root, "a journey", reader.problems)?;
    let problems = &mut *reader.problems;
    fields.refuse_later(&["policy"], problems);
    let id = fields.take_entry("journey");
    let parts = Parts {
        // A journey is named by its id: what it lacks is shown there.
        span: id.map_or_else(|| fields.span(), |entry| entry.key.span.clone()),
        id: id.map(|entry| &entry.value),
        title: fields.take("title"),
        owner: fields.take("owner"),
        zone: fields.take("zone"),
        entry: fields.take("entry"),
        key: fields.take("key"),
        reentry: fields.take("reentry"),
        goals: fields.take("goals"),
        exit: fields.take("exit"),
        start: fields.take("start"),
        steps: fields.take("steps"),
        tests: fields.take("tests"),
    };
    for (name, part) in [("entry", parts.entry), ("steps", parts.steps)] {
        if part.is_none() && !fields.has_near_to(name) {
            let message = format!("this journey lacks `{name}`");
            problems.error(parts.span.clone(), message, format!("add `{name}: …`"));
        }
    }
    fields.finish(problems);
    Some(parts)
}

fn read_entry(reader: &mut Reader<'_, '_>, parts: &Parts<'_>) -> Vec<EntryRule> {
    let Some(node) = parts.entry else {
        return Vec::new();
    };
    let items = reader.items(node, "entries");
    reader.entrances = Entrances {
        event: items.is_empty(),
        api: false,
    };
    let entry: Vec<EntryRule> = items
        .iter()
        .filter_map(|item| entry::read(reader, item))
        .collect();
    if entry.len() == items.len() {
        let names = entry.iter().filter_map(|rule| match &rule.trigger {
            EntryTrigger::Event { name, .. } => Some(name.clone()),
            EntryTrigger::Api => None,
        });
        reader.entry_events = names.collect();
    }
    entry
}

fn read_key(reader: &mut Reader<'_, '_>, node: &Node) -> Option<Expression> {
    let entrances = reader.entrances;
    let expected = match (entrances.event, entrances.api) {
        (true, true) => "an expression over `event` and `input`",
        (false, true) => "an expression over `input`",
        (_, false) => "an expression over `event`",
    };
    let key = reader.expression(node, ExpressionSite::at(Position::Key), expected)?;
    let reads = key.dependencies();
    // Of two ways in, each must give a key.
    let lacking = match (reads.event, reads.input) {
        (true, false) => Some(("input", "an enroll call brings no `event`")),
        (false, true) => Some(("event", "an event brings no `input`")),
        _ => None,
    };
    let has_both = entrances == Entrances::ANY && !reader.entry_events.is_empty();
    if let Some((other, reason)) = lacking.filter(|_| has_both) {
        let message = format!("{reason}, so its entry would always be refused `key_invalid`");
        let advice =
            format!("read `{other}` too, such as `has(input.x) ? input.x : event.properties.x`");
        reader.problems.error(node.span.clone(), message, advice);
    }
    reader.key_reads_event = reads.event || !reads.input;
    Some(key)
}

fn read_goals(reader: &mut Reader<'_, '_>, node: Option<&Node>, is_keyed: bool) -> Vec<Goal> {
    let Some(node) = node else { return Vec::new() };
    let mut goals: Vec<Goal> = Vec::new();
    for item in reader.items(node, "goals") {
        let Some(goal) = goal::read(reader, item, is_keyed) else {
            continue;
        };
        if goals.iter().any(|known| known.id == goal.id) {
            let message = format!("there are two goals `{}`", goal.id);
            let advice = "give each goal an id of its own";
            reader.problems.error(item.span.clone(), message, advice);
        }
        goals.push(goal);
    }
    goals
}

fn read_exits(reader: &mut Reader<'_, '_>, node: Option<&Node>, is_keyed: bool) -> Vec<ExitRule> {
    let Some(node) = node else { return Vec::new() };
    let items = reader.items(node, "exit rules");
    items
        .iter()
        .filter_map(|item| exit::read(reader, item, is_keyed))
        .collect()
}

/// The steps, `None` where any of them could not be read.
fn read_steps(
    reader: &mut Reader<'_, '_>,
    parts: &Parts<'_>,
    is_keyed: bool,
) -> (StepNames, Option<Vec<Step>>) {
    let fields = parts
        .steps
        .and_then(|node| Fields::of(node, "`steps`", reader.problems));
    let Some(fields) = fields else {
        return (StepNames::default(), None);
    };
    let span = fields.span();
    let entries: Vec<&Entry> = fields.rest();
    if entries.is_empty() {
        let message = "a journey has at least one step";
        reader.problems.error_only(span, message);
        return (StepNames::default(), None);
    }
    if entries.len() > STEPS_PER_JOURNEY_MAX {
        let message = format!(
            "a journey has at most {STEPS_PER_JOURNEY_MAX} steps, this one has {}",
            entries.len()
        );
        let advice = "split it into several journeys";
        reader.problems.error(
            entries[STEPS_PER_JOURNEY_MAX].key.span.clone(),
            message,
            advice,
        );
        return (StepNames::default(), None);
    }
    let names = StepNames::of(&entries, reader);
    let context = StepContext {
        names: &names,
        is_keyed,
    };
    let steps: Vec<Option<Step>> = entries
        .into_iter()
        .map(|entry| read_step(reader, entry, context))
        .collect();
    (names, steps.into_iter().collect())
}
