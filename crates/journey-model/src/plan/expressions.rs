//! Every expression of a plan, wherever it stands.

use super::{
    CallStep, Delay, EmitStep, EventMatch, ExitTrigger, MatchKey, Plan, Step, StepKind, TaskStep,
    ValueSource, WaitTrigger,
};
use crate::expression::Expression;

impl Plan {
    /// Every expression of the plan, in no order that means anything.
    #[must_use]
    pub fn expressions(&self) -> Vec<&Expression> {
        let mut found: Vec<&Expression> = Vec::new();
        found.extend(&self.key);
        for rule in &self.entry {
            found.extend(&rule.condition);
        }
        for goal in &self.goals {
            of_event_match(&goal.reached_by, &mut found);
        }
        for exit in &self.exits {
            match &exit.trigger {
                ExitTrigger::Event(matching) => of_event_match(matching, &mut found),
                ExitTrigger::When(condition) => found.push(condition),
            }
        }
        for step in &self.steps {
            of_step(step, &mut found);
        }
        found
    }
}

fn of_event_match<'p>(matching: &'p EventMatch, found: &mut Vec<&'p Expression>) {
    found.extend(&matching.condition);
    if let MatchKey::Expression(expression) = &matching.match_key {
        found.push(expression);
    }
}

fn of_value_source<'p>(source: &'p ValueSource, found: &mut Vec<&'p Expression>) {
    if let ValueSource::Expression(expression) = source {
        found.push(expression);
    }
}

fn of_step<'p>(step: &'p Step, found: &mut Vec<&'p Expression>) {
    found.extend(&step.only_if);
    match &step.kind {
        StepKind::Message(_) | StepKind::Delay(Delay::For { .. } | Delay::UntilLocal { .. }) => {}
        StepKind::Delay(Delay::Until { at, .. }) => found.push(at),
        StepKind::WaitUntil(branches) => {
            for branch in branches {
                match &branch.trigger {
                    WaitTrigger::Event { matching, .. } => of_event_match(matching, found),
                    WaitTrigger::When { condition, .. } => found.push(condition),
                    WaitTrigger::At { at } => found.push(at),
                    WaitTrigger::After { .. } => {}
                }
            }
        }
        StepKind::Split(arms) => found.extend(arms.iter().filter_map(|arm| arm.condition.as_ref())),
        StepKind::Update(assignments) => {
            for assignment in assignments {
                of_value_source(&assignment.value, found);
            }
        }
        StepKind::Emit(EmitStep {
            properties: given, ..
        })
        | StepKind::Call(CallStep { input: given, .. })
        | StepKind::Task(TaskStep { input: given, .. }) => {
            for (_, source) in given {
                of_value_source(source, found);
            }
        }
    }
}
