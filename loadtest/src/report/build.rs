//! Puts a report together from what the parts of a run found.

use super::stretches::{Used, stretches};
use super::{EffectCounts, Floor, Latency, Lateness, Machine, PhaseReport, Report};
use crate::ledger::Totals;
use crate::node::Scrape;
use crate::sampler::Sample;
use crate::scenario::{Extent, Phase, PhaseKind, Scenario};
use crate::stage::PhaseSpan;
use crate::sums::Proof;
use crate::worker::Seen;

/// Everything a run found.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) n_nodes: usize,
    pub(crate) totals: Totals,
    pub(crate) spans: Vec<PhaseSpan>,
    pub(crate) samples: Vec<Sample>,
    pub(crate) proofs: Vec<Proof>,
    pub(crate) seen: Option<Seen>,
    pub(crate) floor: Option<Floor>,
    pub(crate) scrapes: Option<(Scrape, Scrape)>,
    pub(crate) resident_before: Option<u64>,
    pub(crate) resident_after: Option<u64>,
    pub(crate) disk_bytes: Option<u64>,
}

/// The report of a run.
pub(crate) fn build(scenario: &Scenario, found: Found) -> Report {
    let headline = headline_of(scenario);
    let phases: Vec<PhaseReport> = (0..scenario.phases.len())
        .map(|idx| phase(scenario, &found, idx))
        .collect();
    let first = &phases[headline];
    let events_per_second = first.events_per_second;
    let n_customers = f64::from(scenario.customers.count);
    let grown = found.resident_after.zip(found.resident_before);
    let grown = grown.map(|(after, before)| after.saturating_sub(before) as f64 / n_customers);
    let scrapes = found.scrapes.as_ref();
    let state_bytes = scrapes.and_then(|(_, after)| after.tree_bytes("state"));
    let resident_max = found
        .samples
        .iter()
        .filter_map(|sample| sample.resident_bytes)
        .max();
    Report {
        scenario: scenario.name.clone(),
        about: scenario.about.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        seconds: first.seconds,
        phase: first.name.clone(),
        customers: scenario.customers.count,
        form: scenario.traffic.form.word().to_owned(),
        connections: scenario.traffic.connections,
        batch: scenario.traffic.batch,
        in_flight: scenario.traffic.in_flight,
        nodes: found.n_nodes,
        replication_ratio: None,
        replication_cpu_ratio: None,
        one_node: None,
        events: first.events,
        events_per_second,
        share_of_floor: first.share_of_floor,
        floor: found.floor.clone(),
        ack_latency_ms: first.ack_latency_ms,
        effect_latency_ms: found
            .seen
            .as_ref()
            .and_then(|seen| Latency::of_some(&seen.latency_us)),
        cpu_us_per_event: first.cpu_us_per_event,
        phases,
        resident_bytes: found.resident_after,
        resident_bytes_max: resident_max,
        resident_bytes_per_customer: grown,
        disk_bytes: found.disk_bytes,
        state_bytes,
        state_bytes_per_customer: state_bytes.map(|bytes| bytes as f64 / n_customers),
        timer_lateness_ms: found.scrapes.as_ref().and_then(lateness),
        effects: found.seen.as_ref().map(|seen| EffectCounts {
            distinct: seen.by_content.values().sum(),
            again: seen.n_again,
            recorded: seen.n_recorded,
        }),
        refused: found.totals.refused.clone(),
        failures: found.totals.failures.clone(),
        sums_proven: found.proofs.iter().all(|proof| proof.holds),
        sums: found.proofs,
        machine: machine(),
        samples: found.samples,
    }
}

fn machine() -> Machine {
    let build = if cfg!(debug_assertions) {
        "debug"
    } else {
        "release"
    };
    Machine {
        cpus: std::thread::available_parallelism().map_or(0, usize::from),
        build: build.to_owned(),
    }
}

/// The phase that the headline figures are of: a storm, else the first measured one that sends traffic, else
/// the last start.
fn headline_of(scenario: &Scenario) -> usize {
    let phases = &scenario.phases;
    let storm = phases
        .iter()
        .position(|phase| phase.kind == PhaseKind::Storm);
    let is_traffic =
        |kind: &PhaseKind| matches!(kind, PhaseKind::Closed { .. } | PhaseKind::Open { .. });
    let first = || {
        phases
            .iter()
            .position(|phase| phase.is_measured && is_traffic(&phase.kind))
    };
    let start = || {
        phases
            .iter()
            .rposition(|phase| matches!(phase.kind, PhaseKind::Start { .. }))
    };
    storm.or_else(first).or_else(start).unwrap_or(0)
}

fn phase(scenario: &Scenario, found: &Found, idx: usize) -> PhaseReport {
    let (phase, span, tally) = (
        &scenario.phases[idx],
        &found.spans[idx],
        &found.totals.phases[idx],
    );
    let events = span.n_fired.unwrap_or(tally.n_in_time);
    let ms = |span: std::time::Duration| span.as_secs_f64() * 1e3;
    let events_per_second = if span.seconds > 0.0 {
        events as f64 / span.seconds
    } else {
        0.0
    };
    // Timers and restarts have no floor.
    let floor = found.floor.as_ref().filter(|_| tally.n_in_time > 0);
    let share_of_floor = floor.map(|floor| events_per_second / floor.events_per_second.max(1.0));
    let used = Used::in_phase(&found.samples, idx);
    PhaseReport {
        name: phase.name.clone(),
        kind: phase.kind.word().to_owned(),
        measured: phase.is_measured,
        seconds: span.seconds,
        offered_per_second: span.offered_per_second,
        share_of_maximum: span
            .offered_per_second
            .and_then(|_| Some(events_per_second / maximum(scenario, found)?)),
        events,
        events_per_second,
        share_of_floor,
        cpu_us_per_event: used.us_per_event(),
        node_cores: used.node_cores(),
        harness_cores: used.harness_cores(),
        share_of_maximum_per_cpu: span
            .offered_per_second
            .and_then(|_| Some(used.events_per_cpu_second()? / most_per_cpu(scenario, found)?)),
        stretches: stretches(&found.samples, idx, &phase.kind),
        send_lag_ms: Latency::of_some(&tally.send_lag_us),
        ack_latency_ms: Latency::of_some(&tally.latency_us),
        refused: tally.n_refused,
        refused_in_part: tally.n_refused_in_part,
        refusal_latency_ms: Latency::of_some(&tally.refusal_us),
        refusal_answer_ms: Latency::of_some(&tally.refusal_answer_us),
        first_ack_ms: span.first_ack.map(ms),
        ending_ms: span.ending.map(ms),
    }
}

/// Events per second of the phase that is the maximum.
fn maximum(scenario: &Scenario, found: &Found) -> Option<f64> {
    let idx = maximum_of(scenario)?;
    let (span, tally) = (&found.spans[idx], &found.totals.phases[idx]);
    let maximum = tally.n_in_time as f64 / span.seconds;
    (maximum.is_finite() && maximum > 0.0).then_some(maximum)
}

/// Events for each second of the node's CPU in that phase.
fn most_per_cpu(scenario: &Scenario, found: &Found) -> Option<f64> {
    let used = Used::in_phase(&found.samples, maximum_of(scenario)?);
    used.events_per_cpu_second()
}

/// The first measured closed phase that is bounded by time.
fn maximum_of(scenario: &Scenario) -> Option<usize> {
    let is_it = |phase: &Phase| {
        let is_closed = matches!(
            phase.kind,
            PhaseKind::Closed {
                extent: Extent::Seconds(_)
            }
        );
        phase.is_measured && is_closed
    };
    scenario.phases.iter().position(is_it)
}

fn lateness((before, after): &(Scrape, Scrape)) -> Option<Lateness> {
    let of = |share| {
        let bound = after.quantile_since(before, "journey_timer_lateness_seconds", share)?;
        Some(bound * 1e3)
    };
    Some(Lateness {
        p50: of(0.5)?,
        p99: of(0.99)?,
        p999: of(0.999)?,
    })
}
