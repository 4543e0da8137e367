//! What a run found.

use std::fmt;

use hdrhistogram::Histogram;
use serde::Serialize;

/// The result of a run whose sums are proven.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Report {
    pub(crate) scenario: &'static str,
    /// Seconds measured.
    pub(crate) seconds: f64,
    pub(crate) customers: u32,
    pub(crate) connections: u32,
    pub(crate) batch: u32,
    pub(crate) in_flight: u32,
    /// Acknowledged events while measuring.
    pub(crate) events: u64,
    pub(crate) events_per_second: f64,
    /// From sending a batch to its ack.
    pub(crate) ack_latency_ms: Latency,
    /// Resident memory of the node at the end, where it is known.
    pub(crate) resident_bytes: Option<u64>,
    /// Bytes of its data folder at the end, where it is known.
    pub(crate) disk_bytes: Option<u64>,
    /// Every acknowledged event was found in the counts.
    pub(crate) sums_proven: bool,
}

/// Percentiles in milliseconds.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Latency {
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
}

impl Latency {
    /// Of a histogram in microseconds.
    pub(crate) fn of(histogram: &Histogram<u64>) -> Self {
        #[expect(
            clippy::cast_precision_loss,
            reason = "microseconds of a run fit a double"
        )]
        let ms = |us: u64| us as f64 / 1e3;
        Self {
            p50: ms(histogram.value_at_quantile(0.5)),
            p99: ms(histogram.value_at_quantile(0.99)),
            p999: ms(histogram.value_at_quantile(0.999)),
            max: ms(histogram.max()),
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let latency = &self.ack_latency_ms;
        writeln!(
            formatter,
            "{}: {:.0} events/s",
            self.scenario, self.events_per_second
        )?;
        writeln!(
            formatter,
            "  ack p50 {:.1} ms, p99 {:.1} ms, p99.9 {:.1} ms, max {:.1} ms",
            latency.p50, latency.p99, latency.p999, latency.max
        )?;
        writeln!(
            formatter,
            "  {} events in {:.1} s over {} connections, batches of {}, {} in flight each, {} customers",
            self.events, self.seconds, self.connections, self.batch, self.in_flight, self.customers
        )?;
        if let (Some(resident), Some(disk)) = (self.resident_bytes, self.disk_bytes) {
            writeln!(
                formatter,
                "  node: {} MiB resident, {} MiB on disk",
                resident >> 20,
                disk >> 20
            )?;
        }
        write!(
            formatter,
            "  sums proven: every acknowledged event moved its instance"
        )
    }
}
