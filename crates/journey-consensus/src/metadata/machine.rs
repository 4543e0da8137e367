//! The metadata group's state machine.

use std::any::Any;
use std::sync::Arc;

use bytes::Bytes;
use journey_storage::{Engine, StorageError};
use tokio::sync::watch;

use super::command::Command;
use super::publish;
use super::rows::{Checkpoint, Rows};
use super::snapshot::{CheckpointSink, CheckpointSource};
use super::state::MetadataState;
use crate::{ApplyOutcome, CommittedEntry, OpenSnapshot, SnapshotSink, StateMachine};

/// Applies entries to the state in memory and tells everyone who watches; the disk sees it at checkpoints.
#[derive(Debug)]
pub(super) struct MetadataMachine {
    rows: Rows,
    current: Checkpoint,
    floor: (u64, Option<Bytes>),
    watch: watch::Sender<Arc<MetadataState>>,
    applied: watch::Sender<u64>,
}

/// What others see of it.
pub(super) struct Watched {
    pub(super) state: watch::Receiver<Arc<MetadataState>>,
    /// The last entry that the state reflects.
    pub(super) applied: watch::Receiver<u64>,
}

impl MetadataMachine {
    /// Starts from the last checkpoint.
    pub(super) fn open(engine: Arc<dyn Engine>) -> Result<(Self, Watched), StorageError> {
        let (rows, current) = Rows::open(engine)?;
        let (watch, state) = watch::channel(Arc::new(current.state.clone()));
        let (applied, applied_seen) = watch::channel(current.floor);
        let floor = (current.floor, current.consensus.clone());
        let machine = Self {
            rows,
            current,
            floor,
            watch,
            applied,
        };
        let watched = Watched {
            state,
            applied: applied_seen,
        };
        Ok((machine, watched))
    }

    fn apply_one(&mut self, command: &Command, index: u64) -> ApplyOutcome {
        let state = &mut self.current.state;
        match command {
            Command::Bootstrap { identity, founder } => {
                if state.identity().is_some() {
                    return ApplyOutcome::Superseded;
                }
                state.set_identity(*identity);
                let map = state.map_mut();
                map.found(founder, identity.n_partitions, index);
            }
            Command::Publish {
                expected_revision,
                at_ms,
                documents,
            } => {
                if state.identity().is_none() || state.revision() != *expected_revision {
                    return ApplyOutcome::Superseded;
                }
                let changed = publish::changes(state, *at_ms, documents);
                if changed.is_empty() {
                    return ApplyOutcome::Applied;
                }
                state.add_revision(changed);
            }
            Command::AllocateId => return ApplyOutcome::Applied,
            Command::Change(change) => {
                if state.identity().is_none() || !state.map_mut().change(change, index) {
                    return ApplyOutcome::Superseded;
                }
            }
        }
        self.watch.send_replace(Arc::new(state.clone()));
        ApplyOutcome::Applied
    }
}

impl StateMachine for MetadataMachine {
    fn applied(&self) -> (u64, Option<Bytes>) {
        self.floor.clone()
    }

    fn apply(
        &mut self,
        entries: &[CommittedEntry],
        consensus: Bytes,
    ) -> Result<Vec<ApplyOutcome>, String> {
        let mut outcomes = Vec::with_capacity(entries.len());
        for entry in entries {
            let outcome = match &entry.payload {
                None => ApplyOutcome::Applied,
                Some(payload) => {
                    let command = Command::of_payload(payload).map_err(|reason| {
                        format!("metadata entry {} does not read: {reason}", entry.index)
                    })?;
                    self.apply_one(&command, entry.index)
                }
            };
            self.current.floor = entry.index;
            outcomes.push(outcome);
        }
        self.current.consensus = Some(consensus);
        self.applied.send_replace(self.current.floor);
        Ok(outcomes)
    }

    fn checkpoint(&mut self) -> Result<u64, String> {
        self.rows
            .write(&self.current)
            .map_err(|error| format!("writing the metadata checkpoint: {error}"))?;
        self.floor = (self.current.floor, self.current.consensus.clone());
        Ok(self.current.floor)
    }

    fn open_snapshot(&mut self) -> Result<OpenSnapshot, String> {
        Ok(OpenSnapshot {
            index: self.current.floor,
            consensus: self.current.consensus.clone(),
            source: Box::new(CheckpointSource::new(self.current.clone())),
        })
    }

    fn receive_snapshot(&mut self) -> Result<Box<dyn SnapshotSink>, String> {
        Ok(Box::new(CheckpointSink::default()))
    }

    fn install(&mut self, received: Box<dyn Any + Send>) -> Result<(), String> {
        // Documents once published never change, so those that are here already are the same.
        self.current = CheckpointSink::of_any(received)?;
        self.checkpoint()?;
        self.watch
            .send_replace(Arc::new(self.current.state.clone()));
        self.applied.send_replace(self.current.floor);
        Ok(())
    }
}
