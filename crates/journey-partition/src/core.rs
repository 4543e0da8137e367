//! The leader's side of a partition, sans IO: inputs go in with the time, what is to be done comes out as data.
//!
//! ```text
//!   Submit, Wake, Proposed … ──► handle(input, now) ──► Propose, Reply, HandOver, WakeAt …
//!                                   │      ▲
//!                                   ▼      │ committed state, timers, outboxes
//!                         customers: mailbox ─ turn ─ batch          CommittedReader (this node's replica)
//! ```
//!
//! One call goes through the parts in a fixed order: the input is taken in (`session`, `mailing`, `settling`), then
//! turns are decided while proposals may be in flight (`schedule`, `turn`), then what is left is arranged (`finish`).

mod activation;
mod api;
mod batch;
mod clock;
mod counters;
mod customers;
mod dispatch;
mod histogram;
mod hosted;
pub mod limits;
mod mailbox;
mod mailing;
mod offers;
mod order;
mod quarantine;
mod ready;
mod replies;
mod retry;
mod schedule;
mod session;
mod set_aside;
mod settling;
mod supervision;
mod timers;
mod turn;
mod workers;

use std::sync::Arc;
use std::time::Instant;

use journey_customer::{
    Command, CustomerState, DecideContext, Decision, DeliverySettings, Rejection,
};
use journey_model::Catalog;
use journey_types::{ClusterKey, CustomerKey, Lsn, TimeSpan, Timestamp};

pub use activation::MemoryBounds;
pub use api::{
    Answer, ConfirmationId, Destinations, HandOver, Input, Output, ProposalId, QuarantineEntry,
    Refusal, Subscription, TicketId, WorkerCredit, WorkerId,
};
pub use clock::ClockHeld;
pub use counters::{FactFigures, PartitionCounters, PartitionStatus, Role};
pub use histogram::{DepthHistogram, SpanHistogram};
pub use hosted::Lifecycle;
pub use order::SubmissionOrder;
pub use quarantine::QuarantinedCommand;
pub use set_aside::StoppedQueue;

use activation::ActivationPace;
use batch::InFlight;
use clock::{StampClock, virtual_instant};
use customers::Customers;
use offers::Offers;
use quarantine::Quarantine;
use replies::Replies;
use session::Leadership;
use set_aside::StoppedQueues;
use timers::TimerHeap;
use workers::Workers;

use crate::reader::CommittedReader;

/// The first law, as the core calls it; tests put another one in its place.
pub type Decide = fn(&CustomerState, &Command, &DecideContext<'_>) -> Result<Decision, Rejection>;

/// How a partition is led.
#[derive(Debug, Clone)]
pub struct CoreOptions {
    /// How commands are decided: `journey_customer::decide`.
    pub decide: Decide,
    /// The cluster's key, for fingerprints.
    pub cluster_key: ClusterKey,
    /// Customers kept in memory, at least 1; beyond it those unused for longest are passivated.
    pub hosted_customers_max: usize,
    /// What they may take in memory, and how fast they may come there.
    pub memory: MemoryBounds,
    /// A number that no other opener of this partition's sessions uses, drawn at random by the driver.
    pub opener_seed: u64,
    /// Steps of the clock above this hold the timers until accepted; `None` where other nodes bound the clock or time
    /// is virtual.
    pub clock_step_max: Option<TimeSpan>,
    /// How often and how fast effects are tried before they become dead letters.
    pub delivery: DeliverySettings,
}

/// The core of one partition.
///
/// # Invariants
/// Nothing leaves before what it depends on is applied as valid; turns in flight fall together with their session; every
/// ticket is answered exactly once.
pub struct PartitionCore {
    options: CoreOptions,
    reader: Box<dyn CommittedReader>,
    leadership: Leadership,
    clock: StampClock,
    customers: Customers,
    activations: ActivationPace,
    timers: TimerHeap,
    offers: Offers,
    workers: Workers,
    replies: Replies,
    quarantine: Quarantine,
    stopped_queues: StoppedQueues,
    in_flight: Vec<InFlight>,
    /// The newest catalog the node has, to be adopted.
    offered: Option<Arc<Catalog>>,
    /// The adopted catalog.
    catalog: Arc<Catalog>,
    counters: PartitionCounters,
    applied: Lsn,
    n_proposals: u64,
    n_openings: u64,
    /// Whether the next turn is a timer's, where both timers and commands wait.
    is_timers_turn: bool,
    /// Claims that lie in mailboxes.
    n_claims_waiting: usize,
    /// Whether a bound of this call left something undone.
    has_more: bool,
    /// The instant last asked for.
    wake_at: Option<Timestamp>,
    outputs: Vec<Output>,
    /// The driver's monotonic clock at this call.
    monotonic: Instant,
}

impl std::fmt::Debug for PartitionCore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("PartitionCore")
            .field("leadership", &self.leadership)
            .field("n_in_flight", &self.in_flight.len())
            .finish_non_exhaustive()
    }
}

impl PartitionCore {
    /// A core that follows, over the replica it reads.
    #[must_use]
    pub fn new(options: CoreOptions, reader: Box<dyn CommittedReader>) -> Self {
        Self {
            clock: StampClock::new(options.clock_step_max),
            customers: Customers::new(
                options.cluster_key,
                options.hosted_customers_max,
                options.memory.hosted_size_bytes_max,
            ),
            activations: ActivationPace::new(options.memory.cold_loads_per_second_max),
            options,
            reader,
            leadership: Leadership::Follower,
            timers: TimerHeap::new(),
            offers: Offers::new(),
            workers: Workers::default(),
            replies: Replies::default(),
            quarantine: Quarantine::default(),
            stopped_queues: StoppedQueues::new(),
            in_flight: Vec::new(),
            offered: None,
            catalog: Arc::new(Catalog::default()),
            counters: PartitionCounters::default(),
            applied: Lsn::default(),
            n_proposals: 0,
            n_openings: 0,
            is_timers_turn: false,
            n_claims_waiting: 0,
            has_more: false,
            wake_at: None,
            outputs: Vec::new(),
            monotonic: virtual_instant(Timestamp::EPOCH),
        }
    }

    /// Takes one input in and answers what is to be done, in order.
    ///
    /// `now` is the driver's clock; it may go back, stamps do not. `monotonic` is the same moment on a clock that never
    /// steps: how late a hand-over is, is not for a clock to say that somebody sets.
    ///
    /// # Panics
    /// On a broken invariant of the core itself, such as a ticket used twice; the supervisor starts it anew.
    pub fn handle_at(&mut self, input: Input, now: Timestamp, monotonic: Instant) -> Vec<Output> {
        self.monotonic = monotonic;
        self.take_in(input, now)
    }

    /// The same where time is virtual, so that both clocks are one.
    ///
    /// # Panics
    /// As [`Self::handle_at`].
    pub fn handle(&mut self, input: Input, now: Timestamp) -> Vec<Output> {
        self.handle_at(input, now, virtual_instant(now))
    }

    fn take_in(&mut self, input: Input, now: Timestamp) -> Vec<Output> {
        if self.clock.look(now) {
            // What was to happen at an instant of the clock before it went back happens now.
            self.wake_at = None;
            self.retry_session_now();
        }
        if self.wake_at.is_some_and(|at| at <= now) {
            self.wake_at = None;
        }
        match input {
            Input::LeadershipGained => self.gain_leadership(now),
            Input::LeadershipLost => self.lose_leadership(),
            Input::CatalogOffered(catalog) => self.offer_catalog(catalog),
            Input::Submit {
                ticket,
                commands,
                order,
            } => self.submit(ticket, commands, order),
            Input::Read { ticket } => self.read(ticket),
            Input::Proposed { proposal, result } => self.settle_proposal(proposal, result, now),
            Input::LeadershipConfirmed {
                confirmation,
                leads,
            } => {
                self.settle_confirmation(confirmation, leads, now);
            }
            Input::Subscribe(subscription) => self.subscribe(subscription),
            Input::Unsubscribe(worker) => self.unsubscribe(worker),
            Input::Unsent(unsent) => self.give_back(&unsent.customer, &unsent.row),
            Input::AcceptClock => self.clock.accept(),
            Input::CreditAdded(_) | Input::Wake => {}
        }
        self.run(now);
        self.finish(now);
        std::mem::take(&mut self.outputs)
    }

    /// The state at a glance. Counts the mailboxes of all customers in memory: not for every call.
    #[must_use]
    pub fn status(&self, now: Timestamp) -> PartitionStatus {
        let timers_overdue = self.timers.overdue(self.clock.peek(now));
        let control = self.reader.control();
        PartitionStatus {
            role: self.leadership.role(),
            applied: self.applied,
            catalog_revision: self.catalog.revision,
            clock_held: self.clock.held(),
            n_hosted: self.customers.len(),
            n_mailed: self.customers.n_mailed(),
            n_timers_in_memory: self.timers.len(),
            n_timers_overdue: usize::try_from(timers_overdue.n()).unwrap_or(usize::MAX),
            timers_overdue,
            next_due_at: self.timers.next_due_at(),
            n_effects_offered: self.offers.len(),
            n_workers: self.workers.len(),
            n_in_flight: self.in_flight.len(),
            n_parked: control.n_parked,
            dead_letters: control.dead_letters,
            quarantined: control.quarantined,
            stopped_queues: self.stopped_queues(&control),
            counters: self.counters.clone(),
        }
    }

    /// What was counted.
    #[must_use]
    pub const fn counters(&self) -> &PartitionCounters {
        &self.counters
    }

    /// Commands whose deciding panicked, oldest first.
    pub fn quarantined(&self) -> impl Iterator<Item = &QuarantinedCommand> {
        self.quarantine.commands()
    }

    /// Whether deciding for a customer panicked within a minute before that stamp: such a one stays in memory.
    #[must_use]
    pub fn has_fresh_strikes(&self, customer: &CustomerKey, stamp: Timestamp) -> bool {
        let hosted = self.customers.find(customer);
        hosted.is_some_and(|idx| self.customers.get(idx).has_fresh_strikes(stamp))
    }

    /// Where a customer is in its life.
    #[must_use]
    pub fn lifecycle(&self, customer: &CustomerKey) -> Lifecycle {
        let hosted = self
            .customers
            .find(customer)
            .map(|idx| self.customers.get(idx));
        hosted.map_or(Lifecycle::Passive, |hosted| hosted.lifecycle)
    }
}

#[cfg(test)]
mod tests;
