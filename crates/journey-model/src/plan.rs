//! A journey in the form the engine runs: names resolved, expressions compiled, every step with its targets.
//!
//! A plan is made once per published version and never changes.

mod expressions;

use std::collections::BTreeMap;
use std::sync::Arc;

use journey_types::{
    Channel, ContentId, DefinitionVersion, Destination, EventName, JourneyId, QueueId, StepId,
    TimeSpan, Timestamp, Value,
};

use crate::calendar::{DailyTime, WeekdaySet, Window, ZoneChoice};
use crate::expression::{Entrances, Expression};

/// One published version of a journey.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The journey.
    pub journey: JourneyId,
    /// This version of it.
    pub version: DefinitionVersion,
    /// SHA-256 of the canonical JSON, lower-case hex.
    pub hash: String,
    /// A line for people.
    pub title: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// IANA zone for customers without a valid `traits.zone`.
    pub zone: Option<String>,
    /// Who enters, in listed order; the first matching rule enters.
    pub entry: Vec<EntryRule>,
    /// Several instances per customer, one per key.
    pub key: Option<Expression>,
    /// What happens on a second entry.
    pub reentry: Reentry,
    /// What counts as success, in listed order.
    pub goals: Vec<Goal>,
    /// What ends an instance at any step, in listed order.
    pub exits: Vec<ExitRule>,
    /// Consent purpose of its messages; `service` where none is written.
    pub purpose: String,
    /// Index of the first step.
    pub start: StepIdx,
    /// The steps in listed order, 1 to 1,000.
    pub steps: Vec<Step>,
    /// What its author expects of it; no part of its hash.
    pub tests: Vec<EmbeddedTest>,
}

impl Plan {
    /// The step of that index.
    ///
    /// # Panics
    /// When the index comes from another plan.
    #[must_use]
    pub fn step(&self, step_idx: StepIdx) -> &Step {
        &self.steps[usize::from(step_idx.0)]
    }

    /// The ways in.
    pub(crate) fn entrances(&self) -> Entrances {
        let api = self.api_entries().count();
        Entrances {
            event: self.entry.len() > api,
            api: api > 0,
        }
    }

    /// The rules by which an enroll call enters, in listed order.
    pub fn api_entries(&self) -> impl Iterator<Item = &EntryRule> {
        let is_api = |rule: &&EntryRule| rule.trigger == EntryTrigger::Api;
        self.entry.iter().filter(is_api)
    }

    /// The index of a step by its id, `None` when this version has no such step.
    #[must_use]
    pub fn step_idx(&self, id: &StepId) -> Option<StepIdx> {
        let position = self.steps.iter().position(|step| step.id == *id)?;
        u16::try_from(position).ok().map(StepIdx)
    }
}

/// One of a journey's `tests`: what happens to one customer, and what should come of it.
#[derive(Debug, Clone)]
pub struct EmbeddedTest {
    /// What it shows.
    pub name: String,
    /// The customer's traits at the start.
    pub traits: BTreeMap<String, Value>,
    /// When virtual time begins.
    pub start: Timestamp,
    /// What happens, in order of time.
    pub given: Vec<Given>,
    /// When virtual time stops, from the start; timers due at that very instant fire.
    pub until: TimeSpan,
    /// What should have come of it.
    pub expect: Expectation,
}

/// Something that happens in a test.
#[derive(Debug, Clone)]
pub struct Given {
    /// From the start.
    pub at: TimeSpan,
    /// What.
    pub kind: GivenKind,
}

/// What happens in a test.
#[derive(Debug, Clone)]
pub enum GivenKind {
    /// An event of the customer.
    Event {
        /// Its name.
        name: EventName,
        /// Its properties.
        properties: BTreeMap<String, Value>,
    },
    /// An enroll call for the customer.
    Enroll {
        /// Its input.
        input: BTreeMap<String, Value>,
    },
    /// A call or task is answered; messages are delivered by themselves.
    Outcome {
        /// The step that waits for it.
        step: StepId,
        /// Its answer, or why it failed for good.
        result: Result<Value, String>,
    },
}

/// What a test expects when its time is over; `None` and what is not named may be anything.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Expectation {
    /// Of the newest instance: `active`, `parked`, `completed`, `exited`; `none` where nobody entered.
    pub state: Option<&'static str>,
    /// Of the newest instance: `completed`, the goal that ended it, or `exited:<reason>`.
    pub outcome: Option<String>,
    /// Where the newest instance is.
    pub step: Option<StepId>,
    /// How many instances entered.
    pub entered: Option<i64>,
    /// Goals reached, in order.
    pub goals: Option<Vec<String>>,
    /// Contents granted, in order.
    pub sent: Option<Vec<String>>,
    /// Events raised by `emit`, in order.
    pub emitted: Option<Vec<String>>,
    /// Traits of the customer, of those named; null: it is not there.
    pub traits: BTreeMap<String, Value>,
    /// Variables of the newest instance, of those named; null: it is not there.
    pub vars: BTreeMap<String, Value>,
}

/// Position of a step in its plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct StepIdx(pub u16);

/// Where an instance goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// To a step.
    Step(StepIdx),
    /// To the built-in end: the instance completes.
    End,
}

/// Something that happened, as a condition.
#[derive(Debug, Clone)]
pub struct EventMatch {
    /// The event's name, matched exactly.
    pub event: EventName,
    /// Holds for the event; an error counts as false.
    pub condition: Option<Expression>,
    /// Whether the event must carry the instance's key.
    pub match_key: MatchKey,
}

/// How an event is held against the key of an instance.
#[derive(Debug, Clone)]
pub enum MatchKey {
    /// Not at all.
    Any,
    /// The journey's own `key` expression, evaluated on the event.
    JourneyKey,
    /// Another expression over the event.
    Expression(Expression),
}

/// An `entry` item.
#[derive(Debug, Clone)]
pub struct EntryRule {
    /// What enters.
    pub trigger: EntryTrigger,
    /// Holds for the event (or the input of the call) and the customer; an error counts as false.
    pub condition: Option<Expression>,
}

/// What makes a customer enter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryTrigger {
    /// An event of the customer.
    Event {
        /// Its name, matched exactly.
        name: EventName,
        /// A live event older than this (by `occurred_at`, against the stamp) enters nothing.
        max_age: Option<TimeSpan>,
    },
    /// An enroll call.
    Api,
}

/// The `reentry` rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reentry {
    /// Whether a key may enter again.
    pub again: Again,
    /// Running instances per key, at least 1.
    pub concurrent: u32,
    /// Entries of one key are at least this far apart.
    pub min_gap: TimeSpan,
    /// What to do when `concurrent` instances run.
    pub on_conflict: OnConflict,
}

/// Whether a key may enter again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// Yes.
    Always,
    /// Once in all time, over all versions.
    Never,
}

/// What to do with an entry when all places are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnConflict {
    /// Refuse it.
    Ignore,
    /// End the oldest as `exited:restarted` and enter.
    Restart,
    /// Keep the newest 10 entries and enter when a place frees.
    Queue,
}

/// A `goals` item.
#[derive(Debug, Clone)]
pub struct Goal {
    /// Its id, unique in the journey.
    pub id: String,
    /// What reaches it.
    pub reached_by: EventMatch,
    /// Counts only until this long after entry, then also after the instance ended; `None`: until the instance ends.
    pub within: Option<TimeSpan>,
    /// Ends the instance as completed.
    pub exit: bool,
    /// What it is worth.
    pub value: Option<Value>,
}

/// An `exit` item.
#[derive(Debug, Clone)]
pub struct ExitRule {
    /// What ends the instance.
    pub trigger: ExitTrigger,
    /// The reason: the instance ends as `exited:<reason>`.
    pub reason: String,
}

/// What an exit rule listens to.
#[derive(Debug, Clone)]
pub enum ExitTrigger {
    /// An event.
    Event(EventMatch),
    /// A condition on the customer.
    When(Expression),
}

/// A vertex of the journey.
#[derive(Debug, Clone)]
pub struct Step {
    /// Its id.
    pub id: StepId,
    /// A line for people.
    pub title: Option<String>,
    /// What it does.
    pub kind: StepKind,
    /// Where it leads when done.
    pub next: Target,
    /// Where a failure leads; `None`: a failing message goes to `next`, any other step parks the instance.
    pub on_error: Option<Target>,
    /// Leaves the step after a while.
    pub timeout: Option<StepTimeout>,
    /// When false the step is recorded as skipped and the instance goes to `next`.
    pub only_if: Option<Expression>,
}

/// The `timeout` of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepTimeout {
    /// Counted from entering the step.
    pub after: TimeSpan,
    /// Where it leads.
    pub next: Target,
}

/// What a step does. Each kind has its own file in `step/` on the authoring side and in the interpreter.
#[derive(Debug, Clone)]
pub enum StepKind {
    /// Asks for a message to the customer.
    Message(MessageStep),
    /// Lets a program do something, and rests until it answers.
    Call(CallStep),
    /// Gives a person something to do, and rests until it is done.
    Task(TaskStep),
    /// Rests for a time.
    Delay(Delay),
    /// Rests until the first branch holds.
    WaitUntil(Vec<WaitBranch>),
    /// Goes the first arm that holds.
    Split(Vec<SplitArm>),
    /// Writes traits, variables or the lifecycle. All values are computed before the first is written: their order
    /// means nothing.
    Update(Vec<Assignment>),
    /// Raises an event of this customer in the same turn.
    Emit(EmitStep),
}

/// A `message` step.
#[derive(Debug, Clone)]
pub struct MessageStep {
    /// What to say.
    pub content: ContentId,
    /// Channels in order of preference, at least one.
    pub channels: Vec<Channel>,
    /// What the step waits for.
    pub awaits: MessageAwait,
    /// Where a refusal leads; `None`: to the step's `next`.
    pub refused: Option<Target>,
}

/// A `call` step.
#[derive(Debug, Clone)]
pub struct CallStep {
    /// Whom it calls: a queue of workers, or a connector of the node.
    pub to: Destination,
    /// What it is given, in listed order.
    pub input: Vec<(String, ValueSource)>,
}

/// A `task` step.
#[derive(Debug, Clone)]
pub struct TaskStep {
    /// Who does it.
    pub queue: QueueId,
    /// Until when it should be done.
    pub sla: Option<TaskSla>,
    /// What it is given, in listed order.
    pub input: Vec<(String, ValueSource)>,
}

/// The `sla` of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskSla {
    /// Counted from entering the step.
    pub after: TimeSpan,
    /// Who does it from then on; `None`: it stays where it is, and the delay is counted.
    pub escalate: Option<QueueId>,
}

/// What a message step waits for before it goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageAwait {
    /// The arbiter's grant.
    Granted,
    /// The channel's word that it was sent.
    Sent,
    /// The channel's word that it arrived.
    Delivered,
}

/// A `delay` step.
#[derive(Debug, Clone)]
pub enum Delay {
    /// For a span, then moved into the window.
    For {
        /// How long.
        span: TimeSpan,
        /// Then the first instant inside it.
        window: Option<Window>,
    },
    /// Until an instant computed on entering the step, moved by an offset.
    Until {
        /// The instant: an expression that gives a time.
        at: Expression,
        /// Added to it; may be negative.
        offset: TimeSpan,
    },
    /// Until a local time of day.
    UntilLocal {
        /// The minute of the day.
        time: DailyTime,
        /// Days on which it may end.
        days: WeekdaySet,
        /// Whose clock.
        zone: ZoneChoice,
    },
}

/// A branch of `wait_until`; branches are tried in listed order.
#[derive(Debug, Clone)]
pub struct WaitBranch {
    /// What the branch waits for.
    pub trigger: WaitTrigger,
    /// Where it leads.
    pub next: Target,
}

/// What a wait branch waits for.
#[derive(Debug, Clone)]
pub enum WaitTrigger {
    /// An event.
    Event {
        /// Which.
        matching: EventMatch,
        /// From when events count.
        since: WaitSince,
    },
    /// A condition on the customer, woken by what it depends on.
    When {
        /// The condition.
        condition: Expression,
        /// Needs false → true after the wait began.
        rising: bool,
    },
    /// A span from the start of the wait.
    After {
        /// How long.
        span: TimeSpan,
        /// Then the first instant inside it.
        window: Option<Window>,
    },
    /// An instant computed when the wait begins.
    At {
        /// The instant: an expression that gives a time.
        at: Expression,
    },
}

/// From when on events count for a wait branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitSince {
    /// Only events after the wait began.
    Wait,
    /// Also events accepted after the entering event and before the wait began.
    Entry,
}

/// An arm of `split`.
#[derive(Debug, Clone)]
pub struct SplitArm {
    /// The condition; `None` for `else`, which is last.
    pub condition: Option<Expression>,
    /// Where it leads.
    pub next: Target,
}

/// One line of `update`.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// What is written.
    pub place: Place,
    /// What it becomes; `null` removes a trait or variable.
    pub value: ValueSource,
}

/// What an `update` writes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A trait of the customer.
    Trait(String),
    /// A variable of the instance.
    Var(String),
    /// The customer's lifecycle stage.
    Lifecycle,
}

/// A value that is written down or computed.
#[derive(Debug, Clone)]
pub enum ValueSource {
    /// As written.
    Literal(Value),
    /// Computed when needed.
    Expression(Expression),
}

/// An `emit` step: the event is this customer's own, in the same turn.
#[derive(Debug, Clone)]
pub struct EmitStep {
    /// Its name.
    pub event: EventName,
    /// Its properties in listed order.
    pub properties: Vec<(String, ValueSource)>,
}

/// A plan as it is shared.
pub type SharedPlan = Arc<Plan>;
