//! What a run found: kept as JSON, told as text, drawn as HTML.

mod build;
mod chart;
mod html;
mod markdown;
mod stretches;
mod text;

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use crate::sampler::Sample;
use crate::sums::Proof;

pub(crate) use build::{Found, build};
pub(crate) use html::html;
pub(crate) use markdown::markdown_table;
pub(crate) use stretches::Stretch;

/// The result of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Report {
    pub(crate) scenario: String,
    pub(crate) about: String,
    /// Version of the harness, which is that of the node it starts.
    pub(crate) version: String,
    /// Seconds of the phase that the headline figures are of.
    pub(crate) seconds: f64,
    /// Its name.
    pub(crate) phase: String,
    pub(crate) customers: u32,
    pub(crate) form: String,
    pub(crate) connections: u32,
    pub(crate) batch: u32,
    pub(crate) in_flight: u32,
    /// Nodes that the traffic went to.
    #[serde(default = "one")]
    pub(crate) nodes: usize,
    /// Events per second as a share of what one node alone made of the same traffic in the same run: what replication
    /// costs.
    #[serde(default)]
    pub(crate) replication_ratio: Option<f64>,
    /// CPU per event of that one node as a share of what all nodes together used: on one machine the ratio of rates says
    /// little where cores are idle or busy elsewhere, this one still does.
    #[serde(default)]
    pub(crate) replication_cpu_ratio: Option<f64>,
    /// What that one node did.
    #[serde(default)]
    pub(crate) one_node: Option<OneNode>,
    /// Acknowledged events of that phase.
    pub(crate) events: u64,
    pub(crate) events_per_second: f64,
    /// Of the floor measured in the same run.
    pub(crate) share_of_floor: Option<f64>,
    pub(crate) floor: Option<Floor>,
    /// From the time an event was to be sent until it was acknowledged.
    pub(crate) ack_latency_ms: Option<Latency>,
    /// From the time an event was to be sent until its effect was at the worker.
    pub(crate) effect_latency_ms: Option<Latency>,
    pub(crate) phases: Vec<PhaseReport>,
    /// Resident memory of the node at the end, where it is known.
    pub(crate) resident_bytes: Option<u64>,
    pub(crate) resident_bytes_max: Option<u64>,
    /// What the node's memory grew by in the run, for each customer.
    pub(crate) resident_bytes_per_customer: Option<f64>,
    /// Bytes of its data folder at the end, where it is known.
    pub(crate) disk_bytes: Option<u64>,
    /// Of it, rows of customers.
    pub(crate) state_bytes: Option<u64>,
    pub(crate) state_bytes_per_customer: Option<f64>,
    /// CPU of the node in the headline phase, for each acknowledged event.
    pub(crate) cpu_us_per_event: Option<f64>,
    /// Timers of the whole run.
    pub(crate) timer_lateness_ms: Option<Lateness>,
    pub(crate) effects: Option<EffectCounts>,
    /// Refusals for now, by reason.
    pub(crate) refused: BTreeMap<String, u64>,
    /// The first answers that nobody expected.
    pub(crate) failures: Vec<String>,
    pub(crate) sums: Vec<Proof>,
    /// Every acknowledged event was found again.
    pub(crate) sums_proven: bool,
    pub(crate) machine: Machine,
    pub(crate) samples: Vec<Sample>,
}

/// The floor's figures.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Floor {
    pub(crate) form: String,
    pub(crate) connections: u32,
    pub(crate) batch: u32,
    pub(crate) in_flight: u32,
    pub(crate) events_per_second: f64,
    pub(crate) ack_latency_ms: Latency,
}

/// What one phase found.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PhaseReport {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) measured: bool,
    pub(crate) seconds: f64,
    pub(crate) offered_per_second: Option<f64>,
    /// Of what the first measured closed phase reached, where this one is open: the goodput of an overload.
    #[serde(default)]
    pub(crate) share_of_maximum: Option<f64>,
    /// The same for each second of CPU that the nodes got: the harness makes what is refused on the same cores, and what it
    /// takes the nodes cannot use. On a machine of its own it would take nothing.
    #[serde(default)]
    pub(crate) share_of_maximum_per_cpu: Option<f64>,
    /// Cores that the nodes kept busy, and the harness.
    #[serde(default)]
    pub(crate) node_cores: Option<f64>,
    #[serde(default)]
    pub(crate) harness_cores: Option<f64>,
    /// Acknowledged within the phase; timers fired in a storm.
    pub(crate) events: u64,
    pub(crate) events_per_second: f64,
    pub(crate) share_of_floor: Option<f64>,
    /// CPU of the nodes for each acknowledged event: what lasts where the machine has more to do than this run.
    #[serde(default)]
    pub(crate) cpu_us_per_event: Option<f64>,
    pub(crate) ack_latency_ms: Option<Latency>,
    /// How late batches left in an open loop, behind unanswered ones or because the harness had no time: part of the
    /// latencies.
    pub(crate) send_lag_ms: Option<Latency>,
    pub(crate) refused: u64,
    /// Of those, the ones in batches of which something was accepted: their answer came with the others'.
    pub(crate) refused_in_part: u64,
    /// Of batches that were refused as a whole, from the time they were to be sent.
    pub(crate) refusal_latency_ms: Option<Latency>,
    /// Of the same, from the time they were sent: what the node took for them.
    #[serde(default)]
    pub(crate) refusal_answer_ms: Option<Latency>,
    /// From the start of the process to its first acknowledgement.
    pub(crate) first_ack_ms: Option<f64>,
    /// How long the process took to end.
    pub(crate) ending_ms: Option<f64>,
    /// Where a phase is bounded by events: each twentieth of them, so that what grows with history shows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) stretches: Vec<Stretch>,
}

const fn one() -> usize {
    1
}

/// The headline of a run on one node with one replica, beside one on several.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OneNode {
    pub(crate) events_per_second: f64,
    pub(crate) share_of_floor: Option<f64>,
    pub(crate) ack_latency_ms: Option<Latency>,
    pub(crate) cpu_us_per_event: Option<f64>,
    pub(crate) phases: Vec<PhaseReport>,
}

/// Percentiles in milliseconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
}

/// Upper bounds of buckets in milliseconds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Lateness {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
}

/// What the worker saw.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct EffectCounts {
    pub(crate) distinct: u64,
    /// Hand-overs of effects that had been handed over before.
    pub(crate) again: u64,
    pub(crate) recorded: u64,
}

/// Where it was measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) cpus: usize,
    pub(crate) build: String,
}

impl Latency {
    /// Of a histogram in microseconds.
    pub(crate) fn of(histogram: &Histogram<u64>) -> Self {
        let ms = |us: u64| us as f64 / 1e3;
        Self {
            p50: ms(histogram.value_at_quantile(0.5)),
            p90: ms(histogram.value_at_quantile(0.9)),
            p99: ms(histogram.value_at_quantile(0.99)),
            p999: ms(histogram.value_at_quantile(0.999)),
            max: ms(histogram.max()),
        }
    }

    /// The same; `None` where nothing was recorded.
    pub(crate) fn of_some(histogram: &Histogram<u64>) -> Option<Self> {
        (!histogram.is_empty()).then(|| Self::of(histogram))
    }
}

impl Report {
    /// Lays what one node did beside this; its sums must hold too.
    pub(crate) fn beside_one_node(mut self, one_node: Self) -> Self {
        let alone = one_node.events_per_second;
        self.replication_ratio = (alone > 0.0).then(|| self.events_per_second / alone);
        let cpu = one_node.cpu_us_per_event.zip(self.cpu_us_per_event);
        self.replication_cpu_ratio = cpu.map(|(alone, together)| alone / together);
        self.sums_proven &= one_node.sums_proven;
        self.failures.extend(one_node.failures);
        let proofs = one_node.sums.into_iter().map(|proof| Proof {
            sum: format!("one node: {}", proof.sum),
            ..proof
        });
        self.sums.extend(proofs);
        let share_of_floor = self
            .floor
            .as_ref()
            .map(|floor| alone / floor.events_per_second.max(1.0));
        self.one_node = Some(OneNode {
            events_per_second: alone,
            share_of_floor,
            ack_latency_ms: one_node.ack_latency_ms,
            cpu_us_per_event: one_node.cpu_us_per_event,
            phases: one_node.phases,
        });
        self
    }

    /// Sums that do not hold.
    pub(crate) fn missing(&self) -> impl Iterator<Item = &Proof> {
        self.sums.iter().filter(|proof| !proof.holds)
    }
}
