//! Entries and re-entry (JOURNEYS section 2): who may begin an instance now, who waits, who is refused and why.

use std::sync::Arc;

use journey_model::{Again, EntryRule, EntryTrigger, ExitTrigger, OnConflict, Plan};
use journey_types::limits::INSTANCES_PER_CUSTOMER_MAX;
use journey_types::{CustomerEvent, Fingerprint, InstanceNumber, JourneyId, TimeSpan, Timestamp};

use super::{Subject, Turn};
use crate::command::Reply;
use crate::entrance::{Enrollment, Entrance};
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
    entry: &'e Entrance,
    key: Option<&'e str>,
}

impl<'a> Turn<'a> {
    /// Entries by an event: journeys in id order, at most one instance each.
    pub(super) fn enter_by(&mut self, event: &Arc<CustomerEvent>) {
        let catalog = self.context.catalog;
        let Some(journeys) = catalog.entries.get(&event.name) else {
            return;
        };
        let entry = &Entrance::Event(Arc::clone(event));
        for journey in journeys {
            let Some(plan) = catalog.newest_plan(journey) else {
                continue;
            };
            if !self.rule_matches(plan, entry) {
                continue;
            }
            match self.key_of(plan, entry) {
                Ok(key) => {
                    // Whoever waits longer comes first.
                    self.admit_queued_of(journey, key.as_deref().unwrap_or_default());
                    let key = key.as_deref();
                    let candidate = Candidate { plan, entry, key };
                    self.admit(candidate, self.admission(candidate));
                }
                Err(reason) => self.refuse_entry(plan, reason),
            }
        }
    }

    /// The entry by an enroll call. Its id is remembered only where it takes effect.
    pub(crate) fn enroll(
        &mut self,
        plan: &'a Plan,
        enrollment: &Arc<Enrollment>,
        fingerprint: Fingerprint,
    ) -> Reply {
        self.budget.spend_step();
        let entry = &Entrance::Enrolled(Arc::clone(enrollment));
        if !self.rule_matches(plan, entry) {
            return Reply::NotEnrolled { reason: "where" };
        }
        let key = match self.key_of(plan, entry) {
            Ok(key) => key,
            Err(reason) => {
                self.refuse_entry(plan, reason);
                return Reply::NotEnrolled { reason };
            }
        };
        let key = key.as_deref();
        self.admit_queued_of(&plan.journey, key.unwrap_or_default());
        let candidate = Candidate { plan, entry, key };
        let admission = self.admission(candidate);
        let reply = match &admission {
            Admission::Refuse(reason) => Reply::NotEnrolled { reason },
            Admission::Queue => Reply::Enrolled { instance: None },
            Admission::Enter { .. } => Reply::Enrolled {
                instance: Some(self.state.next_instance),
            },
        };
        if matches!(reply, Reply::Enrolled { .. }) {
            self.record(EventBody::EnrollmentAccepted {
                fingerprint,
                journey: plan.journey.clone(),
            });
        }
        self.admit(candidate, admission);
        reply
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
            let Some(entry) = queue.and_then(|queue| queue.front()).cloned() else {
                return;
            };
            self.budget.spend_step();
            self.record(EventBody::EntryDequeued {
                journey: journey.clone(),
                key: key.map(str::to_owned),
            });
            if self.rule_matches(plan, &entry) {
                let entry = &entry;
                let candidate = Candidate { plan, entry, key };
                self.admit(candidate, self.admission(candidate));
            }
        }
    }

    /// Whether some entry rule matches; a live event beyond a rule's `max_age` does not match that rule.
    fn rule_matches(&self, plan: &Plan, entry: &Entrance) -> bool {
        let subject = Subject::outside(plan).entering_by(entry);
        plan.entry.iter().any(|rule| {
            let condition = rule.condition.as_ref();
            self.is_triggered(rule, entry)
                && condition.is_none_or(|condition| self.holds(condition, subject, "entry"))
        })
    }

    fn is_triggered(&self, rule: &EntryRule, entry: &Entrance) -> bool {
        match (&rule.trigger, entry) {
            (EntryTrigger::Event { name, max_age }, Entrance::Event(event)) => {
                let age = self.stamp.since(event.occurred_at);
                *name == event.name && max_age.is_none_or(|max_age| age <= max_age)
            }
            (EntryTrigger::Api, Entrance::Enrolled(_)) => true,
            (EntryTrigger::Event { .. }, Entrance::Enrolled(_))
            | (EntryTrigger::Api, Entrance::Event(_)) => false,
        }
    }

    fn key_of(&self, plan: &Plan, entry: &Entrance) -> Result<Option<String>, &'static str> {
        let Some(expression) = &plan.key else {
            return Ok(None);
        };
        let subject = Subject::outside(plan).entering_by(entry);
        let value = self.evaluate(expression, subject).ok();
        let key = value.and_then(key::of_value);
        key.map(Some).ok_or("key_invalid")
    }

    fn admit(&mut self, candidate: Candidate<'a, '_>, admission: Admission) {
        match admission {
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
        let Candidate { plan, entry, key } = candidate;
        let vars = std::collections::BTreeMap::new();
        let subject = Subject {
            entry: entry.event(),
            input: entry.input(),
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
        let Candidate { plan, entry, key } = candidate;
        let memory = self.state.journeys.get(&plan.journey);
        let queue = memory.and_then(|memory| memory.queue.get(key.unwrap_or_default()));
        let n_waiting = queue.map_or(0, std::collections::VecDeque::len);
        let n_dropped = (n_waiting + 1).saturating_sub(QUEUED_ENTRIES_MAX);
        self.record(EventBody::EntryQueued {
            journey: plan.journey.clone(),
            key: key.map(str::to_owned),
            entry: entry.clone(),
            n_dropped: u32::try_from(n_dropped).unwrap_or(u32::MAX),
        });
    }

    fn enter(&mut self, candidate: Candidate<'a, '_>) {
        let Candidate { plan, entry, key } = candidate;
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
            entry: entry.clone(),
            goals: goals.collect(),
            remembered_until,
        })));
        self.ready.insert(instance, self.depth);
    }
}
