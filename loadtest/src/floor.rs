//! The floor: a server over the same gRPC service that only decodes, appends the same bytes to one file with group
//! fsync, and acknowledges. Nothing durable can be faster; a node's share of it is what lasts from machine to machine.

mod file;

use std::path::Path;

use anyhow::Context as _;
use journey_client::wire;
use journey_client::wire::event_result::Status as EventStatus;
use journey_proto::v1::ingest_service_server::{IngestService, IngestServiceServer};
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};

use crate::floor::file::FloorFile;
use crate::limits::FLOOR_STREAM_MAX;

/// Bytes of one request: as the node.
const REQUEST_SIZE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Threads: as the node.
const WORKER_THREADS_MIN: usize = 2;

/// Serves until the process is ended.
pub(crate) fn serve(data_dir: &Path) -> anyhow::Result<()> {
    let n_threads = std::thread::available_parallelism().map_or(WORKER_THREADS_MIN, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(n_threads.max(WORKER_THREADS_MIN))
        .enable_all()
        .build()?;
    runtime.block_on(async {
        std::fs::create_dir_all(data_dir)
            .with_context(|| format!("making {}", data_dir.display()))?;
        let file = FloorFile::open(&data_dir.join("floor.log"))?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        eprintln!("floor serving address={}", listener.local_addr()?);
        let service = IngestServiceServer::new(FloorApi { file })
            .max_decoding_message_size(REQUEST_SIZE_BYTES_MAX);
        // The same windows as the node's server.
        Server::builder()
            .tcp_nodelay(true)
            .initial_stream_window_size(Some(1 << 20))
            .initial_connection_window_size(Some(4 << 20))
            .add_service(service)
            .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)))
            .await?;
        Ok(())
    })
}

#[derive(Debug, Clone)]
struct FloorApi {
    file: FloorFile,
}

/// A batch on its way to the disk: its number, its events, and when it is there.
type Written = (u64, usize, oneshot::Receiver<()>);

fn accepted(n_events: usize) -> Vec<wire::EventResult> {
    let result = wire::EventResult {
        status: EventStatus::Accepted.into(),
        ..Default::default()
    };
    vec![result; n_events]
}

async fn on_disk(written: oneshot::Receiver<()>) -> Result<(), Status> {
    written
        .await
        .map_err(|_| Status::unavailable("the floor's file failed"))
}

#[tonic::async_trait]
impl IngestService for FloorApi {
    async fn ingest(
        &self,
        request: Request<wire::IngestRequest>,
    ) -> Result<Response<wire::IngestResponse>, Status> {
        let request = request.into_inner();
        let written = self.file.append(request.encode_to_vec()).await?;
        on_disk(written).await?;
        let results = accepted(request.events.len());
        Ok(Response::new(wire::IngestResponse { results }))
    }

    type IngestStreamStream = ReceiverStream<Result<wire::IngestStreamResponse, Status>>;

    async fn ingest_stream(
        &self,
        request: Request<Streaming<wire::IngestStreamRequest>>,
    ) -> Result<Response<Self::IngestStreamStream>, Status> {
        let (answers, stream) = mpsc::channel(FLOOR_STREAM_MAX);
        let (appended, queue) = mpsc::channel(FLOOR_STREAM_MAX);
        tokio::spawn(append_batches(
            self.file.clone(),
            request.into_inner(),
            appended,
        ));
        tokio::spawn(answer_batches(queue, answers));
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

async fn append_batches(
    file: FloorFile,
    mut requests: Streaming<wire::IngestStreamRequest>,
    appended: mpsc::Sender<Result<Written, Status>>,
) {
    while let Some(request) = requests.next().await {
        let batch = match request {
            Ok(request) => file
                .append(request.encode_to_vec())
                .await
                .map(|written| (request.batch, request.events.len(), written)),
            Err(status) => Err(status),
        };
        let ends = batch.is_err();
        if appended.send(batch).await.is_err() || ends {
            return;
        }
    }
}

async fn answer_batches(
    mut queue: mpsc::Receiver<Result<Written, Status>>,
    answers: mpsc::Sender<Result<wire::IngestStreamResponse, Status>>,
) {
    while let Some(batch) = queue.recv().await {
        let answer = match batch {
            Ok((batch, n_events, written)) => on_disk(written).await.map(|()| {
                let results = accepted(n_events);
                wire::IngestStreamResponse { batch, results }
            }),
            Err(status) => Err(status),
        };
        if answers.send(answer).await.is_err() {
            return;
        }
    }
}
