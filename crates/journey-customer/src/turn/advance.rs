//! The order of a turn (JOURNEYS section 4): events, entries, steps, conditions, the arbiter, again until nothing moves.

use std::sync::Arc;

use journey_types::InstanceNumber;

use super::{Changes, Incoming, Turn};
use crate::command::IngestMode;
use crate::event::EventBody;
use crate::limits::TURN_ROUNDS_MAX;
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

    pub(super) fn can_move(&self) -> bool {
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
}
