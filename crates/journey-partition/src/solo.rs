//! One partition in one thread and in virtual time: the same core and the same replica as a node runs, over a journal
//! that commits at once.
//!
//! ```text
//!   ingest(event), advance_to(time) ──► PartitionCore ──Propose──► Replica (rows in the given engine)
//!                                           ▲                          │
//!                                           └──── Applied ◄────────────┴──► observer(customer, fact)
//! ```

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;
use journey_codec::{JournalEntry, Record};
use journey_customer::{
    Command, CustomerState, DeliverySettings, EffectBody, IngestMode, JournalEvent, Outcome,
};
use journey_model::Catalog;
use journey_storage::limits::STATE_VALUE_SIZE_BYTES_MAX;
use journey_storage::{Engine, MemoryEngine};
use journey_types::{
    ClusterKey, CustomerEvent, CustomerKey, PartitionId, Timestamp, Value, WorkspaceId,
};
use parking_lot::Mutex;

use crate::core::limits::CLAIM_SPAN_DEFAULT;
use crate::core::{
    Answer, CoreOptions, Decide, Destinations, HandOver, Input, MemoryBounds, Output,
    PartitionCore, Subscription, TicketId, WorkerCredit, WorkerId,
};
use crate::decided::DecidedEntry;
use crate::error::PartitionError;
use crate::journal::ProposeResult;
use crate::reader::CommittedReader;
use crate::replica::{ApplyVerdict, Checkpointer, Replica, ReplicaOptions, SharedReplica};

/// Rows that the replica keeps in memory beside those not written yet.
const CLEAN_SIZE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Entries applied between two looks at how much is not written.
const ENTRIES_BETWEEN_LOOKS: u64 = 1_024;
/// Customers read at a time when timers are counted.
const PAGE_CUSTOMERS: usize = 1_024;

/// Looks at every fact that takes effect.
pub type FactObserver = Box<dyn FnMut(&CustomerKey, &JournalEvent) + Send>;

/// How a partition is simulated.
#[derive(Debug, Clone)]
pub struct SoloOptions {
    /// How commands are decided: `journey_customer::decide`.
    pub decide: Decide,
    /// Keys fingerprints and slots.
    pub cluster_key: ClusterKey,
    /// When virtual time begins.
    pub start: Timestamp,
    /// What is published.
    pub catalog: Arc<Catalog>,
    /// Customers that the core keeps in memory, at least 1.
    pub hosted_customers_max: usize,
    /// Bytes of customers that may wait to be written as rows.
    pub dirty_size_bytes_max: usize,
    /// Whether a worker takes every effect at once and says that it was delivered.
    pub delivers: bool,
}

/// A partition in virtual time.
pub struct SoloPartition {
    core: PartitionCore,
    replica: SharedReplica,
    checkpointer: Checkpointer,
    dirty_size_bytes_max: usize,
    now: Timestamp,
    /// When a fact was last applied.
    last_fact_at: Timestamp,
    wake_at: Option<Timestamp>,
    inbox: VecDeque<Input>,
    answers: BTreeMap<TicketId, Vec<Answer>>,
    hand_overs: Vec<HandOver>,
    observer: Option<FactObserver>,
    delivers: bool,
    served: BTreeSet<WorkspaceId>,
    credit: WorkerCredit,
    n_tickets: u64,
}

impl std::fmt::Debug for SoloPartition {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "SoloPartition(at {})", self.now)
    }
}

impl SoloPartition {
    /// A new partition over memory, leading, with the catalog adopted.
    ///
    /// # Errors
    /// When the partition cannot be opened.
    pub fn in_memory(options: SoloOptions) -> Result<Self, PartitionError> {
        let engine = Arc::new(MemoryEngine::new(STATE_VALUE_SIZE_BYTES_MAX));
        Self::open(options, engine)
    }

    /// A partition over an engine, as of its last checkpoint; leads, with the catalog adopted.
    ///
    /// # Errors
    /// When the rows cannot be read, or the catalog is older than the one the rows were decided with.
    pub fn open(options: SoloOptions, engine: Arc<dyn Engine>) -> Result<Self, PartitionError> {
        let partition = PartitionId::new(0);
        let tree = engine
            .tree("solo")
            .map_err(|source| PartitionError::Storage {
                partition,
                database: engine.location(),
                attempt: "opening the partition's tree",
                source,
            })?;
        let replica = Replica::open(ReplicaOptions {
            partition,
            cluster_key: options.cluster_key,
            engine,
            tree,
            row_size_bytes_max: STATE_VALUE_SIZE_BYTES_MAX,
            customers_size_bytes_max: CLEAN_SIZE_BYTES_MAX,
        })?;
        let replica = Arc::new(Mutex::new(replica));
        let core_options = CoreOptions {
            decide: options.decide,
            cluster_key: options.cluster_key,
            hosted_customers_max: options.hosted_customers_max,
            memory: MemoryBounds::default(),
            opener_seed: 0,
            clock_step_max: None,
            delivery: DeliverySettings::default(),
        };
        let core = PartitionCore::new(core_options, Box::new(Arc::clone(&replica)));
        let mut solo = Self {
            core,
            replica,
            checkpointer: Checkpointer,
            dirty_size_bytes_max: options.dirty_size_bytes_max,
            now: options.start,
            last_fact_at: options.start,
            wake_at: None,
            inbox: VecDeque::new(),
            answers: BTreeMap::new(),
            hand_overs: Vec::new(),
            observer: None,
            delivers: options.delivers,
            served: BTreeSet::new(),
            credit: WorkerCredit::new(),
            n_tickets: 0,
        };
        solo.input(Input::CatalogOffered(options.catalog))?;
        solo.input(Input::LeadershipGained)?;
        Ok(solo)
    }

    /// Shows every fact from now on to the observer, in the order of the journal.
    pub fn observe(&mut self, observer: FactObserver) {
        self.observer = Some(observer);
    }

    /// Virtual time.
    #[must_use]
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    /// Takes in one event now.
    ///
    /// # Errors
    /// When the partition stops.
    pub fn ingest(
        &mut self,
        event: CustomerEvent,
        mode: IngestMode,
    ) -> Result<Answer, PartitionError> {
        if self.delivers && !self.served.contains(&event.customer.workspace) {
            self.serve(event.customer.workspace.clone())?;
        }
        let customer = event.customer.clone();
        let mut answers = self.submit(vec![(customer, Command::ingest(event, mode))])?;
        Ok(answers.pop().expect("one command has one answer"))
    }

    /// Takes in commands now and answers them, in order.
    ///
    /// # Errors
    /// When the partition stops.
    pub fn submit(
        &mut self,
        commands: Vec<(CustomerKey, Command)>,
    ) -> Result<Vec<Answer>, PartitionError> {
        let ticket = self.next_ticket();
        self.input(Input::Submit {
            ticket,
            commands,
            order: None,
        })?;
        let answers = self.answers.remove(&ticket);
        Ok(answers.expect("the journal commits at once, so every submission is answered"))
    }

    /// Gives the core an input of any kind, such as a worker's subscription.
    ///
    /// # Errors
    /// When the partition stops.
    pub fn input(&mut self, input: Input) -> Result<(), PartitionError> {
        self.inbox.push_back(input);
        loop {
            let Some(input) = self.inbox.pop_front() else {
                if self.wake_at.is_some_and(|at| at <= self.now) {
                    self.wake_at = None;
                    self.inbox.push_back(Input::Wake);
                    continue;
                }
                return Ok(());
            };
            for output in self.core.handle(input, self.now) {
                self.carry_out(output)?;
            }
        }
    }

    /// Lets virtual time pass up to an instant; what is due before it happens on the way, at its own time. Time never
    /// goes back.
    ///
    /// # Errors
    /// When the partition stops.
    pub fn advance_to(&mut self, instant: Timestamp) -> Result<(), PartitionError> {
        while let Some(at) = self.wake_at.filter(|at| *at <= instant) {
            self.now = self.now.max(at);
            self.wake_at = None;
            self.input(Input::Wake)?;
        }
        self.now = self.now.max(instant);
        Ok(())
    }

    /// Lets virtual time pass from wake to wake until nothing is left to wake for, or the next wake lies behind `end`.
    /// Answers the instant at which something last changed.
    ///
    /// # Errors
    /// When the partition stops.
    pub fn run_out(&mut self, end: Timestamp) -> Result<Timestamp, PartitionError> {
        while let Some(at) = self.wake_at.filter(|at| *at <= end) {
            self.advance_to(at)?;
        }
        Ok(self.last_fact_at)
    }

    /// How many timers are armed, over all customers. Reads every customer that has one.
    ///
    /// # Errors
    /// When rows cannot be read.
    pub fn timers_left(&self) -> Result<u64, PartitionError> {
        let mut n_timers = 0;
        let mut after = None;
        loop {
            let page = self
                .replica
                .timers_after(after.as_ref(), Timestamp::MAX, PAGE_CUSTOMERS)?;
            for (_, customer) in &page.timers {
                if let Some(state) = self.customer(customer)? {
                    let instances = state.instances.values();
                    let n_of_customer: usize = instances.map(|i| i.rest.timers.len()).sum();
                    n_timers += n_of_customer as u64;
                }
            }
            let Some(last) = page.timers.into_iter().last() else {
                return Ok(n_timers);
            };
            after = Some(last);
        }
    }

    /// A customer now.
    ///
    /// # Errors
    /// When rows cannot be read.
    pub fn customer(
        &self,
        customer: &CustomerKey,
    ) -> Result<Option<Arc<CustomerState>>, PartitionError> {
        self.replica.lock().customer(customer)
    }

    /// The replica, for counts, pages and hashes.
    #[must_use]
    pub const fn replica(&self) -> &SharedReplica {
        &self.replica
    }

    /// The core, for its status and counters.
    #[must_use]
    pub const fn core(&self) -> &PartitionCore {
        &self.core
    }

    /// Effects handed to workers other than the one of [`SoloOptions::delivers`], since the last call.
    pub fn take_hand_overs(&mut self) -> Vec<HandOver> {
        std::mem::take(&mut self.hand_overs)
    }

    /// Writes everything as rows and makes it durable.
    ///
    /// # Errors
    /// When rows cannot be written.
    pub fn checkpoint(&self) -> Result<(), PartitionError> {
        self.checkpointer
            .run_to_floor(&self.replica)
            .map(|_floor| ())
    }

    fn next_ticket(&mut self) -> TicketId {
        self.n_tickets += 1;
        TicketId(self.n_tickets)
    }

    /// Subscribes the worker that delivers everything.
    fn serve(&mut self, workspace: WorkspaceId) -> Result<(), PartitionError> {
        let worker = WorkerId(self.served.len() as u64);
        self.served.insert(workspace.clone());
        self.credit.add(u32::MAX);
        self.input(Input::Subscribe(Subscription {
            worker,
            name: "solo".to_owned(),
            workspace,
            destinations: Destinations::everything(),
            credit: self.credit.clone(),
            claim_span: CLAIM_SPAN_DEFAULT,
        }))
    }

    fn carry_out(&mut self, output: Output) -> Result<(), PartitionError> {
        match output {
            Output::Propose {
                proposal,
                entry,
                encoded: _,
            } => {
                let result = self.apply(&entry)?;
                self.inbox.push_back(Input::Proposed { proposal, result });
            }
            Output::Reply { ticket, answers } => {
                self.answers.insert(ticket, answers);
            }
            Output::ReadProven { .. } => {}
            Output::ConfirmLeadership(confirmation) => {
                let leads = true;
                self.inbox.push_back(Input::LeadershipConfirmed {
                    confirmation,
                    leads,
                });
            }
            Output::HandOver(hand_over) if self.delivers => self.deliver(&hand_over),
            Output::HandOver(hand_over) => self.hand_overs.push(hand_over),
            Output::WakeAt(at) => self.wake_at = Some(at),
            Output::Stopped { reason } => {
                let partition = self.replica.lock().partition();
                return Err(PartitionError::Stopped { partition, reason });
            }
        }
        Ok(())
    }

    fn deliver(&mut self, hand_over: &HandOver) {
        self.credit.add(1);
        // A call or task without a world behind it answers nothing, at once.
        let outcome = match &hand_over.row.body {
            EffectBody::Message(_) => Outcome::Delivered,
            EffectBody::Work(_) => Outcome::Completed {
                result: Value::Null,
            },
        };
        let command = Command::Settle {
            birth: hand_over.row.birth,
            effect: hand_over.row.effect,
            attempt: hand_over.row.attempt,
            outcome,
        };
        let ticket = self.next_ticket();
        let commands = vec![(hand_over.customer.clone(), command)];
        self.inbox.push_back(Input::Submit {
            ticket,
            commands,
            order: None,
        });
    }

    /// Commits an entry: the replica applies it, the observer sees its facts.
    fn apply(&mut self, entry: &DecidedEntry) -> Result<ProposeResult, PartitionError> {
        let (lsn, verdict) = {
            let mut replica = self.replica.lock();
            let lsn = replica.applied().next();
            (lsn, replica.apply_decided(lsn, entry, &Bytes::new())?)
        };
        if verdict == ApplyVerdict::Superseded {
            return Ok(ProposeResult::Superseded);
        }
        self.last_fact_at = self.now;
        if let (Some(observer), JournalEntry::Batch(batch)) = (&mut self.observer, entry.entry()) {
            for record in &batch.records {
                if let Record::Turn(turn) = record {
                    for event in &turn.events {
                        observer(&turn.customer, event);
                    }
                }
            }
        }
        if lsn.get().is_multiple_of(ENTRIES_BETWEEN_LOOKS) {
            self.write_behind()?;
        }
        Ok(ProposeResult::Applied { lsn })
    }

    fn write_behind(&self) -> Result<(), PartitionError> {
        let is_over = self.replica.lock().stats().dirty_size_bytes > self.dirty_size_bytes_max;
        if is_over { self.checkpoint() } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
