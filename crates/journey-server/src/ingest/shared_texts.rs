//! Events that come together mostly name one workspace, one source and few kinds of events: their texts are kept once,
//! instead of once for each event, which travels to another thread and is freed there.

use journey_types::{CustomerEvent, EventName, SourceName, WorkspaceId};

/// The texts of the event before.
#[derive(Debug, Default)]
pub(super) struct SharedTexts {
    workspace: Option<WorkspaceId>,
    source: Option<SourceName>,
    name: Option<EventName>,
}

impl SharedTexts {
    /// Gives an event the texts of the one before where they are equal.
    pub(super) fn share(&mut self, event: &mut CustomerEvent) {
        share(&mut self.workspace, &mut event.customer.workspace);
        share(&mut self.source, &mut event.source);
        share(&mut self.name, &mut event.name);
    }
}

fn share<T: Clone + PartialEq>(last: &mut Option<T>, text: &mut T) {
    match last {
        Some(last) if last == text => text.clone_from(last),
        Some(_) | None => *last = Some(text.clone()),
    }
}

#[cfg(test)]
mod tests;
