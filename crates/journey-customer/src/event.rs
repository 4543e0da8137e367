//! Facts of one customer, as the journal carries them. The only way a customer's state changes is [`crate::apply()`]
//! of these; whatever was read, drawn or rendered in the deciding stands in them.

use std::collections::BTreeMap;
use std::sync::Arc;

use journey_types::{
    AggregateId, BirthIndex, Channel, ContentId, ContentVersion, CustomerEvent, DefinitionVersion,
    Destination, Fingerprint, InstanceNumber, JourneyId, Sequence, StepId, TimeSpan, Timestamp,
    Value,
};

use crate::command::{IngestMode, Outcome};
use crate::entrance::Entrance;
use crate::set_aside::{Closing, QuarantinedCommand, SetAside};
use crate::state::{FallbackScope, WorkKind};

/// One fact.
#[derive(Debug, Clone, PartialEq)]
pub struct JournalEvent {
    /// Its place in the customer's own row of facts; each is exactly one after the last.
    pub sequence: Sequence,
    /// The stamp of its turn.
    pub stamp: Timestamp,
    /// What happened.
    pub body: EventBody,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum EventBody {
    /// The customer was heard of for the first time. Always its first fact.
    CustomerBorn {
        /// Tells its lives apart.
        birth: BirthIndex,
    },
    /// An event of the customer was taken in: by ingest (then with a fingerprint) or raised by `emit`.
    EventAccepted {
        /// What is remembered of its id; `None` when raised by `emit`.
        fingerprint: Option<Fingerprint>,
        /// The event.
        event: Arc<CustomerEvent>,
        /// The instance whose `emit` raised it, or whose message failed; `None` when ingested.
        raised_by: Option<InstanceRef>,
        /// Live or history.
        mode: IngestMode,
        /// The aggregates it feeds, found by `decide` in the adopted catalog.
        feeds: Vec<Feed>,
    },
    /// A trait was written (`None`: removed).
    TraitChanged {
        /// Which.
        name: String,
        /// To what.
        value: Option<Value>,
    },
    /// The lifecycle stage was written (`None`: removed).
    LifecycleChanged {
        /// To what.
        stage: Option<String>,
    },
    /// An instance of a journey began, at its start step.
    InstanceEntered(Box<InstanceEntered>),
    /// An entry was refused.
    EntryRefused {
        /// Into which journey.
        journey: JourneyId,
        /// Into which version.
        version: DefinitionVersion,
        /// Such as `reentry_never`, `min_gap`, `conflict`, `key_invalid`, `exit_rule`, `too_many_instances`.
        reason: String,
    },
    /// An entry waits for a place (`on_conflict: queue`).
    EntryQueued {
        /// For which journey.
        journey: JourneyId,
        /// With which key.
        key: Option<String>,
        /// By what it would enter.
        entry: Entrance,
        /// How many older ones fell out at the front to keep the newest 10.
        n_dropped: u32,
    },
    /// The oldest waiting entry was taken from the queue: it enters next, or its condition no longer holds.
    EntryDequeued {
        /// Of which journey.
        journey: JourneyId,
        /// With which key.
        key: Option<String>,
    },
    /// An enroll call took effect: the entry it led to comes next.
    EnrollmentAccepted {
        /// What is remembered of its id.
        fingerprint: Fingerprint,
        /// Into which journey.
        journey: JourneyId,
    },
    /// An instance left a step and entered the next (or the end, when `to` is `None`: `InstanceEnded` follows).
    StepMoved {
        /// Which instance.
        instance: InstanceRef,
        /// The step it left.
        from: StepId,
        /// How.
        how: Departure,
        /// The step it entered.
        to: Option<StepId>,
    },
    /// An instance rests at its step; replaces what it rested on before.
    Rested {
        /// Which instance.
        instance: InstanceNumber,
        /// On what.
        rest: Rest,
    },
    /// A timer took effect; what follows from it comes next in the journal.
    TimerFired {
        /// Whose.
        instance: InstanceRef,
        /// Which of its timers.
        timer: TimerKind,
        /// When it was due.
        due_at: Timestamp,
    },
    /// A `since: entry` branch saw its event before its wait began.
    BranchForeseen {
        /// Which instance.
        instance: InstanceNumber,
        /// The step of the branch.
        step: StepId,
        /// Its position in the wait.
        branch_idx: u16,
    },
    /// A variable was written (`None`: removed).
    VarChanged {
        /// Which instance.
        instance: InstanceNumber,
        /// Which variable.
        name: String,
        /// To what.
        value: Option<Value>,
    },
    /// A goal was reached; counts once per instance.
    GoalReached {
        /// Which instance (it may have ended before).
        instance: InstanceRef,
        /// Which goal.
        goal: String,
    },
    /// A step failed and had no `on_error`: the instance stays, visible, until someone acts; exits and goals work on.
    InstanceParked {
        /// Which instance.
        instance: InstanceRef,
        /// Why.
        reason: String,
    },
    /// An instance ended.
    InstanceEnded {
        /// Which.
        instance: InstanceRef,
        /// The stamp at which it had entered, for durations.
        entered_at: Timestamp,
        /// The step it left by ending there; `None` where a `StepMoved` to the end has told its leaving.
        left: Option<StepId>,
        /// Whether it was parked until now.
        was_parked: bool,
        /// How.
        ending: Ending,
    },
    /// The arbiter granted a message: it lies in the outbox from now on.
    MessageGranted(Box<MessageGranted>),
    /// The arbiter refused a message.
    MessageRefused {
        /// Which instance asked.
        instance: InstanceRef,
        /// What it would have said.
        content: ContentId,
        /// Such as `unreachable`, `no_consent`, `render_failed`.
        reason: String,
    },
    /// A `call` or `task` step asked for work: it lies in the outbox from now on.
    WorkEmitted(Box<WorkEmitted>),
    /// A task was not done by its `sla`.
    TaskOverdue {
        /// Whose.
        instance: InstanceRef,
        /// Which effect.
        effect: Sequence,
        /// Until when it should have been done.
        due_at: Timestamp,
        /// The queue it is offered to instead from now on (`escalate`), if there is one.
        escalated_to: Option<Destination>,
    },
    /// An effect may be handed to a worker.
    EffectClaimed {
        /// Which.
        effect: Sequence,
        /// 1 for the first handing over.
        attempt: u32,
        /// From when it may be offered again.
        until: Timestamp,
        /// The name its worker gave, for people.
        worker: String,
    },
    /// An effect will not be handed over (any more); its row is gone.
    EffectWithdrawn {
        /// Which.
        effect: Sequence,
        /// Why.
        reason: String,
    },
    /// The outcome of a handing over; terminal ones remove the row.
    EffectSettled {
        /// Which.
        effect: Sequence,
        /// Which handing over.
        attempt: u32,
        /// What became of it.
        outcome: Outcome,
    },
    /// The retry budget of an effect is used up: it lies among the dead letters from now on.
    EffectDeadLettered {
        /// Which.
        effect: Sequence,
        /// Why its last attempt failed.
        reason: String,
        /// What it takes of the partition's budget.
        size_bytes: u32,
    },
    /// A command panicked and was set aside, under the sequence of this fact.
    CommandQuarantined(Box<QuarantinedCommand>),
    /// One panic too many: nothing is decided for the customer until it is released.
    CustomerParked {
        /// The text of the last panic.
        reason: String,
    },
    /// An operator let the customer go on.
    CustomerReleased,
    /// Something that was set aside came to its end. Sizes stand in the facts, so that the partition's sums follow from
    /// facts alone.
    SetAsideClosed {
        /// What.
        what: SetAside,
        /// How.
        how: Closing,
        /// What it took of the partition's budget.
        size_bytes: u32,
    },
    /// The turn reached its budget; what is left is done at the same stamp before any other command.
    TurnPaused {
        /// How many times it paused at this stamp, 1 for the first: an instance that never rests is found out by it.
        round: u32,
        /// Events raised but not yet processed, in order.
        events: Vec<RaisedEvent>,
        /// Instances that could still move, with the depth of the event that moved them, in order.
        instances: Vec<(u8, InstanceNumber)>,
    },
    /// A paused turn is done.
    TurnResumed,
}

/// Names an instance together with its journey, so that counts per journey and version can be kept from the facts
/// alone, without the customer's state (a replica replays facts of customers whose rows are already ahead).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct InstanceRef {
    /// Its number.
    pub number: InstanceNumber,
    /// Of which journey.
    pub journey: JourneyId,
    /// Of which version.
    pub version: DefinitionVersion,
}

/// An event that an instance raised, on its way into the turn.
#[derive(Debug, Clone, PartialEq)]
pub struct RaisedEvent {
    /// How many raised events led to it, itself included: 1 for one raised by what came from outside.
    pub depth: u8,
    /// The event.
    pub event: Arc<CustomerEvent>,
    /// Who raised it.
    pub raised_by: InstanceRef,
}

/// A history aggregate fed by an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Feed {
    /// Which aggregate.
    pub aggregate: AggregateId,
    /// How far back single events must be kept for windows; `None`: totals only.
    pub window_max: Option<TimeSpan>,
    /// The property's number in units of 10⁻⁹, where the aggregate sums; absent or no number: 0.
    pub amount_nanos: i128,
}

/// The body of [`EventBody::InstanceEntered`].
#[derive(Debug, Clone, PartialEq)]
pub struct InstanceEntered {
    /// Its number.
    pub instance: InstanceNumber,
    /// Of which journey.
    pub journey: JourneyId,
    /// Of which version.
    pub version: DefinitionVersion,
    /// With which key.
    pub key: Option<String>,
    /// Its first step.
    pub step: StepId,
    /// By what it entered.
    pub entry: Entrance,
    /// Its goals by id with the instant until which each counts (`None`: until the instance ends).
    pub goals: BTreeMap<String, Option<Timestamp>>,
    /// Until when this entry is remembered for `never` ([`Timestamp::MAX`]) or `min_gap`; `None`: not at all.
    pub remembered_until: Option<Timestamp>,
}

/// The body of [`EventBody::MessageGranted`]. The fact's own sequence names the effect.
#[derive(Debug, Clone, PartialEq)]
pub struct MessageGranted {
    /// Which instance asked.
    pub instance: InstanceNumber,
    /// Of which journey.
    pub journey: JourneyId,
    /// Of which version.
    pub version: DefinitionVersion,
    /// At which step.
    pub step: StepId,
    /// On which channel.
    pub channel: Channel,
    /// What it says.
    pub content: ContentId,
    /// In which version.
    pub content_version: ContentVersion,
    /// The locale of its variant; `None` for one that is for everybody.
    pub locale: Option<String>,
    /// As it was rendered, by field.
    pub rendered: BTreeMap<String, String>,
    /// Why the customer gets it, for people.
    pub why: String,
    /// The consent purpose.
    pub purpose: String,
    /// After this instant it is not worth sending.
    pub send_by: Option<Timestamp>,
    /// Channels of the same intent that failed for good before.
    pub failed_channels: Vec<Channel>,
    /// What rendering for another channel needs; `None` when no channel is left to try.
    pub fallback: Option<Arc<FallbackScope>>,
}

/// The body of [`EventBody::WorkEmitted`]. The fact's own sequence names the effect.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkEmitted {
    /// Which instance asked.
    pub instance: InstanceNumber,
    /// Of which journey.
    pub journey: JourneyId,
    /// Of which version.
    pub version: DefinitionVersion,
    /// At which step.
    pub step: StepId,
    /// A call or a task.
    pub kind: WorkKind,
    /// Who is to do it.
    pub destination: Destination,
    /// What it is given.
    pub input: BTreeMap<String, Value>,
    /// The consent purpose of the journey.
    pub purpose: String,
    /// Until when a task should be done (`sla`).
    pub due_at: Option<Timestamp>,
    /// After this instant nobody waits for it any more.
    pub send_by: Option<Timestamp>,
}

/// How an instance left a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Departure {
    /// Done.
    Done,
    /// `only_if` was false.
    Skipped,
    /// Its `timeout` came.
    TimedOut,
    /// The branch or arm at this position, 0 for the first.
    Branch(u16),
    /// What it would have waited for was past when it came there, so it went on at once.
    AlreadyDue {
        /// The branch of a wait; `None` for a delay.
        branch_idx: Option<u16>,
        /// The instant that was past.
        due_at: Timestamp,
    },
    /// It failed and went to `on_error` (or, for a message, to `next`).
    Failed(String),
    /// The arbiter refused the message, and it went to `refused`.
    Refused(String),
}

/// How an instance ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It came to the end.
    Completed,
    /// A goal with `exit: true` ended it as completed.
    Goal(String),
    /// An exit rule, or `restarted`.
    Exited(String),
}

/// On what an instance rests: its named wake reason (G9).
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rest {
    /// Timers armed for it.
    pub timers: Vec<ArmedTimer>,
    /// Last values of the `when` branches of a wait, by position.
    pub when_values: BTreeMap<u16, bool>,
    /// The effect whose outcome it awaits.
    pub awaited_effect: Option<Sequence>,
}

/// A timer that wakes an instance. It fires in a turn stamped later than `due_at`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ArmedTimer {
    /// When.
    pub due_at: Timestamp,
    /// What for.
    pub kind: TimerKind,
}

/// What a timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimerKind {
    /// The end of a `delay`.
    Delay,
    /// The `after` or `at` branch at this position of a wait.
    Branch(u16),
    /// The `timeout` of the step.
    StepTimeout,
    /// The next instant at which a windowed condition can change.
    Recheck,
    /// The `sla` of a task.
    Sla,
}
