//! Entries that wait for a place.

use journey_types::JourneyId;

use crate::entrance::Entrance;
use crate::state::CustomerState;

/// Puts an entry at the back of its key's queue, after dropping as many at the front as the fact says.
pub(super) fn queue(
    state: &mut CustomerState,
    (journey, key): (&JourneyId, Option<&str>),
    entry: &Entrance,
    n_dropped: u32,
) {
    let memory = state.journeys.get_or_default(journey.clone());
    let queue = memory
        .queue
        .entry(key.unwrap_or_default().to_owned())
        .or_default();
    for _ in 0..n_dropped {
        queue.pop_front();
    }
    queue.push_back(entry.clone());
}

/// Takes the oldest entry of that key.
pub(super) fn dequeue(state: &mut CustomerState, journey: &JourneyId, key: Option<&str>) {
    let key = key.unwrap_or_default();
    let Some(memory) = state.journeys.get_mut(journey) else {
        return;
    };
    let Some(queue) = memory.queue.get_mut(key) else {
        return;
    };
    queue.pop_front();
    if queue.is_empty() {
        memory.queue.remove(key);
    }
}
