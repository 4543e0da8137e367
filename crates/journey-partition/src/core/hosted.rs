//! One hosted customer: a virtual actor with an address, a bounded mailbox, a lifecycle and supervision of its own.

use std::collections::VecDeque;
use std::sync::Arc;

use journey_customer::{Command, CustomerState};
use journey_types::limits::CUSTOMER_MAILBOX_MAX;
use journey_types::{BatchNumber, CustomerKey, Sequence, Timestamp};

use crate::core::api::{TicketId, WorkerId};
use crate::core::customers::Links;
use crate::core::limits::{STRIKES_MAX, STRIKES_WINDOW};
use crate::core::mailbox::Mailbox;
use crate::core::ready::WorkspaceIdx;

/// Where a customer actor is in its life.
///
/// ```text
///   Passive ──activate──► Idle ──mail──► Ready ──last turn──► AwaitingCommit ──applied──► Idle
///      ▲                   │               ▲                        │
///      │                   │               └──────────mail──────────┘
///      └─────passivate─────┘     three panics in a minute ──► Quarantined ──released──► one of the above
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifecycle {
    /// In memory, with nothing to do.
    Idle,
    /// Something waits for its turn, which is decided whether or not earlier turns are on their way.
    Ready,
    /// Turns are on their way through the journal, and nothing else waits.
    AwaitingCommit,
    /// Parked after panics: commands are refused until it is released.
    Quarantined,
    /// Not in memory: its state lies in the replica.
    Passive,
}

/// Who gets the answer to a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A caller.
    Caller { ticket: TicketId, position: usize },
    /// A worker waits for the effect.
    Worker { worker: WorkerId, effect: Sequence },
    /// Nobody: a timer, or the rest of a paused turn.
    Core,
    /// Nobody: an effect whose claim is applied did not go out, and is given back.
    Unsent,
}

/// A command in a mailbox.
#[derive(Debug)]
pub(crate) struct Mail {
    pub(crate) command: Command,
    pub(crate) origin: Origin,
}

impl Mail {
    pub(crate) const fn is_claim(&self) -> bool {
        matches!(self.origin, Origin::Worker { .. })
    }
}

/// A customer in memory.
#[derive(Debug)]
pub(crate) struct Hosted {
    pub(crate) key: CustomerKey,
    /// The place of its workspace.
    pub(crate) workspace: WorkspaceIdx,
    /// What its next command is decided on: the committed state, which lies in the replica, and after it the turns on
    /// their way. `None` until it is loaded.
    pub(crate) head: Option<Arc<CustomerState>>,
    /// Turns in `head` that are not known to be applied.
    pub(crate) n_in_flight: usize,
    /// The batch of the last of them: whatever was decided on `head` depends on it.
    pub(crate) head_batch: Option<BatchNumber>,
    /// After which instant `head` has something to do by itself.
    pub(crate) next_due_at: Option<Timestamp>,
    pub(crate) mailbox: Mailbox,
    pub(crate) lifecycle: Lifecycle,
    /// Effects whose claim lies in the mailbox.
    pub(crate) claims: Vec<Sequence>,
    /// Whether it stands in a queue of those that have something to do.
    pub(crate) is_queued: bool,
    /// Where it stands in the table of customers; kept by that table.
    pub(crate) links: Links,
    /// What it takes in memory, as last measured; kept by the table of customers.
    pub(crate) size_bytes: usize,
    /// Commits until it is measured again, and how many lie between two measures.
    pub(crate) commits_until_measured: u8,
    pub(crate) measured_every: u8,
    strikes: VecDeque<Timestamp>,
}

impl Hosted {
    pub(crate) fn new(key: CustomerKey, workspace: WorkspaceIdx) -> Self {
        Self {
            key,
            workspace,
            head: None,
            n_in_flight: 0,
            head_batch: None,
            next_due_at: None,
            mailbox: Mailbox::default(),
            lifecycle: Lifecycle::Idle,
            claims: Vec::new(),
            is_queued: false,
            links: Links::default(),
            size_bytes: 0,
            commits_until_measured: 0,
            measured_every: 0,
            strikes: VecDeque::new(),
        }
    }

    /// Whether the mailbox takes another command of a caller. Claims do not count: there is at most one for each
    /// channel.
    pub(crate) fn has_room(&self) -> bool {
        self.mailbox.len() - self.n_claims_mailed() < CUSTOMER_MAILBOX_MAX
    }

    /// Takes a claim on behalf of a worker.
    pub(crate) fn mail_claim(&mut self, mail: Mail, effect: Sequence) {
        self.claims.push(effect);
        self.mailbox.push_back(mail);
    }

    /// Decides on that state from now on; where it is parked, nothing but its release. Gives the head before it.
    pub(crate) fn set_head(&mut self, state: Arc<CustomerState>) -> Option<Arc<CustomerState>> {
        self.next_due_at = state.next_wake_at();
        if state.parked.is_some() {
            self.lifecycle = Lifecycle::Quarantined;
        } else if self.lifecycle == Lifecycle::Quarantined {
            // Released: as if it had never panicked.
            self.strikes.clear();
            self.lifecycle = self.at_rest();
        }
        self.head.replace(state)
    }

    /// A turn goes on its way with a batch.
    pub(crate) fn sent(&mut self, batch: BatchNumber) {
        self.n_in_flight += 1;
        self.head_batch = Some(batch);
    }

    /// Its oldest turn on the way is applied.
    pub(crate) fn arrived(&mut self) {
        assert!(
            self.n_in_flight > 0,
            "only a customer with turns on their way can have one applied"
        );
        self.n_in_flight -= 1;
        if self.n_in_flight == 0 {
            self.head_batch = None;
        }
    }

    /// Drops what is not committed, and the copy of what is: it is loaded again when needed.
    pub(crate) fn forget_state(&mut self) {
        self.head = None;
        self.n_in_flight = 0;
        self.head_batch = None;
        self.next_due_at = None;
        self.commits_until_measured = 0;
        match self.lifecycle {
            // Whether it is parked stands in the state, which is loaded again.
            Lifecycle::AwaitingCommit | Lifecycle::Quarantined => self.lifecycle = Lifecycle::Idle,
            Lifecycle::Idle | Lifecycle::Ready | Lifecycle::Passive => {}
        }
    }

    /// Whether a turn of it reached its budget and goes on before anything else.
    pub(crate) fn is_paused(&self) -> bool {
        let head = self.head.as_ref();
        head.is_some_and(|head| head.paused_turn.is_some())
    }

    /// Counts a panic; answers whether the customer is to be parked by it.
    pub(crate) fn strike(&mut self, at: Timestamp) -> bool {
        self.strikes.push_back(at);
        let window_start = at.minus(STRIKES_WINDOW);
        self.strikes.retain(|strike| *strike >= window_start);
        self.strikes.len() >= STRIKES_MAX
    }

    /// The panic by which it is parked.
    pub(crate) fn parked_for(&self) -> String {
        let head = self.head.as_ref();
        let parking = head.and_then(|head| head.parked.as_ref());
        parking.map_or(String::new(), |parking| parking.reason.clone())
    }

    /// Where it is when nothing waits for its turn.
    pub(crate) const fn at_rest(&self) -> Lifecycle {
        if self.n_in_flight > 0 {
            Lifecycle::AwaitingCommit
        } else {
            Lifecycle::Idle
        }
    }

    /// Whether nothing keeps it in memory but its state.
    pub(crate) fn may_passivate(&self, stamp: Timestamp) -> bool {
        let is_at_rest = match self.lifecycle {
            Lifecycle::Idle => !self.has_fresh_strikes(stamp),
            Lifecycle::Quarantined => self.n_in_flight == 0,
            Lifecycle::Ready | Lifecycle::AwaitingCommit | Lifecycle::Passive => false,
        };
        is_at_rest && self.mailbox.is_empty()
    }

    /// Whether it panicked within the last minute, which is remembered only while it is hosted.
    pub(crate) fn has_fresh_strikes(&self, stamp: Timestamp) -> bool {
        let last = self.strikes.back();
        last.is_some_and(|strike| stamp.since(*strike) <= STRIKES_WINDOW)
    }

    fn n_claims_mailed(&self) -> usize {
        if self.claims.is_empty() {
            return 0;
        }
        self.mailbox.iter().filter(|mail| mail.is_claim()).count()
    }
}
