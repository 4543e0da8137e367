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
mod lent;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use journey_proto::v1 as wire;
use journey_types::NodeId;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, Interval, MissedTickBehavior};

pub(super) use self::hop_stream::Received;
use self::hop_stream::{HopStream, Incoming};
pub(super) use self::lent::Came;
use self::lent::Lent;
use super::credit::Ledger;
use crate::limits::{HOP_STREAM_PAUSE, WORKER_MESSAGES_QUEUED_MAX};
use crate::node::Node;
use crate::router::{Hop, Leader, RouteTable};

/// The streams to other nodes.
pub(super) struct Elsewhere {
    node: Arc<Node>,
    subscribe: wire::Subscribe,
    /// `None` for a stream that comes from another node itself.
    routes: Option<watch::Receiver<Arc<RouteTable>>>,
    lent: Lent,
    /// Not before then is a node tried again.
    retry_at: BTreeMap<NodeId, Instant>,
    n_opened: u64,
    looks: Interval,
    sender: mpsc::Sender<Received>,
    receiver: mpsc::Receiver<Received>,
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
            lent: Lent::default(),
            retry_at: BTreeMap::new(),
            n_opened: 0,
            looks,
            sender,
            receiver,
        }
    }

    /// Credit that is not here: with other nodes, or held against them.
    pub(super) fn n_credit(&self) -> u32 {
        self.lent.n_credit()
    }

    /// Waits for something from another node, a change of the routes, or the next look at the credit.
    ///
    /// # Cancel safety
    /// Safe.
    pub(super) async fn next(&mut self) -> Option<Received> {
        let Some(routes) = &mut self.routes else {
            return std::future::pending().await;
        };
        let is_needed = !self.lent.is_empty() || !routes.borrow().addresses.is_empty();
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
        if matches!(received.incoming, Incoming::Ended) {
            let again_at = Instant::now() + HOP_STREAM_PAUSE * 2;
            self.retry_at.insert(received.node, again_at);
        }
        self.lent.take(received, ledger)
    }

    /// Sends outcomes of what another node handed out back to it, and returns the others.
    pub(super) fn send_back(&mut self, outcomes: Vec<wire::Outcome>) -> Vec<wire::Outcome> {
        self.lent.send_back(outcomes)
    }

    /// Outcomes were recorded by the table: what was held against streams that broke is free again.
    pub(super) fn answered(&mut self, results: &[wire::OutcomeResult], ledger: &mut Ledger) {
        self.lent.answered(results, ledger);
    }

    /// Opens what is missing, closes what is gone, and evens the credit out.
    pub(super) fn look(&mut self, ledger: &mut Ledger) {
        let Some(routes) = &mut self.routes else {
            return;
        };
        let table = Arc::clone(&routes.borrow_and_update());
        self.lent.forget_gone(&table, self.node.now(), ledger);
        let missing = missing(&table, self.lent.streams(), &self.retry_at);
        for (leader, credit) in self.lent.even_out(missing, ledger) {
            self.open(&leader, credit);
        }
    }

    fn open(&mut self, leader: &Leader, lent: u32) {
        self.n_opened += 1;
        let subscribe = wire::Subscribe {
            credit: lent,
            ..self.subscribe.clone()
        };
        let opened = HopStream::open(
            (&self.node, leader),
            subscribe,
            (self.n_opened, self.sender.clone()),
        );
        self.lent.opened(leader.node, opened);
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
