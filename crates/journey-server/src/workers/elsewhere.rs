//! The effects of partitions that other nodes lead, for one worker stream: a stream of its own to each such node.
//!
//! ```text
//!   worker ◄──► WorkerStream ─┬─ partitions led here (NodeSubscription)
//!                             └─ Elsewhere ─┬─ stream to node 2 ─► partitions it leads
//!                                           └─ stream to node 3 ─► …
//! ```
//!
//! The worker's credit is one: what is lent to another node is not with the partitions here, and what lies idle at one
//! is called back and lent where it is used up. A stream that breaks is opened again; what was handed out on it stays
//! with the worker, whose outcomes go by the table then.

mod hop_stream;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use journey_proto::v1 as wire;
use journey_proto::v1::work_request::Request as WorkMessage;
use journey_types::{NodeId, Timestamp};
use journey_wire::timestamp_from_wire;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior};

pub(super) use self::hop_stream::Received;
use self::hop_stream::{HopStream, Incoming};
use super::credit::Ledger;
use crate::limits::{HOP_STREAM_PAUSE, WORKER_MESSAGES_QUEUED_MAX};
use crate::node::Node;
use crate::router::{Hop, Leader, RouteTable};

/// Names an attempt in the worker's words: effect id and number.
pub(super) type AttemptName = (String, u32);

/// One attempt that came from another node and has no outcome yet.
#[derive(Debug)]
pub(super) struct HeldThere {
    until: Timestamp,
    /// What the worker said, on its way there.
    outcome: Option<wire::Outcome>,
}

/// The streams to other nodes.
pub(super) struct Elsewhere {
    node: Arc<Node>,
    subscribe: wire::Subscribe,
    /// `None` for a stream that comes from another node itself.
    routes: Option<watch::Receiver<Arc<RouteTable>>>,
    streams: BTreeMap<NodeId, HopStream>,
    /// Not before then is a node tried again.
    retry_at: BTreeMap<NodeId, Instant>,
    /// Attempts from streams that broke; each holds one credit.
    orphans: BTreeMap<AttemptName, HeldThere>,
    n_opened: u64,
    n_looks: u64,
    looks: Interval,
    sender: mpsc::Sender<Received>,
    receiver: mpsc::Receiver<Received>,
}

/// What comes of something that another node sent.
pub(super) enum Came {
    /// Nothing for the worker.
    Nothing,
    /// An effect for the worker.
    Effect(Box<wire::Effect>),
    /// Results for the worker, and outcomes that have to go another way.
    Results(Vec<wire::OutcomeResult>, Vec<wire::Outcome>),
}

impl Elsewhere {
    pub(super) fn new(node: Arc<Node>, hop: &Hop, subscribe: wire::Subscribe) -> Self {
        let (sender, receiver) = mpsc::channel(WORKER_MESSAGES_QUEUED_MAX);
        let mut looks = tokio::time::interval(HOP_STREAM_PAUSE);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let routes = (!hop.is_hop).then(|| node.routes().watch());
        Self {
            node,
            subscribe,
            routes,
            streams: BTreeMap::new(),
            retry_at: BTreeMap::new(),
            orphans: BTreeMap::new(),
            n_opened: 0,
            n_looks: 0,
            looks,
            sender,
            receiver,
        }
    }

    /// Credit that is not here: with other nodes, or held against them.
    pub(super) fn n_credit(&self) -> u32 {
        let lent: u32 = self.streams.values().map(|stream| stream.lent).sum();
        lent.saturating_add(u32::try_from(self.orphans.len()).unwrap_or(u32::MAX))
    }

    /// Waits for something from another node, a change of the routes, or the next look at the credit.
    ///
    /// # Cancel safety
    /// Safe.
    pub(super) async fn next(&mut self) -> Option<Received> {
        let Some(routes) = &mut self.routes else {
            return std::future::pending().await;
        };
        let is_needed = !self.streams.is_empty()
            || !self.orphans.is_empty()
            || !routes.borrow().addresses.is_empty();
        tokio::select! {
            biased;
            received = self.receiver.recv() => received,
            changed = routes.changed() => {
                if changed.is_err() {
                    // A node alone: nothing will ever change.
                    self.routes = None;
                }
                None
            }
            _ = self.looks.tick(), if is_needed => None,
        }
    }

    /// Takes in what came.
    pub(super) fn take(&mut self, received: Received, ledger: &mut Ledger) -> Came {
        let Received {
            node,
            generation,
            incoming,
        } = received;
        let Some(stream) = self.streams.get_mut(&node) else {
            return Came::Nothing;
        };
        if stream.generation != generation {
            return Came::Nothing;
        }
        match incoming {
            Incoming::Effect(effect) => {
                stream.is_active = true;
                let until = effect.until.as_ref().map(timestamp_from_wire);
                let held = HeldThere {
                    until: until.unwrap_or(Timestamp::EPOCH),
                    outcome: None,
                };
                let name = (effect.effect_id.clone(), effect.attempt);
                stream.held.insert(name, held);
                Came::Effect(effect)
            }
            Incoming::Results(results) => {
                let (mut answered, mut other_ways) = (Vec::new(), Vec::new());
                for result in results {
                    let name = (result.effect_id.clone(), result.attempt);
                    let is_elsewhere = result.retry && result.reason.starts_with("NOT_LEADER");
                    let outcome = stream
                        .held
                        .get_mut(&name)
                        .and_then(|held| held.outcome.take());
                    match outcome {
                        // Led by somebody else by now: the table knows whom to ask.
                        Some(outcome) if is_elsewhere => other_ways.push(outcome),
                        Some(_) | None => {
                            if !result.retry {
                                stream.held.remove(&name);
                            }
                            answered.push(result);
                        }
                    }
                }
                Came::Results(answered, other_ways)
            }
            Incoming::Recalled(n_credit) => {
                stream.is_recalling = false;
                let n_credit = n_credit.min(stream.lent);
                stream.lent -= n_credit;
                ledger.grant(n_credit);
                Came::Nothing
            }
            Incoming::Ended => Came::Results(Vec::new(), self.end(node, ledger)),
        }
    }

    /// A stream broke: its credit comes home, what it handed out stays with the worker.
    fn end(&mut self, node: NodeId, ledger: &mut Ledger) -> Vec<wire::Outcome> {
        self.retry_at
            .insert(node, Instant::now() + HOP_STREAM_PAUSE * 2);
        let Some(stream) = self.streams.remove(&node) else {
            return Vec::new();
        };
        tracing::debug!(to = node.get(), "worker stream to another node ended");
        ledger.grant(stream.n_unused());
        let mut other_ways = Vec::new();
        for (name, mut held) in stream.held {
            other_ways.extend(held.outcome.take());
            self.orphans.insert(name, held);
        }
        other_ways
    }

    /// Sends outcomes of what another node handed out back to it, and returns the others.
    pub(super) fn send_back(&mut self, outcomes: Vec<wire::Outcome>) -> Vec<wire::Outcome> {
        let mut others = Vec::new();
        let mut by_node: BTreeMap<NodeId, Vec<wire::Outcome>> = BTreeMap::new();
        for outcome in outcomes {
            let name = (outcome.effect_id.clone(), outcome.attempt);
            let mut streams = self.streams.iter_mut();
            let found =
                streams.find_map(|(node, stream)| Some((*node, stream.held.get_mut(&name)?)));
            match found {
                Some((node, held)) => {
                    held.outcome = Some(outcome.clone());
                    by_node.entry(node).or_default().push(outcome);
                }
                None => others.push(outcome),
            }
        }
        for (node, outcomes) in by_node {
            let Some(stream) = self.streams.get(&node) else {
                continue;
            };
            let request = WorkMessage::Outcomes(wire::Outcomes {
                outcomes: outcomes.clone(),
            });
            if !stream.send(request) {
                others.extend(outcomes);
            }
        }
        others
    }

    /// Outcomes were recorded by the table: what was held against streams that broke is free again.
    pub(super) fn answered(&mut self, results: &[wire::OutcomeResult], ledger: &mut Ledger) {
        for result in results.iter().filter(|result| !result.retry) {
            let name = (result.effect_id.clone(), result.attempt);
            if self.orphans.remove(&name).is_some() {
                ledger.grant(1);
            }
            // The node that handed it out frees its credit when the claim ends.
            for stream in self.streams.values_mut() {
                stream.held.remove(&name);
            }
        }
    }

    /// Opens what is missing, closes what is gone, and evens the credit out.
    pub(super) fn look(&mut self, ledger: &mut Ledger) {
        let Some(routes) = &mut self.routes else {
            return;
        };
        self.n_looks += 1;
        let table = Arc::clone(&routes.borrow_and_update());
        let now = self.node.now();
        let gone: Vec<NodeId> = self
            .streams
            .iter()
            .filter(|(node, stream)| table.addresses.get(node) != Some(&stream.address))
            .map(|(node, _)| *node)
            .collect();
        for node in gone {
            // Outcomes on their way there are lost with it; their claims run out.
            drop(self.end(node, ledger));
        }
        let n_orphans = self.orphans.len();
        self.orphans.retain(|_, held| held.until > now);
        let n_free = n_orphans - self.orphans.len();
        ledger.grant(u32::try_from(n_free).unwrap_or(u32::MAX));
        for stream in self.streams.values_mut() {
            stream.held.retain(|_, held| held.until > now);
        }
        self.even_out(&missing(&table, &self.streams, &self.retry_at), ledger);
        for stream in self.streams.values_mut() {
            stream.is_active = false;
        }
    }

    /// Gives idle credit of this node to those that have none, and calls back what lies idle elsewhere.
    fn even_out(&mut self, missing: &[Leader], ledger: &mut Ledger) {
        let mut poor: Vec<(u64, NodeId)> = self
            .streams
            .iter()
            .filter(|(_, stream)| stream.n_unused() == 0)
            .map(|(node, stream)| (stream.lent_at_look, *node))
            .collect();
        poor.sort_unstable();
        let n_poor = u32::try_from(poor.len() + missing.len()).unwrap_or(u32::MAX);
        let is_poor_here = !ledger.has_credit();
        if is_poor_here {
            self.call_back();
        }
        if n_poor == 0 || is_poor_here {
            return;
        }
        let mut left = ledger.withdraw();
        let share = (left / (n_poor + 1)).max(1);
        for leader in missing {
            if left == 0 {
                break;
            }
            let lent = share.min(left);
            left -= lent;
            self.open(leader, lent);
        }
        for (_, node) in poor {
            let Some(stream) = self.streams.get_mut(&node).filter(|_| left > 0) else {
                break;
            };
            let lent = share.min(left);
            if stream.send(WorkMessage::Credit(wire::Credit { more: lent })) {
                left -= lent;
                stream.lent += lent;
                stream.lent_at_look = self.n_looks;
            }
        }
        ledger.grant(left);
    }

    /// Calls back what lies idle at the node that has most of it.
    fn call_back(&mut self) {
        let is_idle = |stream: &&mut HopStream| {
            !stream.is_active && !stream.is_recalling && stream.n_unused() > 0
        };
        let streams = self.streams.values_mut().filter(is_idle);
        if let Some(stream) = streams.max_by_key(|stream| stream.n_unused()) {
            stream.is_recalling = stream.send(WorkMessage::Recall(wire::Recall {}));
        }
    }

    fn open(&mut self, leader: &Leader, lent: u32) {
        self.n_opened += 1;
        let subscribe = wire::Subscribe {
            credit: lent,
            ..self.subscribe.clone()
        };
        let mut opened = HopStream::open(
            (&self.node, leader),
            subscribe,
            (self.n_opened, self.sender.clone()),
        );
        opened.lent_at_look = self.n_looks;
        self.streams.insert(leader.node, opened);
    }
}

/// Other nodes that lead something and have no stream yet.
fn missing(
    table: &RouteTable,
    streams: &BTreeMap<NodeId, HopStream>,
    retry_at: &BTreeMap<NodeId, Instant>,
) -> Vec<Leader> {
    let leads = |node: &NodeId| table.leaders.values().any(|leader| leader == node);
    let now = Instant::now();
    table
        .addresses
        .iter()
        .filter(|(node, _)| table.own != Some(**node) && leads(node))
        .filter(|(node, _)| !streams.contains_key(node))
        .filter(|(node, _)| retry_at.get(node).is_none_or(|at| *at <= now))
        .map(|(node, address)| Leader {
            node: *node,
            address: address.clone(),
        })
        .collect()
}

const _: () = assert!(
    HOP_STREAM_PAUSE.as_millis() < Duration::from_secs(1).as_millis(),
    "credit moves well before a claim could run out"
);
