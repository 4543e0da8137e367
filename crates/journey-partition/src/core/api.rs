//! What goes into the core and what comes out: plain data.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use bytes::Bytes;
use journey_customer::{Command, OutboxRow, Rejection, Reply};
use journey_model::Catalog;
use journey_types::{
    BirthIndex, CustomerKey, Destination, Lsn, Sequence, TimeSpan, Timestamp, WorkspaceId,
};

use crate::core::order::SubmissionOrder;
use crate::decided::DecidedEntry;
use crate::journal::ProposeResult;

macro_rules! token {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);
    };
}

token!(
    /// Names one submission or read; the driver numbers them and never uses one twice.
    TicketId
);
token!(
    /// Names one worker stream; unique in the node.
    WorkerId
);
token!(
    /// Names one proposal of this core.
    ProposalId
);
token!(
    /// Names one request for proof of leadership.
    ConfirmationId
);

/// What happened to the partition.
#[derive(Debug)]
pub enum Input {
    /// This replica became the leader.
    LeadershipGained,
    /// This replica leads no more.
    LeadershipLost,
    /// The node's copy of the published documents came this far.
    CatalogOffered(Arc<Catalog>),
    /// Commands of one request, answered together.
    Submit {
        /// Names the answer.
        ticket: TicketId,
        /// What to do, in order.
        commands: Vec<(CustomerKey, Command)>,
        /// The order these commands stand in with earlier submissions of the same producer.
        order: Option<SubmissionOrder>,
    },
    /// A linearizable read wants to know that this replica leads after its arrival.
    Read {
        /// Names the answer.
        ticket: TicketId,
    },
    /// What became of a proposal.
    Proposed {
        /// Which.
        proposal: ProposalId,
        /// What.
        result: ProposeResult,
    },
    /// The answer to [`Output::ConfirmLeadership`].
    LeadershipConfirmed {
        /// To which.
        confirmation: ConfirmationId,
        /// Whether this replica leads.
        leads: bool,
    },
    /// A worker stream opened.
    Subscribe(Subscription),
    /// A worker stream closed; what it holds is offered again when its claims expire.
    Unsubscribe(WorkerId),
    /// A worker has new credit.
    CreditAdded(WorkerId),
    /// An effect that was handed over did not go out, and nothing of it was written to a socket.
    Unsent(Box<HandOver>),
    /// An operator says that the clock is right after its jump.
    AcceptClock,
    /// The time asked for by [`Output::WakeAt`] has come.
    Wake,
}

/// What the driver has to do, in order.
#[derive(Debug)]
pub enum Output {
    /// Propose the entry, in this order, and answer with [`Input::Proposed`].
    Propose {
        /// Names the answer.
        proposal: ProposalId,
        /// The entry with the states behind it, for this replica's own applier.
        entry: Arc<DecidedEntry>,
        /// The same, encoded.
        encoded: Bytes,
    },
    /// Answer a submission; everything the answers depend on is applied as valid.
    Reply {
        /// Which.
        ticket: TicketId,
        /// One answer for each command, in order.
        answers: Vec<Answer>,
    },
    /// A linearizable read may read the committed state now, or may not.
    ReadProven {
        /// Which.
        ticket: TicketId,
        /// Why not.
        result: Result<(), Refusal>,
    },
    /// Ask for proof of leadership and answer with [`Input::LeadershipConfirmed`]. At most one is under way.
    ConfirmLeadership(ConfirmationId),
    /// Hand an effect to a worker: its claim is applied.
    HandOver(HandOver),
    /// Call again with [`Input::Wake`] at this instant; replaces what was asked for before.
    WakeAt(Timestamp),
    /// The core refuses everything from now on; an operator must act.
    Stopped {
        /// Why.
        reason: String,
    },
}

/// The answer to one command.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// It was decided, and what it depends on is applied.
    Done {
        /// What it came to.
        reply: Reply,
        /// The journal position that a reader of this reply must have reached to see it.
        lsn: Lsn,
    },
    /// The domain refused it; nothing changed.
    Rejected(Rejection),
    /// The machine refused it.
    Refused(Refusal),
}

/// Why the machine refused a command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The customer's mailbox is full.
    #[error(
        "HOT_CUSTOMER: {n_waiting} commands wait for this customer, the most that may; slow its producer down and send again"
    )]
    HotCustomer {
        /// How many.
        n_waiting: usize,
    },
    /// An earlier event of the same producer failed and was not sent again yet.
    #[error(
        "RETRY_IN_ORDER: an earlier event of this stream for the same partition failed; send again from that event on"
    )]
    RetryInOrder,
    /// As many requests wait for the partition as may.
    #[error(
        "PARTITION_BUSY: {n_waiting} requests wait for this partition, the most that may; send again later"
    )]
    PartitionBusy {
        /// How many.
        n_waiting: usize,
    },
    /// One workspace holds its whole share of what may wait.
    #[error(
        "WORKSPACE_BUSY: {n_waiting} requests of this workspace wait for this partition, the most that one workspace may; send again later"
    )]
    WorkspaceBusy {
        /// How many.
        n_waiting: usize,
    },
    /// The workspace sends faster than its rate allows.
    #[error(
        "WORKSPACE_RATE: this workspace may send {per_second} events per second to this node; send again in {retry_after_ms} ms"
    )]
    WorkspaceRate {
        /// The rate.
        per_second: u64,
        /// When to try again.
        retry_after_ms: u64,
    },
    /// The node's disk is nearly full.
    #[error(
        "DISK_LOW: the node's disk is nearly full; it goes on by itself when there is room again; free space, and send again later"
    )]
    DiskLow,
    /// Deciding the command panicked; it is kept and can be read, the customer goes on.
    #[error("QUARANTINED: deciding this command failed: {reason}; do not send it again")]
    Quarantined {
        /// The text of the panic.
        reason: String,
        /// Where it lies; `None` where it is kept in memory alone.
        kept: Option<Box<QuarantineEntry>>,
    },
    /// The customer is parked after several panics.
    #[error("CUSTOMER_PARKED: this customer is parked until an operator releases it: {reason}")]
    CustomerParked {
        /// The latest panic.
        reason: String,
    },
    /// Another replica leads, or none.
    #[error("NOT_LEADER: this replica does not lead the partition; send to the leader")]
    NotLeader,
    /// This replica leads but may not decide yet. Nothing was done.
    #[error("NO_SESSION: the partition's leader cannot decide yet: {reason}; send again")]
    NoSession {
        /// What it waits for.
        reason: String,
    },
    /// The session ended before the command was reported applied.
    #[error(
        "OUTCOME_UNKNOWN: the command may have been applied or not; send it again with the same event id"
    )]
    OutcomeUnknown,
    /// The partition stopped.
    #[error("PARTITION_STOPPED: {reason}; an operator must act")]
    Stopped {
        /// Why.
        reason: String,
    },
}

impl Refusal {
    /// The code that its text begins with.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::HotCustomer { .. } => "HOT_CUSTOMER",
            Self::RetryInOrder => "RETRY_IN_ORDER",
            Self::PartitionBusy { .. } => "PARTITION_BUSY",
            Self::WorkspaceBusy { .. } => "WORKSPACE_BUSY",
            Self::WorkspaceRate { .. } => "WORKSPACE_RATE",
            Self::DiskLow => "DISK_LOW",
            Self::Quarantined { .. } => "QUARANTINED",
            Self::CustomerParked { .. } => "CUSTOMER_PARKED",
            Self::NotLeader => "NOT_LEADER",
            Self::NoSession { .. } => "NO_SESSION",
            Self::OutcomeUnknown => "OUTCOME_UNKNOWN",
            Self::Stopped { .. } => "PARTITION_STOPPED",
        }
    }

    /// Whether the same command may succeed when it is sent again as it is.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::HotCustomer { .. }
            | Self::RetryInOrder
            | Self::PartitionBusy { .. }
            | Self::WorkspaceBusy { .. }
            | Self::WorkspaceRate { .. }
            | Self::DiskLow
            | Self::NotLeader
            | Self::NoSession { .. }
            | Self::OutcomeUnknown => true,
            Self::Quarantined { .. } | Self::CustomerParked { .. } | Self::Stopped { .. } => false,
        }
    }
}

/// Some destinations.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Destinations {
    /// Whether these are all there are.
    pub everything: bool,
    /// Whether every channel is among them.
    pub every_channel: bool,
    /// Those named.
    pub named: BTreeSet<Destination>,
}

impl Destinations {
    /// All channels, queues and connectors: for tests and for running alone.
    #[must_use]
    pub fn everything() -> Self {
        Self {
            everything: true,
            ..Self::default()
        }
    }

    /// All channels, no queue and no connector.
    #[must_use]
    pub fn every_channel() -> Self {
        Self {
            every_channel: true,
            ..Self::default()
        }
    }

    /// Just these.
    #[must_use]
    pub fn only(named: impl IntoIterator<Item = Destination>) -> Self {
        Self {
            named: named.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Whether this is one of them.
    #[must_use]
    pub fn contains(&self, destination: &Destination) -> bool {
        let is_channel = destination.channel().is_some();
        self.everything || (self.every_channel && is_channel) || self.named.contains(destination)
    }

    /// Adds others.
    pub(crate) fn widen(&mut self, others: &Self) {
        self.everything |= others.everything;
        self.every_channel |= others.every_channel;
        self.named.extend(others.named.iter().cloned());
    }
}

/// Names a quarantined command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuarantineEntry {
    /// With whom it lies.
    pub customer: CustomerKey,
    /// In which life.
    pub birth: BirthIndex,
    /// The fact that set it aside.
    pub entry: Sequence,
}

/// What a worker stream takes.
#[derive(Debug, Clone)]
pub struct Subscription {
    /// Its name.
    pub worker: WorkerId,
    /// Of which tenant.
    pub workspace: WorkspaceId,
    /// What it calls itself, for people; empty if it does not say.
    pub name: String,
    /// Where what it takes goes.
    pub destinations: Destinations,
    /// What it may still take, shared by all partitions it subscribes to.
    pub credit: WorkerCredit,
    /// How long its claims hold; clamped to the bounds in [`crate::core::limits`].
    pub claim_span: TimeSpan,
}

/// How many more effects a worker takes, over all partitions of the node.
#[derive(Debug, Clone, Default)]
pub struct WorkerCredit(Arc<AtomicU32>);

impl WorkerCredit {
    /// No credit.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds credit; saturates. Tell the partitions with [`Input::CreditAdded`].
    pub fn add(&self, n_effects: u32) {
        let add = |credit: u32| Some(credit.saturating_add(n_effects));
        let _before = self
            .0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, add);
    }

    /// What is left.
    #[must_use]
    pub fn left(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }

    /// Takes all of it back and says how much it was; claims on their way have taken theirs already.
    #[must_use]
    pub fn withdraw(&self) -> u32 {
        self.0.swap(0, Ordering::AcqRel)
    }

    /// Takes credit for one effect, if there is any.
    pub(crate) fn try_take(&self) -> bool {
        let take = |credit: u32| credit.checked_sub(1);
        self.0
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, take)
            .is_ok()
    }
}

/// An effect on its way to a worker.
#[derive(Debug, Clone, PartialEq)]
pub struct HandOver {
    /// To whom.
    pub worker: WorkerId,
    /// Whose effect.
    pub customer: CustomerKey,
    /// The effect, with its attempt and until when it is claimed.
    pub row: Box<OutboxRow>,
    /// After this instant of the driver's monotonic clock it must not be written any more: it is given back.
    pub hand_over_by: Instant,
}
