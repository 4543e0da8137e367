//! The core's view of its replica, with a clock held to what it reads from rows.

use std::sync::Arc;
use std::time::Instant;

use journey_customer::{CustomerState, IdPlace};
use journey_types::{CustomerKey, Fingerprint, Timestamp};

use super::handle::Shared;
use crate::error::PartitionError;
use crate::reader::{CommittedControl, CommittedReader, Loaded};
use crate::replica::TimerPage;

/// Reads the replica and measures activations that read rows, waits for the replica's lock included.
pub(super) struct TimedReader(pub(super) Arc<Shared>);

impl TimedReader {
    fn elapsed_us(&self, since: Instant) -> u64 {
        let elapsed = self.0.options.clock.monotonic_now().duration_since(since);
        u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX)
    }
}

impl CommittedReader for TimedReader {
    fn control(&self) -> CommittedControl {
        self.0.options.replica.control()
    }

    fn customer(&self, key: &CustomerKey) -> Result<Option<Arc<CustomerState>>, PartitionError> {
        CommittedReader::customer(&self.0.options.replica, key)
    }

    fn load(&self, key: &CustomerKey) -> Result<Loaded, PartitionError> {
        let since = self.0.options.clock.monotonic_now();
        let loaded = CommittedReader::load(&self.0.options.replica, key)?;
        if loaded.was_read {
            self.0.activation_us.record(self.elapsed_us(since));
        }
        Ok(loaded)
    }

    fn room_size_bytes(&self) -> Option<usize> {
        self.0.options.replica.room_size_bytes()
    }

    fn accepted_at(
        &self,
        key: &CustomerKey,
        fingerprint: &Fingerprint,
        places: &[IdPlace],
    ) -> Result<Option<Timestamp>, PartitionError> {
        CommittedReader::accepted_at(&self.0.options.replica, key, fingerprint, places)
    }

    fn timers_after(
        &self,
        after: Option<&(Timestamp, CustomerKey)>,
        before: Timestamp,
        n_max: usize,
    ) -> Result<TimerPage, PartitionError> {
        self.0.options.replica.timers_after(after, before, n_max)
    }

    fn open_effects(
        &self,
        after: Option<&CustomerKey>,
        n_max: usize,
    ) -> Result<Vec<CustomerKey>, PartitionError> {
        CommittedReader::open_effects(&self.0.options.replica, after, n_max)
    }
}
