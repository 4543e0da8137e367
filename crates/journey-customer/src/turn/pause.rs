//! What a turn leaves over when its budget is spent, how it goes on, and what must hold when it is closed.

use journey_types::InstanceNumber;

use super::{Changes, Turn};
use crate::event::EventBody;
use crate::state::PausedTurn;
use crate::step;

impl Turn<'_> {
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
