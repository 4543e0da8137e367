//! Ends the node and starts it again: how long until it acknowledges.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use journey_client::{Client, wire};

use super::Stage;
use crate::ledger::Answered;
use crate::limits::FIRST_ACK_MAX;
use crate::scenario::Ending;

/// Pause between two tries of a first event.
const TRY_PAUSE: Duration = Duration::from_millis(2);

impl Stage<'_> {
    /// Ends the node, starts it again, and waits for the first acknowledgement.
    pub(super) async fn restart(&mut self, idx: usize, how: Ending) -> anyhow::Result<()> {
        let began = cluster::monotonic_now();
        tokio::task::block_in_place(|| self.nodes.only()?.end(how))?;
        let ended = cluster::monotonic_now();
        tokio::task::block_in_place(|| self.nodes.only()?.start_again())?;
        *self.process_ids.lock() = self.nodes.ids();
        let deadline = ended + FIRST_ACK_MAX;
        let client = loop {
            match Client::connect(self.nodes.address()).await {
                Ok(client) => break client,
                Err(error) if cluster::monotonic_now() > deadline => return Err(error.into()),
                Err(_) => tokio::time::sleep(TRY_PAUSE).await,
            }
        };
        self.first_ack(&client, deadline).await?;
        for connection in &mut self.connections {
            connection.client = Client::connect(self.nodes.address()).await?;
        }
        let now = cluster::monotonic_now();
        let span = &mut self.spans[idx];
        span.seconds = now.duration_since(began).as_secs_f64();
        span.first_ack = Some(now.duration_since(ended));
        span.ending = Some(ended.duration_since(began));
        Ok(())
    }

    /// Sends one event until it is acknowledged.
    async fn first_ack(&mut self, client: &Client, deadline: Instant) -> anyhow::Result<()> {
        let at = cluster::monotonic_now();
        let connection = self.connections.first_mut().context("no connection")?;
        let mut events = connection.maker.batch(1, self.run.micros(at));
        // Only customers that have started have something to move.
        let n_started = self.n_started.load(Ordering::Relaxed);
        for event in &mut events {
            event.customer %= n_started.max(1);
        }
        self.ledger.sent(&events);
        while !events.is_empty() {
            let request = wire::IngestRequest {
                events: events.iter().map(|event| self.run.wire_of(event)).collect(),
                mode: 0,
            };
            match client.ingest(request).await {
                Ok(response) => {
                    let now = cluster::monotonic_now();
                    let answered = Answered {
                        events: &events,
                        results: &response.results,
                        latency: now.duration_since(at),
                        took: now.duration_since(at),
                        phase: None,
                        answered_in: None,
                    };
                    events = self.ledger.answered(&answered);
                }
                Err(error) => {
                    let is_late = cluster::monotonic_now() > deadline;
                    anyhow::ensure!(!is_late && error.is_retryable(), "no first answer: {error}");
                    // It may have taken effect.
                    events
                        .iter_mut()
                        .for_each(|event| event.is_uncertain = true);
                }
            }
            tokio::time::sleep(TRY_PAUSE).await;
        }
        Ok(())
    }
}
