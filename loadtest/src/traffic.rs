//! Makes the events of a connection: which customer does what next, and how that looks on the wire.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use journey_client::{struct_from_map, wire};
use journey_types::{Timestamp, Value};
use prost::bytes::{Bytes, BytesMut};
use rand::rngs::SmallRng;
use rand::{Rng as _, SeedableRng as _};

use crate::limits::{DUPLICATE_RING_MAX, HOT_EVENTS_MAX};
use crate::scenario::{EventKind, Phase, PhaseKind, Property, Scenario};

/// `IngestRequest.events`.
const EVENTS_FIELD: u32 = 1;
/// Room for an event with few properties; a request of larger ones grows.
const EVENT_SIZE_BYTES_USUAL: usize = 128;
/// The connection number of start events.
const START_CONNECTION: u32 = u32::MAX;

/// What the whole run shares: which run it is, when it began, what is sent.
#[derive(Debug)]
pub(crate) struct Run {
    /// Sets customers and ids of this run apart from those before, so that a node can be measured again.
    pub(crate) id: u64,
    pub(crate) origin: Instant,
    /// The instant of the storm.
    pub(crate) due: Timestamp,
    pub(crate) n_customers: u32,
    pub(crate) kinds: Vec<EventKind>,
    due_text: String,
    /// Effects of events that were to be sent before this microsecond are not timed.
    effects_from_us: AtomicU64,
}

/// One event that is to be sent, small enough to be kept until it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Planned {
    pub(crate) connection: u32,
    pub(crate) number: u64,
    pub(crate) customer: u32,
    /// Index into [`Run::kinds`].
    pub(crate) kind: u16,
    pub(crate) flavour: Flavour,
    /// It was sent before and nobody knows whether it took effect: a duplicate then says that it did.
    pub(crate) is_uncertain: bool,
    /// Microseconds of the run when it was to be sent first.
    pub(crate) sent_us: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flavour {
    Good,
    /// Was acknowledged before.
    Duplicate,
    /// Must be refused.
    Bad,
}

impl Run {
    pub(crate) fn new(id: u64, origin: Instant, now: Timestamp, scenario: &Scenario) -> Self {
        let customers = &scenario.customers;
        let wait = customers.due_after
            + customers.due_after_per_thousand * customers.count.div_ceil(1_000);
        let wait_ms = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
        let is_open =
            |phase: &Phase| phase.is_measured && matches!(phase.kind, PhaseKind::Open { .. });
        let has_open = scenario.phases.iter().any(is_open);
        let due = now.plus(journey_types::TimeSpan::from_ms(wait_ms));
        Self {
            id,
            origin,
            due,
            n_customers: customers.count,
            kinds: scenario.kinds(),
            due_text: due.to_string(),
            effects_from_us: AtomicU64::new(if has_open { u64::MAX } else { 0 }),
        }
    }

    /// Effects are timed from here on, if they are not yet: in an open loop, not behind what a closed one left.
    pub(crate) fn time_effects_from(&self, instant: Instant) {
        let from_us = self.micros(instant);
        self.effects_from_us.fetch_min(from_us, Ordering::Relaxed);
    }

    /// Whether the effect of an event that was to be sent then is timed.
    pub(crate) fn times_effect_of(&self, sent_us: u64) -> bool {
        sent_us >= self.effects_from_us.load(Ordering::Relaxed)
    }

    /// Microseconds since the run began.
    pub(crate) fn micros(&self, instant: Instant) -> u64 {
        let since = instant.saturating_duration_since(self.origin);
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }

    /// The id of a customer.
    pub(crate) fn customer_id(&self, customer: u32) -> String {
        let mut id = String::new();
        self.put_customer_id(customer, &mut id);
        id
    }

    fn put_customer_id(&self, customer: u32, id: &mut String) {
        id.clear();
        push(id, format_args!("{:08x}-{customer}", self.id >> 32));
    }

    /// The start event of a customer; it is the last kind.
    pub(crate) fn start_of(&self, customer: u32, sent_us: u64) -> Planned {
        Planned {
            connection: START_CONNECTION,
            number: u64::from(customer),
            customer,
            kind: u16::try_from(self.kinds.len().saturating_sub(1)).unwrap_or(u16::MAX),
            flavour: Flavour::Good,
            is_uncertain: false,
            sent_us,
        }
    }

    /// An `IngestRequest` of events as it goes out. Message by message it costs the harness about as much as all else that
    /// it does for a call, and where the node is given more than it can do, that is what the node lacks.
    pub(crate) fn request_of(&self, events: &[Planned]) -> Bytes {
        let mut request = BytesMut::with_capacity(events.len() * EVENT_SIZE_BYTES_USUAL);
        let mut event = wire::CustomerEvent::default();
        for planned in events {
            self.put_event(planned, &mut event);
            prost::encoding::message::encode(EVENTS_FIELD, &event, &mut request);
        }
        request.freeze()
    }

    /// The event as it goes out: the same whenever it is sent.
    pub(crate) fn wire_of(&self, planned: &Planned) -> wire::CustomerEvent {
        let mut event = wire::CustomerEvent::default();
        self.put_event(planned, &mut event);
        event
    }

    /// The same into a message that may have been another event before.
    fn put_event(&self, planned: &Planned, event: &mut wire::CustomerEvent) {
        let kind = &self.kinds[usize::from(planned.kind)];
        event.name.clear();
        match planned.flavour {
            // No name is no event, whatever the catalog says.
            Flavour::Bad => {}
            Flavour::Good | Flavour::Duplicate => event.name.push_str(&kind.name),
        }
        let Planned {
            connection, number, ..
        } = planned;
        let properties = kind.properties.iter().map(|(key, property)| {
            let value = match property {
                Property::Fixed(value) => value.clone(),
                Property::Sent => Value::Int(planned.sent_us.cast_signed()),
                Property::Number => Value::Int(planned.number.cast_signed()),
                Property::Due => Value::text(self.due_text.as_str()),
            };
            (key.clone(), value)
        });
        let properties: BTreeMap<String, Value> = properties.collect();
        event.properties = (!properties.is_empty()).then(|| struct_from_map(&properties));
        self.put_customer_id(planned.customer, &mut event.customer_id);
        event.id.clear();
        push(
            &mut event.id,
            format_args!("{:x}-{connection:x}-{number:x}", self.id),
        );
    }
}

/// Writes into a text, which cannot fail.
fn push(text: &mut String, what: std::fmt::Arguments<'_>) {
    text.write_fmt(what)
        .expect("a text takes all that memory holds");
}

/// Chooses the events of one connection.
#[derive(Debug)]
pub(crate) struct Maker {
    run: Arc<Run>,
    rng: SmallRng,
    connection: u32,
    n_events: u64,
    n_hot: u64,
    hot_events_max: u64,
    weights: Vec<u32>,
    weight_sum: u32,
    duplicates: f64,
    bad: f64,
    hot: f64,
    acknowledged: VecDeque<Planned>,
}

impl Maker {
    pub(crate) fn new(run: Arc<Run>, scenario: &Scenario, connection: u32) -> Self {
        let traffic = &scenario.traffic;
        let weights: Vec<u32> = traffic.events.iter().map(|kind| kind.weight).collect();
        Self {
            rng: SmallRng::seed_from_u64(run.id ^ u64::from(connection)),
            run,
            connection,
            n_events: 0,
            n_hot: 0,
            hot_events_max: (HOT_EVENTS_MAX / u64::from(traffic.connections)).max(1),
            weight_sum: weights.iter().sum(),
            weights,
            duplicates: traffic.duplicates,
            bad: traffic.bad,
            hot: traffic.hot,
            acknowledged: VecDeque::new(),
        }
    }

    /// The next events, to be sent at that microsecond of the run.
    pub(crate) fn batch(&mut self, n_events: u32, sent_us: u64) -> Vec<Planned> {
        (0..n_events).map(|_| self.next(sent_us)).collect()
    }

    fn next(&mut self, sent_us: u64) -> Planned {
        let mut flavour = Flavour::Good;
        if self.duplicates + self.bad > 0.0 {
            let dice: f64 = self.rng.random();
            if dice < self.duplicates {
                if let Some(planned) = self.acknowledged.pop_front() {
                    return Planned {
                        flavour: Flavour::Duplicate,
                        ..planned
                    };
                }
            } else if dice < self.duplicates + self.bad {
                flavour = Flavour::Bad;
            }
        }
        self.n_events += 1;
        Planned {
            connection: self.connection,
            number: self.n_events,
            customer: self.customer(),
            kind: self.kind(),
            flavour,
            is_uncertain: false,
            sent_us,
        }
    }

    fn customer(&mut self) -> u32 {
        if self.hot > 0.0 && self.rng.random_bool(self.hot) {
            let customer = self.n_hot / self.hot_events_max;
            self.n_hot += 1;
            return u32::try_from(customer % u64::from(self.run.n_customers)).unwrap_or(0);
        }
        self.rng.random_range(0..self.run.n_customers)
    }

    fn kind(&mut self) -> u16 {
        if self.weights.len() == 1 {
            return 0;
        }
        let mut dice = self.rng.random_range(0..self.weight_sum.max(1));
        for (idx, weight) in self.weights.iter().enumerate() {
            if dice < *weight {
                return u16::try_from(idx).unwrap_or(0);
            }
            dice -= weight;
        }
        0
    }

    /// Remembers what was accepted: only that can be sent again as a duplicate.
    pub(crate) fn accepted(&mut self, planned: &Planned) {
        if self.duplicates > 0.0 && planned.flavour == Flavour::Good {
            if self.acknowledged.len() == DUPLICATE_RING_MAX {
                self.acknowledged.pop_front();
            }
            self.acknowledged.push_back(*planned);
        }
    }
}

#[cfg(test)]
mod tests;
