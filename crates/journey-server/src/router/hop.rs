//! What a request that came from another node says of itself, and how one is sent.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;

use journey_types::{NodeId, PartitionId};
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt as _;

use crate::error::ServerError;
use crate::limits::{HOP_ANSWER_MAX, HOP_REPLACED_GRACE};
use crate::node::Node;
use crate::router::{Leader, RouteTable, Target};

/// Request metadata: it was sent on by another node; never send it on again.
const HOP: &str = "journey-hop";
/// Request metadata beside it: the partitions that are meant, where the request itself names none.
const HOP_PARTITIONS: &str = "journey-hop-partitions";
/// The reason of the refusal that names the leader.
const NOT_LEADER: &str = "NOT_LEADER";

/// Whether and how a request came over another node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Hop {
    /// It did: what is not led here is refused.
    pub(crate) is_hop: bool,
    /// Only these partitions are meant.
    pub(crate) only: Option<BTreeSet<PartitionId>>,
}

impl Hop {
    /// Reads a request's metadata.
    pub(crate) fn of(metadata: &MetadataMap) -> Result<Self, ServerError> {
        let is_hop = metadata.get(HOP).is_some();
        let Some(named) = metadata.get(HOP_PARTITIONS).filter(|_| is_hop) else {
            return Ok(Self { is_hop, only: None });
        };
        let numbers = named.to_str().unwrap_or_default().split(',');
        let only: Result<BTreeSet<PartitionId>, _> = numbers
            .map(|number| number.parse().map(PartitionId::new))
            .collect();
        let only = only.map_err(|_| {
            ServerError::invalid(HOP_PARTITIONS, "is no list of partitions such as 0,3,5")
        })?;
        let only = Some(only);
        Ok(Self { is_hop, only })
    }

    /// Whether that partition is meant.
    pub(crate) fn means(&self, partition: PartitionId) -> bool {
        self.only
            .as_ref()
            .is_none_or(|only| only.contains(&partition))
    }
}

/// A request on its hop, with a deadline.
pub(crate) fn hop_request<M>(message: M, only: &[PartitionId]) -> Request<M> {
    let mut request = streamed_hop_request(message);
    request.set_timeout(HOP_ANSWER_MAX);
    if !only.is_empty() {
        let numbers: Vec<String> = only.iter().map(ToString::to_string).collect();
        let named = numbers.join(",").parse();
        let named = named.expect("digits and commas fit into metadata");
        request.metadata_mut().insert(HOP_PARTITIONS, named);
    }
    request
}

/// A request whose stream goes on as long as it is needed.
pub(crate) fn streamed_hop_request<M>(message: M) -> Request<M> {
    let mut request = Request::new(message);
    let yes = tonic::metadata::MetadataValue::from_static("1");
    request.metadata_mut().insert(HOP, yes);
    request
}

/// Whether a refusal says that the node does not lead.
pub(crate) fn is_not_leader(status: &Status) -> bool {
    status.code() == Code::Unavailable && reason_of(status).as_deref() == Some(NOT_LEADER)
}

/// The machine-readable reason of a refusal.
pub(crate) fn reason_of(status: &Status) -> Option<String> {
    status.get_details_error_info().map(|info| info.reason)
}

/// The leader that a refusal names.
fn hint_of(status: &Status) -> Option<Leader> {
    let info = status.get_details_error_info()?;
    let node = info.metadata.get("leader_node")?.parse().ok()?;
    let address = info.metadata.get("leader_address")?.clone();
    let node = NodeId::new(node);
    Some(Leader { node, address })
}

impl Node {
    /// Where a partition's commands go now.
    pub(crate) fn target(&self, partition: PartitionId) -> Target {
        let here = self.partition(partition);
        if self.routes().is_alone() {
            return here.map_or(Target::Nowhere, Target::Here);
        }
        match here {
            Some(handle) if handle.leads() => Target::Here(handle),
            here => match (self.routes().leader_elsewhere(partition), here) {
                (Some(leader), _) => Target::There(leader),
                (None, Some(handle)) => Target::Here(handle),
                (None, None) => Target::Nowhere,
            },
        }
    }

    /// The same for a request that may have come over another node: then it ends here.
    pub(crate) fn target_for(
        &self,
        hop: &Hop,
        partition: PartitionId,
    ) -> Result<Target, ServerError> {
        let target = self.target(partition);
        match &target {
            Target::Here(_) => Ok(target),
            Target::There(_) if !hop.is_hop => Ok(target),
            Target::There(_) | Target::Nowhere => Err(self.not_leader(partition)),
        }
    }

    /// The refusal that names the leader, where one is known.
    pub(crate) fn not_leader(&self, partition: PartitionId) -> ServerError {
        ServerError::NotLeader {
            partition,
            leader: self.routes().leader_elsewhere(partition),
        }
    }

    /// Calls the leader of partitions, and once more where it says that another node leads.
    pub(crate) async fn hop<R, F>(
        &self,
        partition: PartitionId,
        leader: Leader,
        call: impl Fn(Channel) -> F,
    ) -> Result<R, Status>
    where
        F: Future<Output = Result<Response<R>, Status>>,
    {
        let partitions = BTreeSet::from([partition]);
        let status = match self.hop_once(&leader, &partitions, &call).await {
            Err(status) if is_not_leader(&status) => status,
            answered => return answered,
        };
        self.routes().unlearn(partition);
        if let Some(hint) = hint_of(&status) {
            self.routes().learn(partition, hint);
        }
        match self.target(partition) {
            Target::There(next) if next != leader => self.hop_once(&next, &partitions, &call).await,
            Target::There(_) | Target::Here(_) | Target::Nowhere => Err(status),
        }
    }

    /// Calls the node that leads these partitions.
    pub(crate) async fn hop_once<R, F>(
        &self,
        leader: &Leader,
        partitions: &BTreeSet<PartitionId>,
        call: &impl Fn(Channel) -> F,
    ) -> Result<R, Status>
    where
        F: Future<Output = Result<Response<R>, Status>>,
    {
        let channel = self.channels().of(leader)?;
        let called = self
            .until_replaced(leader, partitions, call(channel))
            .await?;
        called
            .map(Response::into_inner)
            .map_err(|status| named(leader, status))
    }

    /// Waits for another node's answer, up to a deadline, or until another one leads one of the partitions.
    pub(crate) async fn until_replaced<A>(
        &self,
        leader: &Leader,
        partitions: &BTreeSet<PartitionId>,
        answer: impl Future<Output = A>,
    ) -> Result<A, Status> {
        tokio::select! {
            biased;
            answered = answer => Ok(answered),
            () = self.replaced(leader, partitions) => Err(no_answer(leader).into()),
            () = tokio::time::sleep(HOP_ANSWER_MAX) => Err(no_answer(leader).into()),
        }
    }

    /// Completes some time after another node leads one of these partitions.
    async fn replaced(&self, leader: &Leader, partitions: &BTreeSet<PartitionId>) {
        let mut table = self.routes().watch();
        // A leader that another node named may not stand in the table at all: only what changes counts.
        let before = Arc::clone(&table.borrow_and_update());
        let is_replaced = |table: &Arc<RouteTable>| {
            partitions.iter().any(|partition| {
                let now = table.leaders.get(partition);
                let is_other = now.is_some_and(|node| *node != leader.node);
                is_other && now != before.leaders.get(partition)
            })
        };
        if table.wait_for(is_replaced).await.is_err() {
            return std::future::pending().await;
        }
        tokio::time::sleep(HOP_REPLACED_GRACE).await;
    }
}

/// A refusal of another node as it is; a connection that failed as what it means to the caller.
pub(crate) fn named(leader: &Leader, status: Status) -> Status {
    if reason_of(&status).is_some() {
        return status;
    }
    tracing::debug!(to = leader.node.get(), %status, "a hop failed");
    if was_never_sent(&status) {
        let (node, address) = (leader.node, &leader.address);
        let reason = format!(
            "node {node} at {address}, which was the last known to lead, cannot be reached, and no other leader is known yet"
        );
        return ServerError::Unavailable { reason }.into();
    }
    no_answer(leader).into()
}

/// Whether there was no connection to send a request on.
fn was_never_sent(status: &Status) -> bool {
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        if error.is::<tonic::ConnectError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Another node did not answer in time.
pub(crate) fn no_answer(leader: &Leader) -> ServerError {
    let node = leader.node;
    ServerError::OutcomeUnknown {
        reason: format!("node {node}, to which it was sent on, has not answered"),
    }
}
