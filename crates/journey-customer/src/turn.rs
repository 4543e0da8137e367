//! One turn: one command on a scratch copy of the customer, on which every fact is applied as soon as it is recorded.
//!
//! So the state a turn looks at is always the state its facts make, and a fault in `apply` shows before anything is
//! proposed.
//!
//! ```text
//!   events ──► profile ──► listen (exits, goals, waits) ──► entries ──► ready instances run their steps
//!      ▲                                                                        │
//!      └── emitted ◄── intents (the arbiter rules) ◄── conditions that changed ◄┘
//! ```
//!
//! Start at [`advance`], which holds the order.

mod advance;
mod budget;
mod changes;
mod conditions;
mod entries;
mod intents;
mod listen;
mod pause;
mod profile;
mod queue;
mod rest;
mod sight;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;

use journey_model::{Plan, Step, StepIdx, StepKind, Target};
use journey_types::{InstanceNumber, Sequence, StepId, Timestamp};

use crate::apply::apply;
use crate::arbiter::Intent;
use crate::command::Reply;
use crate::decide::{DecideContext, Decision};
use crate::event::{Departure, Ending, EventBody, InstanceRef, JournalEvent};
use crate::size;
use crate::state::{CustomerState, Instance};
use crate::step::work;

use budget::Budget;
use changes::Changes;
pub(crate) use queue::{Incoming, RaisedQueue};
pub(crate) use sight::Subject;

/// A turn under way.
pub(crate) struct Turn<'a> {
    pub(crate) context: &'a DecideContext<'a>,
    /// The stamp of every fact of this turn.
    pub(crate) stamp: Timestamp,
    /// The customer as of the facts so far.
    pub(crate) state: CustomerState,
    /// Once set, instances that could move are parked and entries refused instead: the customer has outgrown its
    /// bound in a turn that cannot be refused.
    is_frugal: bool,
    facts: Vec<JournalEvent>,
    changes: Changes,
    budget: Budget,
    raised: RaisedQueue,
    /// Instances at the start of a step, with the depth of the event that brought them there.
    ready: BTreeMap<InstanceNumber, u8>,
    /// Instances that used up their steps: they go on when the turn is continued.
    tired: BTreeMap<InstanceNumber, u8>,
    intents: Vec<Intent<'a>>,
    /// How many raised events led to what is being done now.
    depth: u8,
    /// The deepest of them so far: what a condition moves is taken to follow from that one.
    deepest: u8,
    /// How many times this turn has paused before.
    round: u32,
    /// Reading is by shared reference; what could not be evaluated is noted on the side.
    condition_errors: RefCell<Vec<(String, String, String)>>,
    /// Whether `traits.zone` names a zone, once somebody asked.
    trait_zone_is_valid: Cell<Option<bool>>,
}

/// An instance at its step, while something is done about it.
#[derive(Clone)]
pub(crate) struct Position<'a> {
    /// The instance as it was when looked up.
    pub(crate) instance: Arc<Instance>,
    /// Its journey's version.
    pub(crate) plan: &'a Plan,
    /// Its step.
    pub(crate) step: &'a Step,
}

impl Position<'_> {
    /// When the step's `timeout` comes, if it has one.
    pub(crate) fn times_out_at(&self) -> Option<Timestamp> {
        let timeout = self.step.timeout?;
        Some(self.instance.step_entered_at.plus(timeout.after))
    }

    /// Names the instance in facts.
    pub(crate) fn instance_ref(&self) -> InstanceRef {
        instance_ref(&self.instance)
    }
}

/// Names an instance in facts.
pub(crate) fn instance_ref(instance: &Instance) -> InstanceRef {
    InstanceRef {
        number: instance.number,
        journey: instance.journey.clone(),
        version: instance.version,
    }
}

impl<'a> Turn<'a> {
    /// Opens a turn on a copy of the customer.
    pub(crate) fn open(state: &CustomerState, context: &'a DecideContext<'a>) -> Self {
        assert!(
            context.stamp >= state.stamp,
            "a turn of {} is stamped {} before {}",
            state.key,
            context.stamp,
            state.stamp
        );
        Self {
            context,
            stamp: context.stamp,
            state: state.clone(),
            is_frugal: false,
            facts: Vec::new(),
            changes: Changes::default(),
            budget: Budget::default(),
            raised: RaisedQueue::default(),
            ready: BTreeMap::new(),
            tired: BTreeMap::new(),
            intents: Vec::new(),
            depth: 0,
            deepest: 0,
            round: 0,
            condition_errors: RefCell::default(),
            trait_zone_is_valid: Cell::new(None),
        }
    }

    /// The same turn, parking what it would move.
    pub(crate) fn frugal(mut self) -> Self {
        self.is_frugal = true;
        self
    }

    /// Closes the turn: what it left over is journaled, to be continued at the same stamp.
    pub(crate) fn close(mut self, reply: Reply) -> Decision {
        self.pause_if_unfinished();
        if cfg!(debug_assertions) {
            self.assert_everyone_rests();
        }
        Decision {
            events: self.facts,
            state: self.state,
            reply,
            condition_errors: self.condition_errors.into_inner(),
        }
    }

    /// Records a fact and applies it at once. The first fact of a customer is that it was born.
    pub(crate) fn record(&mut self, body: EventBody) -> Sequence {
        let is_born = self.state.last_sequence > Sequence::default();
        if !is_born && !matches!(body, EventBody::CustomerBorn { .. }) {
            let birth = self.context.birth;
            self.record(EventBody::CustomerBorn { birth });
        }
        self.budget.spend_bytes(size::of_fact(&body));
        self.changes.note(&body);
        if matches!(&body, EventBody::TraitChanged { name, .. } if name == "zone") {
            self.trait_zone_is_valid.set(None);
        }
        let sequence = self.state.last_sequence.next();
        let fact = JournalEvent {
            sequence,
            stamp: self.stamp,
            body,
        };
        apply(&mut self.state, &fact);
        self.facts.push(fact);
        sequence
    }

    /// The instance with its plan and step; `None` when it does not run (any more).
    ///
    /// Also `None` when the adopted catalog does not know its version or step, which a partition rules out by
    /// adopting catalogs in order: such an instance rests until the catalog is there.
    pub(crate) fn position(&self, number: InstanceNumber) -> Option<Position<'a>> {
        let instance = self.state.instances.get(&number)?;
        let plan = self.plan_of(instance)?;
        let step = plan.step(plan.step_idx(&instance.step)?);
        Some(Position {
            instance: Arc::clone(instance),
            plan,
            step,
        })
    }

    /// The version an instance is pinned to.
    pub(crate) fn plan_of(&self, instance: &Instance) -> Option<&'a Plan> {
        let plan = self
            .context
            .catalog
            .plan(&instance.journey, instance.version)?;
        Some(plan.as_ref())
    }

    /// Numbers of all running instances, in order.
    pub(crate) fn running(&self) -> Vec<InstanceNumber> {
        self.state.instances.keys().copied().collect()
    }

    /// Moves an instance on: to the start of the next step, or to its end.
    pub(crate) fn go(&mut self, position: &Position<'a>, how: Departure, target: Target) {
        let reason = match &how {
            Departure::TimedOut => "timed out",
            _ => "its step was left",
        };
        work::recall(self, position.instance.number, reason);
        let to = match target {
            Target::Step(step_idx) => Some(step_id(position.plan, step_idx)),
            Target::End => None,
        };
        let is_end = to.is_none();
        self.record(EventBody::StepMoved {
            instance: position.instance_ref(),
            from: position.step.id.clone(),
            how,
            to,
        });
        if is_end {
            self.end_leaving(&position.instance, None, Ending::Completed);
        } else {
            self.ready.insert(position.instance.number, self.depth);
        }
    }

    /// A step failed: `on_error`; without it a message goes on, any other step parks the instance.
    pub(crate) fn fail(&mut self, position: &Position<'a>, reason: String) {
        let is_message = matches!(position.step.kind, StepKind::Message(_));
        let target = position.step.on_error;
        match target.or(is_message.then_some(position.step.next)) {
            Some(target) => self.go(position, Departure::Failed(reason), target),
            None => self.park(&position.instance, reason),
        }
    }

    /// Parks an instance: visible, and its exits and goals work on.
    pub(crate) fn park(&mut self, instance: &Instance, reason: String) {
        self.stop(instance.number);
        work::recall(self, instance.number, "its instance was parked");
        self.record(EventBody::InstanceParked {
            instance: instance_ref(instance),
            reason,
        });
        self.refresh_rest(instance.number);
    }

    /// Ends an instance at the step it is at.
    pub(crate) fn end(&mut self, instance: &Instance, ending: Ending) {
        self.end_leaving(instance, Some(instance.step.clone()), ending);
    }

    fn end_leaving(&mut self, instance: &Instance, left: Option<StepId>, ending: Ending) {
        self.stop(instance.number);
        work::recall(self, instance.number, "its instance ended");
        self.record(EventBody::InstanceEnded {
            instance: instance_ref(instance),
            entered_at: instance.entered_at,
            left,
            was_parked: instance.parked.is_some(),
            ending,
        });
    }

    /// An instance that ended or was parked has nothing more to do in this turn.
    fn stop(&mut self, number: InstanceNumber) {
        self.ready.remove(&number);
        self.tired.remove(&number);
    }
}

fn step_id(plan: &Plan, step_idx: StepIdx) -> StepId {
    plan.step(step_idx).id.clone()
}
