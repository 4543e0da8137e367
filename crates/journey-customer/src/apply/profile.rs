//! Profile and history: what is known of the customer apart from journeys.

use std::collections::BTreeMap;

use journey_types::{CustomerEvent, Fingerprint, Value};

use crate::event::Feed;
use crate::state::CustomerState;

/// Remembers the event's id and feeds the aggregates that the fact names.
pub(super) fn accept(
    state: &mut CustomerState,
    fingerprint: Option<Fingerprint>,
    event: &CustomerEvent,
    feeds: &[Feed],
) {
    let stamp = state.stamp;
    if let Some(fingerprint) = fingerprint {
        state.dedupe.remember(fingerprint, stamp);
    }
    for feed in feeds {
        let aggregate = state.history.entry(feed.aggregate).or_default();
        aggregate.feed(event.occurred_at, feed, stamp);
    }
    state.watched_goals.retain(|goal| goal.until >= stamp);
}

/// Writes a named value; `None` removes it.
pub(super) fn write(values: &mut BTreeMap<String, Value>, name: &str, value: Option<&Value>) {
    match value {
        Some(value) => values.insert(name.to_owned(), value.clone()),
        None => values.remove(name),
    };
}
