//! What this node answers other nodes about membership and health, and the server of everything between nodes.

use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use journey_consensus::{
    Consensus, GroupHandle, MetadataError, MetadataHandle, NewNode, NodePlace, NodeRecord,
    ReplicaId,
};
use journey_partition::Clock as _;
use journey_proto::internal as wire;
use journey_proto::internal::members_server::{Members, MembersServer};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::clock::{SystemClock, monotonic_now};
use crate::node::directory::NodeDirectory;
use crate::node::error::NodeError;
use crate::node::health::Health;
use crate::node::local_partitions::LocalPartitions;
use crate::node::state_hashes::state_hashes;

/// Attempts at a change that somebody else may come before: more than that many in a row is no coincidence.
const ATTEMPTS_MAX: u32 = 10;
/// How long a silent connection is kept before it is probed.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);

/// What this node knows of itself, as soon as it knows it.
#[derive(Debug)]
pub(crate) struct OwnSide {
    pub(crate) health: Arc<Health>,
    pub(crate) directory: Arc<NodeDirectory>,
    pub(crate) consensus: Arc<Consensus>,
    pub(crate) metadata: OnceLock<MetadataHandle>,
    pub(crate) node: OnceLock<journey_types::NodeId>,
    pub(crate) partitions: OnceLock<Weak<LocalPartitions>>,
    /// When this process began.
    pub(crate) started: Instant,
}

/// The service.
#[derive(Debug, Clone)]
struct MemberApi {
    own: Arc<OwnSide>,
}

/// Binds the address where other nodes reach this one.
pub(crate) fn bind(address: SocketAddr) -> Result<TcpListener, NodeError> {
    let bind = || {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        Ok(listener)
    };
    bind().map_err(|reason| NodeError::BindPeers { address, reason })
}

/// Answers other nodes until the process ends, on consensus' own runtime so that nothing else delays a heartbeat.
pub(crate) fn serve(own: Arc<OwnSide>, listener: TcpListener) {
    let peers = own.consensus.peer_service();
    let members = MembersServer::new(MemberApi {
        own: Arc::clone(&own),
    });
    own.consensus.runtime().spawn(async move {
        let listener = match tokio::net::TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => {
                tracing::error!(%error, "other nodes are not answered");
                return;
            }
        };
        let served = Server::builder()
            .tcp_nodelay(true)
            .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
            .add_service(peers)
            .add_service(members)
            .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)))
            .await;
        if let Err(error) = served {
            tracing::error!(%error, "other nodes are not answered any more");
        }
    });
}

impl MemberApi {
    fn metadata(&self) -> Result<&MetadataHandle, Status> {
        let metadata = self.own.metadata.get();
        metadata.ok_or_else(|| Status::unavailable("this node is starting"))
    }

    async fn let_in(&self, wanted: u64, node: NewNode) -> Result<NodeRecord, Status> {
        let metadata = self.metadata()?;
        let known = metadata.current();
        let Some(identity) = known.identity() else {
            let reason = "this node has not heard yet which cluster it is in";
            return Err(Status::unavailable(reason));
        };
        let own = identity.origin.cluster_id;
        if wanted != 0 && wanted != own {
            return Err(Status::failed_precondition(format!(
                "this is cluster {own:016x}, and the node belongs to cluster {wanted:016x}"
            )));
        }
        let place = node.place.clone();
        let mut record = metadata.join(node).await.map_err(status_of)?;
        for _ in 0..ATTEMPTS_MAX {
            if !record.is_member() {
                return Err(Status::failed_precondition(format!(
                    "node {} was removed from cluster {own:016x}; start it with an empty data folder to join as a new node",
                    record.id
                )));
            }
            if record.place == place {
                return Ok(record);
            }
            let told = metadata.set_node_place(record.id, record.version, place.clone());
            match told.await {
                Ok(_) | Err(MetadataError::Conflict { .. }) => {}
                Err(error) => return Err(status_of(error)),
            }
            let now = metadata.current();
            record = now.node(record.id).cloned().unwrap_or(record);
        }
        Err(Status::aborted("the node's record changes all the time"))
    }
}

#[tonic::async_trait]
impl Members for MemberApi {
    async fn join(
        &self,
        request: Request<wire::JoinRequest>,
    ) -> Result<Response<wire::JoinAnswer>, Status> {
        let request = request.into_inner();
        let join_key = request.join_key.as_ref().try_into();
        let join_key = join_key.map_err(|_| Status::invalid_argument("a join key has 16 bytes"))?;
        let node = NewNode {
            join_key,
            place: NodePlace {
                api_address: request.api_address,
                peer_address: request.peer_address,
                zone: request.zone,
                weight: request.weight,
            },
        };
        let record = self.let_in(request.cluster, node).await?;
        let known = self.metadata()?.current();
        let others = known
            .nodes()
            .filter(|node| node.is_member() && !node.place.peer_address.is_empty());
        Ok(Response::new(wire::JoinAnswer {
            cluster: known
                .identity()
                .map_or(0, |identity| identity.origin.cluster_id),
            node: record.id.get(),
            metadata_replica: record.metadata_replica.get(),
            members: others
                .map(|node| wire::Member {
                    metadata_replica: node.metadata_replica.get(),
                    peer_address: node.place.peer_address.clone(),
                })
                .collect(),
        }))
    }

    async fn report(
        &self,
        request: Request<wire::ReportRequest>,
    ) -> Result<Response<wire::NodeReport>, Status> {
        let report = report(&self.own, request.into_inner().with_replicas);
        Ok(Response::new(report))
    }

    async fn hash_state(
        &self,
        _request: Request<wire::HashStateRequest>,
    ) -> Result<Response<wire::StateHashes>, Status> {
        let partitions = self.own.partitions.get().and_then(Weak::upgrade);
        let partitions = partitions.ok_or_else(|| Status::unavailable("this node is starting"))?;
        let hashes = tokio::task::spawn_blocking(move || state_hashes(&partitions)).await;
        let hashes = hashes.map_err(|error| Status::internal(error.to_string()))?;
        Ok(Response::new(wire::StateHashes { hashes }))
    }
}

/// Who this is and what its replicas do.
pub(crate) fn report(own: &OwnSide, with_replicas: bool) -> wire::NodeReport {
    let problems = own.health.problems();
    let problems: Vec<String> = problems
        .iter()
        .map(|problem| format!("{}: {}", problem.check, problem.reason))
        .collect();
    let groups = if with_replicas {
        own.consensus.groups()
    } else {
        Vec::new()
    };
    wire::NodeReport {
        cluster: journey_consensus::ReplicaDirectory::cluster(own.directory.as_ref()).unwrap_or(0),
        node: own.node.get().map_or(0, |node| node.get()),
        serving: problems.is_empty(),
        problems,
        replicas: groups.iter().map(replica_report).collect(),
        release: env!("CARGO_PKG_VERSION").to_owned(),
        up_seconds: monotonic_now().duration_since(own.started).as_secs(),
        disk_free_bytes: own.health.disk().space.free_bytes,
        clock_unix_ms: SystemClock.now().unix_ms(),
    }
}

fn replica_report(group: &GroupHandle) -> wire::ReplicaReport {
    let leadership = group.leadership().borrow().clone();
    let metrics = group.metrics();
    let membership = group.membership();
    let ids = |replicas: &std::collections::BTreeSet<ReplicaId>| {
        replicas.iter().map(|replica| replica.get()).collect()
    };
    wire::ReplicaReport {
        group: group.group().get(),
        replica: group.replica().get(),
        is_leader: leadership.is_leader,
        leader: leadership.leader.map_or(0, ReplicaId::get),
        term: leadership.term,
        last_index: metrics.last_index,
        applied_index: metrics.applied_index,
        voters: ids(&membership.voters),
        learners: ids(&membership.learners),
        problem: leadership
            .stopped
            .map_or_else(String::new, |reason| reason.to_string()),
    }
}

fn status_of(error: MetadataError) -> Status {
    let reason = error.to_string();
    match error {
        MetadataError::NodePlace { .. } => Status::invalid_argument(reason),
        MetadataError::Conflict { .. } => Status::aborted(reason),
        MetadataError::RevisionConflict { .. }
        | MetadataError::NotBootstrapped
        | MetadataError::NoDocuments
        | MetadataError::DocumentTwice { .. }
        | MetadataError::DocumentName { .. }
        | MetadataError::DocumentTooLarge { .. }
        | MetadataError::PublishTooLarge { .. }
        | MetadataError::CatalogFull { .. }
        | MetadataError::Setting { .. }
        | MetadataError::Refused { .. }
        | MetadataError::OutcomeUnknown => Status::unavailable(reason),
    }
}

#[cfg(test)]
mod tests;
