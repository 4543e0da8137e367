//! The door of a partition: a permit for each request that waits behind it, and room for its events, both shared fairly
//! between workspaces.
//!
//! Ingest and settlements have permits of their own, so that outcomes of workers are taken in while events are refused.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use journey_customer::Command;
use journey_types::{CustomerKey, WorkspaceId};
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::limits::{COMMANDS_WAITING_MAX, SETTLEMENTS_MAX, WORKSPACE_SHARE_PERCENT};

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
    waiting: Arc<Mutex<Waiting>>,
    n_partition_busy: AtomicU64,
    n_workspace_busy: AtomicU64,
    n_disk_low: AtomicU64,
}

/// What waits with events.
#[derive(Debug, Default)]
struct Waiting {
    n_commands: usize,
    /// Only of workspaces that have something waiting.
    by_workspace: BTreeMap<WorkspaceId, Load>,
}

/// What one workspace has waiting.
#[derive(Debug, Clone, Copy, Default)]
struct Load {
    n_requests: usize,
    n_commands: usize,
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
    waiting: Arc<Mutex<Waiting>>,
    /// With how many commands of each.
    workspaces: Vec<(WorkspaceId, usize)>,
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut waiting = self.waiting.lock();
        for (workspace, n_commands) in &self.workspaces {
            waiting.n_commands -= n_commands;
            if let Some(load) = waiting.by_workspace.get_mut(workspace) {
                load.n_requests -= 1;
                load.n_commands -= n_commands;
                if load.n_requests == 0 {
                    waiting.by_workspace.remove(workspace);
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

    /// A request with events of several workspaces counts for each of them. While there is room left at all, a request of any
    /// size gets in, so that its time comes.
    fn share_of(&self, commands: &[(CustomerKey, Command)]) -> Result<Share, SubmitError> {
        let mut workspaces: Vec<(WorkspaceId, usize)> = Vec::with_capacity(1);
        for (customer, _) in commands {
            match workspaces
                .iter_mut()
                .find(|(w, _)| *w == customer.workspace)
            {
                Some((_, n_commands)) => *n_commands += 1,
                None => workspaces.push((customer.workspace.clone(), 1)),
            }
        }
        let share = |n: usize| (n * WORKSPACE_SHARE_PERCENT).div_ceil(100);
        let (requests_max, commands_max) = (share(self.requests_max), share(COMMANDS_WAITING_MAX));
        let mut waiting = self.waiting.lock();
        if waiting.n_commands >= COMMANDS_WAITING_MAX {
            self.n_partition_busy.fetch_add(1, Ordering::Relaxed);
            return Err(SubmitError::Overloaded {
                n_waiting: self.n_waiting(),
            });
        }
        let is_busy = |(workspace, _): &(WorkspaceId, usize)| {
            let load = waiting.by_workspace.get(workspace);
            load.is_some_and(|load| {
                load.n_requests >= requests_max || load.n_commands >= commands_max
            })
        };
        if self.requests_max > 1
            && let Some((workspace, _)) = workspaces.iter().find(|w| is_busy(w))
        {
            // A full door is the partition's fault, not the workspace's.
            if self.ingest.available_permits() > 0 {
                self.n_workspace_busy.fetch_add(1, Ordering::Relaxed);
                let load = waiting.by_workspace.get(workspace);
                return Err(SubmitError::WorkspaceBusy {
                    n_waiting: load.map_or(0, |load| load.n_requests),
                });
            }
        }
        for (workspace, n_commands) in &workspaces {
            waiting.n_commands += n_commands;
            let load = waiting.by_workspace.entry(workspace.clone()).or_default();
            load.n_requests += 1;
            load.n_commands += n_commands;
        }
        drop(waiting);
        Ok(Share {
            waiting: Arc::clone(&self.waiting),
            workspaces,
        })
    }

    fn n_waiting(&self) -> usize {
        self.requests_max
            .saturating_sub(self.ingest.available_permits())
    }

    pub(super) fn status(&self) -> DoorStatus {
        DoorStatus {
            n_waiting: self.n_waiting(),
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
