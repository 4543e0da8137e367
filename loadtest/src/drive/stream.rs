//! Batches over one ingest stream. What is refused for now is sent again first, in its order, as the node asks (G3).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use journey_client::{IngestSession, wire};

use super::{Batch, Connection, Source, drain_deadline, since, sleep_until};
use crate::ledger::Answered;
use crate::limits::{AGAIN_MAX, STREAM_IN_FLIGHT_MAX};
use crate::schedule::{LoopKind, Segment};
use crate::traffic::Planned;

/// Pause before refused events go out again: some commits, in which a mailbox empties.
const AGAIN_PAUSE: Duration = Duration::from_millis(20);

/// Events that were refused for now.
#[derive(Default)]
struct Again {
    events: VecDeque<Planned>,
    from: Option<Instant>,
}

impl Connection {
    pub(super) async fn drive_stream(
        mut self,
        segment: Arc<Segment>,
        source: Source,
    ) -> anyhow::Result<Self> {
        let mut session = self.client.ingest_stream().await?;
        let mut pacer = self.pacer(&segment);
        let mut flight: VecDeque<Batch> = VecDeque::new();
        let mut again = Again::default();
        let in_flight_max = match segment.loop_kind {
            LoopKind::Closed => self.settings.in_flight as usize,
            LoopKind::Open(_) => STREAM_IN_FLIGHT_MAX,
        };
        let deadline = drain_deadline(&segment);
        loop {
            let next = match again.from {
                // Nothing new overtakes what was refused.
                Some(from) => Some(from),
                None => pacer.peek(cluster::monotonic_now()),
            };
            if flight.is_empty() && next.is_none() {
                return Ok(self);
            }
            let at = next.unwrap_or_else(cluster::monotonic_now);
            tokio::select! {
                biased;
                // Answers first: they make room.
                ack = session.next_ack(), if !flight.is_empty() => {
                    let batch = flight.pop_front().unwrap_or_else(|| self.nothing());
                    self.acknowledge(&segment, &batch, &ack?.results, &mut again)?;
                }
                () = sleep_until(at), if next.is_some() && flight.len() < in_flight_max => {
                    let batch = if again.from.is_some() {
                        self.take_again(&mut again)
                    } else {
                        pacer.step();
                        let events = self.make(&segment, &source, at);
                        Batch {
                            events,
                            at,
                            left: cluster::monotonic_now(),
                        }
                    };
                    if batch.events.is_empty() {
                        pacer.end();
                    } else {
                        self.send(&mut session, &batch).await?;
                        flight.push_back(batch);
                    }
                }
                () = tokio::time::sleep_until(deadline) => {
                    anyhow::bail!("{} batches of connection {} were not answered in time", flight.len(), self.number);
                }
            }
        }
    }

    /// A batch of nothing: an answer to it would be counted as a failure.
    fn nothing(&self) -> Batch {
        Batch {
            events: Vec::new(),
            at: self.run.origin,
            left: self.run.origin,
        }
    }

    async fn send(&self, session: &mut IngestSession, batch: &Batch) -> anyhow::Result<()> {
        let events = batch.events.iter();
        let events = events.map(|planned| self.run.wire_of(planned)).collect();
        session.send(events, wire::IngestMode::Live).await?;
        Ok(())
    }

    fn acknowledge(
        &mut self,
        segment: &Segment,
        batch: &Batch,
        results: &[wire::EventResult],
        again: &mut Again,
    ) -> anyhow::Result<()> {
        let now = cluster::monotonic_now();
        let answered = Answered {
            events: &batch.events,
            results,
            latency: since(batch.at, now),
            took: since(batch.left, now),
            phase: segment.phase_of(batch.at, now),
            answered_in: crate::ledger::phase_at(&segment.windows, now),
        };
        let refused = self.ledger.answered(&answered);
        self.remember(&batch.events, results);
        if !refused.is_empty() {
            again.events.extend(refused);
            again.from = Some(now + AGAIN_PAUSE);
            anyhow::ensure!(
                again.events.len() <= AGAIN_MAX,
                "more than {AGAIN_MAX} refused events wait to be sent again"
            );
        }
        Ok(())
    }

    /// The first refused events, no more than a batch.
    fn take_again(&self, again: &mut Again) -> Batch {
        let n_events = again.events.len().min(self.settings.batch as usize);
        let events: Vec<Planned> = again.events.drain(..n_events).collect();
        if again.events.is_empty() {
            again.from = None;
        }
        let sent_us = events.iter().map(|planned| planned.sent_us).min();
        let at = self.run.origin + Duration::from_micros(sent_us.unwrap_or(0));
        Batch {
            events,
            at,
            left: cluster::monotonic_now(),
        }
    }
}
