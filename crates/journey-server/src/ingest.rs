//! Takes in events: checks each, sends them to the partitions of their customers, and answers one by one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use journey_customer::{Command, IngestMode, Rejection, Reply};
use journey_partition::{Answer, Refusal};
use journey_proto::v1 as wire;
use journey_proto::v1::event_result::Status as EventStatus;
use journey_proto::v1::ingest_service_server::IngestService;
use journey_types::{EffectOrigin, PartitionId};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status, Streaming};

use crate::api_metrics::INGEST_STREAM_BATCH;
use crate::convert::event_from_wire;
use crate::error::ServerError;
use crate::limits::{
    EVENTS_PER_BATCH_MAX, RETRY_AFTER_BUSY, RETRY_AFTER_DEFAULT, RETRY_AFTER_DISK,
    STREAM_BATCHES_IN_FLIGHT_MAX,
};
use crate::node::{Commands, Node, Submitted};
use crate::set_aside::id_text;
use crate::stream_order::StreamOrders;

/// Said of an accepted event that names two ids of one customer.
const NOT_MERGED_YET: &str = "not_merged_yet";

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
        let request = request.into_inner();
        let mode = mode_of(request.mode)?;
        let batch = Batch::submit(&self.node, request.events, mode, None)?;
        if let Some(refused) = batch.refused_as_a_whole() {
            self.node
                .metrics()
                .shed(refused.reason(), batch.results.len() as u64);
            return Err(refused.into());
        }
        let results = batch.finish(&self.node).await;
        Ok(Response::new(wire::IngestResponse { results }))
    }

    type IngestStreamStream = ReceiverStream<Result<wire::IngestStreamResponse, Status>>;

    async fn ingest_stream(
        &self,
        request: Request<Streaming<wire::IngestStreamRequest>>,
    ) -> Result<Response<Self::IngestStreamStream>, Status> {
        let (answers, stream) = mpsc::channel(STREAM_BATCHES_IN_FLIGHT_MAX);
        let (submitted, queue) = mpsc::channel(STREAM_BATCHES_IN_FLIGHT_MAX);
        let node = Arc::clone(&self.node);
        let requests = request.into_inner();
        self.node
            .tasks()
            .spawn(submit_batches(node, requests, submitted));
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
    node: Arc<Node>,
    mut requests: Streaming<wire::IngestStreamRequest>,
    submitted: mpsc::Sender<InFlight>,
) {
    let orders = StreamOrders::default();
    while let Some(request) = requests.next().await {
        let batch = request.and_then(|request| {
            let mode = mode_of(request.mode)?;
            let batch = Batch::submit(&node, request.events, mode, Some(&orders))?;
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
            Ok((batch, in_flight)) => Ok(wire::IngestStreamResponse {
                batch,
                results: in_flight.finish(&node).await,
            }),
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

/// One partition's share of a batch.
#[derive(Debug)]
struct Share {
    partition: PartitionId,
    /// Positions in the batch, in order.
    positions: Vec<usize>,
    submitted: Submitted,
}

/// A submitted batch: what is known already, and the shares that are still out.
#[derive(Debug)]
struct Batch {
    begun: Instant,
    results: Vec<wire::EventResult>,
    shares: Vec<Share>,
}

impl Batch {
    /// Checks the events and submits them, by partition, in order. Returns without waiting.
    #[tracing::instrument(level = "debug", name = "ingest", skip_all, fields(n_events = events.len()))]
    fn submit(
        node: &Node,
        events: Vec<wire::CustomerEvent>,
        mode: IngestMode,
        orders: Option<&StreamOrders>,
    ) -> Result<Self, ServerError> {
        if events.is_empty() || events.len() > EVENTS_PER_BATCH_MAX {
            let n_events = events.len();
            let text = format!("holds {n_events} events, 1 to {EVENTS_PER_BATCH_MAX} are allowed");
            return Err(ServerError::invalid("events", text));
        }
        let received_at = node.now();
        let catalog = node.catalog();
        let mut results = vec![wire::EventResult::default(); events.len()];
        let mut by_partition: BTreeMap<PartitionId, (Vec<usize>, Commands)> = BTreeMap::new();
        for (position, event) in events.into_iter().enumerate() {
            let checked = event_from_wire(event, received_at)
                .map_err(|fault| (fault.code, fault.message))
                .and_then(|mut event| match catalog.schemas.conform(&mut event) {
                    Ok(()) => Ok(event),
                    Err(refusal) => Err(("schema_refused", refusal.to_string())),
                });
            match checked {
                Ok(event) => {
                    if event.other_identifier().is_some() {
                        // Joined with the answer, if that is `accepted`.
                        results[position].reason = NOT_MERGED_YET.to_owned();
                    }
                    let partition = node.partition_of(&event.customer);
                    let share = by_partition.entry(partition).or_default();
                    share.0.push(position);
                    share
                        .1
                        .push((event.customer.clone(), Command::Ingest { event, mode }));
                }
                Err((code, message)) => results[position] = rejected(code, message, false),
            }
        }
        let shares = by_partition
            .into_iter()
            .map(|(partition, (positions, commands))| {
                let order = orders.map(|orders| orders.of(partition, &commands));
                let (partition_id, n_events) = (partition.get(), commands.len());
                tracing::debug!(partition_id, n_events, "share submitted");
                Share {
                    partition,
                    positions,
                    submitted: node.submit(partition, commands, order),
                }
            })
            .collect();
        Ok(Self {
            begun: Instant::now(),
            results,
            shares,
        })
    }

    /// When every event was refused at the door for load or disk: the one refusal to answer instead of a result for
    /// each.
    fn refused_as_a_whole(&self) -> Option<ServerError> {
        let n_shared: usize = self.shares.iter().map(|share| share.positions.len()).sum();
        if n_shared < self.results.len() {
            return None;
        }
        let mut longest: Option<(PartitionId, &Refusal)> = None;
        for share in &self.shares {
            let Submitted::Refused(refusal) = &share.submitted else {
                return None;
            };
            let subject = overload_subject(share.partition, refusal)?;
            drop(subject);
            let is_longer =
                longest.is_none_or(|(_, longest)| retry_after(refusal) > retry_after(longest));
            if is_longer {
                longest = Some((share.partition, refusal));
            }
        }
        let (partition, refusal) = longest?;
        Some(ServerError::Overloaded {
            cause: refusal.code(),
            subject: overload_subject(partition, refusal)?,
            reason: refusal.to_string(),
            retry_after: retry_after(refusal),
        })
    }

    /// Waits for every share and puts the results in the order of the batch.
    async fn finish(mut self, node: &Node) -> Vec<wire::EventResult> {
        for share in self.shares {
            let answers = share.submitted.answers(share.positions.len()).await;
            for (position, answer) in share.positions.into_iter().zip(answers) {
                if let Answer::Refused(refusal) = &answer {
                    node.metrics().shed(refusal.code(), 1);
                }
                let result = event_result(node.origin(), share.partition, answer);
                let noted = std::mem::replace(&mut self.results[position], result);
                let result = &mut self.results[position];
                if result.status() == EventStatus::Accepted && noted.reason == NOT_MERGED_YET {
                    result.reason = noted.reason;
                    result.message = "accepted, not merged yet".to_owned();
                }
            }
        }
        self.results
    }
}

fn event_result(origin: EffectOrigin, partition: PartitionId, answer: Answer) -> wire::EventResult {
    match answer {
        Answer::Done { reply, lsn } => {
            let status = if reply == Reply::Duplicate {
                EventStatus::Duplicate
            } else {
                EventStatus::Accepted
            };
            wire::EventResult {
                status: status.into(),
                partition: partition.get(),
                index: lsn.get(),
                ..Default::default()
            }
        }
        Answer::Rejected(rejection) => {
            let (code, retry) = match &rejection {
                Rejection::TooManyEventIds { .. } => ("HOT_CUSTOMER", true),
                Rejection::StateTooLarge { .. } => ("CUSTOMER_TOO_LARGE", false),
                Rejection::EventRefused { .. } => ("EVENT_REFUSED", false),
                Rejection::NotClaimable { .. } => ("NOT_CLAIMABLE", false),
                Rejection::OutcomeUnfit { .. } => ("OUTCOME_UNFIT", false),
                Rejection::NotSetAside => ("NOT_SET_ASIDE", false),
                Rejection::NotReplayable { .. } => ("NOT_REPLAYABLE", false),
                Rejection::QuarantineFull => ("QUARANTINE_FULL", true),
            };
            rejected(code, rejection.to_string(), retry)
        }
        Answer::Refused(refusal) => {
            let retry = refusal.is_retryable();
            let after = if retry {
                retry_after(&refusal)
            } else {
                Duration::ZERO
            };
            let mut result = wire::EventResult {
                retry_after_ms: u32::try_from(after.as_millis()).unwrap_or(u32::MAX),
                ..rejected(refusal.code(), refusal.to_string(), retry)
            };
            if let Refusal::Quarantined {
                kept: Some(kept), ..
            } = refusal
            {
                result.quarantine_id = id_text(origin, &kept.customer, kept.birth, kept.entry);
            }
            result
        }
    }
}

/// What is exhausted, where a refusal is one of load or disk.
fn overload_subject(partition: PartitionId, refusal: &Refusal) -> Option<String> {
    match refusal {
        Refusal::PartitionBusy { .. } => Some(format!("partition:{partition}")),
        Refusal::WorkspaceBusy { .. } => Some(format!("workspace on partition:{partition}")),
        Refusal::WorkspaceRate { .. } => Some("workspace".to_owned()),
        Refusal::DiskLow => Some("disk".to_owned()),
        Refusal::HotCustomer { .. }
        | Refusal::RetryInOrder
        | Refusal::Quarantined { .. }
        | Refusal::CustomerParked { .. }
        | Refusal::NotLeader
        | Refusal::NoSession { .. }
        | Refusal::OutcomeUnknown
        | Refusal::Stopped { .. } => None,
    }
}

/// When what was refused may be sent again.
fn retry_after(refusal: &Refusal) -> Duration {
    match refusal {
        Refusal::PartitionBusy { .. } | Refusal::WorkspaceBusy { .. } => RETRY_AFTER_BUSY,
        Refusal::WorkspaceRate { retry_after_ms, .. } => Duration::from_millis(*retry_after_ms),
        Refusal::DiskLow => RETRY_AFTER_DISK,
        Refusal::HotCustomer { .. }
        | Refusal::RetryInOrder
        | Refusal::Quarantined { .. }
        | Refusal::CustomerParked { .. }
        | Refusal::NotLeader
        | Refusal::NoSession { .. }
        | Refusal::OutcomeUnknown
        | Refusal::Stopped { .. } => RETRY_AFTER_DEFAULT,
    }
}

fn rejected(code: &str, message: String, retry: bool) -> wire::EventResult {
    let status = EventStatus::Rejected.into();
    wire::EventResult {
        status,
        reason: code.to_owned(),
        message,
        retry,
        ..Default::default()
    }
}
