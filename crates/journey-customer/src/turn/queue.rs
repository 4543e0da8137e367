//! Events on their way into a turn: the one that came, then those raised in it.

use std::collections::VecDeque;
use std::sync::Arc;

use journey_types::limits::EMIT_DEPTH_MAX;
use journey_types::{CustomerEvent, Fingerprint};

use super::Turn;
use crate::command::IngestMode;
use crate::event::{InstanceRef, RaisedEvent};
use crate::limits::{RAISED_EVENTS_MAX, RAISED_EVENTS_SIZE_BYTES_MAX};
use crate::size;

/// An event to take in.
#[derive(Debug, Clone)]
pub(crate) struct Incoming {
    /// The event.
    pub(crate) event: Arc<CustomerEvent>,
    /// What is remembered of its id; `None` when raised.
    pub(crate) fingerprint: Option<Fingerprint>,
    /// Live or history.
    pub(crate) mode: IngestMode,
    /// Who raised it.
    pub(crate) raised_by: Option<InstanceRef>,
    /// How many raised events led to it, itself included.
    pub(crate) depth: u8,
}

impl From<RaisedEvent> for Incoming {
    fn from(raised: RaisedEvent) -> Self {
        Self {
            event: raised.event,
            fingerprint: None,
            mode: IngestMode::Live,
            raised_by: Some(raised.raised_by),
            depth: raised.depth,
        }
    }
}

impl Turn<'_> {
    /// Puts an event of an instance behind those that wait.
    ///
    /// # Errors
    /// Why it cannot be raised.
    pub(crate) fn raise(&mut self, raised: RaisedEvent) -> Result<(), String> {
        self.raised.push(raised)
    }

    /// The depth of an event raised now.
    pub(crate) const fn depth_of_raised(&self) -> u8 {
        self.depth.saturating_add(1)
    }
}

/// Raised events, in order, bounded in number and size.
#[derive(Debug, Default)]
pub(crate) struct RaisedQueue {
    events: VecDeque<RaisedEvent>,
    size_bytes: usize,
}

impl RaisedQueue {
    /// Adds an event.
    ///
    /// # Errors
    /// Why it cannot be raised, for the step that tried to.
    pub(crate) fn push(&mut self, raised: RaisedEvent) -> Result<(), String> {
        let size_bytes = size::of_event(&raised.event);
        if usize::from(raised.depth) > EMIT_DEPTH_MAX {
            return Err(format!(
                "events raise events more than {EMIT_DEPTH_MAX} deep"
            ));
        }
        if self.events.len() >= RAISED_EVENTS_MAX {
            return Err(format!("{RAISED_EVENTS_MAX} raised events wait already"));
        }
        if self.size_bytes + size_bytes > RAISED_EVENTS_SIZE_BYTES_MAX {
            return Err(format!(
                "raised events that wait would take more than {RAISED_EVENTS_SIZE_BYTES_MAX} bytes"
            ));
        }
        self.size_bytes += size_bytes;
        self.events.push_back(raised);
        Ok(())
    }

    pub(super) fn pop(&mut self) -> Option<RaisedEvent> {
        let raised = self.events.pop_front()?;
        self.size_bytes -= size::of_event(&raised.event);
        Some(raised)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    pub(super) fn take(&mut self) -> Vec<RaisedEvent> {
        self.size_bytes = 0;
        std::mem::take(&mut self.events).into()
    }
}
