//! One batch of events: taken apart by partition, each share decided here or sent on to its leader, put together again.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt as _, join_all};
use journey_customer::{Command, IngestMode};
use journey_partition::{Answer, Refusal, SubmissionOrder};
use journey_proto::v1 as wire;
use journey_proto::v1::event_result::Status as EventStatus;
use journey_types::PartitionId;
use journey_wire::customer_of;
use tokio::time::Instant;
use tonic::Status;

use super::forward::{Forwarded, forward, refused_alike};
use super::lanes::{Out, StreamLanes};
use super::results::{event_result, overload_of, rejected};
use super::shared_texts::SharedTexts;
use crate::convert::event_from_wire;
use crate::error::ServerError;
use crate::limits::EVENTS_PER_BATCH_MAX;
use crate::node::{Commands, Node, Submitted};
use crate::router::{Hop, Leader, Target};

/// Said of an accepted event that names two ids of one customer.
const NOT_MERGED_YET: &str = "not_merged_yet";

/// How the shares of a batch find their ways.
pub(super) enum Ways<'w> {
    /// Each by itself; in order after failures, where that is asked for.
    Single { hop: &'w Hop, in_order: bool },
    /// In the order of a stream.
    Stream(&'w mut StreamLanes),
}

/// Where the events of one partition go.
#[derive(Debug, Clone)]
pub(super) enum Way {
    Here,
    There(Leader),
    /// Nowhere: the refusal of each, with the leader's address where it is known.
    Refused(Refusal, String, String),
}

/// What one partition decides here.
struct HereShare {
    partition: PartitionId,
    /// Positions in the batch, in order.
    positions: Vec<usize>,
    submitted: Submitted,
    _out: Option<Out>,
}

/// What another node decides, of however many partitions.
struct ThereShare {
    positions: Vec<usize>,
    answers: BoxFuture<'static, Result<Vec<wire::EventResult>, Status>>,
}

/// A submitted batch: what is known already, and the shares that are still out.
pub(super) struct Batch {
    pub(super) begun: Instant,
    results: Vec<wire::EventResult>,
    here: Vec<HereShare>,
    there: Vec<ThereShare>,
}

/// Events by where they go.
#[derive(Default)]
struct Sorted {
    here: BTreeMap<PartitionId, (Vec<usize>, Commands)>,
    there: BTreeMap<Leader, (Vec<usize>, Forwarded)>,
}

impl Batch {
    /// Checks the events and submits them, by partition, in order. Returns without waiting.
    #[tracing::instrument(level = "debug", name = "ingest", skip_all, fields(n_events = events.len()))]
    pub(super) fn submit(
        node: &Arc<Node>,
        events: Vec<wire::CustomerEvent>,
        mode: IngestMode,
        mut ways: Ways<'_>,
    ) -> Result<Self, ServerError> {
        if events.is_empty() || events.len() > EVENTS_PER_BATCH_MAX {
            let n_events = events.len();
            let text = format!("holds {n_events} events, 1 to {EVENTS_PER_BATCH_MAX} are allowed");
            return Err(ServerError::invalid("events", text));
        }
        let mut results = vec![wire::EventResult::default(); events.len()];
        let sorted = sort(node, events, mode, (&mut ways, &mut results));
        let mut here = Vec::with_capacity(sorted.here.len());
        for (partition, (positions, commands)) in sorted.here {
            let (order, out) = match &mut ways {
                Ways::Single { in_order, .. } => {
                    let order = in_order.then(SubmissionOrder::default);
                    (order, None)
                }
                Ways::Stream(lanes) => {
                    let (order, out) = lanes.submitted_here(partition, &commands);
                    (Some(order), Some(out))
                }
            };
            let (partition_id, n_events) = (partition.get(), commands.len());
            tracing::debug!(partition_id, n_events, "share submitted");
            here.push(HereShare {
                partition,
                positions,
                submitted: node.submit(partition, commands, order),
                _out: out,
            });
        }
        let mut there = Vec::with_capacity(sorted.there.len());
        for (leader, (positions, forwarded)) in sorted.there {
            let (node_id, n_events) = (leader.node.get(), positions.len());
            tracing::debug!(to = node_id, n_events, "share sent on");
            let answers = match &mut ways {
                Ways::Single { in_order, .. } => {
                    forward(Arc::clone(node), leader, forwarded, (mode, *in_order)).boxed()
                }
                Ways::Stream(lanes) => lanes.submitted_there(leader, forwarded, mode),
            };
            there.push(ThereShare { positions, answers });
        }
        Ok(Self {
            begun: Instant::now(),
            results,
            here,
            there,
        })
    }

    /// When every event was refused at the door for load or disk: the one refusal to answer instead of a result for
    /// each.
    pub(super) fn refused_as_a_whole(&self) -> Option<ServerError> {
        let n_here: usize = self.here.iter().map(|share| share.positions.len()).sum();
        if n_here < self.results.len() {
            return None;
        }
        let here = self.here.iter();
        overload_of(here.map(|share| (share.partition, &share.submitted)))
    }

    pub(super) const fn n_events(&self) -> usize {
        self.results.len()
    }

    /// Waits for every share and puts the results in the order of the batch.
    ///
    /// # Errors
    /// What another node said to the whole batch, where all of it went there.
    pub(super) async fn finish(mut self, node: &Node) -> Result<Vec<wire::EventResult>, Status> {
        let n_events = self.results.len();
        let (positions, answers): (Vec<_>, Vec<_>) = self
            .there
            .drain(..)
            .map(|share| (share.positions, share.answers))
            .unzip();
        // Sent first, so that they are under way while the shares here are waited for.
        let there = join_all(answers);
        let ((), there) = futures::future::join(self.finish_here(node), there).await;
        for (positions, answers) in positions.into_iter().zip(there) {
            let results = match answers {
                Ok(results) if results.len() == positions.len() => results,
                Err(status) if positions.len() == n_events => return Err(status),
                Err(status) => refused_alike(&status, positions.len()),
                Ok(_) => {
                    let status = Status::internal("another node answered another number of events");
                    refused_alike(&status, positions.len())
                }
            };
            for (position, result) in positions.into_iter().zip(results) {
                self.results[position] = result;
            }
        }
        Ok(self.results)
    }

    async fn finish_here(&mut self, node: &Node) {
        for share in self.here.drain(..) {
            let n_commands = share.positions.len();
            let answers = share.submitted.answers(n_commands, node.answer_max()).await;
            for (position, answer) in share.positions.into_iter().zip(answers) {
                let mut leader = None;
                if let Answer::Refused(refusal) = &answer {
                    node.metrics().shed(refusal.code(), 1);
                    // It led until just now: who does may be known already.
                    let is_elsewhere = matches!(refusal, Refusal::NotLeader);
                    leader = is_elsewhere
                        .then(|| node.routes().leader_elsewhere(share.partition))
                        .flatten();
                }
                let mut result = event_result(node.origin(), share.partition, answer);
                if let Some(leader) = leader {
                    result.leader_address = leader.address;
                }
                let noted = std::mem::replace(&mut self.results[position], result);
                let result = &mut self.results[position];
                if result.status() == EventStatus::Accepted && noted.reason == NOT_MERGED_YET {
                    result.reason = noted.reason;
                    result.message = "accepted, not merged yet".to_owned();
                }
            }
        }
    }
}

/// Puts each event where it goes; what is refused at once has its result.
fn sort(
    node: &Node,
    events: Vec<wire::CustomerEvent>,
    mode: IngestMode,
    (ways, results): (&mut Ways<'_>, &mut [wire::EventResult]),
) -> Sorted {
    let received_at = node.now();
    let catalog = node.catalog();
    let is_alone = node.routes().is_alone();
    let mut chosen: BTreeMap<PartitionId, Way> = BTreeMap::new();
    let mut sorted = Sorted::default();
    let mut texts = SharedTexts::default();
    for (position, event) in events.into_iter().enumerate() {
        // An event whose customer does not read is refused below, as one that is decided here is.
        if !is_alone && let Ok(customer) = customer_of(&event) {
            let partition = node.partition_of(&customer);
            let way = chosen
                .entry(partition)
                .or_insert_with(|| way_of(node, ways, partition, &event));
            match way {
                Way::Here => {}
                Way::There(leader) => {
                    let (positions, forwarded) = sorted.there.entry(leader.clone()).or_default();
                    positions.push(position);
                    forwarded.push(partition, event);
                    continue;
                }
                Way::Refused(refusal, message, leader) => {
                    let mut result = rejected(refusal.code(), message.clone(), true);
                    result.leader_address.clone_from(leader);
                    results[position] = result;
                    continue;
                }
            }
        }
        let checked = event_from_wire(event, received_at)
            .map_err(|fault| (fault.code, fault.message))
            .and_then(|mut event| match catalog.schemas.conform(&mut event) {
                Ok(()) => Ok(event),
                Err(refusal) => Err(("schema_refused", refusal.to_string())),
            });
        match checked {
            Ok(mut event) => {
                texts.share(&mut event);
                if event.other_identifier().is_some() {
                    // Joined with the answer, if that is `accepted`.
                    results[position].reason = NOT_MERGED_YET.to_owned();
                }
                let partition = node.partition_of(&event.customer);
                let share = sorted.here.entry(partition).or_default();
                share.0.push(position);
                share
                    .1
                    .push((event.customer.clone(), Command::ingest(event, mode)));
            }
            Err((code, message)) => results[position] = rejected(code, message, false),
        }
    }
    sorted
}

/// Where the events of a partition go, of which this is the first in the batch.
fn way_of(
    node: &Node,
    ways: &mut Ways<'_>,
    partition: PartitionId,
    first: &wire::CustomerEvent,
) -> Way {
    match ways {
        Ways::Single { hop, .. } => way_now(node, hop, partition),
        Ways::Stream(lanes) => lanes.way_of(partition, first),
    }
}

/// Where they go if nothing before them matters.
pub(super) fn way_now(node: &Node, hop: &Hop, partition: PartitionId) -> Way {
    match node.target_for(hop, partition) {
        Ok(Target::Here(_)) => Way::Here,
        Ok(Target::There(leader)) => Way::There(leader),
        Ok(Target::Nowhere) => refused(&node.not_leader(partition)),
        Err(error) => refused(&error),
    }
}

fn refused(error: &ServerError) -> Way {
    let leader = match error {
        ServerError::NotLeader {
            leader: Some(leader),
            ..
        } => leader.address.clone(),
        _ => String::new(),
    };
    Way::Refused(Refusal::NotLeader, error.to_string(), leader)
}
