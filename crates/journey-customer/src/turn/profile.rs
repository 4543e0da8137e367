//! What an event and an `update` do to profile and history.

use journey_model::AggregateSpec;
use journey_types::{ANONYMOUS_ID, CustomerEvent, IDENTIFY, Value};

use super::{Incoming, Subject, Turn};
use crate::event::{EventBody, Feed};
use crate::history;
use crate::limits::IDENTIFIERS_MAX;

/// The trait that lists other identifiers of the customer, until merging is delivered.
const ALSO_KNOWN_AS: &str = "also_known_as";

impl Turn<'_> {
    /// The aggregates an event feeds by the adopted catalog, each with its amount.
    pub(super) fn feeds(&self, incoming: &Incoming) -> Vec<Feed> {
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
    ///
    /// Another identifier that it or an `alias` names is remembered as a trait: nothing is merged yet.
    pub(super) fn merge_identified(&mut self, event: &CustomerEvent) {
        if event.name.as_str() == IDENTIFY {
            for (name, value) in &event.properties {
                if name != ANONYMOUS_ID {
                    self.write_trait(name, value);
                }
            }
        }
        if let Some(other) = event.other_identifier() {
            let mut known = self.also_known_as();
            let other = Value::Text(other.into_owned());
            if !known.contains(&other) && known.len() < IDENTIFIERS_MAX {
                known.push(other);
                self.write_trait(ALSO_KNOWN_AS, &Value::List(known));
            }
        }
    }

    /// Whether the event names one identifier more than are remembered.
    pub(crate) fn has_too_many_identifiers(&self, event: &CustomerEvent) -> bool {
        event.other_identifier().is_some_and(|other| {
            let known = self.also_known_as();
            known.len() >= IDENTIFIERS_MAX && !known.contains(&Value::Text(other.into_owned()))
        })
    }

    fn also_known_as(&self) -> Vec<Value> {
        match self.state.traits.get(ALSO_KNOWN_AS) {
            Some(Value::List(known)) => known.clone(),
            _ => Vec::new(),
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
}
