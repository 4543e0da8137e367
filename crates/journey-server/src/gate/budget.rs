//! What ingest calls may hold at once: events and bytes of the whole node, and each workspace's share of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::limits::{EVENTS_IN_FLIGHT_DEFAULT, INGEST_SIZE_BYTES_DEFAULT, WORKSPACE_SHARE_PERCENT};

/// What `Ingest` calls may hold at once on this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IngestLimits {
    /// Events of calls that are not answered yet.
    pub events: usize,
    /// Bytes of those calls as they came.
    pub size_bytes: usize,
}

impl Default for IngestLimits {
    fn default() -> Self {
        Self {
            events: EVENTS_IN_FLIGHT_DEFAULT,
            size_bytes: INGEST_SIZE_BYTES_DEFAULT,
        }
    }
}

/// What is held.
#[derive(Debug)]
pub(crate) struct Budget {
    limits: IngestLimits,
    holding: Arc<Mutex<Holding>>,
}

#[derive(Debug, Default)]
struct Holding {
    n_events: usize,
    size_bytes: usize,
    /// Events by workspace; only of those that have some.
    by_workspace: BTreeMap<Box<str>, usize>,
}

/// Why a call was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Full {
    /// The node holds as much as it may.
    #[error("{n_events} events in {size_bytes} bytes wait on this node, as many as may")]
    Node { n_events: usize, size_bytes: usize },
    /// A workspace holds its share.
    #[error("{n_events} events of this workspace wait, as many as one workspace may")]
    Workspace { n_events: usize },
}

impl Full {
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::Node { .. } => "NODE_BUSY",
            Self::Workspace { .. } => "WORKSPACE_BUSY",
        }
    }
}

/// What a call holds until it is answered or given up.
#[derive(Debug)]
pub(crate) struct Held {
    holding: Arc<Mutex<Holding>>,
    workspace: Box<str>,
    n_events: usize,
    size_bytes: usize,
}

impl Budget {
    pub(crate) fn new(limits: IngestLimits) -> Self {
        Self {
            limits,
            holding: Arc::default(),
        }
    }

    /// Lets a call in while there is room left at all: one that is larger than what is left goes beyond it, so that any
    /// call gets in when its time has come.
    pub(crate) fn admit(
        &self,
        workspace: &str,
        n_events: usize,
        size_bytes: usize,
    ) -> Result<Held, Full> {
        let mut holding = self.holding.lock();
        self.room_in(&holding, workspace)?;
        holding.n_events += n_events;
        holding.size_bytes += size_bytes;
        let workspace: Box<str> = workspace.into();
        *holding.by_workspace.entry(workspace.clone()).or_default() += n_events;
        drop(holding);
        Ok(Held {
            holding: Arc::clone(&self.holding),
            workspace,
            n_events,
            size_bytes,
        })
    }

    /// Whether a call would be let in now.
    pub(crate) fn room(&self, workspace: &str) -> Result<(), Full> {
        self.room_in(&self.holding.lock(), workspace)
    }

    fn room_in(&self, holding: &Holding, workspace: &str) -> Result<(), Full> {
        let IngestLimits { events, size_bytes } = self.limits;
        if holding.n_events >= events || holding.size_bytes >= size_bytes {
            return Err(Full::Node {
                n_events: holding.n_events,
                size_bytes: holding.size_bytes,
            });
        }
        let n_events = holding.by_workspace.get(workspace).copied().unwrap_or(0);
        let share = events.saturating_mul(WORKSPACE_SHARE_PERCENT).div_ceil(100);
        if n_events >= share {
            return Err(Full::Workspace { n_events });
        }
        Ok(())
    }

    /// Events that calls hold now.
    #[cfg(test)]
    pub(crate) fn n_events(&self) -> usize {
        self.holding.lock().n_events
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut holding = self.holding.lock();
        holding.n_events -= self.n_events;
        holding.size_bytes -= self.size_bytes;
        if let Some(n_events) = holding.by_workspace.get_mut(&self.workspace) {
            *n_events -= self.n_events;
            if *n_events == 0 {
                holding.by_workspace.remove(&self.workspace);
            }
        }
    }
}
