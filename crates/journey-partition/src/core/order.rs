//! Keeps what one producer sends to one partition in order over failures that are not final (G3).

use std::sync::Arc;

use journey_customer::Command;
use journey_types::{CustomerEvent, CustomerKey, EventId, SourceName};
use parking_lot::Mutex;

use crate::core::api::TicketId;

/// An event by what its producer knows of it.
pub(crate) type EventKey = (CustomerKey, SourceName, EventId);

/// The order of one producer's submissions to one partition. Clones are the same order.
///
/// From the first event that fails with a retryable refusal, the order is broken: whatever is submitted under it is
/// refused `RETRY_IN_ORDER`, so that nothing overtakes what failed.
#[derive(Debug, Clone, Default)]
pub struct SubmissionOrder {
    broken_at: Arc<Mutex<Option<Break>>>,
}

#[derive(Debug, Clone)]
struct Break {
    place: (TicketId, usize),
    event: Option<EventKey>,
}

impl SubmissionOrder {
    /// Whether the commands begin with the event at which this order broke: then its producer resends from there, and
    /// may go on under a fresh order.
    #[must_use]
    pub fn is_resent_by(&self, commands: &[(CustomerKey, Command)]) -> bool {
        let broken_at = self.broken_at.lock();
        let failed = broken_at.as_ref().and_then(|broken| broken.event.as_ref());
        failed.is_some() && failed == commands.first().and_then(event_of).as_ref()
    }

    /// Breaks the order at the first of commands that were refused before they reached their partition, as if the
    /// partition had refused them.
    pub fn refused_at_the_door(&self, commands: &[(CustomerKey, Command)]) {
        let event = commands.first().and_then(event_of);
        let mut broken_at = self.broken_at.lock();
        if broken_at.is_none() {
            // No ticket comes before the first: whatever is under way was submitted earlier and goes on.
            let place = (TicketId(u64::MAX), 0);
            *broken_at = Some(Break { place, event });
        }
    }

    /// Whether something submitted under it failed and was not sent again yet.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.broken_at.lock().is_some()
    }

    /// Whether it broke at a command before this one.
    pub(crate) fn is_broken_before(&self, ticket: TicketId, position: usize) -> bool {
        let broken_at = self.broken_at.lock();
        broken_at
            .as_ref()
            .is_some_and(|broken| broken.place < (ticket, position))
    }

    /// Breaks the order at a command; the earliest of several stays.
    pub(crate) fn break_at(&self, ticket: TicketId, position: usize, event: Option<EventKey>) {
        let place = (ticket, position);
        let mut broken_at = self.broken_at.lock();
        if broken_at.as_ref().is_none_or(|broken| place < broken.place) {
            *broken_at = Some(Break { place, event });
        }
    }
}

/// The event that a command takes in.
pub(crate) fn event_of((_, command): &(CustomerKey, Command)) -> Option<EventKey> {
    let (event, _) = command.event()?;
    Some(key_of(event))
}

/// An event by what its producer knows of it.
pub(crate) fn key_of(event: &CustomerEvent) -> EventKey {
    let (source, id) = (event.source.clone(), event.id.clone());
    (event.customer.clone(), source, id)
}
