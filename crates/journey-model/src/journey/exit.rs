//! `exit: [ { event: e, reason: r }, { when: CEL, reason: r } ]`: what ends an instance at any step.

use std::collections::BTreeMap;

use journey_types::Value;

use crate::canonical::event_match;
use crate::event_match::read_event_match;
use crate::expression::Position;
use crate::fields::Fields;
use crate::plan::{ExitRule, ExitTrigger};
use crate::reading::{ExpressionSite, Reader};
use crate::yaml::Node;

/// Reasons that the engine itself gives.
const REASONS_RESERVED: [&str; 1] = ["restarted"];
/// The reason of a `when` that names none.
const DEFAULT_WHEN_REASON: &str = "condition";

pub(super) fn read(reader: &mut Reader<'_, '_>, node: &Node, is_keyed: bool) -> Option<ExitRule> {
    let mut fields = Fields::of(node, "an exit rule", reader.problems)?;
    let trigger = match (fields.has("event"), fields.has("when")) {
        (false, true) => fields.take("when").and_then(|node| {
            let site = ExpressionSite::at(Position::ExitWhen);
            reader.condition(node, site).map(ExitTrigger::When)
        }),
        (true, true) => {
            let message = "an exit rule has either `event` or `when`";
            let advice = "make it two rules, or put the condition into `where`";
            reader.problems.error(fields.span(), message, advice);
            return None;
        }
        (_, false) => read_event_match(reader, &mut fields, is_keyed).map(ExitTrigger::Event),
    };
    let reason_node = fields.take("reason");
    fields.take("when");
    fields.finish(reader.problems);
    let trigger = trigger?;
    let reason = match (reason_node, &trigger) {
        (Some(node), _) => reader.line(node)?,
        (None, ExitTrigger::Event(matching)) => matching.event.to_string(),
        (None, ExitTrigger::When(_)) => DEFAULT_WHEN_REASON.to_owned(),
    };
    if REASONS_RESERVED.contains(&reason.as_str()) {
        let place = reason_node.map_or_else(|| node.span.clone(), |node| node.span.clone());
        let message = format!("the reason `{reason}` is given by the engine itself");
        let advice = "choose another word";
        reader.problems.error(place, message, advice);
        return None;
    }
    Some(ExitRule { trigger, reason })
}

pub(super) fn canonical(rule: &ExitRule) -> Value {
    let mut fields = match &rule.trigger {
        ExitTrigger::Event(matching) => event_match(matching),
        ExitTrigger::When(condition) => {
            BTreeMap::from([("when".to_owned(), Value::text(condition.source()))])
        }
    };
    fields.insert("reason".to_owned(), Value::text(rule.reason.as_str()));
    Value::Map(fields)
}
