//! What the leader's core reads of its own replica: committed state, and the indexes that wake customers.

use std::sync::Arc;

use journey_codec::Held;
use journey_customer::{CustomerState, IdPlace};
use journey_types::{CatalogRevision, CustomerKey, Fingerprint, Lsn, SessionId, Timestamp};

use crate::error::PartitionError;
use crate::replica::{SharedReplica, TimerPage};

/// What the partition itself holds, as of the last applied entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommittedControl {
    /// The highest entry applied in memory.
    pub applied: Lsn,
    /// The session whose batches are valid.
    pub session: SessionId,
    /// The latest stamp of any fact.
    pub stamp: Timestamp,
    /// The adopted catalog.
    pub catalog_revision: CatalogRevision,
    /// Its digest.
    pub catalog_digest: [u8; 32],
    /// What lies among the dead letters of all customers.
    pub dead_letters: Held,
    /// What lies in the quarantines of all customers.
    pub quarantined: Held,
    /// How many customers are parked.
    pub n_parked: u64,
}

/// A customer as it was found.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The customer, `None` when nobody has heard of it.
    pub state: Option<Arc<CustomerState>>,
    /// Whether it had to be read from rows.
    pub was_read: bool,
}

/// Reads committed state. Every answer is as of some applied entry, never of one in flight.
pub trait CommittedReader: Send {
    /// The partition's own state.
    fn control(&self) -> CommittedControl;

    /// A customer, `None` when nobody has heard of it.
    ///
    /// # Errors
    /// The storage engine's failure.
    fn customer(&self, key: &CustomerKey) -> Result<Option<Arc<CustomerState>>, PartitionError>;

    /// A customer, and whether it had to be read from rows.
    ///
    /// # Errors
    /// The storage engine's failure.
    fn load(&self, key: &CustomerKey) -> Result<Loaded, PartitionError> {
        let state = self.customer(key)?;
        let was_read = true;
        Ok(Loaded { state, was_read })
    }

    /// What states may still take of the replica's memory before it packs those unused for longest, in bytes; `None` where
    /// that cannot be told at once. Whoever keeps a state that the replica keeps as well takes nothing.
    fn room_size_bytes(&self) -> Option<usize> {
        Some(0)
    }

    /// When an event id of a customer was accepted, as one of these places in rows holds it; `None` when none does. Asked
    /// only for places that a state which was read here, or decided on one, has named.
    ///
    /// # Errors
    /// The storage engine's failure.
    fn accepted_at(
        &self,
        key: &CustomerKey,
        fingerprint: &Fingerprint,
        places: &[IdPlace],
    ) -> Result<Option<Timestamp>, PartitionError>;

    /// Up to `n_max` customers by the instant their earliest timer is due, after the given pair, due up to and with
    /// `before`. Whoever asks never goes back before the page without asking from there anew.
    ///
    /// # Errors
    /// The storage engine's failure.
    fn timers_after(
        &self,
        after: Option<&(Timestamp, CustomerKey)>,
        before: Timestamp,
        n_max: usize,
    ) -> Result<TimerPage, PartitionError>;

    /// Up to `n_max` customers whose outbox is not empty, in key order after the given one.
    ///
    /// # Errors
    /// The storage engine's failure.
    fn open_effects(
        &self,
        after: Option<&CustomerKey>,
        n_max: usize,
    ) -> Result<Vec<CustomerKey>, PartitionError>;
}

impl CommittedReader for SharedReplica {
    fn control(&self) -> CommittedControl {
        let replica = self.lock();
        let control = replica.control();
        CommittedControl {
            applied: replica.applied(),
            session: control.session,
            stamp: control.stamp,
            catalog_revision: control.catalog_revision,
            catalog_digest: control.catalog_digest,
            dead_letters: control.dead_letters,
            quarantined: control.quarantined,
            n_parked: control.n_parked,
        }
    }

    fn customer(&self, key: &CustomerKey) -> Result<Option<Arc<CustomerState>>, PartitionError> {
        self.lock().customer(key)
    }

    fn load(&self, key: &CustomerKey) -> Result<Loaded, PartitionError> {
        self.lock().load(key)
    }

    fn room_size_bytes(&self) -> Option<usize> {
        Some(self.try_lock()?.room_size_bytes())
    }

    fn accepted_at(
        &self,
        key: &CustomerKey,
        fingerprint: &Fingerprint,
        places: &[IdPlace],
    ) -> Result<Option<Timestamp>, PartitionError> {
        self.lock().accepted_at(key, fingerprint, places)
    }

    fn timers_after(
        &self,
        after: Option<&(Timestamp, CustomerKey)>,
        before: Timestamp,
        n_max: usize,
    ) -> Result<TimerPage, PartitionError> {
        // Ends: each repetition files some timers where they are due, for good.
        loop {
            if let Some(page) = self.lock().page_of_timers(after, before, n_max)? {
                return Ok(page);
            }
        }
    }

    fn open_effects(
        &self,
        after: Option<&CustomerKey>,
        n_max: usize,
    ) -> Result<Vec<CustomerKey>, PartitionError> {
        self.lock().open_effects(after, n_max)
    }
}
