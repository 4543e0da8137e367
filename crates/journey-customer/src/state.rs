//! All that is known of one customer: profile, history, journeys, timers, outbox. Changed by [`crate::apply()`] alone.
//!
//! What is large or many is shared (`Arc`), because every command is decided on a copy.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use journey_types::{
    AggregateId, BirthIndex, Channel, ContentId, ContentVersion, CustomerKey, DefinitionVersion,
    Destination, InstanceNumber, JourneyId, Sequence, StepId, Timestamp, Value,
};

use crate::dedupe::Dedupe;
use crate::entrance::Entrance;
use crate::event::{RaisedEvent, Rest};
use crate::packed_map::PackedMap;
use crate::set_aside::{Attempt, DeadLetter, Parking, QuarantinedCommand};
use crate::size;
use crate::timeline::Timeline;

/// One customer.
///
/// # Invariants
/// `last_sequence` counts the facts applied; instance numbers are unique and below `next_instance`; an instance that
/// is `Active` rests on something unless `paused_turn` names it.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomerState {
    /// Its address.
    pub key: CustomerKey,
    /// Its life; 0 before it was born.
    pub birth: BirthIndex,
    /// How many facts were applied.
    pub last_sequence: Sequence,
    /// The stamp of the last turn.
    pub stamp: Timestamp,
    /// The traits.
    pub traits: Arc<BTreeMap<String, Value>>,
    /// The lifecycle stage.
    pub lifecycle: Option<String>,
    /// What the published journeys count.
    pub history: BTreeMap<AggregateId, Aggregate>,
    /// Event ids of the last 7 days.
    pub dedupe: Dedupe,
    /// Running instances (active or parked).
    pub instances: PackedMap<InstanceNumber, Arc<Instance>>,
    /// The number the next instance gets.
    pub next_instance: InstanceNumber,
    /// What is remembered per journey.
    pub journeys: PackedMap<JourneyId, JourneyMemory>,
    /// Goals that still count though their instance ended.
    pub watched_goals: Vec<WatchedGoal>,
    /// Effects without a terminal outcome, by the fact that emitted them.
    pub outbox: BTreeMap<Sequence, Arc<OutboxRow>>,
    /// What a turn left over when it reached its budget.
    pub paused_turn: Option<PausedTurn>,
    /// The latest things that happened.
    pub timeline: Timeline,
    /// Effects whose retry budget is used up, by the fact that emitted them.
    pub dead_letters: BTreeMap<Sequence, Arc<DeadLetter>>,
    /// Commands whose deciding panicked, by the fact that set them aside.
    pub quarantined: BTreeMap<Sequence, Arc<QuarantinedCommand>>,
    /// Set while nothing is decided for it, after too many panics.
    pub parked: Option<Arc<Parking>>,
}

impl CustomerState {
    /// A customer nobody has heard of.
    #[must_use]
    pub fn new(key: CustomerKey) -> Self {
        Self {
            key,
            birth: BirthIndex::default(),
            last_sequence: Sequence::default(),
            stamp: Timestamp::EPOCH,
            traits: Arc::default(),
            lifecycle: None,
            history: BTreeMap::new(),
            dedupe: Dedupe::default(),
            instances: PackedMap::new(),
            next_instance: InstanceNumber::new(1),
            journeys: PackedMap::new(),
            watched_goals: Vec::new(),
            outbox: BTreeMap::new(),
            paused_turn: None,
            timeline: Timeline::default(),
            dead_letters: BTreeMap::new(),
            quarantined: BTreeMap::new(),
            parked: None,
        }
    }

    /// The earliest instant at which a timer of this customer is due; it fires in a turn stamped later.
    #[must_use]
    pub fn next_due_at(&self) -> Option<Timestamp> {
        let timers = self.instances.values().flat_map(|i| &i.rest.timers);
        timers.map(|timer| timer.due_at).min()
    }

    /// About how many bytes it takes when encoded, with what it knows of remembered event ids. Walks over the whole state.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        size::of_state(self) + self.dedupe.n_ids_max() * size_of::<u16>()
    }

    /// About how many bytes it takes in memory. Walks over the whole state.
    #[must_use]
    pub fn memory_size_bytes(&self) -> usize {
        size::of_state_in_memory(self)
    }

    /// After which instant this customer has something to do by itself: its earliest timer, a paused turn that goes on,
    /// or something set aside that expires. Whoever hosts it finds it by this. A parked one does nothing by itself.
    #[must_use]
    pub fn next_wake_at(&self) -> Option<Timestamp> {
        if self.parked.is_some() {
            return None;
        }
        let paused = self.paused_turn.as_ref().map(|paused| paused.stamp);
        let wakes = [paused, self.next_due_at(), self.next_expiry_at()];
        wakes.into_iter().flatten().min()
    }

    /// Effects in order of emission with the instant from which each may be claimed: of every channel only the
    /// oldest is offered, so that a customer gets messages of a channel in order; calls and tasks all are. Of a parked
    /// customer none is.
    pub fn offerable_effects(&self) -> impl Iterator<Item = (Timestamp, &OutboxRow)> {
        let mut channels = BTreeSet::new();
        let is_parked = self.parked.is_some();
        let rows = self.outbox.values().map(Arc::as_ref);
        rows.filter(move |_| !is_parked)
            .filter(move |row| {
                let channel = row.destination.channel();
                channel.is_none_or(|channel| channels.insert(channel))
            })
            .map(|row| (row.claimable_from(), row))
    }
}

impl OutboxRow {
    /// `message`, `call` or `task`.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match &self.body {
            EffectBody::Message(_) => "message",
            EffectBody::Work(work) => work.kind.as_str(),
        }
    }

    /// The message, if it is one.
    #[must_use]
    pub const fn message(&self) -> Option<&MessageBody> {
        match &self.body {
            EffectBody::Message(message) => Some(message),
            EffectBody::Work(_) => None,
        }
    }

    /// The call or task, if it is one.
    #[must_use]
    pub const fn work(&self) -> Option<&WorkBody> {
        match &self.body {
            EffectBody::Work(work) => Some(work),
            EffectBody::Message(_) => None,
        }
    }

    /// From when on it may be claimed, as far as its own status goes.
    #[must_use]
    pub const fn claimable_from(&self) -> Timestamp {
        match self.status {
            EffectStatus::Open => self.created_at,
            EffectStatus::Claimed { until } => until,
            EffectStatus::Retrying { retry_at, .. } => retry_at,
        }
    }
}

/// What a turn left over.
#[derive(Debug, Clone, PartialEq)]
pub struct PausedTurn {
    /// The stamp at which it goes on.
    pub stamp: Timestamp,
    /// How many times it paused at this stamp, 1 for the first.
    pub round: u32,
    /// Events to process.
    pub events: Vec<RaisedEvent>,
    /// Instances that can move, with the depth of the event that moved them.
    pub instances: Vec<(u8, InstanceNumber)>,
}

/// Counts of one aggregate.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Aggregate {
    /// Events in all.
    pub n_events: u64,
    /// The earliest `occurred_at`.
    pub first: Option<Timestamp>,
    /// The latest `occurred_at`.
    pub last: Option<Timestamp>,
    /// The sum over all events in units of 10⁻⁹.
    pub sum_nanos: i128,
    /// Single events for windows, by `occurred_at`, at most [`crate::limits::WINDOW_EVENTS_MAX`] (the newest).
    pub recent: VecDeque<(Timestamp, i128)>,
}

/// One run of one journey.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    /// Its number.
    pub number: InstanceNumber,
    /// Of which journey.
    pub journey: JourneyId,
    /// Of which version; pinned.
    pub version: DefinitionVersion,
    /// With which key.
    pub key: Option<String>,
    /// By what it entered.
    pub entry: Entrance,
    /// The stamp at which it entered.
    pub entered_at: Timestamp,
    /// The step it is at.
    pub step: StepId,
    /// The stamp at which it came there.
    pub step_entered_at: Timestamp,
    /// On what it rests.
    pub rest: Rest,
    /// Why it is parked, if it is.
    pub parked: Option<String>,
    /// Its variables.
    pub vars: BTreeMap<String, Value>,
    /// Goals not reached yet, with the instant until which each counts.
    pub open_goals: BTreeMap<String, Option<Timestamp>>,
    /// `since: entry` branches whose event came before their wait: (step, position).
    pub foreseen: Vec<(StepId, u16)>,
}

/// What is remembered of a journey over all its instances and versions.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JourneyMemory {
    /// The newest instance's state: `active`, `parked`, `completed`, `exited`; with its number.
    pub newest: Option<(InstanceNumber, &'static str)>,
    /// The newest instance's outcome, empty while it runs.
    pub outcome: String,
    /// Entries remembered for `never` and `min_gap`: by key (`""` without), (last entered at, remembered until).
    pub entries: BTreeMap<String, (Timestamp, Timestamp)>,
    /// Entries that wait for a place, by key (`""` without), oldest first, at most 10.
    pub queue: BTreeMap<String, VecDeque<Entrance>>,
}

/// A goal that counts after its instance ended.
#[derive(Debug, Clone, PartialEq)]
pub struct WatchedGoal {
    /// Which instance.
    pub instance: InstanceNumber,
    /// Of which journey.
    pub journey: JourneyId,
    /// Of which version.
    pub version: DefinitionVersion,
    /// With which key.
    pub key: Option<String>,
    /// By what it entered.
    pub entry: Entrance,
    /// Which goal.
    pub goal: String,
    /// Until when it counts.
    pub until: Timestamp,
}

/// An effect without a terminal outcome.
#[derive(Debug, Clone, PartialEq)]
pub struct OutboxRow {
    /// The fact that emitted it; names it within the customer.
    pub effect: Sequence,
    /// The customer's life it was emitted in.
    pub birth: BirthIndex,
    /// When.
    pub created_at: Timestamp,
    /// By which instance.
    pub instance: InstanceNumber,
    /// Of which journey.
    pub journey: JourneyId,
    /// Of which version.
    pub version: DefinitionVersion,
    /// At which step.
    pub step: StepId,
    /// Where it goes.
    pub destination: Destination,
    /// The consent purpose.
    pub purpose: String,
    /// After this instant it is not worth handing over.
    pub send_by: Option<Timestamp>,
    /// What it is.
    pub body: EffectBody,
    /// How many times it was handed over.
    pub attempt: u32,
    /// Where it stands.
    pub status: EffectStatus,
    /// Its handings over, the first and the newest of them.
    pub attempts: Vec<Attempt>,
    /// How many there were when it was last replayed as a dead letter; 0 if it never was.
    pub attempts_before_replay: u32,
    /// How many came back unbegun since then: they take nothing of the retry budget.
    pub attempts_returned: u32,
    /// How many of the newest came back unbegun, one after another: the pause before the next grows with them.
    pub returned_in_a_row: u32,
}

/// What an effect is.
#[derive(Debug, Clone, PartialEq)]
pub enum EffectBody {
    /// Something said to the customer.
    Message(MessageBody),
    /// Something done for the customer: its answer is waited for.
    Work(WorkBody),
}

/// A message as it is sent.
#[derive(Debug, Clone, PartialEq)]
pub struct MessageBody {
    /// What it says.
    pub content: ContentId,
    /// In which version.
    pub content_version: ContentVersion,
    /// The locale of its variant; `None` for one that is for everybody.
    pub locale: Option<String>,
    /// As rendered.
    pub rendered: BTreeMap<String, String>,
    /// Why the customer gets it.
    pub why: String,
    /// Channels of the same intent that failed for good before.
    pub failed_channels: Vec<Channel>,
    /// What rendering for another channel needs; `None` when no channel is left to try.
    pub fallback: Option<Arc<FallbackScope>>,
}

/// A call or a task as it is handed over.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkBody {
    /// Which of the two.
    pub kind: WorkKind,
    /// What it is given.
    pub input: BTreeMap<String, Value>,
    /// Until when a task should be done (`sla`).
    pub due_at: Option<Timestamp>,
}

/// Who does the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WorkKind {
    /// A program.
    Call,
    /// A person.
    Task,
}

impl WorkKind {
    /// As it stands in journeys and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::Task => "task",
        }
    }
}

/// What a message sees of its instance, kept beside the effect because the instance may have ended by the time that
/// the channel fails for good and the next one is tried.
#[derive(Debug, Clone, PartialEq)]
pub struct FallbackScope {
    /// The key of the instance.
    pub key: Option<String>,
    /// By what it entered.
    pub entry: Entrance,
    /// The stamp at which it entered.
    pub entered_at: Timestamp,
    /// Its variables.
    pub vars: BTreeMap<String, Value>,
}

/// Where an effect stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EffectStatus {
    /// Waits for a worker.
    Open,
    /// With a worker until then.
    Claimed {
        /// From when it may be offered again.
        until: Timestamp,
    },
    /// Failed for now.
    Retrying {
        /// From when it is offered again.
        retry_at: Timestamp,
        /// The worker's words.
        reason: String,
    },
}
