//! What an event does to instances that run (exits, goals, waits) and to goals that outlive them.
//!
//! Branches of one wait are tried in listed order, also those by condition that the event made true. An event that
//! moved an instance has done its part: a later wait with `since: entry` does not count it.

use std::sync::Arc;

use journey_model::{
    EventMatch, ExitTrigger, Goal, MatchKey, Plan, StepKind, WaitBranch, WaitSince, WaitTrigger,
};
use journey_types::{CustomerEvent, InstanceNumber, Value};

use super::{Position, Subject, Turn, instance_ref};
use crate::event::{Departure, Ending, EventBody, InstanceRef};
use crate::key;
use crate::state::{Instance, WatchedGoal};
use crate::step::message;

impl<'a> Turn<'a> {
    /// Every instance hears the event, in order of number, then the goals of ended ones.
    pub(super) fn listen(&mut self, event: &Arc<CustomerEvent>) {
        for number in self.running() {
            self.hear(number, event);
        }
        let watched = self.state.watched_goals.iter();
        let watched = watched.filter(|watched| self.goal_of(watched, event).is_some());
        for watched in watched.cloned().collect::<Vec<WatchedGoal>>() {
            self.hear_for_ended(&watched, event);
        }
    }

    /// Exits and goals are both looked at, then waits; one event moves an instance at most once.
    fn hear(&mut self, number: InstanceNumber, event: &CustomerEvent) {
        let Some(position) = self.position(number) else {
            return;
        };
        let exit = self.exit_heard(&position, event);
        let goal = self.reach_goals(&position, event);
        if let Some(reason) = exit {
            self.end(&position.instance, Ending::Exited(reason));
        } else if let Some(goal) = goal {
            self.end(&position.instance, Ending::Goal(goal));
        } else if !self.wake_waiting(&position, event) {
            self.foresee(&position, event);
        }
    }

    /// The reason of the first exit rule that holds.
    fn exit_heard(&self, position: &Position<'a>, event: &CustomerEvent) -> Option<String> {
        let Position { instance, plan, .. } = position;
        let exit = plan.exits.iter().find(|exit| match &exit.trigger {
            ExitTrigger::Event(matching) => self.matches(matching, instance, plan, event),
            ExitTrigger::When(condition) => {
                self.changes
                    .touch(condition.dependencies(), instance.number)
                    && self.holds(condition, Subject::of(instance, plan), &exit.reason)
            }
        });
        exit.map(|exit| exit.reason.clone())
    }

    /// Records every open goal that the event reaches; gives the first that ends the instance.
    fn reach_goals(&mut self, position: &Position<'a>, event: &CustomerEvent) -> Option<String> {
        let Position { instance, plan, .. } = position;
        if instance.open_goals.is_empty() {
            return None;
        }
        let mut ending = None;
        for goal in &plan.goals {
            let is_open = instance
                .open_goals
                .get(&goal.id)
                .is_some_and(|until| until.is_none_or(|until| self.stamp <= until));
            if is_open && self.matches(&goal.reached_by, instance, plan, event) {
                self.reach(instance_ref(instance), goal);
                if goal.exit && ending.is_none() {
                    ending = Some(goal.id.clone());
                }
            }
        }
        ending
    }

    /// The goal that is watched, if this kind of event reaches it.
    fn goal_of(
        &self,
        watched: &WatchedGoal,
        event: &CustomerEvent,
    ) -> Option<(&'a Plan, &'a Goal)> {
        let catalog = self.context.catalog;
        let plan = catalog.plan(&watched.journey, watched.version)?;
        let mut goals = plan.goals.iter();
        let goal = goals.find(|goal| goal.id == watched.goal)?;
        (goal.reached_by.event == event.name).then_some((plan, goal))
    }

    fn hear_for_ended(&mut self, watched: &WatchedGoal, event: &CustomerEvent) {
        let Some((plan, goal)) = self.goal_of(watched, event) else {
            return;
        };
        let subject = Subject {
            entry: watched.entry.event(),
            input: watched.entry.input(),
            ..Subject::outside(plan)
        };
        let subject = (watched.key.as_deref(), subject);
        let counts_still = self.stamp <= watched.until;
        if counts_still && self.matches_as(&goal.reached_by, subject, plan, event) {
            let instance = InstanceRef {
                number: watched.instance,
                journey: watched.journey.clone(),
                version: watched.version,
            };
            self.reach(instance, goal);
        }
    }

    fn reach(&mut self, instance: InstanceRef, goal: &Goal) {
        self.record(EventBody::GoalReached {
            instance,
            goal: goal.id.clone(),
        });
    }

    /// Moves an instance that waits for this event; true when it moved.
    fn wake_waiting(&mut self, position: &Position<'a>, event: &CustomerEvent) -> bool {
        let number = position.instance.number;
        if position.instance.parked.is_some() || self.ready.contains_key(&number) {
            return false;
        }
        match &position.step.kind {
            StepKind::Message(message) => message::hear_receipt(self, position, message, event),
            StepKind::WaitUntil(branches) => {
                let taken = self.branch_heard(position, branches, event);
                if let Some((branch_idx, branch)) = taken {
                    self.go(position, Departure::Branch(branch_idx), branch.next);
                }
                taken.is_some()
            }
            StepKind::Call(_)
            | StepKind::Task(_)
            | StepKind::Delay(_)
            | StepKind::Split(_)
            | StepKind::Update(_)
            | StepKind::Emit(_) => false,
        }
    }

    /// The first branch in listed order that holds with this event: also a condition that the event made true.
    fn branch_heard(
        &self,
        position: &Position<'a>,
        branches: &'a [WaitBranch],
        event: &CustomerEvent,
    ) -> Option<(u16, &'a WaitBranch)> {
        let Position { instance, plan, .. } = position;
        (0..)
            .zip(branches)
            .find(|(branch_idx, branch)| match &branch.trigger {
                WaitTrigger::Event { matching, .. } => {
                    self.matches(matching, instance, plan, event)
                }
                WaitTrigger::When { condition, rising } => {
                    self.changes
                        .touch(condition.dependencies(), instance.number)
                        && self.branch_turned_true(position, (*branch_idx, condition, *rising))
                }
                WaitTrigger::After { .. } | WaitTrigger::At { .. } => false,
            })
    }

    /// Notes `since: entry` branches of waits still ahead that have now seen their event.
    fn foresee(&mut self, position: &Position<'a>, event: &CustomerEvent) {
        let Position { instance, plan, .. } = position;
        for step in &plan.steps {
            let StepKind::WaitUntil(branches) = &step.kind else {
                continue;
            };
            for (branch_idx, branch) in (0_u16..).zip(branches) {
                if let WaitTrigger::Event {
                    matching,
                    since: WaitSince::Entry,
                } = &branch.trigger
                    && !instance.foreseen.contains(&(step.id.clone(), branch_idx))
                    && self.matches(matching, instance, plan, event)
                {
                    self.record(EventBody::BranchForeseen {
                        instance: instance.number,
                        step: step.id.clone(),
                        branch_idx,
                    });
                }
            }
        }
    }

    fn matches(
        &self,
        matching: &EventMatch,
        instance: &Instance,
        plan: &Plan,
        event: &CustomerEvent,
    ) -> bool {
        // The name first: for most events nothing else is looked at.
        let key = instance.key.as_deref();
        matching.event == event.name
            && self.matches_as(matching, (key, Subject::of(instance, plan)), plan, event)
    }

    fn matches_as(
        &self,
        matching: &EventMatch,
        (key, subject): (Option<&str>, Subject<'_>),
        plan: &Plan,
        event: &CustomerEvent,
    ) -> bool {
        if matching.event != event.name {
            return false;
        }
        let subject = subject.hearing(event);
        let has_key = match &matching.match_key {
            MatchKey::Any => true,
            MatchKey::JourneyKey => match &plan.key {
                // Of the event, not of the call by which the instance entered.
                Some(of_event) => {
                    let subject = Subject {
                        input: None,
                        ..subject
                    };
                    self.gives_key(of_event, subject, key)
                }
                None => false,
            },
            MatchKey::Expression(of_event) => self.gives_key(of_event, subject, key),
        };
        let condition = matching.condition.as_ref();
        has_key
            && condition
                .is_none_or(|condition| self.holds(condition, subject, matching.event.as_str()))
    }

    fn gives_key(
        &self,
        of_event: &journey_model::Expression,
        subject: Subject<'_>,
        key: Option<&str>,
    ) -> bool {
        let value: Option<Value> = self.evaluate(of_event, subject).ok();
        key.is_some() && value.and_then(key::of_value).as_deref() == key
    }
}
