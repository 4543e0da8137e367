//! A worker's end of the `Work` stream: effects in, outcomes out.

use std::collections::BTreeSet;
use std::time::SystemTime;

use journey_proto::v1 as wire;
use journey_proto::v1::work_request::Request;
use journey_proto::v1::work_response::Response;
use journey_proto::v1::worker_service_client::WorkerServiceClient;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

use crate::error::ClientError;
use crate::limits::{OUTCOMES_QUEUED_MAX, RETURNS_UNANSWERED_MAX};

/// What a worker receives.
#[derive(Debug, Clone)]
pub enum WorkerMessage {
    /// An effect to carry out; answer it with [`WorkerSession::settle`] before its `until`.
    Effect(Box<wire::Effect>),
    /// What became of outcomes that were sent.
    Results(Vec<wire::OutcomeResult>),
}

/// An open worker stream.
#[derive(Debug)]
pub struct WorkerSession {
    requests: mpsc::Sender<wire::WorkRequest>,
    responses: Streaming<wire::WorkResponse>,
    subscribed: wire::Subscribed,
    n_too_late: u64,
    /// Effects that were given back as too late, without a result so far: their results are nobody else's.
    returned: BTreeSet<(String, u32)>,
}

impl WorkerSession {
    pub(crate) async fn open(
        mut service: WorkerServiceClient<Channel>,
        subscribe: wire::Subscribe,
    ) -> Result<Self, ClientError> {
        let (requests, queue) = mpsc::channel(OUTCOMES_QUEUED_MAX);
        let first = wire::WorkRequest {
            request: Some(Request::Subscribe(subscribe)),
        };
        requests
            .send(first)
            .await
            .map_err(|_| ClientError::StreamEnded)?;
        let mut responses = service.work(ReceiverStream::new(queue)).await?.into_inner();
        let answer = responses.message().await?.ok_or(ClientError::StreamEnded)?;
        let subscribed = match answer.response {
            Some(Response::Subscribed(subscribed)) => subscribed,
            Some(Response::Effect(_) | Response::Results(_) | Response::Recalled(_)) | None => {
                wire::Subscribed::default()
            }
        };
        Ok(Self {
            requests,
            responses,
            subscribed,
            n_too_late: 0,
            returned: BTreeSet::new(),
        })
    }

    /// The cluster's id, as it stands in every effect id.
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        &self.subscribed.cluster_id
    }

    /// Partitions that had no leader when this stream was opened, as far as its node knew: nothing came from them.
    #[must_use]
    pub fn partitions_without_leader(&self) -> &[u32] {
        &self.subscribed.partitions_without_leader
    }

    /// Effects that came too late to be acted on, and were given back.
    #[must_use]
    pub const fn n_too_late(&self) -> u64 {
        self.n_too_late
    }

    /// Waits for the next message. An effect that comes after its `send_by` or its `until`, by this machine's clock, is
    /// given back: it has waited in the network, or in a node that was frozen, longer than its claim holds.
    ///
    /// # Errors
    /// [`ClientError::Refused`], or [`ClientError::StreamEnded`]: subscribe again; unanswered effects come back.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn next(&mut self) -> Result<WorkerMessage, ClientError> {
        loop {
            let message = self
                .responses
                .message()
                .await?
                .ok_or(ClientError::StreamEnded)?;
            match message.response {
                Some(Response::Effect(effect)) if is_too_late(&effect) => {
                    self.n_too_late += 1;
                    self.give_back(&effect);
                }
                Some(Response::Effect(effect)) => {
                    return Ok(WorkerMessage::Effect(Box::new(effect)));
                }
                Some(Response::Results(results)) => {
                    let results = without_returns(&mut self.returned, results.results);
                    if !results.is_empty() {
                        return Ok(WorkerMessage::Results(results));
                    }
                }
                Some(Response::Subscribed(_) | Response::Recalled(_)) | None => {}
            }
        }
    }

    /// Sends outcomes, at most 1,000 at a time. Their results come with [`WorkerSession::next`].
    ///
    /// # Errors
    /// [`ClientError::StreamEnded`]: the outcomes were not recorded; the effects come back.
    ///
    /// # Cancel safety
    /// Not safe: the outcomes may or may not have been sent.
    pub async fn settle(&self, outcomes: Vec<wire::Outcome>) -> Result<(), ClientError> {
        let request = Request::Outcomes(wire::Outcomes { outcomes });
        self.send(request).await
    }

    /// Adds to the credit.
    ///
    /// # Errors
    /// [`ClientError::StreamEnded`].
    ///
    /// # Cancel safety
    /// Not safe: the credit may or may not have been sent.
    pub async fn add_credit(&self, more: u32) -> Result<(), ClientError> {
        self.send(Request::Credit(wire::Credit { more })).await
    }

    /// Says of an effect that was never handed to anyone here that it was not begun. Without waiting: where outcomes queue,
    /// its claim runs out instead.
    fn give_back(&mut self, effect: &wire::Effect) {
        if self.returned.len() >= RETURNS_UNANSWERED_MAX {
            return;
        }
        let returned = returned(effect);
        let name = (returned.effect_id.clone(), returned.attempt);
        let outcomes = wire::Outcomes {
            outcomes: vec![returned],
        };
        let request = wire::WorkRequest {
            request: Some(Request::Outcomes(outcomes)),
        };
        if self.requests.try_send(request).is_ok() {
            self.returned.insert(name);
        }
    }

    async fn send(&self, request: Request) -> Result<(), ClientError> {
        let request = wire::WorkRequest {
            request: Some(request),
        };
        self.requests
            .send(request)
            .await
            .map_err(|_| ClientError::StreamEnded)
    }
}

fn returned(effect: &wire::Effect) -> wire::Outcome {
    wire::Outcome {
        effect_id: effect.effect_id.clone(),
        attempt: effect.attempt,
        result: wire::outcome::Result::Returned.into(),
        ..Default::default()
    }
}

/// The results of what the caller said; those of effects that were given back are ended with.
fn without_returns(
    returned: &mut BTreeSet<(String, u32)>,
    results: Vec<wire::OutcomeResult>,
) -> Vec<wire::OutcomeResult> {
    let mut of_caller = |result: &wire::OutcomeResult| {
        returned.is_empty() || !returned.remove(&(result.effect_id.clone(), result.attempt))
    };
    results
        .into_iter()
        .filter(|result| of_caller(result))
        .collect()
}

/// Whether an effect is not worth sending any more.
#[expect(
    clippy::disallowed_methods,
    reason = "the one question of a client that is about its own clock"
)]
fn is_too_late(effect: &wire::Effect) -> bool {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now_ms = now.map_or(0, |now| now.as_millis());
    let now_ms = i128::try_from(now_ms).unwrap_or(i128::MAX);
    let bounds = [&effect.send_by, &effect.until];
    bounds.into_iter().flatten().any(|bound| {
        let bound_ms = i128::from(bound.seconds) * 1_000 + i128::from(bound.nanos) / 1_000_000;
        now_ms > bound_ms
    })
}

#[cfg(test)]
mod tests;
