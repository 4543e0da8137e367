//! One worker stream to another node, on behalf of a worker that is connected here.

use std::collections::BTreeMap;
use std::sync::Arc;

use journey_proto::v1 as wire;
use journey_proto::v1::work_request::Request as WorkMessage;
use journey_proto::v1::work_response::Response as WorkAnswer;
use journey_types::NodeId;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::Streaming;
use tonic::transport::Channel;

use super::lent::{AttemptName, HeldThere};
use crate::limits::{HOP_ANSWER_MAX, HOP_WIND_UP_MAX, WORKER_MESSAGES_QUEUED_MAX};
use crate::node::Node;
use crate::router::{Leader, streamed_hop_request};
use crate::workers::settle::service;
use crate::workers::unsent::Unsent;

/// What another node sends.
pub(in crate::workers) enum Incoming {
    Effect(Box<wire::Effect>, Unsent),
    Results(Vec<wire::OutcomeResult>),
    Recalled(u32),
    /// The stream is over.
    Ended,
}

/// The same with where it came from.
pub(in crate::workers) struct Received {
    pub(super) node: NodeId,
    pub(super) generation: u64,
    pub(super) incoming: Incoming,
}

/// An open stream. Dropping it ends it.
pub(super) struct HopStream {
    pub(super) generation: u64,
    pub(super) address: String,
    /// Credit that is there: unused, or held against it.
    pub(super) lent: u32,
    /// At which look it was last given some.
    pub(super) lent_at_look: u64,
    pub(super) held: BTreeMap<AttemptName, HeldThere>,
    /// Whether it handed anything out since the last look.
    pub(super) is_active: bool,
    pub(super) is_recalling: bool,
    requests: mpsc::Sender<wire::WorkRequest>,
    _ends: DropGuard,
}

impl HopStream {
    /// Opens it with credit; what comes of it comes over the channel.
    pub(super) fn open(
        (node, leader): (&Arc<Node>, &Leader),
        subscribe: wire::Subscribe,
        (generation, sender): (u64, mpsc::Sender<Received>),
    ) -> Self {
        let (requests, queue) = mpsc::channel(WORKER_MESSAGES_QUEUED_MAX);
        let lent = subscribe.credit;
        let first = wire::WorkRequest {
            request: Some(WorkMessage::Subscribe(subscribe)),
        };
        let has_room = requests.try_send(first).is_ok();
        debug_assert!(has_room, "a new channel has room");
        let end = CancellationToken::new();
        let reader = HopReader {
            node: Arc::clone(node),
            from: leader.node,
            generation,
            sender,
            ended: end.clone(),
        };
        let channel = node.channels().of(leader).ok();
        node.tasks().spawn(reader.run(channel, queue));
        let address = leader.address.clone();
        Self::new((generation, address), (lent, requests), end.drop_guard())
    }

    /// A stream against which nothing is held yet.
    pub(super) fn new(
        (generation, address): (u64, String),
        (lent, requests): (u32, mpsc::Sender<wire::WorkRequest>),
        ends: DropGuard,
    ) -> Self {
        Self {
            generation,
            address,
            lent,
            lent_at_look: 0,
            held: BTreeMap::new(),
            is_active: false,
            is_recalling: false,
            requests,
            _ends: ends,
        }
    }

    /// Credit there against which nothing is held.
    pub(super) fn n_unused(&self) -> u32 {
        let n_held = u32::try_from(self.held.len()).unwrap_or(u32::MAX);
        self.lent.saturating_sub(n_held)
    }

    /// Sends without waiting; a stream that is full or over does not take it.
    pub(super) fn send(&self, request: WorkMessage) -> bool {
        let request = Some(request);
        self.requests
            .try_send(wire::WorkRequest { request })
            .is_ok()
    }
}

/// The receiving half of a stream.
struct HopReader {
    node: Arc<Node>,
    from: NodeId,
    generation: u64,
    sender: mpsc::Sender<Received>,
    /// The worker needs no more.
    ended: CancellationToken,
}

impl HopReader {
    /// Takes in what comes until the stream is over.
    async fn run(self, channel: Option<Channel>, queue: mpsc::Receiver<wire::WorkRequest>) {
        if let Some(channel) = channel {
            let mut service = service(channel);
            let opened = service.work(streamed_hop_request(ReceiverStream::new(queue)));
            if let Ok(Ok(opened)) = timeout(HOP_ANSWER_MAX, opened).await {
                self.receive(opened.into_inner()).await;
            }
        }
        if !self.ended.is_cancelled() {
            // The worker may be gone: then nobody asks.
            drop(self.sender.send(self.received(Incoming::Ended)).await);
        }
    }

    async fn receive(&self, mut responses: Streaming<wire::WorkResponse>) {
        loop {
            let response = tokio::select! {
                biased;
                () = self.ended.cancelled() => break,
                response = responses.message() => response,
            };
            let Ok(Some(response)) = response else { return };
            let Some(incoming) = self.incoming(response) else {
                continue;
            };
            if self.sender.send(self.received(incoming)).await.is_err() {
                break;
            }
        }
        // That node records what it was told, and ends its side; effects that it wrote meanwhile are given back.
        let given_back = async {
            while let Ok(Some(response)) = responses.message().await {
                drop(self.incoming(response));
            }
        };
        drop(timeout(HOP_WIND_UP_MAX, given_back).await);
    }

    fn incoming(&self, response: wire::WorkResponse) -> Option<Incoming> {
        match response.response? {
            WorkAnswer::Effect(effect) => {
                let unsent = Unsent::of_effect(&self.node, &effect);
                Some(Incoming::Effect(Box::new(effect), unsent))
            }
            WorkAnswer::Results(results) => Some(Incoming::Results(results.results)),
            WorkAnswer::Recalled(recalled) => Some(Incoming::Recalled(recalled.credit)),
            WorkAnswer::Subscribed(_) => None,
        }
    }

    const fn received(&self, incoming: Incoming) -> Received {
        Received {
            node: self.from,
            generation: self.generation,
            incoming,
        }
    }
}
