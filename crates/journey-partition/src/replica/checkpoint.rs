//! The write-behind: dirty customers into rows, then the floor. Only a finished pass moves the floor.
//!
//! ```text
//!   pass begins at S = applied: control, counts and consensus as of S are kept
//!     ─► customers whose rows lack an entry ≤ S, in the order of their rows, step by step
//!     ─► counts as of S ─► flush ─► floor = S with control as of S ─► flush ─► S may be purged up to
//! ```
//!
//! Customers written in a pass may reflect entries behind S; their marks say so.

use std::collections::BTreeMap;
use std::sync::Arc;

use journey_codec::{Control, JourneyCounts};
use journey_types::Lsn;

use super::counts::CountsKey;
use super::place::Place;
use super::residents::{Sweep, Taken};
use super::rows::{Floor, Rows, Tidying, Written};
use super::{Replica, SharedReplica};
use crate::error::PartitionError;
use crate::limits::{CHECKPOINT_CUSTOMERS_MAX, CHECKPOINT_SIZE_BYTES_MAX};

/// Writes what memory holds and rows lack. Run by one thread, step by step, as fast as it should be paced; several may
/// call it, they wait for each other. The replica is locked only to take and to settle, never while rows are written.
#[derive(Debug, Clone, Copy, Default)]
pub struct Checkpointer;

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckpointProgress {
    /// Nothing is to be written: the floor is where the replica is.
    Idle,
    /// Rows of customers were written.
    Written {
        /// Of how many.
        n_customers: usize,
        /// Their encoded size.
        size_bytes: usize,
    },
    /// The pass is finished.
    FloorMoved {
        /// To where; entries up to here may be purged.
        floor: Lsn,
    },
}

/// A pass that is under way.
#[derive(Debug)]
pub(super) struct Pass {
    floor: Floor,
    control: Control,
    counts: BTreeMap<CountsKey, JourneyCounts>,
    sweep: Sweep,
}

/// What one step has to do without the replica's lock.
enum Work {
    Idle,
    Customers {
        taken: Vec<Taken>,
        /// To be put down before rows that may reflect entries up to here.
        rows_through: Option<Lsn>,
        torn_through: Lsn,
    },
    Floor(Box<Pass>),
}

impl Checkpointer {
    /// Does one bounded piece of work.
    ///
    /// # Errors
    /// When the replica is stopped, or rows cannot be written, which stops it.
    pub fn step(&self, replica: &SharedReplica) -> Result<CheckpointProgress, PartitionError> {
        let writer = Arc::clone(&replica.lock().writer);
        let _only = writer.lock();
        // Read under the writer's lock: a snapshot that is installed changes the rows.
        let (work, rows) = {
            let mut replica = replica.lock();
            (replica.begin_step()?, replica.rows.clone())
        };
        let done = match work {
            Work::Idle => return Ok(CheckpointProgress::Idle),
            Work::Customers {
                taken,
                rows_through,
                torn_through,
            } => write_customers(&rows, &taken, rows_through, torn_through)
                .and_then(|written| replica.lock().settle(&taken, &written, rows_through)),
            Work::Floor(pass) => {
                write_floor(&rows, &pass).map(|()| replica.lock().move_floor(*pass))
            }
        };
        done.map_err(|error| replica.lock().halt(error))
    }

    /// Makes everything applied up to now durable and returns the floor, which may lie behind it.
    ///
    /// # Errors
    /// As [`Self::step`].
    pub fn run_to_floor(&self, replica: &SharedReplica) -> Result<Lsn, PartitionError> {
        let target = replica.lock().applied();
        loop {
            // Ends: a pass has finitely many steps, and the second one to begin begins at the target or behind it.
            self.step(replica)?;
            let floor = replica.lock().floor();
            if floor >= target {
                return Ok(floor);
            }
        }
    }
}

impl Replica {
    fn begin_step(&mut self) -> Result<Work, PartitionError> {
        self.check_running()?;
        let mut pass = if let Some(pass) = self.pass.take() {
            pass
        } else {
            if self.applied == self.floor.lsn {
                return Ok(Work::Idle);
            }
            Pass {
                floor: Floor {
                    lsn: self.applied,
                    consensus: self.consensus.clone(),
                },
                control: self.control,
                counts: self.counts.changed(),
                sweep: Sweep::default(),
            }
        };
        let far = self.timers_far_from();
        let taken = self.residents.take_dirty(
            &mut pass.sweep,
            pass.floor.lsn,
            far,
            (CHECKPOINT_CUSTOMERS_MAX, CHECKPOINT_SIZE_BYTES_MAX),
        );
        if !taken.is_empty() {
            self.pass = Some(pass);
            return Ok(Work::Customers {
                taken,
                rows_through: (self.applied > self.rows_through).then_some(self.applied),
                torn_through: self.torn_through,
            });
        }
        let removed = self.remove_stale_rows();
        removed.map_err(|error| self.halt(error))?;
        Ok(Work::Floor(Box::new(pass)))
    }

    fn settle(
        &mut self,
        taken: &[Taken],
        written: &[(Written, usize)],
        rows_through: Option<Lsn>,
    ) -> Result<CheckpointProgress, PartitionError> {
        self.rows_through = self.rows_through.max(rows_through.unwrap_or_default());
        for (taken, (written, _)) in taken.iter().zip(written) {
            self.residents.settle(taken, *written);
            self.file_written_timer(&taken.place, &written.index)?;
        }
        self.residents.shrink();
        Ok(CheckpointProgress::Written {
            n_customers: taken.len(),
            size_bytes: written.iter().map(|(_, size_bytes)| size_bytes).sum(),
        })
    }

    /// Removes index rows that a reader found and no head calls for. Under the locks of writer and replica both: whoever
    /// writes a customer may have an index row ahead of its head.
    fn remove_stale_rows(&self) -> Result<(), PartitionError> {
        let stale = std::mem::take(&mut *self.stale_rows.lock());
        if stale.is_empty() {
            return Ok(());
        }
        let stale: Vec<_> = stale.into_iter().collect();
        let place_of = |customer: &_| Place::of(&self.cluster_key, customer);
        let removals = self.rows.stale_removals(&stale, place_of)?;
        self.rows.put(&removals)
    }

    fn move_floor(&mut self, pass: Pass) -> CheckpointProgress {
        let floor = pass.floor.lsn;
        assert!(
            self.floor.lsn < floor && floor <= self.applied,
            "floor moves from {} to {floor} with {} applied",
            self.floor.lsn,
            self.applied
        );
        self.counts.settle(floor, pass.counts.keys());
        self.floor = pass.floor;
        CheckpointProgress::FloorMoved { floor }
    }
}

/// Writes the rows and gives what those of each customer hold then, with the size of what was written.
fn write_customers(
    rows: &Rows,
    taken: &[Taken],
    rows_through: Option<Lsn>,
    torn_through: Lsn,
) -> Result<Vec<(Written, usize)>, PartitionError> {
    let mut puts = Vec::new();
    puts.extend(rows_through.map(Rows::put_rows_through));
    let mut written = Vec::with_capacity(taken.len());
    for customer in taken {
        // What a crash tore belongs to a customer that entries up to there have changed again.
        let tidying = if customer.first <= torn_through {
            Tidying::Needed
        } else {
            Tidying::NotNeeded
        };
        written.push(rows.write_customer(customer, tidying, &mut puts)?);
    }
    rows.put(&puts)?;
    Ok(written)
}

fn write_floor(rows: &Rows, pass: &Pass) -> Result<(), PartitionError> {
    let mut puts = Vec::new();
    for (key, counts) in &pass.counts {
        puts.extend(rows.write_counts(key, pass.floor.lsn, counts)?);
    }
    rows.put(&puts)?;
    // One flush would do on an engine that recovers a prefix of its writes; the floor is the one row whose coming too
    // early would lose data, so it does not even lean on that.
    rows.flush()?;
    rows.put(&rows.write_floor(&pass.floor, &pass.control)?)?;
    rows.flush()
}
