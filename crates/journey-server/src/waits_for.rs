//! What a resting instance waits for, in words: every one has a named reason (G9).

use journey_customer::{CustomerState, EffectStatus, Instance, OutboxRow};
use journey_model::{Catalog, StepKind, WaitTrigger};

/// The reasons, joined by ` or `.
pub(crate) fn waits_for(instance: &Instance, state: &CustomerState, catalog: &Catalog) -> String {
    let mut reasons: Vec<String> = Vec::new();
    let plan = catalog.plan(&instance.journey, instance.version);
    let step = plan.and_then(|plan| Some(plan.step(plan.step_idx(&instance.step)?)));
    if let Some(StepKind::WaitUntil(branches)) = step.map(|step| &step.kind) {
        for branch in branches {
            match &branch.trigger {
                WaitTrigger::Event { matching, .. } => {
                    reasons.push(format!("event {}", matching.event))
                }
                WaitTrigger::When { condition, .. } => {
                    reasons.push(format!("when {}", condition.source()))
                }
                WaitTrigger::After { .. } | WaitTrigger::At { .. } => {}
            }
        }
    }
    if let Some(effect) = instance.rest.awaited_effect {
        let mut reason = match step.map(|step| &step.kind) {
            Some(StepKind::Call(call)) => format!("answer of {} to call {effect}", call.to),
            Some(StepKind::Task(task)) => format!("task {effect} of queue {}", task.queue),
            _ => format!("outcome of effect {effect}"),
        };
        reason.extend(state.outbox.get(&effect).and_then(|row| pause_of(row)));
        reasons.push(reason);
    }
    reasons.extend(
        instance
            .rest
            .timers
            .iter()
            .map(|timer| format!("timer at {}", timer.due_at)),
    );
    if instance.parked.is_some() && reasons.is_empty() {
        reasons.push("an operator".to_owned());
    }
    reasons.join(" or ")
}

/// Why an effect is with no worker now, and until when.
fn pause_of(row: &OutboxRow) -> Option<String> {
    match &row.status {
        EffectStatus::Open | EffectStatus::Claimed { .. } => None,
        EffectStatus::Retrying { retry_at, reason } => Some(format!(
            ", offered again at {retry_at} after attempt {}: {reason}",
            row.attempt
        )),
    }
}
