//! Coming to rest: what wakes an instance is written down, with the instant of the next look at windowed conditions.

use std::collections::BTreeMap;

use journey_model::{ExitTrigger, Expression, WaitTrigger};
use journey_types::{InstanceNumber, Sequence, Timestamp};

use super::{Position, Subject, Turn};
use crate::event::{ArmedTimer, EventBody, Rest, TimerKind};

impl<'a> Turn<'a> {
    /// Lets an instance rest at its step on these timers, beside the step's own timeout.
    pub(crate) fn rest(
        &mut self,
        position: &Position<'a>,
        mut timers: Vec<ArmedTimer>,
        awaited_effect: Option<Sequence>,
    ) {
        timers.extend(position.times_out_at().map(|due_at| ArmedTimer {
            due_at,
            kind: TimerKind::StepTimeout,
        }));
        let rest = self.with_conditions(position, timers, awaited_effect);
        self.record(EventBody::Rested {
            instance: position.instance.number,
            rest,
        });
    }

    /// Looks again at what a resting or parked instance rests on; recorded only when it differs.
    pub(crate) fn refresh_rest(&mut self, number: InstanceNumber) {
        let Some(position) = self.position(number) else {
            return;
        };
        if self.is_on_its_way(number) {
            return;
        }
        let held = &position.instance.rest;
        let others = held.timers.iter();
        let others = others.filter(|timer| timer.kind != TimerKind::Recheck);
        let rest = self.with_conditions(&position, others.copied().collect(), held.awaited_effect);
        if rest != *held {
            self.record(EventBody::Rested {
                instance: number,
                rest,
            });
        }
    }

    fn with_conditions(
        &self,
        position: &Position<'a>,
        mut timers: Vec<ArmedTimer>,
        awaited_effect: Option<Sequence>,
    ) -> Rest {
        let subject = Subject::of(&position.instance, position.plan);
        let mut recheck: Option<Timestamp> = None;
        let mut look = |condition: &Expression, place: &str| {
            let seen = self.see(condition, subject, place);
            recheck = [recheck, seen.changes_at].into_iter().flatten().min();
            seen.holds
        };
        for exit in &position.plan.exits {
            if let ExitTrigger::When(condition) = &exit.trigger
                && condition.dependencies().windowed
            {
                look(condition, &exit.reason);
            }
        }
        let mut when_values = BTreeMap::new();
        for (branch_idx, branch) in (0..).zip(self.branches_waited_on(position)) {
            if let WaitTrigger::When { condition, rising } = &branch.trigger
                && (*rising || condition.dependencies().windowed)
            {
                let holds = look(condition, position.step.id.as_str());
                if *rising {
                    when_values.insert(branch_idx, holds);
                }
            }
        }
        timers.extend(recheck.map(|due_at| ArmedTimer {
            due_at,
            kind: TimerKind::Recheck,
        }));
        timers.sort_unstable();
        Rest {
            timers,
            when_values,
            awaited_effect,
        }
    }
}
