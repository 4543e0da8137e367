//! Customers that wait for their turn, fair between workspaces: each workspace that has some gives one in turn, and in
//! a workspace the one that has waited longest comes first. Nothing is looked for: all is done in constant time.

use std::collections::{HashMap, VecDeque};

use journey_types::WorkspaceId;

/// Names a workspace while it has hosted customers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WorkspaceIdx(usize);

/// The workspaces of the hosted customers.
///
/// # Invariants
/// A workspace has a place exactly while it has customers; freed places are used again.
#[derive(Debug, Default)]
pub(crate) struct Workspaces {
    by_id: HashMap<WorkspaceId, usize>,
    n_customers: Vec<usize>,
    free: Vec<usize>,
}

impl Workspaces {
    /// One more customer of a workspace is hosted.
    pub(crate) fn enter(&mut self, workspace: &WorkspaceId) -> WorkspaceIdx {
        let idx = match self.by_id.get(workspace) {
            Some(idx) => *idx,
            None => {
                let idx = self.free.pop().unwrap_or(self.n_customers.len());
                if idx == self.n_customers.len() {
                    self.n_customers.push(0);
                }
                self.by_id.insert(workspace.clone(), idx);
                idx
            }
        };
        self.n_customers[idx] += 1;
        WorkspaceIdx(idx)
    }

    /// One fewer is.
    pub(crate) fn leave(&mut self, workspace: &WorkspaceId, WorkspaceIdx(idx): WorkspaceIdx) {
        self.n_customers[idx] -= 1;
        if self.n_customers[idx] == 0 {
            self.by_id.remove(workspace);
            self.free.push(idx);
        }
    }
}

/// A queue of customers' places.
///
/// # Invariants
/// Every workspace with a non-empty queue stands in `turns`, none of them twice.
#[derive(Debug, Default)]
pub(crate) struct FairQueue {
    by_workspace: Vec<Waiting>,
    turns: VecDeque<usize>,
    n_waiting: usize,
}

#[derive(Debug, Default)]
struct Waiting {
    places: VecDeque<usize>,
    has_turn: bool,
}

impl FairQueue {
    pub(crate) const fn is_empty(&self) -> bool {
        self.n_waiting == 0
    }

    /// Puts a customer at the end of its workspace's queue.
    pub(crate) fn push(&mut self, WorkspaceIdx(workspace): WorkspaceIdx, place: usize) {
        if self.by_workspace.len() <= workspace {
            self.by_workspace
                .resize_with(workspace + 1, Waiting::default);
        }
        let waiting = &mut self.by_workspace[workspace];
        waiting.places.push_back(place);
        self.n_waiting += 1;
        if !std::mem::replace(&mut waiting.has_turn, true) {
            self.turns.push_back(workspace);
        }
    }

    /// The next customer of the workspace whose turn it is.
    pub(crate) fn pop(&mut self) -> Option<usize> {
        while let Some(workspace) = self.turns.pop_front() {
            let waiting = &mut self.by_workspace[workspace];
            let place = waiting.places.pop_front();
            waiting.has_turn = !waiting.places.is_empty();
            if waiting.has_turn {
                self.turns.push_back(workspace);
            }
            if place.is_some() {
                self.n_waiting -= 1;
                return place;
            }
        }
        None
    }

    /// Takes one customer out, wherever it stands: walks over its workspace's queue.
    pub(crate) fn remove(&mut self, WorkspaceIdx(workspace): WorkspaceIdx, place: usize) {
        if let Some(waiting) = self.by_workspace.get_mut(workspace) {
            let n_before = waiting.places.len();
            waiting.places.retain(|queued| *queued != place);
            self.n_waiting -= n_before - waiting.places.len();
        }
    }
}

#[cfg(test)]
mod tests;
