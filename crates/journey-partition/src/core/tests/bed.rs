//! A core, the replica it reads and the journal it proposes to, all in the hands of the test.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use journey_codec::{Held, JournalEntry, Record};
use journey_customer::{
    Command, CustomerState, DecideContext, Decision, DeliverySettings, EventBody, IdPlace,
    IngestMode, JournalEvent, MessageGranted, Outcome, Rejection, apply, decide,
};
use journey_model::{Catalog, PublishedDocument, Source, check};
use journey_types::{
    BatchNumber, CatalogRevision, Channel, ClusterKey, ContentId, ContentVersion, CustomerEvent,
    CustomerId, CustomerKey, DefinitionVersion, EventId, EventName, Fingerprint, InstanceNumber,
    JourneyId, Lsn, SessionId, SourceName, StepId, TimeSpan, Timestamp, Value, WorkspaceId,
};
use parking_lot::Mutex;

use crate::DecidedEntry;
use crate::core::clock::virtual_instant;
use crate::core::limits::QUARANTINE_SIZE_BYTES_MAX;
use crate::core::{
    Answer, ConfirmationId, CoreOptions, Destinations, HandOver, Input, MemoryBounds, Output,
    PartitionCore, ProposalId, Refusal, Subscription, TicketId, WorkerCredit, WorkerId,
};
use crate::error::PartitionError;
use crate::journal::ProposeResult;
use crate::reader::{CommittedControl, CommittedReader};
use crate::replica::TimerPage;

/// What is committed, with the chain rule of the replica.
#[derive(Debug)]
pub(super) struct Committed {
    pub(super) control: CommittedControl,
    next: BatchNumber,
    pub(super) customers: BTreeMap<CustomerKey, Arc<CustomerState>>,
    armed: BTreeSet<(Timestamp, CustomerKey)>,
    /// Everything applied, in order.
    pub(super) facts: Vec<(CustomerKey, JournalEvent)>,
    pub(super) n_void: usize,
    pub(super) room_size_bytes: usize,
}

impl Committed {
    /// Applies an entry; `false` when it is void.
    pub(super) fn apply(&mut self, entry: &JournalEntry) -> bool {
        self.control.applied = self.control.applied.next();
        let batch = match entry {
            JournalEntry::SessionOpened(_) => {
                self.control.session = SessionId::new(self.control.applied.get());
                self.next = BatchNumber::new(1);
                return true;
            }
            JournalEntry::Batch(batch) => batch,
        };
        if batch.session != self.control.session || batch.number != self.next {
            self.n_void += 1;
            return false;
        }
        self.next = self.next.next();
        for record in &batch.records {
            match record {
                Record::CatalogAdopted(adopted) => {
                    self.control.catalog_revision = adopted.revision;
                    self.control.catalog_digest = adopted.digest;
                    self.control.stamp = self.control.stamp.max(adopted.stamp);
                }
                Record::Turn(turn) => {
                    let unborn = || Arc::new(CustomerState::new(turn.customer.clone()));
                    let state = self
                        .customers
                        .entry(turn.customer.clone())
                        .or_insert_with(unborn);
                    let wake_at = |state: &CustomerState| {
                        state.next_wake_at().map(|at| (at, state.key.clone()))
                    };
                    if let Some(before) = wake_at(state) {
                        self.armed.remove(&before);
                    }
                    for event in &turn.events {
                        apply(Arc::make_mut(state), event);
                        self.control.stamp = self.control.stamp.max(event.stamp);
                        match event.body {
                            EventBody::CustomerParked { .. } => self.control.n_parked += 1,
                            EventBody::CustomerReleased => self.control.n_parked -= 1,
                            _ => {}
                        }
                        self.facts.push((turn.customer.clone(), event.clone()));
                    }
                    self.armed.extend(wake_at(state));
                }
            }
        }
        true
    }
}

#[derive(Debug, Clone)]
struct FakeReplica(Arc<Mutex<Committed>>);

impl CommittedReader for FakeReplica {
    fn control(&self) -> CommittedControl {
        self.0.lock().control
    }

    fn customer(&self, key: &CustomerKey) -> Result<Option<Arc<CustomerState>>, PartitionError> {
        Ok(self.0.lock().customers.get(key).cloned())
    }

    fn room_size_bytes(&self) -> Option<usize> {
        Some(self.0.lock().room_size_bytes)
    }

    fn accepted_at(
        &self,
        key: &CustomerKey,
        fingerprint: &Fingerprint,
        places: &[IdPlace],
    ) -> Result<Option<Timestamp>, PartitionError> {
        unreachable!("its states hold all ids: {key} {fingerprint:?} {places:?}")
    }

    fn timers_after(
        &self,
        after: Option<&(Timestamp, CustomerKey)>,
        before: Timestamp,
        n_max: usize,
    ) -> Result<TimerPage, PartitionError> {
        let committed = self.0.lock();
        let after = after.map_or(Bound::Unbounded, Bound::Excluded);
        let armed = committed.armed.range((after, Bound::Unbounded));
        let (near, far): (Vec<_>, Vec<_>) = armed.partition(|(due_at, _)| *due_at <= before);
        Ok(TimerPage {
            timers: near.into_iter().take(n_max).cloned().collect(),
            beyond: far.first().map(|(_, customer)| customer.clone()),
        })
    }

    fn open_effects(
        &self,
        after: Option<&CustomerKey>,
        n_max: usize,
    ) -> Result<Vec<CustomerKey>, PartitionError> {
        let committed = self.0.lock();
        let open = committed
            .customers
            .values()
            .filter(|state| !state.outbox.is_empty());
        let keys = open.map(|state| state.key.clone());
        Ok(keys
            .filter(|key| after.is_none_or(|after| key > after))
            .take(n_max)
            .collect())
    }
}

/// The bed.
#[derive(Debug)]
pub(super) struct Bed {
    pub(super) core: PartitionCore,
    pub(super) committed: Arc<Mutex<Committed>>,
    pub(super) proposed: VecDeque<(ProposalId, Arc<DecidedEntry>)>,
    pub(super) answers: BTreeMap<TicketId, Vec<Answer>>,
    pub(super) reads: BTreeMap<TicketId, Result<(), Refusal>>,
    pub(super) hand_overs: Vec<HandOver>,
    pub(super) confirmations: VecDeque<ConfirmationId>,
    pub(super) wake_at: Option<Timestamp>,
    pub(super) stopped: Option<String>,
    pub(super) now: Timestamp,
    /// How far the monotonic clock is ahead of where `now` would have it, once the other was set back.
    pub(super) monotonic_ahead: Duration,
    n_tickets: u64,
}

pub(super) const JOURNEY: &str = "
journey: waiting
entry: [ { event: wait_a_minute } ]
reentry: { concurrent: 100 }
steps:
  rest: { delay: 60s, next: end }
";

impl Bed {
    /// A core that follows.
    pub(super) fn following() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with(change: impl FnOnce(&mut CoreOptions)) -> Self {
        let committed = Arc::new(Mutex::new(Committed {
            control: CommittedControl {
                applied: Lsn::new(0),
                session: SessionId::new(0),
                stamp: Timestamp::EPOCH,
                catalog_revision: CatalogRevision::new(0),
                catalog_digest: [0; 32],
                dead_letters: Held::default(),
                quarantined: Held::default(),
                n_parked: 0,
            },
            next: BatchNumber::new(1),
            customers: BTreeMap::new(),
            armed: BTreeSet::new(),
            facts: Vec::new(),
            n_void: 0,
            room_size_bytes: 0,
        }));
        let mut options = CoreOptions {
            decide: scripted,
            cluster_key: ClusterKey::new([7; 16]),
            hosted_customers_max: 1_000,
            memory: MemoryBounds::default(),
            opener_seed: 1,
            clock_step_max: None,
            delivery: DeliverySettings::default(),
        };
        change(&mut options);
        let reader = Box::new(FakeReplica(Arc::clone(&committed)));
        Self {
            core: PartitionCore::new(options, reader),
            committed,
            proposed: VecDeque::new(),
            answers: BTreeMap::new(),
            reads: BTreeMap::new(),
            hand_overs: Vec::new(),
            confirmations: VecDeque::new(),
            wake_at: None,
            stopped: None,
            now: Timestamp::parse("2026-01-05T09:00:00Z").unwrap(),
            monotonic_ahead: Duration::ZERO,
            n_tickets: 0,
        }
    }

    /// A core that leads, with [`JOURNEY`] adopted and nothing in flight.
    pub(super) fn leading() -> Self {
        Self::following().lead()
    }

    pub(super) fn lead(mut self) -> Self {
        self.input(Input::CatalogOffered(catalog(1)));
        self.input(Input::LeadershipGained);
        self.commit_all();
        self
    }

    pub(super) fn input(&mut self, input: Input) {
        let monotonic = virtual_instant(self.now) + self.monotonic_ahead;
        for output in self.core.handle_at(input, self.now, monotonic) {
            match output {
                Output::Propose {
                    proposal,
                    entry,
                    encoded,
                } => {
                    let decoded = journey_codec::decode_entry(&encoded).unwrap();
                    assert!(
                        decoded == *entry.entry(),
                        "the bytes are those of the entry"
                    );
                    self.proposed.push_back((proposal, entry));
                }
                Output::Reply { ticket, answers } => {
                    let before = self.answers.insert(ticket, answers);
                    assert!(before.is_none(), "answered twice");
                }
                Output::ReadProven { ticket, result } => {
                    self.reads.insert(ticket, result);
                }
                Output::ConfirmLeadership(confirmation) => {
                    self.confirmations.push_back(confirmation);
                }
                Output::HandOver(hand_over) => self.hand_overs.push(hand_over),
                Output::WakeAt(at) => self.wake_at = Some(at),
                Output::Stopped { reason } => self.stopped = Some(reason),
            }
        }
    }

    /// Applies the oldest proposal and reports it.
    pub(super) fn commit(&mut self) {
        let (proposal, entry) = self.proposed.pop_front().expect("something is proposed");
        let result = self.apply(entry.entry());
        self.report(proposal, result);
    }

    /// Goes on until nothing is on its way.
    pub(super) fn commit_all(&mut self) {
        for _ in 0..100_000 {
            if !self.proposed.is_empty() {
                self.commit();
            } else if let Some(confirmation) = self.confirmations.pop_front() {
                let leads = true;
                self.input(Input::LeadershipConfirmed {
                    confirmation,
                    leads,
                });
            } else if self.wake_at.is_some_and(|at| at <= self.now) {
                self.wake_at = None;
                self.input(Input::Wake);
            } else {
                return;
            }
        }
        panic!("the core never comes to rest");
    }

    /// Applies an entry without reporting it.
    pub(super) fn apply(&self, entry: &JournalEntry) -> ProposeResult {
        let mut committed = self.committed.lock();
        if committed.apply(entry) {
            let lsn = committed.control.applied;
            ProposeResult::Applied { lsn }
        } else {
            ProposeResult::Superseded
        }
    }

    pub(super) fn report(&mut self, proposal: ProposalId, result: ProposeResult) {
        self.input(Input::Proposed { proposal, result });
    }

    /// Lets time pass, with every wake on the way, and commits everything.
    pub(super) fn pass(&mut self, span: TimeSpan) {
        let end = self.now.plus(span);
        while let Some(at) = self.wake_at.filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.wake_at = None;
            self.input(Input::Wake);
            self.commit_all();
        }
        self.now = end;
    }

    pub(super) fn submit(&mut self, commands: Vec<(CustomerKey, Command)>) -> TicketId {
        self.n_tickets += 1;
        let ticket = TicketId(self.n_tickets);
        self.input(Input::Submit {
            ticket,
            commands,
            order: None,
        });
        ticket
    }

    pub(super) fn read(&mut self) -> TicketId {
        self.n_tickets += 1;
        let ticket = TicketId(self.n_tickets);
        self.input(Input::Read { ticket });
        ticket
    }

    /// Submits one event; the id is unique unless it is repeated.
    pub(super) fn send(&mut self, customer: &str, name: &str, id: &str) -> TicketId {
        let command = ingest(customer, name, id, self.now);
        self.submit(vec![command])
    }

    /// Lets a parked customer go on.
    pub(super) fn release(&mut self, customer: &str) -> TicketId {
        self.submit(vec![(key(customer), Command::Release)])
    }

    /// The only answer of a ticket, `None` while it waits.
    pub(super) fn answer(&self, ticket: TicketId) -> Option<&Answer> {
        let answers = self.answers.get(&ticket)?;
        assert!(answers.len() == 1, "one command, one answer");
        answers.first()
    }

    /// The same for a customer of a workspace, with an id of its own.
    pub(super) fn send_in(&mut self, workspace: &str, customer: &str, name: &str) -> TicketId {
        let command = ingest_in(workspace, customer, name, self.now);
        self.submit(vec![command])
    }

    pub(super) fn subscribe(
        &mut self,
        worker: u64,
        channels: &[&str],
        credit: u32,
    ) -> WorkerCredit {
        self.subscribe_in("default", worker, channels, credit)
    }

    pub(super) fn subscribe_in(
        &mut self,
        workspace: &str,
        worker: u64,
        channels: &[&str],
        credit: u32,
    ) -> WorkerCredit {
        let pool = WorkerCredit::new();
        pool.add(credit);
        let channels = channels
            .iter()
            .map(|destination| destination.parse().unwrap());
        self.input(Input::Subscribe(Subscription {
            worker: WorkerId(worker),
            name: "w1".to_owned(),
            workspace: WorkspaceId::new(workspace).unwrap(),
            destinations: Destinations::only(channels),
            credit: pool.clone(),
            claim_span: TimeSpan::from_secs(30),
        }));
        pool
    }

    /// Says what became of the effect handed over last.
    pub(super) fn settle(&mut self, hand_over: &HandOver, outcome: Outcome) -> TicketId {
        let command = Command::Settle {
            birth: hand_over.row.birth,
            effect: hand_over.row.effect,
            attempt: hand_over.row.attempt,
            outcome,
        };
        self.submit(vec![(hand_over.customer.clone(), command)])
    }

    pub(super) fn state(&self, customer: &str) -> Arc<CustomerState> {
        let committed = self.committed.lock();
        Arc::clone(
            committed
                .customers
                .get(&key(customer))
                .expect("the customer is known"),
        )
    }

    /// How many facts a customer has of a kind.
    pub(super) fn n_facts(&self, is_kind: impl Fn(&EventBody) -> bool) -> usize {
        let committed = self.committed.lock();
        committed
            .facts
            .iter()
            .filter(|(_, fact)| is_kind(&fact.body))
            .count()
    }

    /// Lets the partition have no room for another quarantined command.
    pub(super) fn fill_quarantine(&self) {
        let control = &mut self.committed.lock().control;
        control.quarantined.size_bytes = QUARANTINE_SIZE_BYTES_MAX;
    }

    /// Lets the partition have room for another dead letter, or none.
    pub(super) fn fill_dead_letters(&self, size_bytes: u64) {
        let control = &mut self.committed.lock().control;
        control.dead_letters.size_bytes = size_bytes;
    }

    pub(super) fn n_accepted(&self) -> usize {
        self.n_facts(|body| matches!(body, EventBody::EventAccepted { .. }))
    }

    pub(super) fn n_fired(&self) -> usize {
        self.n_facts(|body| matches!(body, EventBody::TimerFired { .. }))
    }
}

pub(super) fn key(customer: &str) -> CustomerKey {
    CustomerKey {
        workspace: WorkspaceId::default_workspace(),
        customer: CustomerId::new(customer).unwrap(),
    }
}

pub(super) fn ingest(
    customer: &str,
    name: &str,
    id: &str,
    now: Timestamp,
) -> (CustomerKey, Command) {
    let event = CustomerEvent {
        customer: key(customer),
        source: SourceName::new("test").unwrap(),
        id: EventId::new(id).unwrap(),
        name: EventName::new(name).unwrap(),
        occurred_at: now,
        channel: None,
        device: None,
        properties: BTreeMap::new(),
    };
    (key(customer), Command::ingest(event, IngestMode::Live))
}

/// The same for a customer of a workspace, with an id of its own.
pub(super) fn ingest_in(
    workspace: &str,
    customer: &str,
    name: &str,
    now: Timestamp,
) -> (CustomerKey, Command) {
    let (mut key, mut command) = ingest(customer, name, "1", now);
    key.workspace = WorkspaceId::new(workspace).unwrap();
    if let Command::Ingest { event, .. } = &mut command {
        Arc::make_mut(event).customer = key.clone();
    }
    (key, command)
}

/// [`JOURNEY`] as the catalog of a revision.
pub(super) fn catalog(revision: u64) -> Arc<Catalog> {
    let report = check(&[Source::new("test", JOURNEY)], &Catalog::default());
    assert!(report.is_publishable(), "{}", report.render());
    let published = report
        .documents
        .into_iter()
        .map(|document| PublishedDocument {
            kind: document.kind,
            id: document.id,
            version: 1,
            hash: document.hash,
            source_name: document.source_name,
            source: document.source,
        });
    let published: Vec<_> = published.collect();
    Arc::new(Catalog::build(CatalogRevision::new(revision), &published).unwrap())
}

/// The real deciding, with events that panic, pause, grow, or put an effect into the outbox.
fn scripted(
    state: &CustomerState,
    command: &Command,
    context: &DecideContext<'_>,
) -> Result<Decision, Rejection> {
    let name = match command {
        Command::Ingest { event, .. } => event.name.as_str(),
        _ => "",
    };
    assert!(name != "poison", "poisoned");
    let mut decision = decide(state, command, context)?;
    if decision.events.is_empty() {
        return Ok(decision);
    }
    if let Some(channel) = name.strip_prefix("message_") {
        record(
            &mut decision,
            EventBody::MessageGranted(Box::new(granted(channel))),
        );
    } else if name == "pause" {
        let (events, instances) = (Vec::new(), Vec::new());
        record(
            &mut decision,
            EventBody::TurnPaused {
                round: 1,
                events,
                instances,
            },
        );
    } else if let Some(size_kib) = name.strip_prefix("grow_") {
        let size_kib: usize = size_kib.parse().expect("a number of KiB");
        let value = Some(Value::Text("x".repeat(size_kib * 1024)));
        record(
            &mut decision,
            EventBody::TraitChanged {
                name: "big".to_owned(),
                value,
            },
        );
    }
    Ok(decision)
}

fn record(decision: &mut Decision, body: EventBody) {
    let event = JournalEvent {
        sequence: decision.state.last_sequence.next(),
        stamp: decision.state.stamp,
        body,
    };
    apply(&mut decision.state, &event);
    decision.events.push(event);
}

fn granted(channel: &str) -> MessageGranted {
    MessageGranted {
        instance: InstanceNumber::new(1),
        journey: JourneyId::new("waiting").unwrap(),
        version: DefinitionVersion::new(1),
        step: StepId::new("say").unwrap(),
        channel: Channel::new(channel).unwrap(),
        content: ContentId::new("hello").unwrap(),
        content_version: ContentVersion::new(1),
        locale: None,
        rendered: BTreeMap::from([("body".to_owned(), "Hello".to_owned())]),
        why: "a test".to_owned(),
        purpose: "service".to_owned(),
        send_by: None,
        failed_channels: Vec::new(),
        fallback: None,
    }
}
