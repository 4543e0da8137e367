//! Puts the figures of the whole node together for one scrape.

mod journeys;

use std::time::Duration;

use journey_delivery::BreakerState;
use journey_partition::{DepthHistogram, PartitionStatus, ReplicaStats, SpanHistogram};
use journey_server::metric_names::{MICROSECONDS, MetricName, MetricSink as _};
use journey_types::{DURATION_BOUNDS_US, HistogramCounts};

use crate::metric_names as names;
use crate::node::connectors::ConnectorStatus;
use crate::node::disk::DiskLevel;
use crate::node::exposition::{Exposition, as_f64};
use crate::node::observer::{Observed, Watched};

/// Milliseconds of a second.
const MILLISECONDS: f64 = 1_000.0;
/// The bounds of the core's histograms of spans; a test holds them together.
const LATENESS_BOUNDS_MS: &[u64] = &[
    1, 2, 5, 10, 50, 100, 500, 1_000, 5_000, 10_000, 60_000, 300_000, 1_800_000, 3_600_000,
];

/// The bounds of the core's histogram of mailboxes; a test holds them together.
const DEPTH_BOUNDS: &[u64] = &[1, 2, 4, 8, 16, 32, 64];

/// The text of `/metrics`. Never waits for a partition: what one said last counts.
pub(crate) fn text(observed: &Observed) -> String {
    let mut text = Exposition::default();
    process(&mut text, observed);
    disk(&mut text, observed);
    if let Some(watched) = observed.watched() {
        watched.node.metrics().export(&mut text);
        runtime(&mut text, &watched);
        partitions(&mut text, &watched);
        journeys::export(&mut text, &watched);
        consensus(&mut text, &watched, observed);
        connectors(&mut text, &(watched.connectors)());
        text.into_text()
    } else {
        text.into_text()
    }
}

fn gauge(text: &mut Exposition, metric: &MetricName, value: u64) {
    text.value(metric, &[], as_f64(value));
}

fn process(text: &mut Exposition, observed: &Observed) {
    let labels = [("version", env!("CARGO_PKG_VERSION"))];
    text.value(&names::BUILD_INFO, &labels, 1.0);
    let is_ready = observed.health.problems().is_empty();
    gauge(text, &names::READY, u64::from(is_ready));
    if let Some(bytes) = resident_bytes() {
        gauge(text, &names::RESIDENT_MEMORY, bytes);
    }
}

fn runtime(text: &mut Exposition, watched: &Watched) {
    let n_workers = watched.runtime.num_workers();
    let busy = (0..n_workers).map(|worker| watched.runtime.worker_total_busy_duration(worker));
    let busy: Duration = busy.sum();
    text.value(&names::RUNTIME_BUSY, &[], busy.as_secs_f64());
    gauge(text, &names::RUNTIME_WORKERS, n_workers as u64);
}

/// Resident memory as Linux tells it; `None` elsewhere.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1_024)
}

fn disk(text: &mut Exposition, observed: &Observed) {
    let report = observed.health.disk();
    let space = report.space;
    let trees = [
        ("log", space.log_bytes),
        ("other", space.other_bytes),
        ("state", space.state_bytes),
    ];
    for (tree, bytes) in trees {
        text.value(&names::DISK_BYTES, &[("tree", tree)], as_f64(bytes));
    }
    gauge(text, &names::DISK_FREE, space.free_bytes);
    for level in DiskLevel::ALL {
        let is_it = u64::from(level == report.level);
        text.value(
            &names::DISK_STATE,
            &[("state", level.word())],
            as_f64(is_it),
        );
    }
}

fn partitions(text: &mut Exposition, watched: &Watched) {
    for ((metric, labels, _), n) in names::PARTITION_FIGURES
        .iter()
        .zip(watched.partitions.figures())
    {
        text.value(metric, labels, as_f64(n));
    }
    let statuses = watched.statuses();
    let sum = |read: fn(&PartitionStatus) -> usize| -> u64 {
        statuses.iter().map(|status| read(status) as u64).sum()
    };
    gauge(text, &names::ACTORS_RESIDENT, sum(|status| status.n_hosted));
    gauge(
        text,
        &names::MAILBOX_COMMANDS,
        sum(|status| status.n_mailed),
    );
    let n_parked = statuses.iter().map(|status| status.n_parked).sum();
    gauge(text, &names::PARKED, n_parked);
    gauge(
        text,
        &names::TIMERS_ARMED,
        sum(|status| status.n_timers_in_memory),
    );
    timers(text, &statuses);
    mailboxes(text, &statuses);
    gauge(
        text,
        &names::EFFECTS_OFFERED,
        sum(|status| status.n_effects_offered),
    );
    // A worker stream subscribes to every partition.
    let n_workers = statuses.iter().map(|status| status.n_workers as u64).max();
    gauge(text, &names::WORKERS, n_workers.unwrap_or(0));
    let replicas = watched.replicas();
    let sum = |read: fn(&ReplicaStats) -> u64| -> u64 { replicas.iter().map(read).sum() };
    gauge(text, &names::CUSTOMERS, sum(|stats| stats.n_customers));
    gauge(
        text,
        &names::DIRTY_CUSTOMERS,
        sum(|stats| stats.n_dirty as u64),
    );
    let resident = sum(|stats| (stats.dirty_size_bytes + stats.clean_size_bytes) as u64);
    gauge(text, &names::RESIDENT_CUSTOMERS, resident);
    let locals = watched.partitions.all();
    let mut activations = HistogramCounts::new(DURATION_BOUNDS_US);
    for local in locals.values() {
        activations.add(&local.handle.activation_us());
    }
    text.histogram(&names::ACTIVATION_DURATION, &[], &activations, MICROSECONDS);
    let doors: Vec<_> = locals.values().map(|local| local.handle.door()).collect();
    let n_waiting = doors.iter().map(|door| door.n_waiting as u64).sum();
    gauge(text, &names::INFLIGHT, n_waiting);
    let n_waiting_max = doors.iter().map(|door| door.n_waiting_max as u64).sum();
    gauge(text, &names::INFLIGHT_LIMIT, n_waiting_max);
    let n_failures = locals.values().map(|local| local.handle.n_failures()).sum();
    gauge(text, &names::ACTOR_PANICS, n_failures);
}

/// Lateness of what fired, and how long what did not fire has been due.
fn timers(text: &mut Exposition, statuses: &[PartitionStatus]) {
    let (mut late, mut overdue) = (SpanHistogram::default(), SpanHistogram::default());
    for status in statuses {
        late.merge(&status.counters.of_facts.timer_lateness);
        overdue.merge(&status.timers_overdue);
    }
    let counts = late.buckets().map(|(_, n)| n);
    let late = HistogramCounts::from_counts(LATENESS_BOUNDS_MS, counts, late.sum_ms());
    text.histogram(&names::TIMER_LATENESS, &[], &late, MILLISECONDS);
    for (bound, n) in overdue.buckets() {
        let bucket = bound.map_or_else(|| "longer".to_owned(), |span| span.to_string());
        text.value(&names::TIMERS_OVERDUE, &[("bucket", &bucket)], as_f64(n));
    }
}

fn mailboxes(text: &mut Exposition, statuses: &[PartitionStatus]) {
    let mut depth = DepthHistogram::default();
    for status in statuses {
        depth.merge(&status.counters.mailbox_depth);
    }
    let counts = depth.buckets().map(|(_, n)| n);
    let depth = HistogramCounts::from_counts(DEPTH_BOUNDS, counts, depth.sum());
    text.histogram(&names::MAILBOX_DEPTH, &[], &depth, 1.0);
}

fn connectors(text: &mut Exposition, connectors: &[ConnectorStatus]) {
    for status in connectors {
        let name = ("connector", status.name.as_str());
        let mut one = |metric, n| text.value(metric, &[name], as_f64(n));
        one(&names::CONNECTOR_INFLIGHT, u64::from(status.n_in_flight));
        one(&names::CONNECTOR_CREDIT, u64::from(status.n_credit));
        one(&names::CONNECTOR_BREAKER_OPENED, status.n_breaker_opened);
        one(&names::CONNECTOR_LATE, status.n_late);
        one(&names::CONNECTOR_UNSETTLED, status.n_unsettled);
        let states = [
            (BreakerState::Closed, "closed"),
            (BreakerState::HalfOpen, "half-open"),
            (BreakerState::Open, "open"),
        ];
        for (state, word) in states {
            let is_it = u64::from(status.breaker == state);
            let labels = [name, ("state", word)];
            text.value(&names::CONNECTOR_BREAKER, &labels, as_f64(is_it));
        }
        for (class, n) in &status.n_attempts {
            let labels = [name, ("class", class.name())];
            text.value(&names::CONNECTOR_ATTEMPTS, &labels, as_f64(*n));
        }
    }
}

fn consensus(text: &mut Exposition, watched: &Watched, observed: &Observed) {
    let (mut n_led, mut n_voting, mut n_leaderless, mut lag_max) = (0, 0, 0, 0);
    let mut log_bytes = watched.metadata.metrics().log_bytes;
    for local in watched.partitions.all().values() {
        let leadership = local.group.leadership().borrow().clone();
        n_led += u64::from(leadership.is_leader);
        let own = local.group.replica();
        n_voting += u64::from(local.group.membership().voters.contains(&own));
        n_leaderless += u64::from(leadership.leader.is_none());
        let metrics = local.group.metrics();
        log_bytes += metrics.log_bytes;
        lag_max = lag_max.max(metrics.last_index.saturating_sub(metrics.applied_index));
    }
    gauge(text, &names::LEADER_PARTITIONS, n_led);
    gauge(text, &names::VOTING_REPLICAS, n_voting);
    gauge(text, &names::LEADERLESS_PARTITIONS, n_leaderless);
    gauge(
        text,
        &names::STALLED_PARTITIONS,
        observed.health.n_wedges() as u64,
    );
    gauge(text, &names::APPLY_LAG, lag_max);
    gauge(text, &names::LOG_BYTES, log_bytes);
    let proposals = watched.proposal_us.counts();
    text.histogram(&names::PROPOSAL_DURATION, &[], &proposals, MICROSECONDS);
    let log = watched.log.metrics();
    text.histogram(&names::FLUSH_DURATION, &[], &log.flush_us, MICROSECONDS);
    text.histogram(&names::BATCH_ENTRIES, &[], &log.batch_writes, 1.0);
}

#[cfg(test)]
mod tests;
