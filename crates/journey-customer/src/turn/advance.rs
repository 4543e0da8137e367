//! The order of a turn (JOURNEYS section 4): events, entries, steps, conditions, the arbiter, again until nothing moves.

use std::sync::Arc;

use journey_model::AggregateSpec;
use journey_types::{CustomerEvent, InstanceNumber, Value};

use super::{Changes, Incoming, Subject, Turn};
use crate::command::IngestMode;
use crate::event::{EventBody, Feed, RaisedEvent};
use crate::history;
use crate::limits::TURN_ROUNDS_MAX;
use crate::state::PausedTurn;
use crate::step;

impl Turn<'_> {
    /// Goes on until nothing moves, or until the budget is spent.
    pub(crate) fn advance(&mut self) {
        loop {
            self.take_in_raised();
            self.admit_queued();
            self.run_ready();
            self.review_conditions();
            self.arbitrate();
            if !self.can_move() || self.budget.is_spent() {
                break;
            }
        }
    }

    /// Whether the turn has used up what one turn may do.
    pub(crate) const fn is_spent(&self) -> bool {
        self.budget.is_spent()
    }

    /// Counts something about as costly as a step.
    pub(crate) const fn spend_step(&mut self) {
        self.budget.spend_step();
    }

    fn can_move(&self) -> bool {
        !self.raised.is_empty()
            || !self.ready.is_empty()
            || !self.intents.is_empty()
            || !self.changes.is_empty()
    }

    /// Takes an event in: profile and history first, then the instances that run, then entries.
    pub(crate) fn take_in(&mut self, incoming: &Incoming) {
        self.budget.spend_step();
        self.follow(incoming.depth);
        let feeds = self.feeds(incoming);
        self.record(EventBody::EventAccepted {
            fingerprint: incoming.fingerprint,
            event: Arc::clone(&incoming.event),
            raised_by: incoming.raised_by.clone(),
            mode: incoming.mode,
            feeds,
        });
        self.merge_identified(&incoming.event);
        match incoming.mode {
            // Wakes nothing, so what it changed is not looked at either.
            IngestMode::History => self.changes = Changes::default(),
            IngestMode::Live => {
                self.listen(&incoming.event);
                self.enter_by(&incoming.event);
            }
        }
    }

    /// Puts an event of an instance behind those that wait.
    ///
    /// # Errors
    /// Why it cannot be raised.
    pub(crate) fn raise(&mut self, raised: RaisedEvent) -> Result<(), String> {
        self.raised.push(raised)
    }

    /// The depth of an event raised now.
    pub(crate) const fn depth_of_raised(&self) -> u8 {
        self.depth.saturating_add(1)
    }

    /// What follows is caused by something from outside, not by an event raised in the turn.
    pub(crate) const fn start_from_outside(&mut self) {
        self.depth = 0;
        self.deepest = 0;
    }

    /// What follows is caused by an event of this depth.
    fn follow(&mut self, depth: u8) {
        self.depth = depth;
        self.deepest = self.deepest.max(depth);
    }

    fn take_in_raised(&mut self) {
        while !self.budget.is_spent() {
            let Some(raised) = self.raised.pop() else {
                return;
            };
            self.take_in(&Incoming::from(raised));
        }
    }

    /// Runs every instance that can move, in order of number, until it rests, ends or holds an intent.
    fn run_ready(&mut self) {
        while let Some((number, depth)) = self.ready.pop_first() {
            if self.budget.is_spent() {
                self.ready.insert(number, depth);
                return;
            }
            self.follow(depth);
            self.run_step(number);
        }
    }

    /// Runs the step an instance stands before. Afterwards it is ready again, or it rests, ended, parked or intends.
    fn run_step(&mut self, number: InstanceNumber) {
        let Some(position) = self.position(number) else {
            return;
        };
        if self.is_frugal {
            self.park(&position.instance, "customer_too_large".to_owned());
        } else if self.budget.spend_step_of(number) {
            step::run(self, &position);
        } else if self.round >= TURN_ROUNDS_MAX {
            let reason = "endless loop: it never comes to rest".to_owned();
            self.park(&position.instance, reason);
        } else {
            self.tired.insert(number, self.depth);
        }
    }

    /// Goes on with what a paused turn left over. Conditions are all looked at again, for what changed is not kept.
    pub(crate) fn resume(&mut self, paused: PausedTurn) {
        self.round = paused.round;
        for raised in paused.events {
            let is_raised = self.raised.push(raised);
            assert!(is_raised.is_ok(), "what waited before the pause fits after");
        }
        for (depth, number) in paused.instances {
            if self.state.instances.contains_key(&number) {
                self.ready.insert(number, depth);
            }
        }
        self.changes = Changes::everything();
        self.record(EventBody::TurnResumed);
        self.advance();
    }

    /// Journals what is left when the budget is spent.
    pub(super) fn pause_if_unfinished(&mut self) {
        if self.tired.is_empty() && !self.can_move() {
            return;
        }
        let held = std::mem::take(&mut self.intents);
        let held = held
            .iter()
            .map(|intent| (intent.instance.number, intent.depth));
        let mut left = std::mem::take(&mut self.ready);
        left.extend(std::mem::take(&mut self.tired));
        left.extend(held);
        let instances = left.into_iter().map(|(number, depth)| (depth, number));
        let events = self.raised.take();
        self.record(EventBody::TurnPaused {
            round: self.round + 1,
            events,
            instances: instances.collect(),
        });
    }

    fn feeds(&self, incoming: &Incoming) -> Vec<Feed> {
        let event = incoming.event.as_ref();
        let Some(specs) = self.context.catalog.aggregates.get(&event.name) else {
            return Vec::new();
        };
        let subject = Subject {
            event: Some(event),
            ..Subject::default()
        };
        let is_fed = |spec: &&AggregateSpec| {
            let filter = spec.filter.as_ref();
            filter.is_none_or(|filter| self.holds(filter, subject, &spec.label))
        };
        let feed = |spec: &AggregateSpec| {
            let property = spec.property.as_deref();
            Feed {
                aggregate: spec.id,
                window_max: spec.window_max,
                amount_nanos: property.map_or(0, |name| history::amount_nanos(event, name)),
            }
        };
        specs.iter().filter(is_fed).map(feed).collect()
    }

    /// `identify` merges its properties into the traits; null deletes (JOURNEYS section 12).
    fn merge_identified(&mut self, event: &CustomerEvent) {
        if event.name.as_str() != IDENTIFY {
            return;
        }
        for (name, value) in &event.properties {
            self.write_trait(name, value);
        }
    }

    /// Writes a trait if that changes it; null removes it.
    pub(crate) fn write_trait(&mut self, name: &str, value: &Value) {
        let value = Some(value).filter(|value| **value != Value::Null);
        if self.state.traits.get(name) != value {
            self.record(EventBody::TraitChanged {
                name: name.to_owned(),
                value: value.cloned(),
            });
        }
    }

    /// The invariant a turn leaves behind (G9): whoever is not named by a pause rests on something.
    pub(super) fn assert_everyone_rests(&self) {
        let paused = self.state.paused_turn.iter().flat_map(|p| &p.instances);
        let paused: Vec<InstanceNumber> = paused.map(|(_, number)| *number).collect();
        for instance in self.state.instances.values() {
            let is_waiting = || {
                let position = self.position(instance.number);
                position.is_none_or(|position| step::can_wake(&position))
            };
            assert!(
                instance.parked.is_some() || paused.contains(&instance.number) || is_waiting(),
                "instance {} of {} rests at {} on nothing",
                instance.number,
                self.state.key,
                instance.step
            );
        }
    }
}

/// The event that merges its properties into the traits.
const IDENTIFY: &str = "identify";
