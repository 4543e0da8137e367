//! One copy of a partition's state, changed by journal entries alone; the same on the leader and on followers.
//!
//! ```text
//!   journal entry ──► chain rule ──► customers and counts in memory ──► checkpointer ──► rows ──► floor
//!                        │ void                    ▲
//!                        ▼                         │
//!                   only `applied` moves        reads (rows where memory holds nothing newer)
//! ```
//!
//! *Applied* is applied in memory. Rows are written behind, each with the last entry that it reflects; the floor is the
//! highest entry with nothing unwritten at or below it. After a restart the entries behind the floor are applied again,
//! and each customer and each row of counts takes only those behind its own mark.
//!
//! No entry may be given that is not durable in this replica's own log: rows that reflect it would be state without
//! its reason after a crash. [`Replica::rows_through`] is how far rows may reflect, for the owner of the log to check
//! when it opens.

mod apply;
mod checkpoint;
mod counts;
mod marked;
mod place;
mod reads;
mod residents;
mod rows;
mod snapshot;
mod state_hash;
mod timers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use journey_codec::{Control, JourneyCounts};
use journey_customer::{CustomerState, IdPlace};
use journey_storage::{Engine, Tree};
use journey_types::{
    ClusterKey, CustomerKey, DefinitionVersion, Fingerprint, JourneyId, Lsn, PartitionId, Timestamp,
};
use parking_lot::Mutex;

pub use self::apply::ApplyVerdict;
use self::checkpoint::Pass;
pub use self::checkpoint::{CheckpointProgress, Checkpointer};
use self::counts::Counts;
use self::place::Place;
pub use self::residents::MemoryPressure;
use self::residents::{Body, ResidentIdx, Residents};
use self::rows::{Floor, Rows};
use self::snapshot::Streams;
pub use self::snapshot::{
    SnapshotChunk, SnapshotReceiver, SnapshotSender, partition_tree, remove_partition,
};
pub use self::timers::TimerPage;
use crate::error::PartitionError;
use crate::reader::Loaded;

/// A replica as its applier, its checkpointer and its readers share it.
pub type SharedReplica = Arc<Mutex<Replica>>;

/// How to open a replica.
#[derive(Debug, Clone)]
pub struct ReplicaOptions {
    /// Which partition.
    pub partition: PartitionId,
    /// The cluster's key, by which customers have their slots.
    pub cluster_key: ClusterKey,
    /// The database that the tree lies in.
    pub engine: Arc<dyn Engine>,
    /// The partition's tree, which nobody else writes.
    pub tree: Arc<dyn Tree>,
    /// The longest value that the database takes, at least 1 KiB.
    pub row_size_bytes_max: usize,
    /// What customers may take in memory. Those whose rows are behind come first and cannot be dropped: as they grow
    /// towards it, [`Replica::memory_pressure`] tells.
    pub customers_size_bytes_max: usize,
}

/// One copy of a partition's state.
///
/// # Invariants
/// What memory holds of a customer is newer than its rows, or equal to them. `floor` never exceeds `applied`, and
/// every customer and every row of counts that lacks an entry at or below `floor` does not exist. A stopped replica
/// neither changes nor writes.
#[derive(Debug)]
pub struct Replica {
    partition: PartitionId,
    cluster_key: ClusterKey,
    rows: Rows,
    residents: Residents,
    counts: Counts,
    control: Control,
    applied: Lsn,
    consensus: Option<Bytes>,
    floor: Floor,
    /// The last entry that any row may reflect.
    rows_through: Lsn,
    /// As it was when this replica was opened: rows of customers changed up to here may be torn.
    torn_through: Lsn,
    pass: Option<Pass>,
    /// Up to where timers were read page by page: up to there each lies where it is due.
    timers_read: Option<timers::ReadThrough>,
    /// Index rows that a reader found stale.
    stale_rows: Mutex<BTreeSet<Vec<u8>>>,
    /// Snapshots that are being read.
    streams: Streams,
    /// Held by the one checkpointer that writes.
    writer: Arc<Mutex<()>>,
    n_superseded: u64,
    /// States taken over from this process' own leader.
    n_adopted: u64,
    /// Why nothing goes on.
    stopped: Option<String>,
}

/// Figures of a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReplicaStats {
    /// Customers ever heard of.
    pub n_customers: u64,
    /// Customers whose rows are behind.
    pub n_dirty: usize,
    /// What they take in memory, estimated.
    pub dirty_size_bytes: usize,
    /// Other customers in memory.
    pub n_clean: usize,
    /// What they take in memory, estimated.
    pub clean_size_bytes: usize,
    /// Entries found void since the replica was opened.
    pub n_superseded: u64,
}

impl Replica {
    /// Opens a replica at its durable floor.
    ///
    /// # Errors
    /// When the rows cannot be read, or another release wrote them.
    pub fn open(options: ReplicaOptions) -> Result<Self, PartitionError> {
        let rows = Rows::new(&options);
        let (floor, control) = rows.read_floor()?;
        let rows_through = rows.read_rows_through()?.max(floor.lsn);
        Ok(Self {
            partition: options.partition,
            cluster_key: options.cluster_key,
            residents: Residents::new(options.customers_size_bytes_max, options.row_size_bytes_max),
            counts: rows.read_counts()?,
            control,
            applied: floor.lsn,
            consensus: floor.consensus.clone(),
            floor,
            rows_through,
            torn_through: rows_through,
            pass: None,
            timers_read: None,
            stale_rows: Mutex::default(),
            streams: Streams::default(),
            writer: Arc::default(),
            n_superseded: 0,
            n_adopted: 0,
            stopped: None,
            rows,
        })
    }

    /// What it was opened with.
    #[must_use]
    pub fn options(&self) -> ReplicaOptions {
        let size_bytes_max = self.residents.size_bytes_max();
        self.rows.options(self.cluster_key, size_bytes_max)
    }

    /// Which partition this is a copy of.
    #[must_use]
    pub const fn partition(&self) -> PartitionId {
        self.partition
    }

    /// The last entry applied, in memory.
    #[must_use]
    pub const fn applied(&self) -> Lsn {
        self.applied
    }

    /// The last entry of which nothing can be lost: entries up to here need not be applied again.
    #[must_use]
    pub const fn floor(&self) -> Lsn {
        self.floor.lsn
    }

    /// The last entry that any row may reflect. A log that ends before it has lost entries that were durable.
    #[must_use]
    pub const fn rows_through(&self) -> Lsn {
        self.rows_through
    }

    /// Whether the state is exactly that after [`Self::applied`]. After a restart, until the entries that rows already
    /// reflect have been applied again, some customers are ahead.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.applied >= self.torn_through
    }

    /// Session, stamp and adopted numbers, as of the last entry applied.
    #[must_use]
    pub const fn control(&self) -> &Control {
        &self.control
    }

    /// Consensus' own blob as of the floor; `None` before the first floor.
    #[must_use]
    pub fn consensus_blob(&self) -> Option<Bytes> {
        self.floor.consensus.clone()
    }

    /// A customer as of the last entry applied; `None` when nobody has heard of it.
    ///
    /// # Errors
    /// When the replica is stopped or its rows cannot be read.
    pub fn customer(
        &mut self,
        customer: &CustomerKey,
    ) -> Result<Option<Arc<CustomerState>>, PartitionError> {
        self.load(customer).map(|loaded| loaded.state)
    }

    /// What states may still take of this replica's memory before those unused for longest are packed, in bytes.
    #[must_use]
    pub const fn room_size_bytes(&self) -> usize {
        self.residents.room_size_bytes()
    }

    /// When an event id of a customer was accepted, as one of these places in rows holds it; `None` when none does. They
    /// are places that a state of this replica, or one decided on it, has named.
    ///
    /// # Errors
    /// When the replica is stopped or its rows cannot be read.
    pub fn accepted_at(
        &self,
        customer: &CustomerKey,
        fingerprint: &Fingerprint,
        places: &[IdPlace],
    ) -> Result<Option<Timestamp>, PartitionError> {
        self.check_running()?;
        let place = Place::of(&self.cluster_key, customer);
        self.rows.accepted_at(&place, fingerprint, places)
    }

    /// A customer as of the last entry applied, and whether it had to be read from rows.
    ///
    /// # Errors
    /// As [`Self::customer`].
    pub fn load(&mut self, customer: &CustomerKey) -> Result<Loaded, PartitionError> {
        self.check_running()?;
        let place = Place::of(&self.cluster_key, customer);
        let (state, was_read) = match self.residents.find(&place) {
            Some(idx) => (Some(self.unpacked(idx, &place)?), false),
            None => {
                let read = self.rows.read_customer(&place)?;
                let state = read.map(|read| {
                    let (state, written) = (read.state, read.written);
                    self.residents
                        .keep(place, Arc::clone(&state), Some(written));
                    state
                });
                (state, true)
            }
        };
        self.residents.shrink();
        let state = state.filter(|state| reads::was_born(state));
        Ok(Loaded { state, was_read })
    }

    /// The state of a customer in memory, which is a use of it.
    fn unpacked(
        &mut self,
        idx: ResidentIdx,
        place: &Place,
    ) -> Result<Arc<CustomerState>, PartitionError> {
        let state = self.rows.unpack(place, self.residents.body(idx))?;
        if matches!(self.residents.body(idx), Body::Live(_)) {
            self.residents.touch(idx);
        } else {
            self.residents.unpack(idx, Arc::clone(&state));
        }
        Ok(state)
    }

    /// How customers whose rows are behind press on the memory they may take.
    #[must_use]
    pub const fn memory_pressure(&self) -> MemoryPressure {
        self.residents.pressure()
    }

    /// Counts by journey version and step, as of the last entry applied.
    #[must_use]
    pub const fn counts(&self) -> &BTreeMap<(JourneyId, DefinitionVersion), JourneyCounts> {
        self.counts.by_version()
    }

    /// Customers ever heard of, as of the last entry applied.
    #[must_use]
    pub const fn n_customers(&self) -> u64 {
        self.control.n_customers
    }

    /// Figures for metrics and for pacing.
    #[must_use]
    pub fn stats(&self) -> ReplicaStats {
        ReplicaStats {
            n_customers: self.n_customers(),
            n_dirty: self.residents.n_dirty(),
            dirty_size_bytes: self.residents.dirty_size_bytes(),
            n_clean: self.residents.n_clean(),
            clean_size_bytes: self.residents.clean_size_bytes(),
            n_superseded: self.n_superseded,
        }
    }

    /// Why the replica stopped, if it has.
    #[must_use]
    pub fn stopped(&self) -> Option<&str> {
        self.stopped.as_deref()
    }

    fn check_running(&self) -> Result<(), PartitionError> {
        match &self.stopped {
            None => Ok(()),
            Some(reason) => Err(PartitionError::Stopped {
                partition: self.partition,
                reason: reason.clone(),
            }),
        }
    }

    /// Stops the replica for a failure on the way to it, such as an entry that does not decode: nothing is applied,
    /// read or written any more, and the first failure stays visible as [`Self::stopped`]. Hands the failure on.
    pub fn halt(&mut self, error: PartitionError) -> PartitionError {
        if self.stopped.is_none() {
            tracing::error!(partition_id = %self.partition, %error, "replica stopped");
            self.stopped = Some(error.to_string());
        }
        error
    }
}

#[cfg(test)]
mod tests;
