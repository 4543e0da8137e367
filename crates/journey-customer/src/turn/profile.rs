//! What an event and an `update` do to profile and history.

use journey_model::AggregateSpec;
use journey_types::{CustomerEvent, Value};

use super::{Incoming, Subject, Turn};
use crate::event::{EventBody, Feed};
use crate::history;

/// The event that merges its properties into the traits.
const IDENTIFY: &str = "identify";

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
    pub(super) fn merge_identified(&mut self, event: &CustomerEvent) {
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
}
