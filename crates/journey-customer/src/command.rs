//! What can be asked of a customer actor, and what it answers.

use std::sync::Arc;

use journey_types::{BirthIndex, CustomerEvent, InstanceNumber, Sequence, Timestamp, Value};

use crate::entrance::Enrollment;
use crate::set_aside::SetAside;
use crate::state::OutboxRow;

/// A request to one customer. The partition calls `decide` with it; followers never see it.
#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    /// Something happened.
    Ingest {
        /// What; shared with the fact that it was accepted, and with instances that it begins.
        event: Arc<CustomerEvent>,
        /// Live, or loaded from the past.
        mode: IngestMode,
    },
    /// A service asks that the customer enters a journey.
    Enroll(Arc<Enrollment>),
    /// Timers may be due at the turn's stamp; stale ones are found out in `decide`.
    FireTimers,
    /// Goes on with a turn that reached its budget, at the same stamp.
    ContinueTurn,
    /// Asks to hand one effect over.
    Claim {
        /// Which, by the journal event that emitted it.
        effect: Sequence,
        /// Until when the worker may work on it before it is offered again.
        until: Timestamp,
        /// The name the worker gave, for people; empty if it gave none.
        worker: String,
    },
    /// Tells what became of an effect.
    Settle {
        /// The life of the customer it was emitted in.
        birth: BirthIndex,
        /// Which effect.
        effect: Sequence,
        /// Which handing over.
        attempt: u32,
        /// What became of it.
        outcome: Outcome,
    },
    /// Hands a dead letter over anew, with a fresh retry budget.
    ReplayDeadLetter {
        /// The life of the customer it was emitted in.
        birth: BirthIndex,
        /// Which effect.
        effect: Sequence,
    },
    /// Takes the event or enroll call of a quarantined command in again.
    ReplayQuarantined {
        /// The life of the customer.
        birth: BirthIndex,
        /// Which, by the fact that set it aside.
        entry: Sequence,
    },
    /// Gives something up that was set aside.
    Discard {
        /// The life of the customer.
        birth: BirthIndex,
        /// What.
        what: SetAside,
    },
    /// Sets a command aside whose deciding panicked. Comes from the partition alone.
    Quarantine {
        /// The command.
        command: Box<Self>,
        /// The text of the panic.
        reason: String,
        /// Whether it is one panic too many: the customer is parked with it.
        parks: bool,
    },
    /// Parks the customer where the command that panicked cannot be kept. Comes from the partition alone.
    Park {
        /// The text of the panic.
        reason: String,
    },
    /// An operator lets a parked customer go on.
    Release,
}

impl Command {
    /// An event that comes in.
    #[must_use]
    pub fn ingest(event: CustomerEvent, mode: IngestMode) -> Self {
        let event = Arc::new(event);
        Self::Ingest { event, mode }
    }

    /// Which kind of command it is, as people read it.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Ingest { .. } => "ingest",
            Self::Enroll(_) => "enroll",
            Self::FireTimers => "timer",
            Self::ContinueTurn => "continue",
            Self::Claim { .. } => "claim",
            Self::Settle { .. } => "settle",
            Self::ReplayDeadLetter { .. } | Self::ReplayQuarantined { .. } => "replay",
            Self::Discard { .. } => "discard",
            Self::Quarantine { .. } => "quarantine",
            Self::Park { .. } => "park",
            Self::Release => "release",
        }
    }

    /// The event that it takes in, and how.
    #[must_use]
    pub const fn event(&self) -> Option<(&Arc<CustomerEvent>, IngestMode)> {
        match self {
            Self::Ingest { event, mode } => Some((event, *mode)),
            Self::Enroll(_)
            | Self::FireTimers
            | Self::ContinueTurn
            | Self::Claim { .. }
            | Self::Settle { .. }
            | Self::ReplayDeadLetter { .. }
            | Self::ReplayQuarantined { .. }
            | Self::Discard { .. }
            | Self::Quarantine { .. }
            | Self::Park { .. }
            | Self::Release => None,
        }
    }

    /// The enroll call that it is.
    #[must_use]
    pub const fn enrollment(&self) -> Option<&Arc<Enrollment>> {
        match self {
            Self::Enroll(enrollment) => Some(enrollment),
            Self::Ingest { .. }
            | Self::FireTimers
            | Self::ContinueTurn
            | Self::Claim { .. }
            | Self::Settle { .. }
            | Self::ReplayDeadLetter { .. }
            | Self::ReplayQuarantined { .. }
            | Self::Discard { .. }
            | Self::Quarantine { .. }
            | Self::Park { .. }
            | Self::Release => None,
        }
    }
}

/// How an event takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum IngestMode {
    /// Enters, wakes, sends.
    Live,
    /// Updates profile and aggregates; enters nothing, wakes nothing, sends nothing.
    History,
}

/// What a worker says of an effect.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// A message was handed to the channel. Terminal.
    Sent,
    /// A message arrived at the customer. Terminal.
    Delivered,
    /// A call or task is done. Terminal.
    Completed {
        /// Its answer: what `vars.<step>` becomes.
        result: Value,
    },
    /// Failed for good: of a message, the next channel is tried; of a call or task, its step fails. Terminal.
    FailedForGood {
        /// The worker's words, at most 512 bytes (longer ones are cut).
        reason: String,
    },
    /// Failed for now: offered again not before `retry_at`.
    FailedForNow {
        /// The worker's words, at most 512 bytes (longer ones are cut).
        reason: String,
        /// From when it is offered again. In a command: the earliest instant that the worker asks for (`Retry-After`), or
        /// one that has passed; the partition takes the later of it and its own backoff.
        retry_at: Timestamp,
    },
    /// Whoever held the claim did not act on it and never will: offered again, and nothing of the retry budget is taken.
    Returned {
        /// From when it is offered again; `None`: at once. In a command: the earliest instant that the worker asks for;
        /// the partition takes the later of it and a pause that grows with every return in a row.
        retry_at: Option<Timestamp>,
    },
}

/// The answer to a command that was not rejected. Released only when everything it depends on is applied.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// The event took effect.
    Accepted,
    /// The id of the event or enroll call is known: nothing changed.
    Duplicate,
    /// The enroll call took effect.
    Enrolled {
        /// The instance that entered; `None`: it waits for a place (`on_conflict: queue`).
        instance: Option<InstanceNumber>,
    },
    /// The rules of the journey refuse the entry now; its id is not remembered.
    NotEnrolled {
        /// `where`, or what [`crate::EventBody::EntryRefused`] says.
        reason: &'static str,
    },
    /// Timers were looked at.
    Fired {
        /// How many took effect.
        n_fired: u32,
    },
    /// The turn went on.
    Continued,
    /// The effect may be handed over, once this is applied.
    Claimed {
        /// The row, with its attempt and `until`.
        row: Box<OutboxRow>,
    },
    /// The effect is not to be handed over any more.
    Withdrawn {
        /// Why.
        reason: String,
    },
    /// The outcome was recorded.
    Recorded,
    /// The effect had its outcome before, or its row is gone: nothing changed.
    Settled,
    /// What was set aside is tried again.
    Replayed {
        /// What an operator should know of it, empty if nothing.
        note: String,
    },
    /// What was set aside is given up.
    Discarded,
    /// The command panicked and was set aside.
    Quarantined {
        /// The life of the customer.
        birth: BirthIndex,
        /// The fact that set it aside: names it within the customer.
        entry: Sequence,
    },
    /// The customer is parked.
    Parked,
    /// The customer is not parked (any more).
    Released {
        /// Whether it was.
        was_parked: bool,
    },
}

/// A command refused by the domain: deterministic, and nothing changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Too many remembered event ids in the window (DESIGN G2).
    #[error(
        "HOT_CUSTOMER: this customer has {n_ids} event ids in the last 7 days, the most that are remembered; slow its producer down"
    )]
    TooManyEventIds {
        /// How many.
        n_ids: usize,
    },
    /// The customer's state would outgrow its bound.
    #[error(
        "CUSTOMER_TOO_LARGE: the state of this customer would take {size_bytes} bytes, at most 1 MiB is allowed"
    )]
    StateTooLarge {
        /// How much.
        size_bytes: usize,
    },
    /// The event itself is not acceptable.
    #[error("{reason}")]
    EventRefused {
        /// Starts with the reason's code, such as `occurred_in_future`.
        reason: String,
    },
    /// The enroll call is not acceptable.
    #[error("{reason}")]
    EnrollRefused {
        /// Starts with the reason's code, such as `no_api_entry`.
        reason: String,
    },
    /// The outcome does not fit the effect.
    #[error("{reason}")]
    OutcomeUnfit {
        /// What was said of what, and what to say instead.
        reason: String,
    },
    /// It is not there (any more).
    #[error("it is not set aside: it was replayed, discarded or expired, or never was there")]
    NotSetAside,
    /// It is there, but to try it again makes no sense.
    #[error("it cannot be replayed: {reason}")]
    NotReplayable {
        /// Why, and what to do instead.
        reason: String,
    },
    /// A command panicked, and there is no room to keep it.
    #[error("the quarantine is full: replay or discard what lies in it")]
    QuarantineFull,
    /// The effect cannot be claimed at the moment.
    #[error("the effect cannot be claimed: {reason}")]
    NotClaimable {
        /// Why: claimed by another, waiting for its retry, behind an earlier one of its channel, or gone.
        reason: &'static str,
    },
}
