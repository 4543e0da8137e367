//! The worker streams of one partition and what they take.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;

use journey_types::{Destination, WorkspaceId};

use crate::core::api::{Destinations, Subscription, WorkerId};
use crate::core::limits::{CLAIM_SPAN_MAX, CLAIM_SPAN_MIN, WORKERS_MAX};

/// The streams that are open.
#[derive(Debug, Default)]
pub(crate) struct Workers {
    by_id: BTreeMap<WorkerId, Subscription>,
    /// The workspace that took the last effect: the next one comes after it.
    last: Option<WorkspaceId>,
    /// Of each workspace with streams the one that took its last effect.
    last_of: BTreeMap<WorkspaceId, WorkerId>,
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
        let Some(gone) = self.by_id.remove(&worker) else {
            return false;
        };
        let workspace = gone.workspace;
        if self.by_id.values().all(|left| left.workspace != workspace) {
            self.last_of.remove(&workspace);
        }
        true
    }

    pub(crate) fn get(&self, worker: WorkerId) -> Option<&Subscription> {
        self.by_id.get(&worker)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// What all of them together take.
    pub(crate) fn wanted(&self) -> BTreeMap<WorkspaceId, Destinations> {
        let mut wanted: BTreeMap<WorkspaceId, Destinations> = BTreeMap::new();
        for subscription in self.by_id.values() {
            wanted
                .entry(subscription.workspace.clone())
                .or_default()
                .widen(&subscription.destinations);
        }
        wanted
    }

    /// The streams of each workspace in turn: workspaces after the one that took the last effect, and in each the
    /// streams after the one that took its last.
    pub(crate) fn in_turn(&self) -> Vec<VecDeque<WorkerId>> {
        let mut by_workspace: BTreeMap<&WorkspaceId, VecDeque<WorkerId>> = BTreeMap::new();
        for (worker, subscription) in &self.by_id {
            let workers = by_workspace.entry(&subscription.workspace).or_default();
            workers.push_back(*worker);
        }
        let last = self.last.as_ref();
        let is_before = |workspace: &&WorkspaceId| last.is_some_and(|last| *workspace <= last);
        let n_before = by_workspace.keys().copied().take_while(is_before).count();
        for (workspace, workers) in &mut by_workspace {
            if let Some(last) = self.last_of.get(*workspace) {
                let n_before = workers.iter().take_while(|id| *id <= last).count();
                workers.rotate_left(n_before);
            }
        }
        let mut in_turn: Vec<VecDeque<WorkerId>> = by_workspace.into_values().collect();
        in_turn.rotate_left(n_before);
        in_turn
    }

    /// The next stream of a workspace that takes a destination and has credit; its credit is taken.
    pub(crate) fn next_with_credit(
        &mut self,
        workspace: &WorkspaceId,
        destination: &Destination,
    ) -> Option<WorkerId> {
        let last = self.last_of.get(workspace).copied();
        let after = last.map_or(Bound::Unbounded, Bound::Excluded);
        let behind = self.by_id.range((after, Bound::Unbounded));
        let before = last.map(|last| self.by_id.range(..=last));
        let in_turn = behind.chain(before.into_iter().flatten());
        let takes = |subscription: &Subscription| {
            subscription.workspace == *workspace && subscription.destinations.contains(destination)
        };
        let mut willing = in_turn.filter(|(_, subscription)| takes(subscription));
        let (worker, _) = willing.find(|(_, subscription)| subscription.credit.try_take())?;
        let worker = *worker;
        self.took(worker);
        Some(worker)
    }

    pub(crate) fn took(&mut self, worker: WorkerId) {
        if let Some(subscription) = self.by_id.get(&worker) {
            let workspace = &subscription.workspace;
            self.last = Some(workspace.clone());
            self.last_of.insert(workspace.clone(), worker);
        }
    }
}
