//! What an expression can see while it is evaluated: borrowed views, filled by the customer actor.

use std::collections::BTreeMap;

use journey_types::{
    AggregateId, CustomerEvent, CustomerId, JourneyId, StepId, TimeSpan, Timestamp, Value,
};

/// Everything an expression can name. What is `None` is absent where the expression stands; `check` has refused
/// expressions that name it there.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// The event at hand.
    pub event: Option<&'a CustomerEvent>,
    /// The event by which the instance entered.
    pub entry: Option<&'a CustomerEvent>,
    /// What the enroll call brought by which the instance entered; read as empty where there is none.
    pub input: Option<&'a BTreeMap<String, Value>>,
    /// The instance.
    pub instance: Option<InstanceScope<'a>>,
    /// The instance's variables.
    pub vars: Option<&'a BTreeMap<String, Value>>,
    /// The customer.
    pub customer: CustomerScope<'a>,
    /// What the customer did.
    pub history: &'a dyn HistoryReader,
    /// The customer's journeys.
    pub journeys: &'a dyn JourneysReader,
    /// The stamp of the turn.
    pub now: Timestamp,
}

impl std::fmt::Debug for Scope<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "Scope(now {})", self.now)
    }
}

/// `instance.*`.
#[derive(Debug, Clone, Copy)]
pub struct InstanceScope<'a> {
    /// Its key; absent in a journey without `key`.
    pub key: Option<&'a str>,
    /// The step it is at.
    pub step: &'a StepId,
    /// When it entered.
    pub entered_at: Timestamp,
}

/// `customer.*`.
#[derive(Debug, Clone, Copy)]
pub struct CustomerScope<'a> {
    /// The id.
    pub id: &'a CustomerId,
    /// The traits.
    pub traits: &'a BTreeMap<String, Value>,
    /// The lifecycle stage, if any was set.
    pub lifecycle: Option<&'a str>,
    /// The zone in force: `traits.zone` if valid, else the journey's, else the workspace's, else `UTC`.
    pub zone: &'a str,
}

/// `history.*`: reads aggregates by the id that the expression was compiled with.
pub trait HistoryReader {
    /// Events in (now − window, now], or all events without a window. Saturates at 1,000 with a window.
    fn count(&self, aggregate: AggregateId, window: Option<TimeSpan>) -> u64;
    /// The earliest `occurred_at`.
    fn first(&self, aggregate: AggregateId) -> Option<Timestamp>;
    /// The latest `occurred_at`.
    fn last(&self, aggregate: AggregateId) -> Option<Timestamp>;
    /// The exact sum of a property over (now − window, now], or over all events, as units of 10⁻⁹.
    fn sum_nanos(&self, aggregate: AggregateId, window: Option<TimeSpan>) -> i128;
}

/// `journeys.*`.
pub trait JourneysReader {
    /// Running instances of the journey.
    fn active(&self, journey: &JourneyId) -> u64;
    /// State of the newest instance, `""` if there is none.
    fn state(&self, journey: &JourneyId) -> &str;
    /// Outcome of the newest instance, `""` if there is none or it has none yet.
    fn outcome(&self, journey: &JourneyId) -> &str;
}
