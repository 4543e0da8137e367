//! The connection of one group to one of its replicas, as openraft asks for it.

use std::future::Future;
use std::time::Duration;

use futures::{FutureExt as _, Stream};
use journey_proto::internal::{peer_answer, peer_request};
use openraft::base::BoxFuture;
use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{Backoff, RPCOption};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderRequest,
    TransferLeaderResponse, VoteRequest, VoteResponse,
};
use openraft::{OptionalSend, RaftNetworkFactory, RaftNetworkV2};

use super::append::{self, AppendAnswers, lane_of};
use super::link::Asked;
use super::{Lane, PeerFault, Peers, convert};
use crate::adapter::{RaftSnapshot, SnapshotContent};
use crate::limits::PEER_APPEND_WAIT_MAX;
use crate::raft_types::{Types, Vote};
use crate::{GroupId, ReplicaId};

/// How long requests wait, from the timings of consensus.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waits {
    /// For an answer to what carries no entries.
    pub(crate) control: Duration,
    /// Before a replica that could not be reached is tried again.
    pub(crate) backoff: Duration,
}

/// Makes the connections of one group.
#[derive(Debug, Clone)]
pub(crate) struct Connections {
    pub(crate) group: GroupId,
    pub(crate) peers: Peers,
    pub(crate) waits: Waits,
}

/// A connection to one replica. Holds nothing open: links are shared by all groups.
#[derive(Debug)]
pub(crate) struct Connection {
    group: GroupId,
    replica: ReplicaId,
    peers: Peers,
    waits: Waits,
}

impl RaftNetworkFactory<Types> for Connections {
    type Network = Connection;

    async fn new_client(&mut self, target: u64, _node: &()) -> Connection {
        Connection {
            group: self.group,
            replica: ReplicaId::new(target),
            peers: self.peers.clone(),
            waits: self.waits,
        }
    }
}

impl Connection {
    async fn ask<T>(
        &self,
        lane: Lane,
        body: peer_request::Body,
        wait_max: Duration,
        read: impl FnOnce(peer_answer::Body) -> Result<T, String>,
    ) -> Result<T, RPCError<Types>> {
        let to = (self.group, self.replica);
        let answer = self.peers.ask(to, lane, body, wait_max).await;
        let answer = answer.and_then(|answer| read(answer).map_err(PeerFault::Unanswered));
        answer.map_err(|fault| RPCError::Unreachable(self.unreachable(&fault)))
    }

    /// Puts an append in line.
    pub(super) fn begin_append(
        &self,
        request: &AppendEntriesRequest<Types>,
        lane: Lane,
    ) -> Result<Asked, PeerFault> {
        let body = peer_request::Body::Append(convert::append_to_wire(request));
        self.peers.begin((self.group, self.replica), lane, body)
    }

    /// Waits for what became of it. openraft itself gives up on a heartbeat after its interval; entries take as long as a
    /// disk needs.
    pub(super) async fn append_response(
        &self,
        asked: Result<Asked, PeerFault>,
        lane: Lane,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        let wait_max = match lane {
            Lane::Control => self.waits.control,
            Lane::Data => PEER_APPEND_WAIT_MAX,
        };
        let answer = match asked {
            Ok(asked) => asked.answer(wait_max).await,
            Err(fault) => Err(fault),
        };
        let read = |answer| convert::append_response_of(answer).map_err(PeerFault::Unanswered);
        let response = answer.and_then(read);
        response.map_err(|fault| RPCError::Unreachable(self.unreachable(&fault)))
    }

    /// Whatever keeps a peer from answering: openraft waits a moment before it tries again, and logs it once.
    fn unreachable(&self, fault: &dyn std::fmt::Display) -> Unreachable<Types> {
        Unreachable::from_string(format!(
            "replica {} of {}: {fault}",
            self.replica,
            self.group.described()
        ))
    }
}

impl RaftNetworkV2<Types> for Connection {
    type SnapshotData = SnapshotContent;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        let lane = lane_of(&request);
        let asked = self.begin_append(&request, lane);
        self.append_response(asked, lane).await
    }

    fn stream_append<'s, S>(
        &'s mut self,
        requests: S,
        _option: RPCOption,
    ) -> BoxFuture<'s, Result<AppendAnswers<'s>, RPCError<Types>>>
    where
        S: Stream<Item = AppendEntriesRequest<Types>> + OptionalSend + Unpin + 'static,
    {
        std::future::ready(Ok(append::pipelined(self, requests))).boxed()
    }

    async fn vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        let body = peer_request::Body::Vote(convert::vote_question_to_wire(&request));
        let wait_max = option.hard_ttl();
        self.ask(Lane::Control, body, wait_max, convert::vote_response_of)
            .await
    }

    // The default grants, which would switch pre-vote off in silence.
    async fn pre_vote(
        &mut self,
        request: VoteRequest<Types>,
        option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        let body = peer_request::Body::PreVote(convert::vote_question_to_wire(&request));
        let wait_max = option.hard_ttl();
        self.ask(Lane::Control, body, wait_max, convert::vote_response_of)
            .await
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: RaftSnapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        let (position, source) = match snapshot.snapshot {
            SnapshotContent::Stream(position, source) => (position, source),
            SnapshotContent::None(reason) => {
                return Err(StreamingError::Unreachable(self.unreachable(&reason)));
            }
            SnapshotContent::Checkpoint | SnapshotContent::Received(_) => {
                let reason = "no stream was opened";
                return Err(StreamingError::Unreachable(self.unreachable(&reason)));
            }
        };
        let to = (self.group, self.replica);
        let sent = self.peers.send_snapshot(to, &vote, (position, source));
        tokio::select! {
            sent = sent => match sent {
                Ok(vote) => Ok(SnapshotResponse::new(vote)),
                Err(reason) => Err(StreamingError::Unreachable(self.unreachable(&reason))),
            },
            closed = cancel => Err(StreamingError::Closed(closed)),
        }
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<Types>,
        option: RPCOption,
    ) -> Result<TransferLeaderResponse<Types>, RPCError<Types>> {
        let body = peer_request::Body::Transfer(convert::transfer_to_wire(&request));
        let wait_max = option.hard_ttl();
        self.ask(Lane::Control, body, wait_max, convert::transfer_response_of)
            .await
    }

    fn backoff(&self) -> Option<Backoff> {
        Some(Backoff::new(std::iter::repeat(self.waits.backoff)))
    }
}
