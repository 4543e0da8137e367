//! How a run goes: its seed, its length, and which faults may happen.

/// What may go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Faults {
    /// Proposals are refused while later ones are accepted.
    pub refusals: bool,
    /// Proposals are reported lost, and land all the same or do not.
    pub losses: bool,
    /// Entries are appended twice, as at-least-once consensus may do.
    pub repeats: bool,
    /// Leadership is lost and gained.
    pub leader_changes: bool,
    /// Power cuts: what was not synced is gone, in the log and in the state.
    pub power_cuts: bool,
    /// The clock steps back and forth by up to an hour.
    pub clock_steps: bool,
}

impl Faults {
    /// Everything goes wrong.
    pub const ALL: Self = Self {
        refusals: true,
        losses: true,
        repeats: true,
        leader_changes: true,
        power_cuts: true,
        clock_steps: true,
    };
    /// Nothing goes wrong.
    pub const NONE: Self = Self {
        refusals: false,
        losses: false,
        repeats: false,
        leader_changes: false,
        power_cuts: false,
        clock_steps: false,
    };
}

/// One run.
#[derive(Debug, Clone, Copy)]
pub struct SimOptions {
    /// Everything that is drawn comes from it.
    pub seed: u64,
    /// Steps with faults; then everything heals and must drain.
    pub n_steps: u32,
    /// Customers.
    pub n_customers: u32,
    /// What may go wrong.
    pub faults: Faults,
}

impl SimOptions {
    /// A run of the usual length with every fault.
    #[must_use]
    pub const fn of_seed(seed: u64) -> Self {
        Self {
            seed,
            n_steps: 600,
            n_customers: 6,
            faults: Faults::ALL,
        }
    }
}
