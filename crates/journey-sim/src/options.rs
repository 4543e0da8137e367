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
    /// The clock jumps ahead by more than a day, which holds timers until it is accepted.
    pub clock_jumps: bool,
    /// What became of a proposal is reported after what became of the next.
    pub late_reports: bool,
    /// Deciding panics for some states of a customer.
    pub panics: bool,
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
        clock_jumps: true,
        late_reports: true,
        panics: true,
    };
    /// Nothing goes wrong.
    pub const NONE: Self = Self {
        refusals: false,
        losses: false,
        repeats: false,
        leader_changes: false,
        power_cuts: false,
        clock_steps: false,
        clock_jumps: false,
        late_reports: false,
        panics: false,
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
    /// One exact point at which the session ends, whatever else goes wrong.
    pub end: Option<SessionEnd>,
}

/// An exact point at which a session ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionEnd {
    /// Something becomes of the proposal of that number, counted from 1 in order.
    Proposal(u64, Fate),
    /// Leadership is lost and gained before the core is given the input of that number, counted from 1.
    BeforeInput(u64),
}

/// What becomes of a proposal that is not simply committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Refused, though later ones may be accepted.
    Refused,
    /// Reported lost, and it never lands.
    Lost,
    /// Reported lost, and it lands in its place all the same.
    LostAndLanded,
    /// Reported lost, and it lands behind later sessions.
    LostAndLate,
}

impl SimOptions {
    /// A run of the usual length with every fault; of two seeds that follow one another, deciding panics in one: without
    /// panics more is promised.
    #[must_use]
    pub const fn of_seed(seed: u64) -> Self {
        Self {
            seed,
            n_steps: 600,
            n_customers: 6,
            faults: Faults {
                panics: seed.is_multiple_of(2),
                ..Faults::ALL
            },
            end: None,
        }
    }
}
