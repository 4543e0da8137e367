//! What the simulated customers and workers do.

use std::collections::BTreeMap;
use std::sync::Arc;

use journey_customer::{Command, Enrollment, IngestMode, Outcome};
use journey_partition::HandOver;
use journey_types::{
    CustomerEvent, CustomerId, CustomerKey, EnrollmentId, EventId, EventName, JourneyId,
    SourceName, TimeSpan, Timestamp, Value, WorkspaceId,
};
use rand::Rng as _;
use rand::rngs::SmallRng;

use crate::deciding::{PAUSE, POISON};

/// The source of events that are numbered and keep their order.
pub(crate) const ORDERED_SOURCE: &str = "ordered";

const NAMES: [&str; 7] = [
    "cart_added",
    "purchase",
    "page_viewed",
    "cart_emptied",
    "gave_up",
    POISON,
    PAUSE,
];

/// Makes events and outcomes.
#[derive(Debug)]
pub(crate) struct Traffic {
    n_customers: u32,
    n_events: u64,
    /// Events and enroll calls that were sent, to be sent again.
    sent: Vec<(CustomerKey, Command)>,
}

impl Traffic {
    pub(crate) const fn new(n_customers: u32) -> Self {
        Self {
            n_customers,
            n_events: 0,
            sent: Vec::new(),
        }
    }

    /// An event or an enroll call: mostly a new one, at times one that was sent before.
    pub(crate) fn take_in(&mut self, rng: &mut SmallRng, now: Timestamp) -> (CustomerKey, Command) {
        if !self.sent.is_empty() && rng.random_bool(0.2) {
            return self.sent[rng.random_range(0..self.sent.len())].clone();
        }
        let command = if rng.random_bool(0.15) {
            self.new_enrollment(rng)
        } else {
            let mode = if rng.random_bool(0.05) {
                IngestMode::History
            } else {
                IngestMode::Live
            };
            let event = self.new_event(rng, now);
            (event.customer.clone(), Command::ingest(event, mode))
        };
        self.sent.push(command.clone());
        command
    }

    fn new_enrollment(&mut self, rng: &mut SmallRng) -> (CustomerKey, Command) {
        self.n_events += 1;
        let customer = customer_key(rng.random_range(0..self.n_customers));
        let journey = if rng.random_bool(0.5) {
            "works"
        } else {
            "carts"
        };
        let kind = if rng.random_bool(0.1) { POISON } else { "c" };
        let id = format!("{kind}{}", self.n_events);
        let enrollment = Enrollment {
            journey: JourneyId::new(journey).expect("short and plain"),
            id: EnrollmentId::new(id).expect("short and plain"),
            input: BTreeMap::from([("cart".to_owned(), Value::Int(rng.random_range(0..4)))]),
        };
        (customer, Command::Enroll(Arc::new(enrollment)))
    }

    /// An event of the producer that keeps its events in order; nobody else sends it.
    pub(crate) fn ordered(
        &mut self,
        serial: u64,
        rng: &mut SmallRng,
        now: Timestamp,
    ) -> (CustomerKey, Command) {
        let mut event = self.new_event(rng, now);
        event.source = SourceName::new(ORDERED_SOURCE).expect("short and plain");
        event.id = EventId::new(serial.to_string()).expect("short and plain");
        let mode = IngestMode::Live;
        (event.customer.clone(), Command::ingest(event, mode))
    }

    fn new_event(&mut self, rng: &mut SmallRng, now: Timestamp) -> CustomerEvent {
        self.n_events += 1;
        let customer = customer_key(rng.random_range(0..self.n_customers));
        let late = TimeSpan::from_secs(rng.random_range(0..3_600));
        let occurred_at = if rng.random_bool(0.2) {
            now.minus(late)
        } else {
            now
        };
        let properties = BTreeMap::from([
            ("cart".to_owned(), Value::Int(rng.random_range(0..3))),
            ("n".to_owned(), Value::Int(rng.random_range(0..10))),
        ]);
        CustomerEvent {
            customer,
            source: SourceName::new("sim").expect("short and plain"),
            id: EventId::new(format!("e{}", self.n_events)).expect("short and plain"),
            name: EventName::new(NAMES[rng.random_range(0..NAMES.len())]).expect("short and plain"),
            occurred_at,
            channel: None,
            device: None,
            properties,
        }
    }

    /// What a worker says of an effect it was handed.
    pub(crate) fn outcome(
        rng: &mut SmallRng,
        hand_over: &HandOver,
        now: Timestamp,
    ) -> (CustomerKey, Command) {
        let reason = "sim".to_owned();
        let done = done(hand_over);
        let outcome = match rng.random_range(0..10_u32) {
            0 => Outcome::FailedForGood { reason },
            1 | 2 => Outcome::FailedForNow {
                reason,
                retry_at: now,
            },
            3 if done == Outcome::Sent => Outcome::Delivered,
            _ => done,
        };
        (hand_over.customer.clone(), settle(hand_over, outcome))
    }

    /// The outcome that ends every effect, for the time after the faults.
    pub(crate) fn sent(hand_over: &HandOver) -> (CustomerKey, Command) {
        let outcome = done(hand_over);
        (hand_over.customer.clone(), settle(hand_over, outcome))
    }
}

/// What ends an effect well: a message is sent, a call or task answered.
fn done(hand_over: &HandOver) -> Outcome {
    match hand_over.row.work() {
        None => Outcome::Sent,
        Some(_) => Outcome::Completed {
            result: Value::Int(7),
        },
    }
}

/// The customer of a number.
pub(crate) fn customer_key(n: u32) -> CustomerKey {
    CustomerKey {
        workspace: WorkspaceId::default_workspace(),
        customer: CustomerId::new(format!("c{n}")).expect("short and plain"),
    }
}

fn settle(hand_over: &HandOver, outcome: Outcome) -> Command {
    let row = &hand_over.row;
    Command::Settle {
        birth: row.birth,
        effect: row.effect,
        attempt: row.attempt,
        outcome,
    }
}
