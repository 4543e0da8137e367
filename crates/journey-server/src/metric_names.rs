//! Names of the metrics of the API: they are part of its contract, dashboards depend on them.

use journey_types::HistogramCounts;

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by size.
    Histogram,
}

/// A metric that is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricName {
    /// The name, with its unit; counters end in `_total`.
    pub name: &'static str,
    /// What it is.
    pub kind: MetricKind,
    /// One line.
    pub help: &'static str,
}

impl MetricName {
    /// A counter.
    #[must_use]
    pub const fn counter(name: &'static str, help: &'static str) -> Self {
        let kind = MetricKind::Counter;
        Self { name, kind, help }
    }

    /// A gauge.
    #[must_use]
    pub const fn gauge(name: &'static str, help: &'static str) -> Self {
        let kind = MetricKind::Gauge;
        Self { name, kind, help }
    }

    /// A histogram.
    #[must_use]
    pub const fn histogram(name: &'static str, help: &'static str) -> Self {
        let kind = MetricKind::Histogram;
        Self { name, kind, help }
    }
}

/// Takes metrics one by one, for whichever text form.
pub trait MetricSink {
    /// One value of a counter or gauge; labels are (name, value). Values of one metric come one after the other.
    fn value(&mut self, metric: &MetricName, labels: &[(&'static str, &str)], value: f64);
    /// A histogram whose values are `unit` times what is exported: 1,000,000 for microseconds told in seconds.
    fn histogram(
        &mut self,
        metric: &MetricName,
        labels: &[(&'static str, &str)],
        counts: &HistogramCounts,
        unit: f64,
    );
}

/// Microseconds of a second: the unit of durations in histograms.
pub const MICROSECONDS: f64 = 1_000_000.0;

/// Labels `op` (the RPC; `IngestStreamBatch` for each batch of a stream) and `code` (of gRPC).
pub const REQUESTS: MetricName = MetricName::counter(
    "journey_requests_total",
    "Requests answered, by operation and gRPC code; streams count when they open and once per batch.",
);
/// Label `op`.
pub const REQUEST_DURATION: MetricName = MetricName::histogram(
    "journey_request_duration_seconds",
    "Time from a request to its answer; for streams, to the first answer and per batch.",
);
/// Label `cause`.
pub const SHED: MetricName = MetricName::counter(
    "journey_shed_total",
    "Events and publishes refused because of load or disk, by cause.",
);
