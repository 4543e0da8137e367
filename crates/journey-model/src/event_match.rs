//! `event`, `where` and `match_key` as goals, exits and wait branches have them.

use journey_types::EventName;

use crate::expression::Position;
use crate::fields::Fields;
use crate::plan::{EventMatch, MatchKey};
use crate::reading::{ExpressionSite, Reader};
use crate::yaml::{Node, NodeValue};

/// Takes the three fields; warns where a keyed journey would hear the events of every key.
pub(crate) fn read_event_match(
    reader: &mut Reader<'_, '_>,
    fields: &mut Fields<'_>,
    is_keyed: bool,
) -> Option<EventMatch> {
    let event_node = fields.require("event", reader.problems);
    let where_node = fields.take("where");
    let key_node = fields.take("match_key");
    let event: Option<EventName> = event_node.and_then(|node| reader.id(node));
    let site = ExpressionSite::of_event(Position::EventWhere, event.as_ref());
    let condition = where_node.map(|node| reader.condition(node, site));
    let match_key = match key_node {
        Some(node) => read_match_key(reader, node, event.as_ref(), is_keyed),
        None => {
            if let Some(node) = event_node.filter(|_| is_keyed) {
                let message = "the journey has a `key`, and this event is heard whatever its key";
                let advice = if reader.key_reads_event {
                    "add `match_key: true`, or `match_key: false` if any key is meant"
                } else {
                    "say where the event carries it, such as `match_key: event.properties.x`, or `match_key: false` if any key is meant"
                };
                reader.problems.warning(node.span.clone(), message, advice);
            }
            Some(MatchKey::Any)
        }
    };
    Some(EventMatch {
        event: event?,
        condition: condition.map_or(Some(None), |condition| condition.map(Some))?,
        match_key: match_key?,
    })
}

fn read_match_key(
    reader: &mut Reader<'_, '_>,
    node: &Node,
    event: Option<&EventName>,
    is_keyed: bool,
) -> Option<MatchKey> {
    if let NodeValue::Bool(false) = node.value {
        return Some(MatchKey::Any);
    }
    if !is_keyed && !node.is_refused() {
        let message = "`match_key` compares with the journey's `key`, and there is none";
        let advice = "add `key: …` to the journey, or use `where`";
        reader.problems.error(node.span.clone(), message, advice);
        return None;
    }
    if let NodeValue::Bool(true) = node.value {
        if !reader.key_reads_event {
            let message = "`match_key: true` evaluates the `key` on this event, and the key reads `input` alone";
            let advice = "say where the event carries it, such as `match_key: event.properties.x`";
            reader.problems.error(node.span.clone(), message, advice);
            return None;
        }
        return Some(MatchKey::JourneyKey);
    }
    let site = ExpressionSite::of_event(Position::MatchKey, event);
    reader
        .expression(node, site, "`true`, `false` or an expression")
        .map(MatchKey::Expression)
}
