//! One ingest stream: numbered batches out, acknowledgements back.

use journey_proto::v1 as wire;
use journey_proto::v1::ingest_service_client::IngestServiceClient;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;

use crate::error::ClientError;
use crate::limits::INGEST_BATCHES_IN_FLIGHT_MAX;

/// The answer to one batch.
#[derive(Debug, Clone)]
pub struct IngestAck {
    /// The number that [`IngestSession::send`] gave it.
    pub batch: u64,
    /// One result per event, in order.
    pub results: Vec<wire::EventResult>,
}

/// An open ingest stream. Sending and receiving may interleave; at most 64 batches wait to be written.
#[derive(Debug)]
pub struct IngestSession {
    requests: mpsc::Sender<wire::IngestStreamRequest>,
    responses: Streaming<wire::IngestStreamResponse>,
    n_sent: u64,
    n_answered: u64,
}

impl IngestSession {
    pub(crate) async fn open(
        mut service: IngestServiceClient<Channel>,
    ) -> Result<Self, ClientError> {
        let (requests, queue) = mpsc::channel(INGEST_BATCHES_IN_FLIGHT_MAX);
        let responses = service
            .ingest_stream(ReceiverStream::new(queue))
            .await?
            .into_inner();
        Ok(Self {
            requests,
            responses,
            n_sent: 0,
            n_answered: 0,
        })
    }

    /// Sends a batch of 1 to 1,000 events and returns its number, 1 for the first.
    ///
    /// # Errors
    /// [`ClientError::StreamEnded`] when the node closed the stream.
    ///
    /// # Cancel safety
    /// Not safe: the batch may or may not have been sent.
    pub async fn send(
        &mut self,
        events: Vec<wire::CustomerEvent>,
        mode: wire::IngestMode,
    ) -> Result<u64, ClientError> {
        let batch = self.n_sent + 1;
        let request = wire::IngestStreamRequest {
            batch,
            events,
            mode: mode.into(),
        };
        self.requests
            .send(request)
            .await
            .map_err(|_| ClientError::StreamEnded)?;
        self.n_sent = batch;
        Ok(batch)
    }

    /// Waits for the next acknowledgement, in the order of sending.
    ///
    /// # Errors
    /// [`ClientError::Refused`] or [`ClientError::StreamEnded`]; unanswered batches may or may not have taken effect.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn next_ack(&mut self) -> Result<IngestAck, ClientError> {
        let response = self
            .responses
            .message()
            .await?
            .ok_or(ClientError::StreamEnded)?;
        self.n_answered += 1;
        Ok(IngestAck {
            batch: response.batch,
            results: response.results,
        })
    }

    /// Batches sent and not yet answered.
    #[must_use]
    pub const fn n_in_flight(&self) -> u64 {
        self.n_sent - self.n_answered
    }
}
