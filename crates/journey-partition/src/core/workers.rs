//! The worker streams of one partition and what they take.

use std::collections::BTreeMap;

use journey_types::WorkspaceId;

use crate::core::api::{Subscription, WorkerId};
use crate::core::limits::{CLAIM_SPAN_MAX, CLAIM_SPAN_MIN, WORKERS_MAX};
use crate::core::offers::Wanted;

/// The streams that are open.
#[derive(Debug, Default)]
pub(crate) struct Workers {
    by_id: BTreeMap<WorkerId, Subscription>,
    /// The worker that took the last effect: the next one comes after it.
    last: Option<WorkerId>,
}

impl Workers {
    /// Adds a stream or replaces it; answers whether there was room.
    pub(crate) fn subscribe(&mut self, mut subscription: Subscription) -> bool {
        let is_known = self.by_id.contains_key(&subscription.worker);
        if !is_known && self.by_id.len() >= WORKERS_MAX {
            return false;
        }
        subscription.claim_span = subscription
            .claim_span
            .clamp(CLAIM_SPAN_MIN, CLAIM_SPAN_MAX);
        self.by_id.insert(subscription.worker, subscription);
        true
    }

    pub(crate) fn unsubscribe(&mut self, worker: WorkerId) -> bool {
        self.by_id.remove(&worker).is_some()
    }

    pub(crate) fn get(&self, worker: WorkerId) -> Option<&Subscription> {
        self.by_id.get(&worker)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// What all of them together take.
    pub(crate) fn wanted(&self) -> BTreeMap<WorkspaceId, Wanted> {
        let mut wanted: BTreeMap<WorkspaceId, Wanted> = BTreeMap::new();
        for subscription in self.by_id.values() {
            wanted
                .entry(subscription.workspace.clone())
                .or_insert_with(|| Wanted::Channels(std::collections::BTreeSet::new()))
                .widen(subscription.channels.as_ref());
        }
        wanted
    }

    /// The streams in turn, beginning after the one that took the last effect.
    pub(crate) fn in_turn(&self) -> Vec<WorkerId> {
        let mut ids: Vec<WorkerId> = self.by_id.keys().copied().collect();
        if let Some(last) = self.last {
            let n_before = ids.iter().take_while(|id| **id <= last).count();
            ids.rotate_left(n_before);
        }
        ids
    }

    pub(crate) const fn took(&mut self, worker: WorkerId) {
        self.last = Some(worker);
    }
}
