//! The way to other replicas: there is none yet, and every attempt says so by name.

use std::future::Future;

use openraft::errors::{RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::RPCOption;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse,
};
use openraft::{OptionalSend, RaftNetworkFactory, RaftNetworkV2, Snapshot};

use crate::GroupId;
use crate::raft_types::{LeaderId, Types, Vote};

/// Makes connections that reach nobody: a group has one voter until replicas exist.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NoNetwork {
    pub(crate) group: GroupId,
}

/// A connection to a replica that cannot be reached.
#[derive(Debug)]
pub(crate) struct NoConnection {
    group: GroupId,
    target: u64,
}

impl RaftNetworkFactory<Types> for NoNetwork {
    type Network = NoConnection;

    async fn new_client(&mut self, target: u64, _node: &()) -> NoConnection {
        NoConnection {
            group: self.group,
            target,
        }
    }
}

impl NoConnection {
    fn unreachable(&self) -> Unreachable<Types> {
        Unreachable::from_string(format!(
            "replica {} of group {}: more than one voter is not available yet",
            self.target, self.group
        ))
    }
}

impl RaftNetworkV2<Types> for NoConnection {
    type SnapshotData = ();

    async fn append_entries(
        &mut self,
        _rpc: AppendEntriesRequest<Types>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<Types>, RPCError<Types>> {
        Err(RPCError::Unreachable(self.unreachable()))
    }

    async fn vote(
        &mut self,
        _rpc: VoteRequest<Types>,
        _option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        Err(RPCError::Unreachable(self.unreachable()))
    }

    // The default grants, which would switch pre-vote off in silence.
    async fn pre_vote(
        &mut self,
        _rpc: VoteRequest<Types>,
        _option: RPCOption,
    ) -> Result<VoteResponse<Types>, RPCError<Types>> {
        Err(RPCError::Unreachable(self.unreachable()))
    }

    async fn full_snapshot(
        &mut self,
        _vote: Vote,
        _snapshot: Snapshot<LeaderId, u64, (), ()>,
        _cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<Types>, StreamingError<Types>> {
        Err(StreamingError::Unreachable(self.unreachable()))
    }
}
