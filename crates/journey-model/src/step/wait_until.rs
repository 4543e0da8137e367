//! `wait_until: [ { event … }, { when … }, { after … }, { at … } ]`: rests until the first branch holds.

use std::collections::BTreeMap;

use journey_types::{TimeSpan, Value};

use super::{KindContext, Rest, StepNames};
use crate::canonical::{event_match, window};
use crate::event_match::read_event_match;
use crate::expression::{Dependencies, Position};
use crate::fields::Fields;
use crate::plan::{WaitBranch, WaitSince, WaitTrigger};
use crate::reading::{ExpressionSite, Reader};
use crate::yaml::Node;

const SINCE: [(&str, WaitSince); 2] = [("wait", WaitSince::Wait), ("entry", WaitSince::Entry)];
const FORMS: &str = "write `event: name`, `when: condition`, `after: 2d` or `at: instant`";

pub(super) fn read(
    reader: &mut Reader<'_, '_>,
    node: &Node,
    context: &KindContext<'_>,
) -> Option<Vec<WaitBranch>> {
    let n_errors = reader.problems.n_errors();
    let items = reader.items(node, "branches");
    let branches: Vec<WaitBranch> = items
        .iter()
        .filter_map(|item| read_branch(reader, item, context))
        .collect();
    if reader.problems.n_errors() > n_errors {
        return None;
    }
    let can_wake = branches.iter().any(|branch| can_wake(&branch.trigger));
    if !can_wake && !context.has_timeout {
        reader.problems.error(
            node.span.clone(),
            "this wait can never be woken: nothing its conditions depend on changes while it waits",
            "add a branch `{ after: 2d, next: … }`, an `event`, or a `timeout` to the step",
        );
        return None;
    }
    Some(branches)
}

fn read_branch(
    reader: &mut Reader<'_, '_>,
    node: &Node,
    context: &KindContext<'_>,
) -> Option<WaitBranch> {
    let mut fields = Fields::of(node, "a branch of `wait_until`", reader.problems)?;
    let next = match fields.take("next") {
        None => Some(context.next),
        Some(node) => context.step.names.target(reader, node),
    };
    let triggers = ["event", "when", "after", "at"];
    let present: Vec<&str> = triggers
        .into_iter()
        .filter(|name| fields.has(name))
        .collect();
    let trigger = match present.as_slice() {
        ["event"] => read_event(reader, &mut fields, context),
        ["when"] => read_when(reader, &mut fields),
        ["after"] => read_after(reader, &mut fields),
        ["at"] => fields.take("at").and_then(|node| {
            let site = ExpressionSite::at(Position::Instant);
            let at = reader.expression(node, site, "an expression that gives a time")?;
            Some(WaitTrigger::At { at })
        }),
        [] => {
            let misspelt = triggers.into_iter().any(|name| fields.has_near_to(name));
            for name in triggers {
                fields.take(name);
            }
            if !misspelt {
                let message = "a branch of `wait_until` says what it waits for";
                reader.problems.error(fields.span(), message, FORMS);
            }
            None
        }
        _ => {
            let message = "a branch of `wait_until` waits for one thing";
            let advice = "make it several branches; the first that holds is taken";
            reader.problems.error(fields.span(), message, advice);
            return None;
        }
    };
    fields.finish(reader.problems);
    Some(WaitBranch {
        trigger: trigger?,
        next: next?,
    })
}

fn read_event(
    reader: &mut Reader<'_, '_>,
    fields: &mut Fields<'_>,
    context: &KindContext<'_>,
) -> Option<WaitTrigger> {
    let matching = read_event_match(reader, fields, context.step.is_keyed);
    let since = match fields.take("since") {
        None => Some(WaitSince::Wait),
        Some(node) => reader.word(node, &SINCE, &[]),
    };
    Some(WaitTrigger::Event {
        matching: matching?,
        since: since?,
    })
}

fn read_when(reader: &mut Reader<'_, '_>, fields: &mut Fields<'_>) -> Option<WaitTrigger> {
    let node = fields.take("when")?;
    let condition = reader.condition(node, ExpressionSite::at(Position::WaitWhen));
    let rising = fields.take("rising").map(|node| reader.flag(node));
    let (condition, rising) = (condition?, rising.unwrap_or(Some(false))?);
    if !can_change(condition.dependencies()) {
        let message = "nothing that this `when` depends on changes while the instance waits";
        if rising {
            let advice = "with `rising: true` it never holds; leave the branch out";
            reader.problems.error(node.span.clone(), message, advice);
            return None;
        }
        let advice =
            "it is decided when the wait begins; a `split` before the wait says so more clearly";
        reader.problems.warning(node.span.clone(), message, advice);
    }
    Some(WaitTrigger::When { condition, rising })
}

fn read_after(reader: &mut Reader<'_, '_>, fields: &mut Fields<'_>) -> Option<WaitTrigger> {
    let span = fields.take("after").and_then(|node| reader.duration(node));
    let window = fields.take("window").map(|node| reader.window(node));
    Some(WaitTrigger::After {
        span: span?,
        window: window.map_or(Some(None), |window| window.map(Some))?,
    })
}

/// Whether something outside the waiting instance can change the value.
fn can_change(dependencies: &Dependencies) -> bool {
    // `vars`, `entry` and `instance` stand still while the instance waits.
    !dependencies.traits.is_empty()
        || dependencies.lifecycle
        || !dependencies.aggregates.is_empty()
        || dependencies.windowed
        || !dependencies.journeys.is_empty()
}

fn can_wake(trigger: &WaitTrigger) -> bool {
    match trigger {
        WaitTrigger::Event { .. } | WaitTrigger::After { .. } | WaitTrigger::At { .. } => true,
        WaitTrigger::When { condition, .. } => can_change(condition.dependencies()),
    }
}

pub(super) fn rest_of(branches: &[WaitBranch]) -> Rest {
    let mut rests = branches.iter().map(|branch| match &branch.trigger {
        // A level condition may hold from the start, again and again.
        WaitTrigger::When { rising: false, .. } => Rest::Sometimes,
        WaitTrigger::After { span, window: None } if *span == TimeSpan::ZERO => Rest::Never,
        WaitTrigger::After { span, .. } if *span == TimeSpan::ZERO => Rest::Sometimes,
        WaitTrigger::Event { since, .. } if *since == WaitSince::Entry => Rest::Sometimes,
        // An instant that does not move with the clock lies in the past the second time.
        WaitTrigger::At { at } if !at.dependencies().time => Rest::Sometimes,
        WaitTrigger::When { .. }
        | WaitTrigger::After { .. }
        | WaitTrigger::Event { .. }
        | WaitTrigger::At { .. } => Rest::Always,
    });
    let first = rests.next().unwrap_or(Rest::Always);
    rests.fold(first, |least, rest| match (least, rest) {
        (Rest::Never, _) | (_, Rest::Never) => Rest::Never,
        (Rest::Sometimes, _) | (_, Rest::Sometimes) => Rest::Sometimes,
        (Rest::Always, Rest::Always) => Rest::Always,
    })
}

pub(super) fn canonical(branches: &[WaitBranch], names: &StepNames) -> Value {
    let branch = |branch: &WaitBranch| {
        let mut fields = match &branch.trigger {
            WaitTrigger::Event { matching, since } => {
                let word = SINCE.iter().find(|(_, known)| known == since);
                let mut fields = event_match(matching);
                let word = word.map_or("wait", |(word, _)| *word);
                fields.insert("since".to_owned(), Value::text(word));
                fields
            }
            WaitTrigger::When { condition, rising } => BTreeMap::from([
                ("when".to_owned(), Value::text(condition.source())),
                ("rising".to_owned(), Value::Bool(*rising)),
            ]),
            WaitTrigger::After {
                span,
                window: moved_into,
            } => {
                let mut fields =
                    BTreeMap::from([("after".to_owned(), Value::text(span.to_string()))]);
                if let Some(moved_into) = moved_into {
                    fields.insert("window".to_owned(), window(moved_into));
                }
                fields
            }
            WaitTrigger::At { at } => BTreeMap::from([("at".to_owned(), Value::text(at.source()))]),
        };
        fields.insert("next".to_owned(), names.canonical(branch.next));
        Value::Map(fields)
    };
    Value::List(branches.iter().map(branch).collect())
}
