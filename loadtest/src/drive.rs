//! One connection to the node: sends what its schedule says, in the form that the scenario says, and accounts for every
//! answer.

mod calls;
mod stream;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use journey_client::Client;

use crate::ledger::{Ledger, phase_at};
use crate::limits::DRAIN_MAX;
use crate::scenario::Form;
use crate::schedule::{LoopKind, Pacer, Segment};
use crate::traffic::{Maker, Planned, Run};

/// A connection, over all phases.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) client: Client,
    pub(crate) run: Arc<Run>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) maker: Maker,
    pub(crate) number: u32,
    pub(crate) settings: ConnectionSettings,
}

/// What all connections of a run have in common.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ConnectionSettings {
    pub(crate) form: Form,
    pub(crate) n_connections: u32,
    pub(crate) batch: u32,
    pub(crate) in_flight: u32,
    /// Whether refused events are given up.
    pub(crate) gives_up: bool,
}

/// Where events come from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// The traffic of the scenario.
    Traffic,
    /// The start events of customers, from the shared counter up to a number.
    Start { next: Arc<AtomicU32>, to: u32 },
}

/// A batch on its way.
#[derive(Debug)]
struct Batch {
    events: Vec<Planned>,
    /// When it was to be sent.
    at: Instant,
    /// When it was sent last.
    left: Instant,
}

impl Connection {
    /// Sends what the segment asks for and waits for every answer.
    pub(crate) async fn drive(self, segment: Arc<Segment>, source: Source) -> anyhow::Result<Self> {
        match self.settings.form {
            Form::Stream => self.drive_stream(segment, source).await,
            Form::Calls => self.drive_calls(segment, source).await,
        }
    }

    fn pacer(&self, segment: &Arc<Segment>) -> Pacer {
        let settings = self.settings;
        Pacer::new(
            Arc::clone(segment),
            self.number,
            settings.n_connections,
            settings.batch,
        )
    }

    /// The events of the next batch; none when there are no more.
    fn make(&mut self, segment: &Segment, source: &Source, at: Instant) -> Vec<Planned> {
        let sent_us = self.run.micros(at);
        let batch = self.settings.batch;
        let events = match source {
            Source::Traffic => self.maker.batch(segment.allot(batch), sent_us),
            Source::Start { next, to } => {
                let from = next.fetch_add(batch, Ordering::Relaxed).min(*to);
                let customers = from..from.saturating_add(batch).min(*to);
                customers
                    .map(|customer| self.run.start_of(customer, sent_us))
                    .collect()
            }
        };
        self.ledger.sent(&events);
        if let (LoopKind::Open(_), Some(phase)) =
            (&segment.loop_kind, phase_at(&segment.windows, at))
        {
            let lag = since(at, cluster::monotonic_now());
            self.ledger.left(phase, events.len(), lag);
        }
        events
    }

    /// What was accepted may be sent again as a duplicate.
    fn remember(&mut self, events: &[Planned], results: &[journey_client::wire::EventResult]) {
        use journey_client::wire::event_result::Status;
        for (planned, result) in events.iter().zip(results) {
            if result.status() == Status::Accepted {
                self.maker.accepted(planned);
            }
        }
    }
}

/// When a connection gives up waiting for answers.
fn drain_deadline(segment: &Segment) -> tokio::time::Instant {
    let end = segment.end().unwrap_or_else(cluster::monotonic_now);
    tokio::time::Instant::from_std(end + DRAIN_MAX)
}

/// Sleeps until then; returns at once for a time that has passed.
async fn sleep_until(instant: Instant) {
    tokio::time::sleep_until(tokio::time::Instant::from_std(instant)).await;
}

/// How long it took since then.
fn since(at: Instant, now: Instant) -> Duration {
    now.saturating_duration_since(at)
}
