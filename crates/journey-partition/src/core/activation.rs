//! How fast customers come into memory: after a restart or a change of leader everybody is cold, and clients, timers and
//! offers want all of them at once. Reading them is paced, so that the herd neither fills memory faster than it can be
//! emptied nor keeps the disk from everyone else.

use journey_types::{TimeSpan, Timestamp};

use crate::core::limits::{COLD_LOADS_PER_CALL_MAX, HOSTED_SIZE_BYTES_MAX};

/// What the leader's side may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryBounds {
    /// Bytes of hosted customers; most of them are shared with the replica.
    pub hosted_size_bytes_max: usize,
    /// Customers read from rows in a second; `None` where time is virtual, so that the pace cannot move what happens.
    pub cold_loads_per_second_max: Option<u32>,
}

impl Default for MemoryBounds {
    fn default() -> Self {
        Self {
            hosted_size_bytes_max: HOSTED_SIZE_BYTES_MAX,
            cold_loads_per_second_max: None,
        }
    }
}

/// A second's worth of reads at most, filled again as time passes; of it a bounded part in one call.
///
/// # Invariants
/// `left_milli` never exceeds one second's worth; a read is a thousand of it.
#[derive(Debug)]
pub(crate) struct ActivationPace {
    per_second: Option<u32>,
    left_milli: u64,
    filled_at: Timestamp,
    left_in_call: usize,
    was_out: bool,
}

impl ActivationPace {
    pub(crate) const fn new(per_second: Option<u32>) -> Self {
        let left_milli = match per_second {
            Some(per_second) => per_second as u64 * 1_000,
            None => 0,
        };
        Self {
            per_second,
            left_milli,
            filled_at: Timestamp::EPOCH,
            left_in_call: COLD_LOADS_PER_CALL_MAX,
            was_out: false,
        }
    }

    /// A call of the core begins.
    pub(crate) fn begin_call(&mut self, now: Timestamp) {
        self.left_in_call = COLD_LOADS_PER_CALL_MAX;
        self.was_out = false;
        let Some(per_second) = self.per_second.map(u64::from) else {
            return;
        };
        // A clock that went back fills nothing; the next look goes on from there.
        let passed_ms = u64::try_from(now.since(self.filled_at).ms()).unwrap_or(0);
        self.filled_at = now;
        let filled = self.left_milli + passed_ms.min(1_000) * per_second;
        self.left_milli = filled.min(per_second * 1_000);
    }

    /// Whether a customer may be read from rows now.
    pub(crate) const fn takes_more(&mut self) -> bool {
        if self.per_second.is_none() {
            return true;
        }
        let takes_more = self.left_in_call > 0 && self.left_milli >= 1_000;
        self.was_out |= !takes_more;
        takes_more
    }

    /// How many may be read now.
    pub(crate) fn n_left(&self) -> usize {
        match self.per_second {
            None => usize::MAX,
            Some(_) => {
                let of_pace = usize::try_from(self.left_milli / 1_000).unwrap_or(usize::MAX);
                of_pace.min(self.left_in_call)
            }
        }
    }

    /// Something waits for a read that may not be made in this call.
    pub(crate) const fn note(&mut self, waits: bool) {
        self.was_out |= waits;
    }

    /// A customer was read from rows.
    pub(crate) const fn loaded(&mut self) {
        self.left_in_call = self.left_in_call.saturating_sub(1);
        self.left_milli = self.left_milli.saturating_sub(1_000);
    }

    /// Not before when something is left undone for want of a read.
    pub(crate) fn goes_on_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.was_out.then(|| now.plus(ACTIVATION_PAUSE))
    }
}

/// Pause of a core that may read no more: short beside what a caller waits, long beside a read.
const ACTIVATION_PAUSE: TimeSpan = TimeSpan::from_ms(5);

#[cfg(test)]
mod tests;
