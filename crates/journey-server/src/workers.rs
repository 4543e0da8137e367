//! The worker stream: subscription, credit, hand-overs out, outcomes in.

mod confirm;
mod credit;
mod elsewhere;
mod handed_over;
mod settle;
mod settlements;
mod subscription;
mod unsent;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::FutureExt as _;
use futures::stream::BoxStream;
use journey_partition::{Destinations, HandOver, Subscription, WorkerId};
use journey_proto::v1 as wire;
use journey_proto::v1::work_request::Request as WorkMessage;
use journey_proto::v1::work_response::Response as WorkAnswer;
use journey_proto::v1::worker_service_server::WorkerService;
use journey_types::{Channel, Destination, QueueId, TimeSpan, WorkspaceId};
use journey_wire::timestamp_from_wire;
use tokio::sync::mpsc;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use self::credit::Ledger;
use self::elsewhere::{Came, Elsewhere, Received};
use self::handed_over::effect_to_wire;
pub use self::settle::SettledOne;
use self::settle::{Settled, check_number, place_of, settle, settle_each};
use self::settlements::Settlements;
pub use self::subscription::NodeSubscription;
pub use self::unsent::Unsent;
use crate::convert::workspace_id;
use crate::error::ServerError;
use crate::limits::{
    CLAIM_SPAN, WORKER_CREDIT_DEFAULT, WORKER_CREDIT_MAX, WORKER_MESSAGES_QUEUED_MAX,
};
use crate::node::Node;
use crate::router::Hop;
use crate::status::readable;

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

type Answers = mpsc::Sender<Outgoing>;

/// Something for the worker's socket.
struct Outgoing {
    response: Result<wire::WorkResponse, Status>,
    /// After this instant of the monotonic clock it is not written any more.
    write_by: Option<Instant>,
    /// Gives the effect in it back, unless it is written.
    unsent: Option<Unsent>,
}

impl Outgoing {
    const fn at_any_time(response: Result<wire::WorkResponse, Status>) -> Self {
        Self {
            response,
            write_by: None,
            unsent: None,
        }
    }

    /// What is written now, if anything: a worker that reads slowly may have let it wait for too long.
    fn written(self, now: Instant) -> Option<Result<wire::WorkResponse, Status>> {
        if self.write_by.is_some_and(|write_by| now > write_by) {
            return None;
        }
        if let Some(unsent) = self.unsent {
            unsent.is_sent();
        }
        Some(self.response)
    }
}

#[tonic::async_trait]
impl WorkerService for WorkerApi {
    type WorkStream = BoxStream<'static, Result<wire::WorkResponse, Status>>;

    async fn work(
        &self,
        request: Request<Streaming<wire::WorkRequest>>,
    ) -> Result<Response<Self::WorkStream>, Status> {
        let (answers, stream) = mpsc::channel(WORKER_MESSAGES_QUEUED_MAX);
        let hop = Hop::of(request.metadata())?;
        let node = Arc::clone(&self.node);
        let requests = request.into_inner();
        self.node.tasks().spawn(async move {
            if let Err(status) = serve_worker((node, hop), requests, answers.clone()).await {
                // The worker may be gone already; then nobody needs the reason.
                drop(answers.send(Outgoing::at_any_time(Err(status))).await);
            }
        });
        let node = Arc::clone(&self.node);
        // The clock is read when the connection takes it, just before the write.
        let stream =
            ReceiverStream::new(stream).filter_map(move |out| out.written(node.monotonic_now()));
        Ok(Response::new(Box::pin(stream)))
    }

    async fn settle(
        &self,
        request: Request<wire::SettleRequest>,
    ) -> Result<Response<wire::SettleResponse>, Status> {
        let hop = Hop::of(request.metadata())?;
        let outcomes = request.into_inner().outcomes;
        let Settled { results, .. } = settle(&self.node, &hop, outcomes).await?;
        Ok(Response::new(wire::SettleResponse { results }))
    }

    async fn confirm(
        &self,
        request: Request<wire::ConfirmRequest>,
    ) -> Result<Response<wire::ConfirmResponse>, Status> {
        let hop = Hop::of(request.metadata())?;
        let confirmed = confirm::confirm(&self.node, &hop, request.into_inner()).await?;
        Ok(Response::new(confirmed))
    }
}

/// Serves one stream from its subscription to its end. What was not written by then is offered again at once, what was
/// written and is unanswered when its claim expires.
async fn serve_worker(
    (node, hop): (Arc<Node>, Hop),
    mut requests: Streaming<wire::WorkRequest>,
    answers: Answers,
) -> Result<(), Status> {
    let first = requests
        .message()
        .await
        .map_err(readable)?
        .and_then(|first| first.request);
    let Some(WorkMessage::Subscribe(subscribe)) = first else {
        return Err(
            ServerError::invalid("request", "the first message must be `subscribe`").into(),
        );
    };
    // Room for all the credit a worker may have, so that no hand-over is dropped.
    let (hand_overs, effects) = mpsc::channel(WORKER_CREDIT_MAX as usize);
    let stream = WorkerStream::open((node, hop), subscribe, hand_overs, &answers).await?;
    stream.run(requests, effects, answers).await
}

/// An open stream. Dropping it unsubscribes.
struct WorkerStream {
    node: Arc<Node>,
    worker: WorkerId,
    subscription: NodeSubscription,
    ledger: Ledger,
    elsewhere: Elsewhere,
    settlements: Settlements,
}

impl WorkerStream {
    async fn open(
        (node, hop): (Arc<Node>, Hop),
        subscribe: wire::Subscribe,
        hand_overs: mpsc::Sender<HandOver>,
        answers: &Answers,
    ) -> Result<Self, ServerError> {
        let (workspace, destinations, n_credit) = checked(&subscribe)?;
        let ledger = Ledger::new(n_credit, node.now());
        let worker = node.next_worker_id();
        let over_another_node = hop.is_hop;
        // What this node does not lead is the other node's to tell.
        let without_leader = if over_another_node {
            Vec::new()
        } else {
            node.routes().without_leader(node.partition_ids())
        };
        tracing::info!(
            worker = worker.0,
            name = %subscribe.worker,
            over_another_node,
            n_without_leader = without_leader.len(),
            "worker subscribed"
        );
        let subscribed = WorkAnswer::Subscribed(wire::Subscribed {
            cluster_id: format!("{:016x}", node.origin().cluster_id),
            partitions_without_leader: without_leader.iter().map(|id| id.get()).collect(),
        });
        if answers
            .send(Outgoing::at_any_time(Ok(wire::WorkResponse {
                response: Some(subscribed),
            })))
            .await
            .is_err()
        {
            return Err(ServerError::Unavailable {
                reason: "the worker went away".to_owned(),
            });
        }
        let elsewhere = Elsewhere::new(Arc::clone(&node), &hop, subscribe.clone());
        let subscription = Subscription {
            worker,
            workspace,
            name: subscribe.worker,
            destinations,
            credit: ledger.credit(),
            claim_span: CLAIM_SPAN,
        };
        let subscription = NodeSubscription::open(node.hosted(), subscription, hand_overs);
        let settlements = settlements(&node, hop);
        Ok(Self {
            node,
            worker,
            subscription,
            ledger,
            elsewhere,
            settlements,
        })
    }

    /// Moves effects out and outcomes in until either side ends the stream.
    async fn run(
        mut self,
        mut requests: Streaming<wire::WorkRequest>,
        mut effects: mpsc::Receiver<HandOver>,
        answers: Answers,
    ) -> Result<(), Status> {
        self.elsewhere.look(&mut self.ledger);
        let ended = self.serve(&mut requests, &mut effects, &answers).await;
        self.wind_up(effects, &answers).await;
        ended
    }

    async fn serve(
        &mut self,
        requests: &mut Streaming<wire::WorkRequest>,
        effects: &mut mpsc::Receiver<HandOver>,
        answers: &Answers,
    ) -> Result<(), Status> {
        loop {
            let look = self.ledger.next_look(self.node.now());
            tokio::select! {
                biased;
                // Outcomes first: they free credit and settle claims before new effects go out.
                settled = self.settlements.next() => self.settled(settled, answers).await,
                request = requests.next(), if self.settlements.has_room() => match request {
                    None => return Ok(()),
                    Some(request) => self.handle(request.map_err(readable)?, answers).await?,
                },
                effect = effects.recv() => {
                    let Some(hand_over) = effect else { return Ok(()) };
                    let write_by = hand_over.hand_over_by;
                    let Some((effect, unsent)) = self.begin(hand_over) else { continue };
                    if !hand_over_to(answers, (effect, unsent), write_by).await {
                        return Ok(());
                    }
                }
                received = self.elsewhere.next() => {
                    if !self.handle_elsewhere(received, answers).await {
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
                let room = WORKER_CREDIT_MAX.saturating_sub(self.elsewhere.n_credit());
                let has_more = self.ledger.grant(credit.more.min(room));
                self.tell_credit(has_more);
                Ok(())
            }
            Some(WorkMessage::Recall(_)) => {
                let credit = self.ledger.withdraw();
                answer(answers, WorkAnswer::Recalled(wire::Recalled { credit })).await;
                Ok(())
            }
            Some(WorkMessage::Outcomes(outcomes)) => {
                check_number(&outcomes.outcomes)?;
                let outcomes = self.elsewhere.send_back(outcomes.outcomes);
                self.settle(outcomes);
                Ok(())
            }
        }
    }

    /// Begins to record outcomes by the table of leaders.
    fn settle(&mut self, outcomes: Vec<wire::Outcome>) {
        let node = &self.node;
        let placed = outcomes.into_iter();
        let placed = placed.map(|outcome| (place_of(node, &outcome), outcome));
        self.settlements.add(placed);
    }

    /// Outcomes were recorded, or refused.
    async fn settled(&mut self, settled: Settled, answers: &Answers) {
        let Settled { results, answered } = settled;
        let has_more = self.ledger.answered(answered);
        self.elsewhere.answered(&results, &mut self.ledger);
        self.tell_credit(has_more);
        let results = WorkAnswer::Results(wire::OutcomeResults { results });
        answer(answers, results).await;
    }

    /// Takes no more, gives back what did not go out, and records what the worker has said.
    async fn wind_up(self, mut effects: mpsc::Receiver<HandOver>, answers: &Answers) {
        let Self {
            node,
            subscription,
            elsewhere,
            mut settlements,
            ..
        } = self;
        drop((subscription, elsewhere));
        effects.close();
        while let Ok(hand_over) = effects.try_recv() {
            drop(Unsent::of_hand_over(&node, &hand_over));
        }
        while !settlements.is_idle() {
            let results = settlements.next().await.results;
            let results = WorkAnswer::Results(wire::OutcomeResults { results });
            // Without waiting: whoever ended the stream may not read any more.
            drop(
                answers.try_send(Outgoing::at_any_time(Ok(wire::WorkResponse {
                    response: Some(results),
                }))),
            );
        }
    }

    /// An effect of this node on its way out; `None` where it came too late.
    fn begin(&mut self, hand_over: HandOver) -> Option<(wire::Effect, Unsent)> {
        let now = self.node.now();
        let unsent = Unsent::of_hand_over(&self.node, &hand_over);
        if self.node.monotonic_now() > hand_over.hand_over_by {
            let has_more = self.ledger.came_too_late(now);
            self.tell_credit(has_more);
            return None;
        }
        self.ledger.handed_over(&hand_over, now);
        let effect = effect_to_wire(self.node.origin(), hand_over);
        let (effect_id, attempt) = (&effect.effect_id, effect.attempt);
        tracing::debug_span!("deliver", effect_id, attempt, worker_id = self.worker.0)
            .in_scope(|| tracing::debug!(channel = effect.channel, "effect handed over"));
        Some((effect, unsent))
    }

    /// Takes in what another node sent, or looks at the streams to others; answers whether the worker is still there.
    async fn handle_elsewhere(&mut self, received: Option<Received>, answers: &Answers) -> bool {
        let Some(received) = received else {
            self.elsewhere.look(&mut self.ledger);
            self.tell_credit(self.ledger.has_credit());
            return true;
        };
        match self.elsewhere.take(received, &mut self.ledger) {
            Came::Nothing => {
                self.tell_credit(self.ledger.has_credit());
                true
            }
            Came::Effect(effect, unsent) => {
                // Its node has kept its time; a claim that ran out on the way is offered to others.
                let until = effect.until.as_ref().map(timestamp_from_wire);
                let left = until.map_or(TimeSpan::ZERO, |until| until.since(self.node.now()));
                let left = Duration::from_millis(u64::try_from(left.ms()).unwrap_or(0));
                let write_by = self.node.monotonic_now() + left;
                hand_over_to(answers, (*effect, unsent), write_by).await
            }
            Came::Results(results, other_ways) => {
                if !results.is_empty() {
                    let results = wire::OutcomeResults { results };
                    answer(answers, WorkAnswer::Results(results)).await;
                }
                self.settle(other_ways);
                true
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

/// Outcomes that are recorded by the table of leaders.
fn settlements(node: &Arc<Node>, hop: Hop) -> Settlements {
    let node = Arc::clone(node);
    let hop = Arc::new(hop);
    Settlements::new(Box::new(move |outcomes| {
        let (node, hop) = (Arc::clone(&node), Arc::clone(&hop));
        async move { settle_each(&node, &hop, outcomes).await }.boxed()
    }))
}

/// Sends to the worker; whether it is still there.
async fn answer(answers: &Answers, response: WorkAnswer) -> bool {
    let response = Some(response);
    let response = Ok(wire::WorkResponse { response });
    answers.send(Outgoing::at_any_time(response)).await.is_ok()
}

/// Sends an effect to the worker, unless it is too late when its turn comes; whether the worker is still there.
async fn hand_over_to(
    answers: &Answers,
    (effect, unsent): (wire::Effect, Unsent),
    write_by: Instant,
) -> bool {
    let response = Some(WorkAnswer::Effect(effect));
    let outgoing = Outgoing {
        response: Ok(wire::WorkResponse { response }),
        write_by: Some(write_by),
        unsent: Some(unsent),
    };
    answers.send(outgoing).await.is_ok()
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
