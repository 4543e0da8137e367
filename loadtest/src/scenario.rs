//! A scenario: what is sent how, in which phases, and which sums must hold at the end. Read from a TOML file; the ones
//! that come with the program lie in `loadtest/scenarios/`.

mod embedded;
mod fields;
mod parse;

use std::time::Duration;

use journey_types::Value;

use crate::sums::Sum;

pub(crate) use embedded::{load, names, text_of};
use parse::parse;

/// Everything a scenario file says.
#[derive(Debug, Clone)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    /// What it shows, in a sentence.
    pub(crate) about: String,
    /// YAML that is published first; empty is none.
    pub(crate) journeys: String,
    pub(crate) node: NodeSettings,
    pub(crate) customers: Customers,
    pub(crate) traffic: Traffic,
    /// The harness's own worker; without it effects wait.
    pub(crate) worker: Option<WorkerSettings>,
    pub(crate) phases: Vec<Phase>,
    pub(crate) sums: Vec<Sum>,
    /// How long nothing may move after the last phase, while the sums do not hold yet.
    pub(crate) settle: Duration,
}

/// How the nodes under test are started.
#[derive(Debug, Clone)]
pub(crate) struct NodeSettings {
    /// How many, as one cluster.
    pub(crate) count: u32,
    /// Keys of the configuration file of each.
    pub(crate) config: toml::Table,
}

#[derive(Debug, Clone)]
pub(crate) struct Customers {
    pub(crate) count: u32,
    /// What each customer sends in a `start` phase.
    pub(crate) start: Option<EventKind>,
    /// Customers that are read one by one at the end, the first ones.
    pub(crate) sample: u32,
    /// Running instances that each of them must have.
    pub(crate) instances: Option<u32>,
    /// The event whose count in the customer's history must be what was acknowledged.
    pub(crate) history: Option<String>,
    /// When timers of a storm are due, after the run began: this, and so much more for each thousand customers.
    pub(crate) due_after: Duration,
    pub(crate) due_after_per_thousand: Duration,
}

/// How events travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// Batches over one `IngestStream` a connection.
    Stream,
    /// `Ingest` calls.
    Calls,
}

impl Form {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Calls => "calls",
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Traffic {
    pub(crate) form: Form,
    pub(crate) connections: u32,
    pub(crate) batch: u32,
    /// Batches or calls unanswered per connection.
    pub(crate) in_flight: u32,
    pub(crate) events: Vec<EventKind>,
    /// Share of events that are sent a second time.
    pub(crate) duplicates: f64,
    /// Share of events that must be refused.
    pub(crate) bad: f64,
    /// Share of events of one customer.
    pub(crate) hot: f64,
    /// Whether refusals for load are part of the scenario: then calls are not made again.
    pub(crate) refusals_allowed: bool,
}

/// One kind of event.
#[derive(Debug, Clone)]
pub(crate) struct EventKind {
    pub(crate) name: String,
    pub(crate) weight: u32,
    pub(crate) properties: Vec<(String, Property)>,
}

/// What a property holds.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Property {
    Fixed(Value),
    /// `{sent}`: microseconds of the run when the event was to be sent.
    Sent,
    /// `{number}`: the event's number on its connection.
    Number,
    /// `{due}`: the instant of the storm.
    Due,
}

#[derive(Debug, Clone)]
pub(crate) struct WorkerSettings {
    /// Worker streams.
    pub(crate) streams: u32,
    pub(crate) credit: u32,
}

#[derive(Debug, Clone)]
pub(crate) struct Phase {
    pub(crate) name: String,
    pub(crate) kind: PhaseKind,
    /// Whether it is reported; a warm-up is not.
    pub(crate) is_measured: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum PhaseKind {
    /// Customers up to this share of all send the start event.
    Start { share: f64 },
    /// The next batch goes out when an answer comes in.
    Closed { extent: Extent },
    /// Batches go out on a schedule, whatever comes back.
    Open { seconds: u32, rate: Rate },
    /// The node ends and starts again; measured is the time to its first acknowledgement.
    Restart { how: Ending },
    /// Waits until every customer's timer has fired.
    Storm,
}

/// How long a closed loop runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    Seconds(u32),
    Events(u64),
}

/// Events per second of an open loop.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Rate {
    PerSecond(f64),
    /// Times what the first measured closed phase reached.
    OfMaximum(f64),
}

/// How the node is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// As an operator ends it (SIGTERM).
    Stop,
    /// As a crash does (SIGKILL).
    Kill,
}

impl PhaseKind {
    pub(crate) const fn word(&self) -> &'static str {
        match self {
            Self::Start { .. } => "start",
            Self::Closed { .. } => "closed",
            Self::Open { .. } => "open",
            Self::Restart { .. } => "restart",
            Self::Storm => "storm",
        }
    }
}

impl Scenario {
    /// Kinds of events by index: those of the traffic, then the start event.
    pub(crate) fn kinds(&self) -> Vec<EventKind> {
        let mut kinds = self.traffic.events.clone();
        kinds.extend(self.customers.start.clone());
        kinds
    }

    /// Whether the node is started anew in the run, which sets its counters back.
    pub(crate) fn restarts(&self) -> bool {
        self.phases
            .iter()
            .any(|phase| matches!(phase.kind, PhaseKind::Restart { .. }))
    }
}

#[cfg(test)]
mod tests;
