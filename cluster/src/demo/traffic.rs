//! What the shop and the worker have done, for the screen.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hdrhistogram::Histogram;
use parking_lot::Mutex;

/// Latencies above this are counted as this.
const LATENCY_MAX_US: u64 = 60_000_000;

/// Counters shared by shop, worker and screen.
#[derive(Debug)]
pub(crate) struct Traffic {
    n_acknowledged: AtomicU64,
    n_refused: AtomicU64,
    n_delivered: AtomicU64,
    window: Mutex<WindowCounts>,
}

#[derive(Debug)]
struct WindowCounts {
    n_acknowledged: u64,
    latency_us: Histogram<u64>,
}

/// One second of traffic.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    /// Events acknowledged per second.
    pub(crate) events_per_second: f64,
    /// Median time from send to ack.
    pub(crate) ack_p50: Duration,
    /// 99th percentile of it.
    pub(crate) ack_p99: Duration,
    /// Messages handed to the worker, in all.
    pub(crate) n_delivered: u64,
}

impl Default for Traffic {
    fn default() -> Self {
        let latency_us =
            Histogram::new_with_bounds(1, LATENCY_MAX_US, 3).expect("the bounds are valid");
        Self {
            n_acknowledged: AtomicU64::new(0),
            n_refused: AtomicU64::new(0),
            n_delivered: AtomicU64::new(0),
            window: Mutex::new(WindowCounts {
                n_acknowledged: 0,
                latency_us,
            }),
        }
    }
}

impl Traffic {
    pub(crate) fn acknowledged(&self, n_events: u64, n_refused: u64, latency: Duration) {
        self.n_acknowledged.fetch_add(n_events, Ordering::Relaxed);
        self.n_refused.fetch_add(n_refused, Ordering::Relaxed);
        let latency_us = u64::try_from(latency.as_micros())
            .unwrap_or(LATENCY_MAX_US)
            .max(1);
        let mut window = self.window.lock();
        window.n_acknowledged += n_events;
        window.latency_us.saturating_record_n(latency_us, n_events);
    }

    pub(crate) fn delivered(&self) {
        self.n_delivered.fetch_add(1, Ordering::Relaxed);
    }

    /// What came since the last call.
    pub(crate) fn take_window(&self, elapsed: Duration) -> Window {
        let mut window = self.window.lock();
        #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
        let events_per_second = window.n_acknowledged as f64 / elapsed.as_secs_f64().max(0.001);
        let quantile = |q| Duration::from_micros(window.latency_us.value_at_quantile(q));
        let (ack_p50, ack_p99) = (quantile(0.5), quantile(0.99));
        window.n_acknowledged = 0;
        window.latency_us.reset();
        let n_delivered = self.n_delivered.load(Ordering::Relaxed);
        Window {
            events_per_second,
            ack_p50,
            ack_p99,
            n_delivered,
        }
    }

    pub(crate) fn summary(&self) -> String {
        format!(
            "{} events acknowledged, {} refused, {} messages delivered",
            self.n_acknowledged.load(Ordering::Relaxed),
            self.n_refused.load(Ordering::Relaxed),
            self.n_delivered.load(Ordering::Relaxed)
        )
    }
}
