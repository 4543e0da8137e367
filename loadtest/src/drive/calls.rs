//! Events in `Ingest` calls of their own. A refused call is made again, unless refusals are what the scenario is about.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use journey_client::{Client, ClientError, wire};
use prost::bytes::Bytes;
use tonic_types::StatusExt as _;

use super::{Batch, Connection, Source, drain_deadline, since, sleep_until};
use crate::ledger::{Answered, OUTCOME_UNKNOWN, phase_at};
use crate::limits::{AGAIN_PAUSE, CALLS_IN_FLIGHT_MAX};
use crate::schedule::{LoopKind, Segment};
use crate::traffic::Planned;

/// An answered call.
struct Done {
    batch: Batch,
    answer: Result<wire::IngestResponse, ClientError>,
}

/// Batches that wait to be sent again, each with its time.
type Again = VecDeque<(Instant, Batch)>;

async fn call(client: Client, batch: Batch, request: Bytes) -> Done {
    let answer = client.ingest_encoded(request).await;
    Done { batch, answer }
}

impl Connection {
    pub(super) async fn drive_calls(
        mut self,
        segment: Arc<Segment>,
        source: Source,
    ) -> anyhow::Result<Self> {
        let mut pacer = self.pacer(&segment);
        let mut calls = FuturesUnordered::new();
        let mut again = Again::new();
        let in_flight_max = match segment.loop_kind {
            LoopKind::Closed => self.settings.in_flight as usize,
            LoopKind::Open(_) => CALLS_IN_FLIGHT_MAX,
        };
        let deadline = drain_deadline(&segment);
        loop {
            let next = match again.front() {
                Some((from, _)) => Some(*from),
                None => pacer.peek(cluster::monotonic_now()),
            };
            if calls.is_empty() && next.is_none() {
                return Ok(self);
            }
            let at = next.unwrap_or_else(cluster::monotonic_now);
            tokio::select! {
                biased;
                Some(done) = calls.next(), if !calls.is_empty() => {
                    self.take_answer(&segment, done, &mut again)?;
                }
                () = sleep_until(at), if next.is_some() && calls.len() < in_flight_max => {
                    let mut batch = match again.pop_front() {
                        Some((_, batch)) => batch,
                        None => {
                            pacer.step();
                            let events = self.make(&segment, &source, at);
                            Batch { events, at, left: at }
                        }
                    };
                    if batch.events.is_empty() {
                        pacer.end();
                    } else {
                        batch.left = cluster::monotonic_now();
                        let request = self.run.request_of(&batch.events);
                        calls.push(call(self.client.clone(), batch, request));
                    }
                }
                () = tokio::time::sleep_until(deadline) => {
                    anyhow::bail!("{} calls of connection {} were not answered in time", calls.len(), self.number);
                }
            }
        }
    }

    fn take_answer(
        &mut self,
        segment: &Segment,
        done: Done,
        again: &mut Again,
    ) -> anyhow::Result<()> {
        let now = cluster::monotonic_now();
        let Done { batch, answer } = done;
        let results = answer.as_ref().map_or(&[][..], |answer| &answer.results);
        let answered = Answered {
            events: &batch.events,
            results,
            latency: since(batch.at, now),
            took: since(batch.left, now),
            phase: segment.phase_of(batch.at, now),
            answered_in: phase_at(&segment.windows, now),
        };
        let refused = match &answer {
            Ok(_) => {
                self.remember(&batch.events, results);
                self.ledger.answered(&answered)
            }
            Err(error) => {
                let Some(reason) = refusal_reason(error) else {
                    anyhow::bail!("a call failed: {error}");
                };
                self.ledger.call_refused(&answered, &reason);
                let is_uncertain = reason == OUTCOME_UNKNOWN;
                let mark = |planned: &Planned| Planned {
                    is_uncertain: planned.is_uncertain || is_uncertain,
                    ..*planned
                };
                batch.events.iter().map(mark).collect()
            }
        };
        // What may have taken effect is never given up: nobody could say what the sums should be.
        let gives_up = self.settings.gives_up;
        let (events, given_up): (Vec<Planned>, Vec<Planned>) = refused
            .into_iter()
            .partition(|planned| planned.is_uncertain || !gives_up);
        self.ledger.given_up(given_up.len() as u64);
        if !events.is_empty() {
            let batch = Batch { events, ..batch };
            again.push_back((now + AGAIN_PAUSE, batch));
        }
        Ok(())
    }
}

/// The reason of a refusal that another try may end; `None` for everything else.
fn refusal_reason(error: &ClientError) -> Option<String> {
    let ClientError::Refused { status } = error else {
        return None;
    };
    if !error.is_retryable() {
        return None;
    }
    let details = status.get_error_details();
    let reason = details.error_info().map(|info| info.reason.clone());
    Some(reason.unwrap_or_else(|| format!("{:?}", status.code())))
}
