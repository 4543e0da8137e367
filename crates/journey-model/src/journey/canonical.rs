//! The canonical form of a journey.

use std::collections::BTreeMap;

use journey_types::Value;

use super::{entry, exit, goal, reentry};
use crate::plan::{Plan, Target};
use crate::step::{self, StepNames};

/// The journey with its defaults, without title, owner and tests. Steps are a map by id: their order says nothing once
/// `start` is written.
pub(crate) fn canonical(plan: &Plan) -> Value {
    let names = StepNames::of_plan(plan);
    let steps: BTreeMap<String, Value> = plan
        .steps
        .iter()
        .map(|step| (step.id.to_string(), step::canonical(step, &names)))
        .collect();
    let mut fields = BTreeMap::from([
        ("journey".to_owned(), Value::text(plan.journey.as_str())),
        (
            "entry".to_owned(),
            Value::List(plan.entry.iter().map(entry::canonical).collect()),
        ),
        ("reentry".to_owned(), reentry::canonical(plan.reentry)),
        (
            "start".to_owned(),
            names.canonical(Target::Step(plan.start)),
        ),
        ("steps".to_owned(), Value::Map(steps)),
    ]);
    if let Some(zone) = &plan.zone {
        fields.insert("zone".to_owned(), Value::text(zone.as_str()));
    }
    if let Some(key) = &plan.key {
        fields.insert("key".to_owned(), Value::text(key.source()));
    }
    if !plan.goals.is_empty() {
        let goals = plan.goals.iter().map(goal::canonical).collect();
        fields.insert("goals".to_owned(), Value::List(goals));
    }
    if !plan.exits.is_empty() {
        let exits = plan.exits.iter().map(exit::canonical).collect();
        fields.insert("exit".to_owned(), Value::List(exits));
    }
    Value::Map(fields)
}
