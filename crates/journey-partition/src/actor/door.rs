//! The door of a partition: a permit for each request that waits behind it, shared fairly between workspaces.
//!
//! Ingest and settlements have permits of their own, so that outcomes of workers are taken in while events are refused.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use journey_customer::Command;
use journey_types::{CustomerKey, WorkspaceId};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::limits::{SETTLEMENTS_MAX, WORKSPACE_SHARE_PERCENT};

/// What a partition takes in; set by whoever watches the node's disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Intake {
    /// Everything.
    Open,
    /// No events: what is under way may end, timers fire, workers settle.
    NoEvents,
    /// Nothing that writes, not even its own timers; reads go on.
    Nothing,
}

/// Why commands were not taken in; nothing was done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// As many requests wait as may.
    #[error("PARTITION_BUSY: {n_waiting} requests wait, the most that may")]
    Overloaded {
        /// How many.
        n_waiting: usize,
    },
    /// One workspace holds its whole share of what may wait.
    #[error(
        "WORKSPACE_BUSY: {n_waiting} requests of this workspace wait, the most that one workspace may"
    )]
    WorkspaceBusy {
        /// How many.
        n_waiting: usize,
    },
    /// The node's disk is nearly full.
    #[error("DISK_LOW: the node's disk is nearly full")]
    DiskLow,
    /// The partition's actor is gone.
    #[error("the partition is not running")]
    Closed,
}

/// What went through a door and what did not.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DoorStatus {
    /// Requests that wait.
    pub n_waiting: usize,
    /// Requests that may wait.
    pub n_waiting_max: usize,
    /// Requests refused `PARTITION_BUSY`.
    pub n_partition_busy: u64,
    /// Requests refused `WORKSPACE_BUSY`.
    pub n_workspace_busy: u64,
    /// Requests refused `DISK_LOW`.
    pub n_disk_low: u64,
}

/// The door.
#[derive(Debug)]
pub(super) struct Door {
    ingest: Arc<Semaphore>,
    settling: Arc<Semaphore>,
    requests_max: usize,
    intake: AtomicU8,
    /// Ingest requests that wait, by workspace; only those that have some.
    waiting: Arc<Mutex<BTreeMap<WorkspaceId, usize>>>,
    n_partition_busy: AtomicU64,
    n_workspace_busy: AtomicU64,
    n_disk_low: AtomicU64,
}

/// Held until the answers are out: this is what bounds the actor's mailbox.
#[derive(Debug)]
pub(super) struct Permit {
    _permit: OwnedSemaphorePermit,
    _share: Option<Share>,
}

/// What a request takes of the shares of its workspaces.
#[derive(Debug)]
struct Share {
    waiting: Arc<Mutex<BTreeMap<WorkspaceId, usize>>>,
    workspaces: Vec<WorkspaceId>,
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut waiting = self.waiting.lock();
        for workspace in &self.workspaces {
            if let Some(n_waiting) = waiting.get_mut(workspace) {
                *n_waiting -= 1;
                if *n_waiting == 0 {
                    waiting.remove(workspace);
                }
            }
        }
    }
}

impl Door {
    pub(super) fn new(requests_max: usize) -> Self {
        Self {
            ingest: Arc::new(Semaphore::new(requests_max)),
            settling: Arc::new(Semaphore::new(SETTLEMENTS_MAX)),
            requests_max,
            intake: AtomicU8::new(0),
            waiting: Arc::default(),
            n_partition_busy: AtomicU64::new(0),
            n_workspace_busy: AtomicU64::new(0),
            n_disk_low: AtomicU64::new(0),
        }
    }

    pub(super) fn intake(&self) -> Intake {
        match self.intake.load(Ordering::Acquire) {
            0 => Intake::Open,
            1 => Intake::NoEvents,
            _ => Intake::Nothing,
        }
    }

    pub(super) fn set_intake(&self, intake: Intake) {
        let number = match intake {
            Intake::Open => 0,
            Intake::NoEvents => 1,
            Intake::Nothing => 2,
        };
        self.intake.store(number, Ordering::Release);
    }

    /// Lets a request in, or says why not; never waits.
    pub(super) fn admit(&self, commands: &[(CustomerKey, Command)]) -> Result<Permit, SubmitError> {
        let is_ingest = !commands.iter().all(|(_, command)| frees(command));
        let intake = self.intake();
        if intake == Intake::Nothing || (is_ingest && intake == Intake::NoEvents) {
            self.n_disk_low.fetch_add(1, Ordering::Relaxed);
            return Err(SubmitError::DiskLow);
        }
        if !is_ingest {
            let permit = self.permit_of(&self.settling, SETTLEMENTS_MAX)?;
            return Ok(Permit {
                _permit: permit,
                _share: None,
            });
        }
        let share = self.share_of(commands)?;
        let permit = self.permit_of(&self.ingest, self.requests_max)?;
        Ok(Permit {
            _permit: permit,
            _share: Some(share),
        })
    }

    fn permit_of(
        &self,
        permits: &Arc<Semaphore>,
        n_waiting: usize,
    ) -> Result<OwnedSemaphorePermit, SubmitError> {
        Arc::clone(permits).try_acquire_owned().map_err(|_| {
            self.n_partition_busy.fetch_add(1, Ordering::Relaxed);
            SubmitError::Overloaded { n_waiting }
        })
    }

    /// A request with events of several workspaces counts for each of them.
    fn share_of(&self, commands: &[(CustomerKey, Command)]) -> Result<Share, SubmitError> {
        let mut workspaces: Vec<WorkspaceId> = Vec::with_capacity(1);
        for (customer, _) in commands {
            if !workspaces.contains(&customer.workspace) {
                workspaces.push(customer.workspace.clone());
            }
        }
        let share_max = (self.requests_max * WORKSPACE_SHARE_PERCENT).div_ceil(100);
        let mut waiting = self.waiting.lock();
        let is_busy = |workspace: &WorkspaceId| {
            waiting
                .get(workspace)
                .is_some_and(|n_waiting| *n_waiting >= share_max)
        };
        if self.requests_max > 1 && workspaces.iter().any(is_busy) {
            // A full door is the partition's fault, not the workspace's.
            if self.ingest.available_permits() > 0 {
                self.n_workspace_busy.fetch_add(1, Ordering::Relaxed);
                return Err(SubmitError::WorkspaceBusy {
                    n_waiting: share_max,
                });
            }
        }
        for workspace in &workspaces {
            *waiting.entry(workspace.clone()).or_default() += 1;
        }
        drop(waiting);
        Ok(Share {
            waiting: Arc::clone(&self.waiting),
            workspaces,
        })
    }

    pub(super) fn status(&self) -> DoorStatus {
        DoorStatus {
            n_waiting: self
                .requests_max
                .saturating_sub(self.ingest.available_permits()),
            n_waiting_max: self.requests_max,
            n_partition_busy: self.n_partition_busy.load(Ordering::Relaxed),
            n_workspace_busy: self.n_workspace_busy.load(Ordering::Relaxed),
            n_disk_low: self.n_disk_low.load(Ordering::Relaxed),
        }
    }
}

/// Whether the command frees what others wait for: outcomes, and what an operator gives up or lets go on. Whatever is not
/// one of these is new work.
const fn frees(command: &Command) -> bool {
    matches!(
        command,
        Command::Settle { .. } | Command::Discard { .. } | Command::Release
    )
}

#[cfg(test)]
mod tests;
