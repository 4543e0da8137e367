//! Decided turns on their way: gathered into a batch, then in flight until the journal says what became of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use journey_codec::{BatchWriter, Record, Turn};
use journey_customer::{
    CustomerState, Enrollment, Entrance, EventBody, JournalEvent, Outcome, Reply,
};
use journey_model::Catalog;
use journey_types::{BatchNumber, BirthIndex, CustomerEvent, CustomerKey, SessionId, Value};

use crate::core::api::ProposalId;
use crate::core::counters::FactFigures;
use crate::core::customers::HostedIdx;
use crate::core::hosted::{Mail, Origin};
use crate::core::limits::{
    BATCH_SIZE_BYTES_TARGET, TIMER_FIRES_PER_BATCH_MAX, TIMER_FIRES_SIZE_BYTES_TARGET,
};
use crate::core::replies::Held;

/// One turn with facts.
#[derive(Debug)]
pub(crate) struct DecidedTurn {
    pub(crate) customer: HostedIdx,
    /// The state after it: that of the replica when exactly this is applied.
    pub(crate) state: Arc<CustomerState>,
    /// The state before it, kept until the replica has let go of it: what this thread has allocated it also frees, which
    /// costs an allocator half of what it takes from another one.
    pub(crate) _before: Option<Arc<CustomerState>>,
    /// What was decided, and for whom.
    pub(crate) mail: Mail,
    /// The answer, once it is applied.
    pub(crate) reply: Reply,
    /// The driver's monotonic clock at the turn.
    pub(crate) turn_at: Instant,
}

/// The batch being filled, encoded as it grows.
#[derive(Debug)]
pub(crate) struct OpenBatch {
    pub(crate) records: Vec<Record>,
    pub(crate) turns: Vec<DecidedTurn>,
    pub(crate) writer: BatchWriter,
    pub(crate) number: BatchNumber,
    birth: BirthIndex,
    n_fires: usize,
    fires_size_bytes: usize,
    /// What the facts in it say.
    pub(crate) figures: FactFigures,
}

impl OpenBatch {
    pub(crate) fn new(session: SessionId, number: BatchNumber) -> Self {
        Self {
            records: Vec::new(),
            turns: Vec::new(),
            writer: BatchWriter::new(session, number),
            number,
            birth: BirthIndex::new(session.get() + number.get()),
            n_fires: 0,
            fires_size_bytes: 0,
            figures: FactFigures::default(),
        }
    }

    /// The birth index of customers born in it: session plus number. It grows for ever, since a later session's id is
    /// beyond the place of every batch before it.
    pub(crate) const fn birth(&self) -> BirthIndex {
        self.birth
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Whether another turn of about that size would still travel with the others.
    pub(crate) fn fits(&self, size_bytes: usize) -> bool {
        self.is_empty() || self.writer.size_bytes() + size_bytes <= BATCH_SIZE_BYTES_TARGET
    }

    pub(crate) fn is_full(&self) -> bool {
        self.writer.size_bytes() >= BATCH_SIZE_BYTES_TARGET
    }

    /// Whether timers may still fire in it.
    pub(crate) const fn takes_fires(&self) -> bool {
        self.n_fires < TIMER_FIRES_PER_BATCH_MAX
            && self.fires_size_bytes < TIMER_FIRES_SIZE_BYTES_TARGET
    }

    pub(crate) fn add(&mut self, record: Turn, turn: DecidedTurn) {
        for fact in &record.events {
            self.figures.count(fact);
        }
        let record = Record::Turn(record);
        let size_before = self.writer.size_bytes();
        self.writer.push(&record);
        if turn.mail.origin == Origin::Core {
            self.n_fires += 1;
            self.fires_size_bytes += self.writer.size_bytes() - size_before;
        }
        self.records.push(record);
        self.turns.push(turn);
    }
}

/// A proposed batch.
#[derive(Debug)]
pub(crate) struct InFlight {
    pub(crate) proposal: ProposalId,
    pub(crate) number: BatchNumber,
    pub(crate) turns: Vec<DecidedTurn>,
    /// What the facts in it say.
    pub(crate) figures: FactFigures,
    /// Answers without facts that leave when this batch is applied.
    pub(crate) proven: Vec<Held>,
    /// The catalog that is in force once this is applied.
    pub(crate) adopts: Option<Arc<Catalog>>,
}

/// About how many bytes a turn takes in an entry: tells before encoding whether it travels with others.
pub(crate) fn turn_size_bytes(turn: &Turn) -> usize {
    facts_size_bytes(&turn.customer, &turn.events)
}

/// The same of a turn that is not put together yet.
pub(crate) fn facts_size_bytes(customer: &CustomerKey, facts: &[JournalEvent]) -> usize {
    let key = customer.workspace.as_str().len() + customer.customer.as_str().len();
    16 + key + facts.iter().map(event_size_bytes).sum::<usize>()
}

fn event_size_bytes(event: &JournalEvent) -> usize {
    /// Numbers, ids and tags of a fact without a payload.
    const PLAIN: usize = 80;
    let payload = match &event.body {
        EventBody::EventAccepted { event, feeds, .. } => {
            customer_event_size_bytes(event) + feeds.len() * 32
        }
        EventBody::InstanceEntered(entered) => entrance_size_bytes(&entered.entry),
        EventBody::EntryQueued { entry, .. } => entrance_size_bytes(entry),
        EventBody::MessageGranted(granted) => {
            let rendered = granted.rendered.iter();
            let rendered: usize = rendered
                .map(|(field, text)| field.len() + text.len() + 8)
                .sum();
            rendered + granted.why.len() + 128
        }
        EventBody::WorkEmitted(emitted) => {
            let input = emitted.input.iter();
            let input: usize = input
                .map(|(name, value)| name.len() + value.size_bytes() + 4)
                .sum();
            input + 128
        }
        EventBody::EffectSettled {
            outcome: Outcome::Completed { result },
            ..
        } => result.size_bytes(),
        EventBody::TurnPaused {
            events, instances, ..
        } => {
            let raised = events
                .iter()
                .map(|raised| customer_event_size_bytes(&raised.event));
            raised.sum::<usize>() + instances.len() * 12
        }
        EventBody::TraitChanged { value, .. } | EventBody::VarChanged { value, .. } => {
            value.as_ref().map_or(0, Value::size_bytes)
        }
        EventBody::CommandQuarantined(command) => {
            let event = command.event.as_deref();
            let enrollment = command.enrollment.as_deref();
            event.map_or(0, customer_event_size_bytes)
                + enrollment.map_or(0, enrollment_size_bytes)
                + command.reason.len()
        }
        EventBody::CustomerParked { reason } => reason.len(),
        EventBody::CustomerBorn { .. }
        | EventBody::CustomerReleased
        | EventBody::LifecycleChanged { .. }
        | EventBody::EntryRefused { .. }
        | EventBody::EnrollmentAccepted { .. }
        | EventBody::EntryDequeued { .. }
        | EventBody::StepMoved { .. }
        | EventBody::Rested { .. }
        | EventBody::TimerFired { .. }
        | EventBody::BranchForeseen { .. }
        | EventBody::GoalReached { .. }
        | EventBody::InstanceParked { .. }
        | EventBody::InstanceEnded { .. }
        | EventBody::MessageRefused { .. }
        | EventBody::TaskOverdue { .. }
        | EventBody::EffectClaimed { .. }
        | EventBody::EffectWithdrawn { .. }
        | EventBody::EffectSettled { .. }
        | EventBody::EffectDeadLettered { .. }
        | EventBody::SetAsideClosed { .. }
        | EventBody::TurnResumed => 0,
    };
    PLAIN + payload
}

fn entrance_size_bytes(entry: &Entrance) -> usize {
    match entry {
        Entrance::Event(event) => customer_event_size_bytes(event),
        Entrance::Enrolled(enrollment) => enrollment_size_bytes(enrollment),
    }
}

fn enrollment_size_bytes(enrollment: &Enrollment) -> usize {
    let names = enrollment.journey.as_str().len() + enrollment.id.as_str().len();
    64 + values_size_bytes(&enrollment.input) + names
}

fn values_size_bytes(values: &BTreeMap<String, Value>) -> usize {
    let values = values.iter();
    values
        .map(|(name, value)| name.len() + value.size_bytes() + 4)
        .sum()
}

fn customer_event_size_bytes(event: &CustomerEvent) -> usize {
    let properties = values_size_bytes(&event.properties);
    let ids = event.customer.customer.as_str().len() + event.id.as_str().len();
    let names = event.name.as_str().len() + event.source.as_str().len();
    64 + properties + ids + names
}
