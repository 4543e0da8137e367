//! The other end of the links: takes requests of peers to the groups they are for.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt as _, StreamExt as _};
use journey_proto::internal::peer_server::{Peer, PeerServer};
use journey_proto::internal::{
    PeerAnswer, PeerAnswers, PeerRequest, PeerRequests, SnapshotAnswer, SnapshotPart, peer_answer,
    snapshot_answer, snapshot_part,
};
use parking_lot::Mutex;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::ReplicaDirectory;
use crate::limits::{
    PEER_MESSAGE_SIZE_BYTES_MAX, PEER_MESSAGES_BUFFERED_MAX, PEER_REQUESTS_IN_FLIGHT_MAX,
};
use crate::{GroupHandle, GroupId, ReplicaId};

/// How often the others that are ready to run come before an answer is sent.
const GATHER_ROUNDS: usize = 2;

/// The groups that run on a node.
pub(crate) type Groups = Arc<Mutex<BTreeMap<GroupId, GroupHandle>>>;

/// Consensus of one node, for its peers.
#[derive(Debug, Clone)]
pub struct PeerService {
    groups: Groups,
    directory: Arc<dyn ReplicaDirectory>,
    /// Consensus' own, so that requests wait for nothing else of this process.
    runtime: Handle,
}

impl PeerService {
    pub(crate) fn server(
        groups: Groups,
        directory: Arc<dyn ReplicaDirectory>,
        runtime: Handle,
    ) -> PeerServer<Self> {
        let service = Self {
            groups,
            directory,
            runtime,
        };
        PeerServer::new(service).max_decoding_message_size(PEER_MESSAGE_SIZE_BYTES_MAX)
    }

    /// Nothing of another cluster may reach a group: its replica ids mean others.
    fn check_cluster(&self, theirs: u64) -> Result<(), Status> {
        match self.directory.cluster() {
            Some(own) if theirs != 0 && theirs != own => Err(Status::failed_precondition(format!(
                "this node belongs to cluster {own:016x}, and the request came from cluster {theirs:016x}"
            ))),
            Some(_) | None => Ok(()),
        }
    }

    fn replica(&self, group: GroupId, wanted: ReplicaId) -> Result<GroupHandle, String> {
        let handle = self.groups.lock().get(&group).cloned();
        handle
            .filter(|handle| handle.replica() == wanted)
            .ok_or_else(|| {
                format!(
                    "replica {wanted} of {} does not run here",
                    group.described()
                )
            })
    }

    fn answer(&self, request: PeerRequest) -> BoxFuture<'static, PeerAnswer> {
        let PeerRequest {
            number,
            group,
            replica,
            body,
        } = request;
        let refused = move |reason: String| PeerAnswer {
            number,
            body: Some(peer_answer::Body::Refused(reason)),
        };
        let group = GroupId::new(group);
        let wanted = ReplicaId::new(replica);
        let handle = match self.replica(group, wanted) {
            Ok(handle) => handle,
            Err(reason) => return std::future::ready(refused(reason)).boxed(),
        };
        let Some(body) = body else {
            let reason = "a request that this release does not know".to_owned();
            return std::future::ready(refused(reason)).boxed();
        };
        let answered = handle.answer_peer(body);
        async move {
            match answered.await {
                Ok(body) => PeerAnswer {
                    number,
                    body: Some(body),
                },
                Err(reason) => refused(reason),
            }
        }
        .boxed()
    }

    /// Answers what comes until the stream ends. Requests begin in the order in which they came.
    async fn exchange_all(
        self,
        mut incoming: Streaming<PeerRequests>,
        outgoing: mpsc::Sender<Result<PeerAnswers, Status>>,
    ) {
        let mut under_way = FuturesUnordered::new();
        loop {
            let has_room = under_way.len() < PEER_REQUESTS_IN_FLIGHT_MAX;
            tokio::select! {
                biased;
                Some(answer) = under_way.next() => {
                    let mut answers = vec![answer];
                    for _ in 0..GATHER_ROUNDS {
                        // Groups that were asked in the same message answer in the same moment.
                        tokio::task::yield_now().await;
                        while let Some(Some(answer)) = under_way.next().now_or_never() {
                            answers.push(answer);
                        }
                    }
                    if outgoing.send(Ok(PeerAnswers { answers })).await.is_err() {
                        return;
                    }
                }
                heard = incoming.message(), if has_room => match heard {
                    Ok(Some(requests)) => {
                        if let Err(status) = self.check_cluster(requests.cluster) {
                            if outgoing.send(Err(status)).await.is_err() {
                                tracing::trace!("the peer has gone");
                            }
                            return;
                        }
                        for request in requests.requests {
                            under_way.push(self.answer(request));
                        }
                    }
                    Ok(None) => return,
                    Err(status) => {
                        tracing::debug!(reason = status.message(), "a peer's connection broke");
                        return;
                    }
                },
            }
        }
    }
}

#[tonic::async_trait]
impl Peer for PeerService {
    type ExchangeStream = ReceiverStream<Result<PeerAnswers, Status>>;

    async fn exchange(
        &self,
        request: Request<Streaming<PeerRequests>>,
    ) -> Result<Response<Self::ExchangeStream>, Status> {
        let (outgoing, answers) = mpsc::channel(PEER_MESSAGES_BUFFERED_MAX);
        let exchange = self.clone().exchange_all(request.into_inner(), outgoing);
        self.runtime.spawn(exchange);
        Ok(Response::new(ReceiverStream::new(answers)))
    }

    async fn send_snapshot(
        &self,
        request: Request<Streaming<SnapshotPart>>,
    ) -> Result<Response<SnapshotAnswer>, Status> {
        let mut parts = request.into_inner();
        let first = parts.message().await?;
        let Some(snapshot_part::Body::Opening(opening)) = first.and_then(|part| part.body) else {
            return Err(Status::invalid_argument(
                "a snapshot begins with its opening",
            ));
        };
        self.check_cluster(opening.cluster)?;
        let group = GroupId::new(opening.group);
        let wanted = ReplicaId::new(opening.replica);
        let answer = match self.replica(group, wanted) {
            // On consensus' runtime: what was received is installed whether or not the sender waits.
            Ok(handle) => {
                let taken = self.runtime.spawn(handle.take_snapshot(opening, parts));
                taken.await.unwrap_or_else(|error| Err(error.to_string()))
            }
            Err(reason) => Err(reason),
        };
        let answer = answer.unwrap_or_else(|reason| SnapshotAnswer {
            outcome: Some(snapshot_answer::Outcome::Refused(reason)),
        });
        Ok(Response::new(answer))
    }
}
