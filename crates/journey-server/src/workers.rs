//! The worker stream: subscription, credit, hand-overs out, outcomes in.

mod credit;
mod subscription;

use std::collections::BTreeMap;
use std::sync::Arc;

use journey_customer::{Command, EffectBody, Outcome as CustomerOutcome, Reply};
use journey_partition::{Answer, Destinations, HandOver, Subscription, WorkerId};
use journey_proto::v1 as wire;
use journey_proto::v1::outcome::Result as OutcomeKind;
use journey_proto::v1::outcome_result::Status as OutcomeStatus;
use journey_proto::v1::work_request::Request as WorkMessage;
use journey_proto::v1::work_response::Response as WorkAnswer;
use journey_proto::v1::worker_service_server::WorkerService;
use journey_types::limits::{VALUE_DEPTH_MAX, VARS_SIZE_BYTES_MAX};
use journey_types::{
    Channel, Destination, EffectId, EffectOrigin, PartitionId, QueueId, TimeSpan, Timestamp, Value,
    WorkspaceId,
};
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use self::credit::{Attempt, Ledger};
pub use self::subscription::NodeSubscription;
use crate::convert::{struct_from_map, timestamp_to_wire, value_from_wire, workspace_id};
use crate::error::ServerError;
use crate::limits::{
    CLAIM_SPAN, OUTCOMES_PER_MESSAGE_MAX, WORKER_CREDIT_DEFAULT, WORKER_CREDIT_MAX,
    WORKER_MESSAGES_QUEUED_MAX,
};
use crate::node::{Commands, Node};

/// The gRPC service.
#[derive(Debug, Clone)]
pub struct WorkerApi {
    node: Arc<Node>,
}

impl WorkerApi {
    /// The service of a node.
    #[must_use]
    pub const fn new(node: Arc<Node>) -> Self {
        Self { node }
    }
}

type Answers = mpsc::Sender<Result<wire::WorkResponse, Status>>;

#[tonic::async_trait]
impl WorkerService for WorkerApi {
    type WorkStream = ReceiverStream<Result<wire::WorkResponse, Status>>;

    async fn work(
        &self,
        request: Request<Streaming<wire::WorkRequest>>,
    ) -> Result<Response<Self::WorkStream>, Status> {
        let (answers, stream) = mpsc::channel(WORKER_MESSAGES_QUEUED_MAX);
        let node = Arc::clone(&self.node);
        let requests = request.into_inner();
        self.node.tasks().spawn(async move {
            if let Err(status) = serve_worker(node, requests, answers.clone()).await {
                // The worker may be gone already; then nobody needs the reason.
                drop(answers.send(Err(status)).await);
            }
        });
        Ok(Response::new(ReceiverStream::new(stream)))
    }
}

/// Serves one stream from its subscription to its end; whatever is unanswered then is offered again when its claim
/// expires.
async fn serve_worker(
    node: Arc<Node>,
    mut requests: Streaming<wire::WorkRequest>,
    answers: Answers,
) -> Result<(), Status> {
    let first = requests.message().await?.and_then(|first| first.request);
    let Some(WorkMessage::Subscribe(subscribe)) = first else {
        return Err(
            ServerError::invalid("request", "the first message must be `subscribe`").into(),
        );
    };
    // Room for all the credit a worker may have, so that no hand-over is dropped.
    let (hand_overs, effects) = mpsc::channel(WORKER_CREDIT_MAX as usize);
    let stream = WorkerStream::open(node, subscribe, hand_overs, &answers).await?;
    stream.run(requests, effects, answers).await
}

/// An open stream. Dropping it unsubscribes.
struct WorkerStream {
    node: Arc<Node>,
    worker: WorkerId,
    subscription: NodeSubscription,
    ledger: Ledger,
}

impl WorkerStream {
    async fn open(
        node: Arc<Node>,
        subscribe: wire::Subscribe,
        hand_overs: mpsc::Sender<HandOver>,
        answers: &Answers,
    ) -> Result<Self, ServerError> {
        let (workspace, destinations, n_credit) = checked(&subscribe)?;
        let ledger = Ledger::new(n_credit, node.now());
        let worker = node.next_worker_id();
        tracing::info!(worker = worker.0, name = %subscribe.worker, "worker subscribed");
        let cluster_id = format!("{:016x}", node.origin().cluster_id);
        let subscribed = WorkAnswer::Subscribed(wire::Subscribed { cluster_id });
        if answers
            .send(Ok(wire::WorkResponse {
                response: Some(subscribed),
            }))
            .await
            .is_err()
        {
            return Err(ServerError::Unavailable {
                reason: "the worker went away".to_owned(),
            });
        }
        let subscription = Subscription {
            worker,
            workspace,
            name: subscribe.worker,
            destinations,
            credit: ledger.credit(),
            claim_span: CLAIM_SPAN,
        };
        let subscription = NodeSubscription::open(node.hosted(), subscription, hand_overs);
        Ok(Self {
            node,
            worker,
            subscription,
            ledger,
        })
    }

    /// Moves effects out and outcomes in until either side ends the stream.
    async fn run(
        mut self,
        mut requests: Streaming<wire::WorkRequest>,
        mut effects: mpsc::Receiver<HandOver>,
        answers: Answers,
    ) -> Result<(), Status> {
        loop {
            let look = self.ledger.next_look(self.node.now());
            tokio::select! {
                biased;
                // Outcomes first: they free credit and settle claims before new effects go out.
                request = requests.next() => match request {
                    None => return Ok(()),
                    Some(request) => self.handle(request?, &answers).await?,
                },
                effect = effects.recv() => {
                    let Some(hand_over) = effect else { return Ok(()) };
                    let now = self.node.now();
                    if now > hand_over.hand_over_by {
                        // The claim is applied, and writing it now could overlap the next one.
                        let has_more = self.ledger.left_to_expire(now);
                        self.tell_credit(has_more);
                        continue;
                    }
                    self.ledger.handed_over(&hand_over, now);
                    let effect = effect_to_wire(self.node.origin(), hand_over);
                    let (effect_id, attempt) = (&effect.effect_id, effect.attempt);
                    tracing::debug_span!("deliver", effect_id, attempt, worker_id = self.worker.0)
                        .in_scope(|| tracing::debug!(channel = effect.channel, "effect handed over"));
                    let response = wire::WorkResponse { response: Some(WorkAnswer::Effect(effect)) };
                    if answers.send(Ok(response)).await.is_err() {
                        return Ok(());
                    }
                }
                () = self.subscription.follow() => {}
                () = tokio::time::sleep(look.unwrap_or_default()), if look.is_some() => {
                    let has_more = self.ledger.look(self.node.now());
                    self.tell_credit(has_more);
                }
            }
        }
    }

    async fn handle(
        &mut self,
        request: wire::WorkRequest,
        answers: &Answers,
    ) -> Result<(), Status> {
        match request.request {
            None => Ok(()),
            Some(WorkMessage::Subscribe(_)) => Err(ServerError::invalid(
                "subscribe",
                "stands once, at the start of the stream",
            )
            .into()),
            Some(WorkMessage::Credit(credit)) => {
                let has_more = self.ledger.grant(credit.more);
                self.tell_credit(has_more);
                Ok(())
            }
            Some(WorkMessage::Outcomes(outcomes)) => {
                let Settled { results, answered } = settle(&self.node, outcomes.outcomes).await?;
                let has_more = self.ledger.answered(answered);
                self.tell_credit(has_more);
                let response = WorkAnswer::Results(wire::OutcomeResults { results });
                let response = wire::WorkResponse {
                    response: Some(response),
                };
                drop(answers.send(Ok(response)).await);
                Ok(())
            }
        }
    }

    /// Tells the partitions that there is more credit.
    fn tell_credit(&self, has_more: bool) {
        if has_more {
            self.subscription.credit_added();
        }
    }
}

fn checked(subscribe: &wire::Subscribe) -> Result<(WorkspaceId, Destinations, u32), ServerError> {
    let workspace = workspace_id(&subscribe.workspace)
        .map_err(|error| ServerError::invalid("workspace", error.to_string()))?;
    let n_credit = if subscribe.credit == 0 {
        WORKER_CREDIT_DEFAULT
    } else {
        subscribe.credit
    };
    if n_credit > WORKER_CREDIT_MAX {
        let text = format!("is {n_credit}, at most {WORKER_CREDIT_MAX} is allowed");
        return Err(ServerError::invalid("credit", text));
    }
    Ok((workspace, subscribed_to(subscribe)?, n_credit))
}

fn subscribed_to(subscribe: &wire::Subscribe) -> Result<Destinations, ServerError> {
    if subscribe.channels.is_empty() && subscribe.queues.is_empty() {
        return Ok(Destinations::every_channel());
    }
    let mut named = Vec::with_capacity(subscribe.channels.len() + subscribe.queues.len());
    for channel in &subscribe.channels {
        let channel = Channel::new(channel)
            .map_err(|error| ServerError::invalid("channels", error.to_string()))?;
        named.push(Destination::Channel(channel));
    }
    for queue in &subscribe.queues {
        let queue = QueueId::new(queue)
            .map_err(|error| ServerError::invalid("queues", error.to_string()))?;
        named.push(Destination::Queue(queue));
    }
    Ok(Destinations::only(named))
}

/// What became of outcomes.
struct Settled {
    /// In their order.
    results: Vec<wire::OutcomeResult>,
    /// Those that need no other outcome.
    answered: Vec<Attempt>,
}

/// Records outcomes, each on the partition of its customer, and answers them in their order.
async fn settle(node: &Node, outcomes: Vec<wire::Outcome>) -> Result<Settled, ServerError> {
    if outcomes.len() > OUTCOMES_PER_MESSAGE_MAX {
        let text = format!(
            "holds {}, at most {OUTCOMES_PER_MESSAGE_MAX} are allowed",
            outcomes.len()
        );
        return Err(ServerError::invalid("outcomes", text));
    }
    let mut results = Vec::with_capacity(outcomes.len());
    let mut shares: BTreeMap<PartitionId, (Vec<(usize, Attempt)>, Commands)> = BTreeMap::new();
    for (position, outcome) in outcomes.into_iter().enumerate() {
        let mut result = wire::OutcomeResult {
            effect_id: outcome.effect_id.clone(),
            attempt: outcome.attempt,
            ..Default::default()
        };
        match settle_command(node, outcome) {
            Ok((attempt, command)) => {
                let customer = attempt.customer.clone();
                let share = shares.entry(node.partition_of(&customer)).or_default();
                share.0.push((position, attempt));
                share.1.push((customer, command));
            }
            Err(reason) => {
                result.status = OutcomeStatus::Rejected.into();
                result.reason = reason;
            }
        }
        results.push(result);
    }
    let submitted: Vec<_> = shares
        .into_iter()
        .map(|(partition, (positions, commands))| {
            (positions, node.submit(partition, commands, None))
        })
        .collect();
    let mut answered = Vec::new();
    for (positions, submitted) in submitted {
        let answers = submitted.answers(positions.len(), node.answer_max()).await;
        for ((position, attempt), answer) in positions.into_iter().zip(answers) {
            let result = &mut results[position];
            let (status, reason, retry) = outcome_status(answer);
            // One that was refused leaves the effect with the worker until its claim expires.
            if status != OutcomeStatus::Rejected {
                answered.push(attempt);
            }
            result.status = status.into();
            result.reason = reason;
            result.retry = retry;
        }
    }
    Ok(Settled { results, answered })
}

fn settle_command(node: &Node, outcome: wire::Outcome) -> Result<(Attempt, Command), String> {
    let kind = outcome.result();
    let effect: EffectId = outcome
        .effect_id
        .parse()
        .map_err(|error: journey_types::InvalidId| error.to_string())?;
    if effect.origin != node.origin() {
        return Err(
            "the effect is of another cluster, or of a life of it before a restore".to_owned(),
        );
    }
    let reason = outcome.reason;
    let outcome_of_customer = match kind {
        OutcomeKind::Sent => CustomerOutcome::Sent,
        OutcomeKind::Delivered => CustomerOutcome::Delivered,
        OutcomeKind::Completed => CustomerOutcome::Completed {
            result: answer(outcome.answer)?,
        },
        OutcomeKind::FailedForGood => CustomerOutcome::FailedForGood { reason },
        // The partition takes the later of this and its backoff.
        OutcomeKind::FailedForNow => CustomerOutcome::FailedForNow {
            reason,
            retry_at: retry_at(node, outcome.retry_after.as_ref()),
        },
        OutcomeKind::Unspecified => {
            return Err(
                "result is not set; say sent, delivered, completed, failed for now or failed for good"
                    .to_owned(),
            );
        }
    };
    let command = Command::Settle {
        birth: effect.birth,
        effect: effect.sequence,
        attempt: outcome.attempt,
        outcome: outcome_of_customer,
    };
    let attempt = Attempt {
        customer: effect.customer,
        birth: effect.birth,
        effect: effect.sequence,
        attempt: outcome.attempt,
    };
    Ok((attempt, command))
}

/// The earliest instant that a worker asks for; now where it asks for none, or for one that has passed.
fn retry_at(node: &Node, retry_after: Option<&pbjson_types::Duration>) -> Timestamp {
    let ms = retry_after.map_or(0, |span| {
        let of_seconds = span.seconds.saturating_mul(1_000);
        of_seconds.saturating_add(i64::from(span.nanos) / 1_000_000)
    });
    node.now().plus(TimeSpan::from_ms(ms.max(0)))
}

/// What a call or task answers, if it can be kept at all.
fn answer(answer: Option<pbjson_types::Value>) -> Result<Value, String> {
    let value = answer.map_or(Value::Null, value_from_wire);
    let size_bytes = value.size_bytes();
    if size_bytes > VARS_SIZE_BYTES_MAX {
        return Err(format!(
            "the answer takes {size_bytes} bytes, at most {VARS_SIZE_BYTES_MAX} are kept in the instance; \
             answer less, or store it and answer where it lies"
        ));
    }
    if !value.depth_is_fine() {
        return Err(format!(
            "the answer nests deeper than {VALUE_DEPTH_MAX} levels; answer something flatter"
        ));
    }
    Ok(value)
}

fn outcome_status(answer: Answer) -> (OutcomeStatus, String, bool) {
    match answer {
        Answer::Done {
            reply: Reply::Recorded,
            ..
        } => (OutcomeStatus::Recorded, String::new(), false),
        Answer::Done { .. } => (OutcomeStatus::Settled, String::new(), false),
        Answer::Rejected(rejection) => (OutcomeStatus::Rejected, rejection.to_string(), false),
        Answer::Refused(refusal) => {
            let retry = refusal.is_retryable();
            (OutcomeStatus::Rejected, refusal.to_string(), retry)
        }
    }
}

fn effect_to_wire(origin: EffectOrigin, hand_over: HandOver) -> wire::Effect {
    let HandOver { customer, row, .. } = hand_over;
    let until = match row.status {
        journey_customer::EffectStatus::Claimed { until } => Some(timestamp_to_wire(until)),
        journey_customer::EffectStatus::Open | journey_customer::EffectStatus::Retrying { .. } => {
            None
        }
    };
    let effect_id = EffectId {
        origin,
        customer: customer.clone(),
        birth: row.birth,
        sequence: row.effect,
        ordinal: 0,
    };
    let effect = wire::Effect {
        effect_id: effect_id.to_string(),
        kind: row.kind().to_owned(),
        workspace: customer.workspace.to_string(),
        customer_id: customer.customer.to_string(),
        journey: row.journey.to_string(),
        version: row.version.get(),
        step: row.step.to_string(),
        purpose: row.purpose.clone(),
        created_at: Some(timestamp_to_wire(row.created_at)),
        attempt: row.attempt,
        until,
        send_by: row.send_by.map(timestamp_to_wire),
        instance: row.instance.get(),
        ..wire::Effect::default()
    };
    let effect = match row.destination {
        Destination::Channel(channel) => wire::Effect {
            channel: channel.to_string(),
            ..effect
        },
        Destination::Queue(queue) => wire::Effect {
            queue: queue.to_string(),
            ..effect
        },
        // No worker stream subscribes to connectors.
        Destination::Connector(_) => effect,
    };
    match row.body {
        EffectBody::Message(message) => wire::Effect {
            content: message.content.to_string(),
            content_version: message.content_version.get(),
            locale: message.locale.unwrap_or_default(),
            rendered: message.rendered,
            why: message.why,
            ..effect
        },
        EffectBody::Work(work) => wire::Effect {
            input: Some(struct_from_map(&work.input)),
            due_at: work.due_at.map(timestamp_to_wire),
            ..effect
        },
    }
}
