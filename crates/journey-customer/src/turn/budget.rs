//! How much one turn may do before it is journaled and continued, so that no customer holds up its partition.

use std::collections::BTreeMap;

use journey_types::InstanceNumber;
use journey_types::limits::{INSTANCE_STEPS_PER_TURN_MAX, TURN_SIZE_BYTES_MAX, TURN_STEPS_MAX};

/// What a turn has spent.
#[derive(Debug, Default)]
pub(super) struct Budget {
    n_steps: usize,
    size_bytes: usize,
    n_steps_of: BTreeMap<InstanceNumber, usize>,
}

impl Budget {
    /// Whether the turn is to be paused.
    pub(super) const fn is_spent(&self) -> bool {
        self.n_steps >= TURN_STEPS_MAX || self.size_bytes >= TURN_SIZE_BYTES_MAX
    }

    /// Counts something about as costly as a step.
    pub(super) const fn spend_step(&mut self) {
        self.n_steps += 1;
    }

    /// Counts a fact.
    pub(super) const fn spend_bytes(&mut self, size_bytes: usize) {
        self.size_bytes += size_bytes;
    }

    /// Counts a step of an instance; false when it had all of its steps, and then nothing is counted.
    pub(super) fn spend_step_of(&mut self, instance: InstanceNumber) -> bool {
        let n_steps = self.n_steps_of.entry(instance).or_default();
        if *n_steps >= INSTANCE_STEPS_PER_TURN_MAX {
            return false;
        }
        *n_steps += 1;
        self.spend_step();
        true
    }
}
