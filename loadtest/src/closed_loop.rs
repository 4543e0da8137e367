//! A closed loop: so many batches unanswered per connection, the next one goes out when an ack comes in.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use journey_client::wire::event_result::Status;
use journey_client::{Client, wire};

/// Latencies above this are counted as this.
const LATENCY_MAX_US: u64 = 60_000_000;
/// Reasons of refusals that are kept, for the message of a failed run.
const REFUSALS_KEPT_MAX: usize = 3;

/// What one connection did.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Events acknowledged as accepted, warm-up included.
    pub(crate) n_accepted: u64,
    /// Those acknowledged inside the measured window.
    pub(crate) n_measured: u64,
    /// Events answered otherwise.
    pub(crate) n_not_accepted: u64,
    /// The first reasons of those.
    pub(crate) refusals: Vec<String>,
    /// Send to ack inside the measured window, in microseconds, one entry an event.
    pub(crate) latency_us: Histogram<u64>,
}

impl Tally {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let latency_us = Histogram::new_with_bounds(1, LATENCY_MAX_US, 3)?;
        Ok(Self {
            n_accepted: 0,
            n_measured: 0,
            n_not_accepted: 0,
            refusals: Vec::new(),
            latency_us,
        })
    }

    pub(crate) fn add(&mut self, other: &Self) -> anyhow::Result<()> {
        self.n_accepted += other.n_accepted;
        self.n_measured += other.n_measured;
        self.n_not_accepted += other.n_not_accepted;
        self.refusals.extend(other.refusals.iter().cloned());
        self.latency_us.add(&other.latency_us)?;
        Ok(())
    }

    fn count(&mut self, results: &[wire::EventResult], latency: Duration, is_measured: bool) {
        let n_accepted = results
            .iter()
            .filter(|r| r.status() == Status::Accepted)
            .count() as u64;
        self.n_accepted += n_accepted;
        self.n_not_accepted += results.len() as u64 - n_accepted;
        for result in results.iter().filter(|r| r.status() != Status::Accepted) {
            if self.refusals.len() < REFUSALS_KEPT_MAX {
                self.refusals.push(format!(
                    "{:?} {} {}",
                    result.status(),
                    result.reason,
                    result.message
                ));
            }
        }
        if is_measured {
            self.n_measured += n_accepted;
            let latency_us = u64::try_from(latency.as_micros())
                .unwrap_or(LATENCY_MAX_US)
                .max(1);
            self.latency_us.saturating_record_n(latency_us, n_accepted);
        }
    }
}

/// When traffic is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub(crate) from: Instant,
    pub(crate) to: Instant,
}

/// Sends the batches that `next` makes until it makes none or the window is over, then waits for what is unanswered.
pub(crate) async fn drive(
    client: &Client,
    in_flight_max: usize,
    window: Window,
    mut next: impl FnMut() -> Option<Vec<wire::CustomerEvent>>,
) -> anyhow::Result<Tally> {
    let mut tally = Tally::new()?;
    let mut session = client.ingest_stream().await?;
    let mut sent: VecDeque<Instant> = VecDeque::new();
    let mut is_sending = true;
    while is_sending || !sent.is_empty() {
        while is_sending && sent.len() < in_flight_max {
            let batch = if cluster::monotonic_now() < window.to {
                next()
            } else {
                None
            };
            match batch {
                None => is_sending = false,
                Some(events) => {
                    sent.push_back(cluster::monotonic_now());
                    session.send(events, wire::IngestMode::Live).await?;
                }
            }
        }
        if let Some(sent_at) = sent.pop_front() {
            let ack = session.next_ack().await?;
            let now = cluster::monotonic_now();
            let is_measured = now >= window.from && now < window.to;
            tally.count(&ack.results, now.duration_since(sent_at), is_measured);
        }
    }
    Ok(tally)
}
