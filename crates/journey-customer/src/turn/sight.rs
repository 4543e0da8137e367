//! What an expression sees when it is evaluated in a turn, and from when on it could see something else.

use std::cell::Cell;
use std::collections::BTreeMap;

use journey_model::{
    CustomerScope, EvaluationError, Expression, HistoryReader, InstanceScope, JourneysReader,
    Scope, is_zone, resolve_zone,
};
use journey_types::{AggregateId, CustomerEvent, JourneyId, TimeSpan, Timestamp, Value};

use super::Turn;
use crate::entrance::Entrance;
use crate::history::{self, WindowEvents};
use crate::limits::WINDOW_EVENTS_MAX;
use crate::state::{CustomerState, FallbackScope, Instance};

/// What an expression is about, beside the customer.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Subject<'s> {
    /// The journey, for the notes on errors.
    pub(crate) journey: &'s str,
    /// The zone of the journey.
    pub(crate) journey_zone: Option<&'s str>,
    /// The event at hand.
    pub(crate) event: Option<&'s CustomerEvent>,
    /// The event by which the instance entered.
    pub(crate) entry: Option<&'s CustomerEvent>,
    /// What the enroll call brought by which it enters or entered.
    pub(crate) input: Option<&'s BTreeMap<String, Value>>,
    /// The instance.
    pub(crate) instance: Option<InstanceScope<'s>>,
    /// Its variables.
    pub(crate) vars: Option<&'s BTreeMap<String, Value>>,
}

impl<'s> Subject<'s> {
    /// A running instance.
    pub(crate) fn of(instance: &'s Instance, plan: &'s journey_model::Plan) -> Self {
        Self {
            journey: plan.journey.as_str(),
            journey_zone: plan.zone.as_deref(),
            event: None,
            entry: instance.entry.event(),
            input: instance.entry.input(),
            instance: Some(InstanceScope {
                key: instance.key.as_deref(),
                step: &instance.step,
                entered_at: instance.entered_at,
            }),
            vars: Some(&instance.vars),
        }
    }

    /// An instance that may have ended, as its effect remembers it.
    pub(crate) fn of_fallback(
        scope: &'s FallbackScope,
        step: &'s journey_types::StepId,
        plan: &'s journey_model::Plan,
    ) -> Self {
        Self {
            journey: plan.journey.as_str(),
            journey_zone: plan.zone.as_deref(),
            event: None,
            entry: scope.entry.event(),
            input: scope.entry.input(),
            instance: Some(InstanceScope {
                key: scope.key.as_deref(),
                step,
                entered_at: scope.entered_at,
            }),
            vars: Some(&scope.vars),
        }
    }

    /// A journey of which there is no instance (yet).
    pub(crate) fn outside(plan: &'s journey_model::Plan) -> Self {
        Self {
            journey: plan.journey.as_str(),
            journey_zone: plan.zone.as_deref(),
            ..Self::default()
        }
    }

    /// The same, where that is what someone would enter by.
    pub(crate) fn entering_by(mut self, entry: &'s Entrance) -> Self {
        self.event = entry.event();
        self.input = entry.input();
        self
    }

    /// The same, with an event at hand.
    pub(crate) const fn hearing(mut self, event: &'s CustomerEvent) -> Self {
        self.event = Some(event);
        self
    }
}

/// A condition's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Whether it holds.
    pub(crate) holds: bool,
    /// The next instant at which time alone could change that, through a window it read.
    pub(crate) changes_at: Option<Timestamp>,
}

impl Turn<'_> {
    /// Whether a condition holds; an error counts as false and is noted for the metrics.
    pub(crate) fn holds(&self, condition: &Expression, subject: Subject<'_>, place: &str) -> bool {
        self.see(condition, subject, place).holds
    }

    /// A condition's value with the instant from which it may differ.
    pub(crate) fn see(&self, condition: &Expression, subject: Subject<'_>, place: &str) -> Seen {
        let (value, sight) = self.read(subject, |scope| condition.holds(scope));
        if sight.is_saturated {
            self.note_error(
                subject,
                place,
                format!("history saturated at {WINDOW_EVENTS_MAX} events"),
            );
        }
        let holds = value.unwrap_or_else(|error| {
            self.note_error(subject, place, error.reason);
            false
        });
        Seen {
            holds,
            changes_at: sight.changes_at,
        }
    }

    /// The value of an expression.
    pub(crate) fn evaluate(
        &self,
        expression: &Expression,
        subject: Subject<'_>,
    ) -> Result<Value, EvaluationError> {
        self.read(subject, |scope| expression.evaluate(scope)).0
    }

    /// Reads something with the customer as it is now.
    pub(crate) fn read<R>(
        &self,
        subject: Subject<'_>,
        read: impl FnOnce(&Scope<'_>) -> R,
    ) -> (R, Sight) {
        let history = HistoryView {
            state: &self.state,
            now: self.stamp,
            sight: Cell::default(),
        };
        let scope = Scope {
            event: subject.event,
            entry: subject.entry,
            input: subject.input,
            instance: subject.instance,
            vars: subject.vars,
            customer: CustomerScope {
                id: &self.state.key.customer,
                traits: &self.state.traits,
                lifecycle: self.state.lifecycle.as_deref(),
                zone: self.zone(subject.journey_zone),
            },
            history: &history,
            journeys: &JourneysView { state: &self.state },
            now: self.stamp,
        };
        let value = read(&scope);
        (value, history.sight.get())
    }

    /// The customer's zone in a journey. Journeys and workspaces name valid zones; a trait is anyone's word.
    pub(crate) fn zone<'s>(&'s self, journey_zone: Option<&'s str>) -> &'s str {
        let trait_zone = self.state.traits.get("zone").and_then(Value::as_text);
        if let Some(zone) = trait_zone {
            let is_valid = self.trait_zone_is_valid.get();
            let is_valid = is_valid.unwrap_or_else(|| is_zone(zone));
            self.trait_zone_is_valid.set(Some(is_valid));
            if is_valid {
                return zone;
            }
        }
        journey_zone.unwrap_or_else(|| resolve_zone(None, None, Some(self.context.workspace_zone)))
    }

    fn note_error(&self, subject: Subject<'_>, place: &str, reason: String) {
        let note = (subject.journey.to_owned(), place.to_owned(), reason);
        self.condition_errors.borrow_mut().push(note);
    }
}

/// What was found out about windows while something was read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sight {
    changes_at: Option<Timestamp>,
    is_saturated: bool,
}

/// `history.*`, noting when what was read can change. What is not read cannot change the value that was found.
struct HistoryView<'a> {
    state: &'a CustomerState,
    now: Timestamp,
    sight: Cell<Sight>,
}

impl HistoryView<'_> {
    /// The events in a window, with a note of when it changes next.
    fn window(&self, aggregate: AggregateId, window: TimeSpan) -> Option<WindowEvents<'_>> {
        let counted = self.state.history.get(&aggregate)?;
        let events = counted.within(window, self.now);
        let changes_at = counted.next_change(window, self.now);
        let sight = self.sight.get();
        self.sight.set(Sight {
            changes_at: [sight.changes_at, changes_at].into_iter().flatten().min(),
            is_saturated: sight.is_saturated || events.len() >= WINDOW_EVENTS_MAX,
        });
        Some(events)
    }
}

impl HistoryReader for HistoryView<'_> {
    fn count(&self, aggregate: AggregateId, window: Option<TimeSpan>) -> u64 {
        match window {
            Some(window) => self
                .window(aggregate, window)
                .map_or(0, |events| events.len() as u64),
            None => self.state.history.get(&aggregate).map_or(0, |a| a.n_events),
        }
    }

    fn first(&self, aggregate: AggregateId) -> Option<Timestamp> {
        self.state.history.get(&aggregate)?.first
    }

    fn last(&self, aggregate: AggregateId) -> Option<Timestamp> {
        self.state.history.get(&aggregate)?.last
    }

    fn sum_nanos(&self, aggregate: AggregateId, window: Option<TimeSpan>) -> i128 {
        match window {
            Some(window) => {
                let events = self.window(aggregate, window).into_iter().flatten();
                history::sum(events.map(|(_, amount_nanos)| *amount_nanos))
            }
            None => self
                .state
                .history
                .get(&aggregate)
                .map_or(0, |a| a.sum_nanos),
        }
    }
}

/// `journeys.*`.
struct JourneysView<'a> {
    state: &'a CustomerState,
}

impl JourneysReader for JourneysView<'_> {
    fn active(&self, journey: &JourneyId) -> u64 {
        let running = self.state.instances.values();
        running.filter(|i| i.journey == *journey).map(|_| 1).sum()
    }

    fn state(&self, journey: &JourneyId) -> &str {
        let memory = self.state.journeys.get(journey);
        memory.and_then(|memory| memory.newest).map_or("", |n| n.1)
    }

    fn outcome(&self, journey: &JourneyId) -> &str {
        let memory = self.state.journeys.get(journey);
        memory.map_or("", |memory| &memory.outcome)
    }
}
