//! Keeps one ingest stream in order per partition (G3), over the hop to other nodes too.
//!
//! After a failure that is not final, later events of that stream for that partition must not overtake the one that
//! failed: they are refused `RETRY_IN_ORDER` until the client sends the failed one again. While anything of a partition
//! is under way, what follows takes the same way: through this node's partition, or down the same lane, a stream of its
//! own to the node that led then. A new leader is gone to when everything has come back from the old one.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::{BoxFuture, FutureExt as _};
use journey_customer::{Command, IngestMode};
use journey_partition::{Refusal, SubmissionOrder};
use journey_proto::v1 as wire;
use journey_types::{CustomerKey, NodeId, PartitionId, Timestamp};
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::transport::Channel;

use super::batch::{Way, way_now};
use super::forward::{Forwarded, fingerprint, ingest_service, mode_to_wire};
use crate::convert::event_from_wire;
use crate::error::ServerError;
use crate::limits::{HOP_ANSWER_MAX, LANE_BATCHES_MAX};
use crate::node::Node;
use crate::router::{Hop, Leader, no_answer, streamed_hop_request};

/// The ways of one stream.
pub(super) struct StreamLanes {
    node: Arc<Node>,
    hop: Hop,
    orders: BTreeMap<PartitionId, PartitionOrder>,
    lanes: BTreeMap<NodeId, Lane>,
}

/// The order of one partition.
#[derive(Default)]
struct PartitionOrder {
    /// Of what was submitted here.
    here: SubmissionOrder,
    /// Of what was sent on.
    there: Arc<OrderThere>,
    /// Where the latest share went, while anything is under way.
    way: Option<Way>,
    n_out: Arc<AtomicUsize>,
}

/// At which event the order broke elsewhere.
#[derive(Default)]
struct OrderThere {
    broken_at: Mutex<Option<u64>>,
}

impl OrderThere {
    fn is_broken(&self) -> bool {
        self.broken_at.lock().is_some()
    }

    /// The earliest of several stays.
    fn break_at(&self, event: u64) {
        self.broken_at.lock().get_or_insert(event);
    }
}

/// A share under way. Dropping it says that it has come back.
pub(super) struct Out(Arc<AtomicUsize>);

impl Out {
    fn new(n_out: &Arc<AtomicUsize>) -> Self {
        n_out.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(n_out))
    }
}

impl Drop for Out {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl PartitionOrder {
    fn is_broken(&self) -> bool {
        self.there.is_broken() || self.here.is_broken()
    }

    /// Whether this is the event at which the order broke: then its producer resends from there.
    fn is_resent_by(&self, event: &wire::CustomerEvent, now: Timestamp) -> bool {
        if *self.there.broken_at.lock() == Some(fingerprint(event)) {
            return true;
        }
        let Ok(event) = event_from_wire(event.clone(), now) else {
            return false;
        };
        let mode = IngestMode::Live;
        let command = (event.customer.clone(), Command::ingest(event, mode));
        self.here.is_resent_by(&[command])
    }

    fn is_under_way(&self) -> bool {
        self.n_out.load(Ordering::Acquire) > 0
    }

    /// Where events go of which this is the first of a batch: after what is under way, and nowhere behind what failed.
    fn way(
        &mut self,
        first: &wire::CustomerEvent,
        now: Timestamp,
        way_now: impl FnOnce() -> Way,
    ) -> Way {
        if self.is_broken() {
            if !self.is_resent_by(first, now) {
                let refusal = Refusal::RetryInOrder;
                let message = refusal.to_string();
                return Way::Refused(refusal, message, String::new());
            }
            self.here = SubmissionOrder::default();
            self.there = Arc::default();
        }
        let way = match &self.way {
            Some(way) if self.is_under_way() => way.clone(),
            Some(_) | None => way_now(),
        };
        if matches!(way, Way::Refused(..)) {
            self.there.break_at(fingerprint(first));
        } else {
            self.way = Some(way.clone());
        }
        way
    }
}

impl StreamLanes {
    pub(super) const fn new(node: Arc<Node>, hop: Hop) -> Self {
        Self {
            node,
            hop,
            orders: BTreeMap::new(),
            lanes: BTreeMap::new(),
        }
    }

    /// Where the events of a partition go, of which this is the first of a batch.
    pub(super) fn way_of(&mut self, partition: PartitionId, first: &wire::CustomerEvent) -> Way {
        let order = self.orders.entry(partition).or_default();
        let (node, hop) = (&self.node, &self.hop);
        order.way(first, node.now(), || way_now(node, hop, partition))
    }

    /// The order under which a share is submitted here. A share that begins with the event that failed first takes the
    /// order up again.
    pub(super) fn submitted_here(
        &mut self,
        partition: PartitionId,
        commands: &[(CustomerKey, Command)],
    ) -> (SubmissionOrder, Out) {
        let order = self.orders.entry(partition).or_default();
        if order.here.is_resent_by(commands) {
            order.here = SubmissionOrder::default();
        }
        (order.here.clone(), Out::new(&order.n_out))
    }

    /// Sends a share down the lane to its leader.
    pub(super) fn submitted_there(
        &mut self,
        leader: Leader,
        forwarded: Forwarded,
        mode: IngestMode,
    ) -> BoxFuture<'static, Result<Vec<wire::EventResult>, Status>> {
        let partitions = forwarded.distinct();
        let follows = partitions.iter().any(|partition| {
            let order = self.orders.get(partition);
            order.is_some_and(PartitionOrder::is_under_way)
        });
        let outs: Vec<Out> = partitions
            .iter()
            .map(|partition| Out::new(&self.orders.entry(*partition).or_default().n_out))
            .collect();
        let orders: BTreeMap<PartitionId, Arc<OrderThere>> = partitions
            .iter()
            .filter_map(|partition| {
                let order = self.orders.get(partition)?;
                Some((*partition, Arc::clone(&order.there)))
            })
            .collect();
        let events: Vec<(PartitionId, u64)> = forwarded
            .partitions
            .iter()
            .copied()
            .zip(forwarded.events.iter().map(fingerprint))
            .collect();
        let sent = self.lane(&leader, follows).and_then(|lane| {
            let answers = lane.send(&leader, forwarded.events, mode)?;
            Ok((answers, lane.closed.clone()))
        });
        let node = Arc::clone(&self.node);
        async move {
            let answered = match sent {
                Err(error) => Err(Status::from(error)),
                Ok((answers, closed)) => {
                    let answered = node.until_replaced(&leader, &partitions, answers).await;
                    match answered {
                        Ok(Ok(results)) => Ok(results),
                        Ok(Err(_)) => Err(no_answer(&leader).into()),
                        Err(given_up) => {
                            // What is still in it may take effect later, as a repeat under the same ids.
                            closed.cancel();
                            Err(given_up)
                        }
                    }
                }
            };
            note_failures(&answered, &events, &orders);
            drop(outs);
            answered
        }
        .boxed()
    }

    /// The lane to a node. Whatever follows something that is under way goes down the same lane or nowhere: down a new one
    /// it would overtake what was lost with the old one.
    fn lane(&mut self, leader: &Leader, follows: bool) -> Result<&Lane, ServerError> {
        let is_open = self
            .lanes
            .get(&leader.node)
            .is_some_and(|lane| !lane.closed.is_cancelled() && lane.address == leader.address);
        if !is_open && follows {
            return Err(ended(leader));
        }
        if !is_open {
            let channel = self.node.channels().of(leader)?;
            let lane = Lane::open(&self.node, channel, leader.address.clone());
            self.lanes.insert(leader.node, lane);
        }
        Ok(&self.lanes[&leader.node])
    }
}

impl Drop for StreamLanes {
    fn drop(&mut self) {
        // Lanes end by themselves when their last answer is in.
        self.lanes.clear();
    }
}

/// Breaks the order of each partition at its first event that failed for now.
fn note_failures(
    answered: &Result<Vec<wire::EventResult>, Status>,
    events: &[(PartitionId, u64)],
    orders: &BTreeMap<PartitionId, Arc<OrderThere>>,
) {
    for (position, (partition, event)) in events.iter().enumerate() {
        let has_failed = match answered {
            Ok(results) => results.get(position).is_none_or(|result| result.retry),
            Err(_) => true,
        };
        if has_failed && let Some(order) = orders.get(partition) {
            order.break_at(*event);
        }
    }
}

/// One share on its way down a lane.
struct Sent {
    events: Vec<wire::CustomerEvent>,
    mode: IngestMode,
    answers: oneshot::Sender<Vec<wire::EventResult>>,
}

/// A stream to another node that carries the shares of one client's stream, in their order.
struct Lane {
    address: String,
    shares: mpsc::Sender<Sent>,
    closed: CancellationToken,
}

impl Lane {
    fn open(node: &Node, channel: Channel, address: String) -> Self {
        let (shares, queue) = mpsc::channel(LANE_BATCHES_MAX);
        let closed = CancellationToken::new();
        let guard = closed.clone().drop_guard();
        let given_up = closed.clone();
        node.tasks().spawn(async move {
            let _closes = guard;
            tokio::select! {
                biased;
                () = given_up.cancelled() => {}
                () = run_lane(channel, queue) => {}
            }
        });
        Self {
            address,
            shares,
            closed,
        }
    }

    fn send(
        &self,
        leader: &Leader,
        events: Vec<wire::CustomerEvent>,
        mode: IngestMode,
    ) -> Result<oneshot::Receiver<Vec<wire::EventResult>>, ServerError> {
        let (answers, receiver) = oneshot::channel();
        let sent = Sent {
            events,
            mode,
            answers,
        };
        self.shares.try_send(sent).map_err(|_| ended(leader))?;
        Ok(receiver)
    }
}

fn ended(leader: &Leader) -> ServerError {
    ServerError::Unavailable {
        reason: format!("the stream to node {} has ended", leader.node),
    }
}

/// Carries shares there and results back until the client's stream is gone and all is answered, or the connection is
/// gone: then what is unanswered is dropped, and its outcome is unknown.
async fn run_lane(channel: Channel, mut shares: mpsc::Receiver<Sent>) {
    let (requests, queue) = mpsc::channel(LANE_BATCHES_MAX);
    let mut service = ingest_service(channel);
    let opened = service.ingest_stream(streamed_hop_request(ReceiverStream::new(queue)));
    let Ok(Ok(opened)) = timeout(HOP_ANSWER_MAX, opened).await else {
        return;
    };
    let mut responses = opened.into_inner();
    let mut unanswered: VecDeque<oneshot::Sender<Vec<wire::EventResult>>> = VecDeque::new();
    let (mut n_sent, mut n_answered) = (0_u64, 0_u64);
    let mut goes_on = true;
    while goes_on || !unanswered.is_empty() {
        tokio::select! {
            biased;
            response = responses.message() => {
                let (Ok(Some(response)), Some(answers)) = (response, unanswered.pop_front()) else {
                    return;
                };
                n_answered += 1;
                if response.batch != n_answered {
                    return;
                }
                // Nobody waits for a share that was given up.
                drop(answers.send(response.results));
            }
            share = shares.recv(), if goes_on => match share {
                None => goes_on = false,
                Some(share) => {
                    n_sent += 1;
                    let request = wire::IngestStreamRequest {
                        batch: n_sent,
                        events: share.events,
                        mode: mode_to_wire(share.mode).into(),
                    };
                    unanswered.push_back(share.answers);
                    if requests.send(request).await.is_err() {
                        return;
                    }
                }
            },
        }
    }
}

#[cfg(test)]
mod tests;
