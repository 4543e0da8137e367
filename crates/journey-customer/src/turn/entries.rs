//! Entries and re-entry (JOURNEYS section 2): who may begin an instance now, who waits, who is refused and why.

use std::sync::Arc;

use journey_model::{Again, ExitTrigger, OnConflict, Plan};
use journey_types::limits::INSTANCES_PER_CUSTOMER_MAX;
use journey_types::{CustomerEvent, InstanceNumber, JourneyId, TimeSpan, Timestamp};

use super::{Subject, Turn};
use crate::event::{Ending, EventBody, InstanceEntered};
use crate::key;
use crate::limits::QUEUED_ENTRIES_MAX;
use crate::state::Instance;

/// What becomes of an entry whose rule matches.
enum Admission {
    /// It enters, after these instances have ended as restarted.
    Enter { restarting: Vec<InstanceNumber> },
    /// It waits for a place.
    Queue,
    /// It is refused for this reason.
    Refuse(&'static str),
}

/// Someone who would enter.
#[derive(Clone, Copy)]
struct Candidate<'a, 'e> {
    plan: &'a Plan,
    event: &'e Arc<CustomerEvent>,
    key: Option<&'e str>,
}

impl<'a> Turn<'a> {
    /// Entries by an event: journeys in id order, at most one instance each.
    pub(super) fn enter_by(&mut self, event: &Arc<CustomerEvent>) {
        let catalog = self.context.catalog;
        let Some(journeys) = catalog.entries.get(&event.name) else {
            return;
        };
        for journey in journeys {
            let Some(plan) = catalog.newest_plan(journey) else {
                continue;
            };
            if !self.rule_matches(plan, event) {
                continue;
            }
            match self.key_of(plan, event) {
                Ok(key) => {
                    // Whoever waits longer comes first.
                    self.admit_queued_of(journey, key.as_deref().unwrap_or_default());
                    let key = key.as_deref();
                    self.admit(Candidate { plan, event, key });
                }
                Err(reason) => self.refuse_entry(plan, reason),
            }
        }
    }

    /// Lets entries that wait come in where places are free.
    pub(super) fn admit_queued(&mut self) {
        let queues = self.state.journeys.iter().flat_map(|(journey, memory)| {
            let keys = memory.queue.keys();
            keys.map(|key| (journey.clone(), key.clone()))
        });
        let queues: Vec<(JourneyId, String)> = queues.collect();
        for (journey, key) in queues {
            self.admit_queued_of(&journey, &key);
        }
    }

    fn admit_queued_of(&mut self, journey: &JourneyId, queue_key: &str) {
        let Some(plan) = self.context.catalog.newest_plan(journey) else {
            return;
        };
        let key = plan.key.as_ref().map(|_| queue_key);
        while !self.budget.is_spent() && self.has_place(plan, key) {
            let memory = self.state.journeys.get(journey);
            let queue = memory.and_then(|memory| memory.queue.get(queue_key));
            let Some(event) = queue.and_then(|queue| queue.front()).cloned() else {
                return;
            };
            self.budget.spend_step();
            self.record(EventBody::EntryDequeued {
                journey: journey.clone(),
                key: key.map(str::to_owned),
            });
            if self.rule_matches(plan, &event) {
                let event = &event;
                self.admit(Candidate { plan, event, key });
            }
        }
    }

    /// Whether some entry rule matches; a live event beyond a rule's `max_age` does not match that rule.
    fn rule_matches(&self, plan: &Plan, event: &CustomerEvent) -> bool {
        let subject = Subject::outside(plan).hearing(event);
        plan.entry.iter().any(|rule| {
            let age = self.stamp.since(event.occurred_at);
            let condition = rule.condition.as_ref();
            rule.event == event.name
                && rule.max_age.is_none_or(|max_age| age <= max_age)
                && condition.is_none_or(|condition| self.holds(condition, subject, "entry"))
        })
    }

    fn key_of(&self, plan: &Plan, event: &CustomerEvent) -> Result<Option<String>, &'static str> {
        let Some(expression) = &plan.key else {
            return Ok(None);
        };
        let subject = Subject::outside(plan).hearing(event);
        let value = self.evaluate(expression, subject).ok();
        let key = value.and_then(key::of_value);
        key.map(Some).ok_or("key_invalid")
    }

    fn admit(&mut self, candidate: Candidate<'a, '_>) {
        match self.admission(candidate) {
            Admission::Refuse(reason) => self.refuse_entry(candidate.plan, reason),
            Admission::Queue => self.queue_entry(candidate),
            Admission::Enter { restarting } => {
                for number in restarting {
                    if let Some(instance) = self.state.instances.get(&number).cloned() {
                        self.end(&instance, Ending::Exited("restarted".to_owned()));
                    }
                }
                self.enter(candidate);
            }
        }
    }

    /// The rules in their order: `never`, a held exit condition, places, the gap between entries.
    fn admission(&self, candidate: Candidate<'a, '_>) -> Admission {
        let Candidate { plan, key, .. } = candidate;
        let reentry = plan.reentry;
        let memory = self.state.journeys.get(&plan.journey);
        let entries = memory.map(|memory| &memory.entries);
        let last = entries.and_then(|entries| entries.get(key.unwrap_or_default()));
        let running = self.running_with(plan, key);
        let has_entered = !running.is_empty()
            || last.is_some_and(|(_, remembered_until)| *remembered_until == Timestamp::MAX)
            || (key.is_none() && memory.is_some_and(|memory| memory.newest.is_some()));
        if self.is_frugal {
            return Admission::Refuse("customer_too_large");
        }
        if reentry.again == Again::Never && has_entered {
            return Admission::Refuse("reentry_never");
        }
        if self.exit_holds_already(candidate) {
            return Admission::Refuse("exit_rule");
        }
        let n_places = usize::try_from(reentry.concurrent).unwrap_or(usize::MAX);
        let mut restarting = Vec::new();
        if running.len() >= n_places {
            match reentry.on_conflict {
                OnConflict::Ignore => return Admission::Refuse("conflict"),
                OnConflict::Queue => return Admission::Queue,
                OnConflict::Restart => {
                    let n_ending = running.len() + 1 - n_places.max(1);
                    restarting = running.into_iter().take(n_ending).collect();
                }
            }
        }
        let is_restart = !restarting.is_empty();
        let is_too_soon = |(entered_at, _): &(Timestamp, Timestamp)| {
            self.stamp.since(*entered_at) < reentry.min_gap
        };
        if !is_restart && last.is_some_and(is_too_soon) {
            return Admission::Refuse("min_gap");
        }
        if self.state.instances.len() - restarting.len() >= INSTANCES_PER_CUSTOMER_MAX {
            return Admission::Refuse("too_many_instances");
        }
        Admission::Enter { restarting }
    }

    /// Whether a `when` exit holds for the instance that would begin.
    fn exit_holds_already(&self, candidate: Candidate<'a, '_>) -> bool {
        let Candidate { plan, event, key } = candidate;
        let vars = std::collections::BTreeMap::new();
        let subject = Subject {
            entry: Some(event),
            instance: Some(journey_model::InstanceScope {
                key,
                step: &plan.step(plan.start).id,
                entered_at: self.stamp,
            }),
            vars: Some(&vars),
            ..Subject::outside(plan)
        };
        plan.exits.iter().any(|exit| match &exit.trigger {
            ExitTrigger::When(condition) => self.holds(condition, subject, &exit.reason),
            ExitTrigger::Event(_) => false,
        })
    }

    fn has_place(&self, plan: &Plan, key: Option<&str>) -> bool {
        let n_places = usize::try_from(plan.reentry.concurrent).unwrap_or(usize::MAX);
        self.running_with(plan, key).len() < n_places
    }

    /// Running instances of the journey with that key, over all versions, oldest first.
    fn running_with(&self, plan: &Plan, key: Option<&str>) -> Vec<InstanceNumber> {
        let is_one = |instance: &&Arc<Instance>| {
            instance.journey == plan.journey && instance.key.as_deref() == key
        };
        let running = self.state.instances.values().filter(is_one);
        running.map(|instance| instance.number).collect()
    }

    fn refuse_entry(&mut self, plan: &Plan, reason: &str) {
        self.record(EventBody::EntryRefused {
            journey: plan.journey.clone(),
            version: plan.version,
            reason: reason.to_owned(),
        });
    }

    fn queue_entry(&mut self, candidate: Candidate<'a, '_>) {
        let Candidate { plan, event, key } = candidate;
        let memory = self.state.journeys.get(&plan.journey);
        let queue = memory.and_then(|memory| memory.queue.get(key.unwrap_or_default()));
        let n_waiting = queue.map_or(0, std::collections::VecDeque::len);
        let n_dropped = (n_waiting + 1).saturating_sub(QUEUED_ENTRIES_MAX);
        self.record(EventBody::EntryQueued {
            journey: plan.journey.clone(),
            key: key.map(str::to_owned),
            event: Arc::clone(event),
            n_dropped: u32::try_from(n_dropped).unwrap_or(u32::MAX),
        });
    }

    fn enter(&mut self, candidate: Candidate<'a, '_>) {
        let Candidate { plan, event, key } = candidate;
        let stamp = self.stamp;
        let goals = plan.goals.iter().map(|goal| {
            let until = goal.within.map(|within| stamp.plus(within));
            (goal.id.clone(), until)
        });
        let remembered_until = match plan.reentry.again {
            Again::Never => Some(Timestamp::MAX),
            Again::Always if plan.reentry.min_gap > TimeSpan::ZERO => {
                Some(stamp.plus(plan.reentry.min_gap))
            }
            Again::Always => None,
        };
        let instance = self.state.next_instance;
        self.record(EventBody::InstanceEntered(Box::new(InstanceEntered {
            instance,
            journey: plan.journey.clone(),
            version: plan.version,
            key: key.map(str::to_owned),
            step: plan.step(plan.start).id.clone(),
            entry: Arc::clone(event),
            goals: goals.collect(),
            remembered_until,
        })));
        self.ready.insert(instance, self.depth);
    }
}
