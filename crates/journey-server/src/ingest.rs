//! Takes in events: checks each, sends them to the partitions of their customers, and answers one by one.

mod batch;
mod forward;
mod lanes;
mod results;
mod shared_texts;

use std::sync::Arc;

use journey_customer::IngestMode;
use journey_proto::v1 as wire;
use journey_proto::v1::ingest_service_server::IngestService;
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status, Streaming};

use self::batch::{Batch, Ways};
use self::forward::{IN_ORDER, refused_alike};
use self::lanes::StreamLanes;
pub(crate) use self::results::{overload_of, rejection_code, retry_after};
use crate::api_metrics::INGEST_STREAM_BATCH;
use crate::error::ServerError;
use crate::limits::STREAM_BATCHES_IN_FLIGHT_MAX;
use crate::node::Node;
use crate::router::Hop;
use crate::status::readable;

/// The gRPC service.
#[derive(Debug, Clone)]
pub struct IngestApi {
    node: Arc<Node>,
}

impl IngestApi {
    /// The service of a node.
    #[must_use]
    pub const fn new(node: Arc<Node>) -> Self {
        Self { node }
    }
}

#[tonic::async_trait]
impl IngestService for IngestApi {
    async fn ingest(
        &self,
        request: Request<wire::IngestRequest>,
    ) -> Result<Response<wire::IngestResponse>, Status> {
        let hop = Hop::of(request.metadata())?;
        let in_order = request.metadata().contains_key(IN_ORDER);
        let request = request.into_inner();
        let mode = mode_of(request.mode)?;
        let ways = Ways::Single {
            hop: &hop,
            in_order,
        };
        let batch = Batch::submit(&self.node, request.events, mode, ways)?;
        if let Some(refused) = batch.refused_as_a_whole() {
            self.node
                .metrics()
                .shed(refused.reason(), batch.n_events() as u64);
            return Err(refused.into());
        }
        let results = batch.finish(&self.node).await?;
        Ok(Response::new(wire::IngestResponse { results }))
    }

    type IngestStreamStream = ReceiverStream<Result<wire::IngestStreamResponse, Status>>;

    async fn ingest_stream(
        &self,
        request: Request<Streaming<wire::IngestStreamRequest>>,
    ) -> Result<Response<Self::IngestStreamStream>, Status> {
        let (answers, stream) = mpsc::channel(STREAM_BATCHES_IN_FLIGHT_MAX);
        let (submitted, queue) = mpsc::channel(STREAM_BATCHES_IN_FLIGHT_MAX);
        let lanes = StreamLanes::new(Arc::clone(&self.node), Hop::of(request.metadata())?);
        let node = Arc::clone(&self.node);
        let requests = request.into_inner();
        self.node
            .tasks()
            .spawn(submit_batches((node, lanes), requests, submitted));
        let node = Arc::clone(&self.node);
        self.node
            .tasks()
            .spawn(answer_batches(node, queue, answers));
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

/// A batch of a stream on its way, or what ends the stream.
type InFlight = Result<(u64, Batch), Status>;

/// Reads batches and submits them in order; waits when too many are unanswered, which is the stream's flow control.
async fn submit_batches(
    (node, mut lanes): (Arc<Node>, StreamLanes),
    mut requests: Streaming<wire::IngestStreamRequest>,
    submitted: mpsc::Sender<InFlight>,
) {
    while let Some(request) = requests.next().await {
        let batch = request.map_err(readable).and_then(|request| {
            let mode = mode_of(request.mode)?;
            let ways = Ways::Stream(&mut lanes);
            let batch = Batch::submit(&node, request.events, mode, ways)?;
            Ok((request.batch, batch))
        });
        let ends = batch.is_err();
        if submitted.send(batch).await.is_err() || ends {
            return;
        }
    }
}

/// Waits for the batches in order and answers each.
async fn answer_batches(
    node: Arc<Node>,
    mut queue: mpsc::Receiver<InFlight>,
    answers: mpsc::Sender<Result<wire::IngestStreamResponse, Status>>,
) {
    while let Some(in_flight) = queue.recv().await {
        let begun = in_flight.as_ref().ok().map(|(_, batch)| batch.begun);
        let answer = match in_flight {
            Ok((batch, in_flight)) => {
                let n_events = in_flight.n_events();
                let results = in_flight.finish(&node).await;
                // One batch that another node refused ends no stream.
                let results = results.unwrap_or_else(|status| refused_alike(&status, n_events));
                Ok(wire::IngestStreamResponse { batch, results })
            }
            Err(status) => Err(status),
        };
        if let Some(begun) = begun {
            node.metrics()
                .answered(INGEST_STREAM_BATCH, Code::Ok, begun.elapsed());
        }
        if answers.send(answer).await.is_err() {
            return;
        }
    }
}

/// A mode that this node does not know is refused: taken as another, events would send what they must not.
fn mode_of(mode: i32) -> Result<IngestMode, ServerError> {
    match wire::IngestMode::try_from(mode) {
        Ok(wire::IngestMode::History) => Ok(IngestMode::History),
        Ok(wire::IngestMode::Unspecified | wire::IngestMode::Live) => Ok(IngestMode::Live),
        Err(_) => {
            let text = format!("{mode} is no ingest mode; there are LIVE (1) and HISTORY (2)");
            Err(ServerError::invalid("mode", text))
        }
    }
}
