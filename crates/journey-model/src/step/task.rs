//! `task: { queue: care, sla: 4h, escalate: queue2, input: { a: CEL } }`: work for a person.

use std::collections::BTreeMap;

use journey_types::{QueueId, Value};

use super::input;
use crate::fields::Fields;
use crate::plan::{TaskSla, TaskStep};
use crate::reading::Reader;
use crate::yaml::Node;

pub(super) fn read(reader: &mut Reader<'_, '_>, node: &Node) -> Option<TaskStep> {
    let mut fields = Fields::of(node, "a `task`", reader.problems)?;
    let queue = fields.require("queue", reader.problems);
    let sla = fields.take("sla");
    let escalate = fields.take_entry("escalate");
    let given = fields.take("input");
    fields.finish(reader.problems);
    let queue: Option<QueueId> = queue.and_then(|node| reader.id(node));
    if let (None, Some(escalate)) = (sla, escalate) {
        let message = "`escalate` without `sla` never happens";
        let advice = "add `sla: 4h`: the task is offered to the other queue when that has passed";
        let span = escalate.key.span.clone();
        reader.problems.error(span, message, advice);
        return None;
    }
    let escalates_to = match escalate {
        None => Some(None),
        Some(entry) => read_escalate(reader, &entry.value, queue.as_ref()).map(Some),
    };
    let sla = match sla {
        None => Some(None),
        Some(node) => reader.positive_duration(node).map(Some),
    };
    let input = input::read(reader, given, "`input` of a `task`");
    let escalate = escalates_to?;
    Some(TaskStep {
        queue: queue?,
        sla: sla?.map(|after| TaskSla { after, escalate }),
        input: input?,
    })
}

fn read_escalate(
    reader: &mut Reader<'_, '_>,
    node: &Node,
    queue: Option<&QueueId>,
) -> Option<QueueId> {
    let escalate: QueueId = reader.id(node)?;
    if queue == Some(&escalate) {
        let message = format!("the task is in queue `{escalate}` already");
        let advice = "name another queue, or leave `escalate` out";
        let span = node.span.clone();
        reader.problems.error(span, message, advice);
        return None;
    }
    Some(escalate)
}

pub(super) fn canonical(task: &TaskStep) -> Value {
    let mut fields = BTreeMap::from([
        ("queue".to_owned(), Value::text(task.queue.as_str())),
        ("input".to_owned(), input::canonical(&task.input)),
    ]);
    if let Some(sla) = &task.sla {
        fields.insert("sla".to_owned(), Value::text(sla.after.to_string()));
        if let Some(queue) = &sla.escalate {
            fields.insert("escalate".to_owned(), Value::text(queue.as_str()));
        }
    }
    Value::Map(fields)
}
