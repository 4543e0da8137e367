//! Nodes that take events in memory: each leads what it is told to, fails what it is told to, and keeps the order seen.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use journey_proto::v1 as wire;
use journey_proto::v1::cluster_service_server::{ClusterService, ClusterServiceServer};
use journey_proto::v1::event_result::Status as EventStatus;
use journey_proto::v1::ingest_service_server::{IngestService, IngestServiceServer};
use journey_types::N_SLOTS;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::{Request, Response, Status};

use super::super::table::Table;

pub(super) const N_PARTITIONS: u32 = 8;

pub(super) struct FakeCluster {
    shared: Arc<Shared>,
    servers: Mutex<BTreeMap<usize, JoinHandle<()>>>,
}

struct Shared {
    addresses: Vec<String>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    leaders: BTreeMap<u32, usize>,
    /// By customer and id: how often it still fails.
    failing: BTreeMap<(String, String), u32>,
    tells_nothing: bool,
    /// Connections that stand outlive their listener.
    gone: BTreeSet<usize>,
    /// They take requests and answer nothing but their table.
    silent: BTreeSet<usize>,
    seen: Seen,
}

/// What the nodes have seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub(super) n_accepted: usize,
    pub(super) n_redirects: usize,
    pub(super) n_hops: usize,
    pub(super) n_failures: usize,
    pub(super) n_unanswered: usize,
    pub(super) n_by_node: BTreeMap<usize, usize>,
    order: BTreeMap<String, Vec<u32>>,
}

impl Seen {
    /// Ids of every customer were numbered as they were sent.
    pub(super) fn assert_in_order(&self) {
        for (customer, ids) in &self.order {
            assert!(ids.is_sorted(), "{customer}: {ids:?}");
        }
    }
}

#[derive(Clone)]
struct FakeNode {
    at: usize,
    shared: Arc<Shared>,
}

impl FakeCluster {
    pub(super) async fn start(n_nodes: usize) -> Self {
        let mut listeners = Vec::new();
        for _ in 0..n_nodes {
            listeners.push(TcpListener::bind("127.0.0.1:0").await.unwrap());
        }
        let address = |listener: &TcpListener| listener.local_addr().unwrap().to_string();
        let leaders = (0..N_PARTITIONS).map(|partition| (partition, partition as usize % n_nodes));
        let state = State {
            leaders: leaders.collect(),
            ..State::default()
        };
        let shared = Arc::new(Shared {
            addresses: listeners.iter().map(address).collect(),
            state: Mutex::new(state),
        });
        let mut servers = BTreeMap::new();
        for (at, listener) in listeners.into_iter().enumerate() {
            let node = FakeNode {
                at,
                shared: Arc::clone(&shared),
            };
            let server = tonic::transport::Server::builder()
                .add_service(IngestServiceServer::new(node.clone()))
                .add_service(ClusterServiceServer::new(node))
                .serve_with_incoming(TcpListenerStream::new(listener));
            let served = async move { server.await.unwrap() };
            servers.insert(at, tokio::spawn(served));
        }
        let servers = Mutex::new(servers);
        Self { shared, servers }
    }

    pub(super) fn address(&self, at: usize) -> String {
        self.shared.addresses[at].clone()
    }

    pub(super) fn lead(&self, partition: u32, at: usize) {
        self.shared.state.lock().leaders.insert(partition, at);
    }

    pub(super) fn fail(&self, customer: &str, id: &str, n_times: u32) {
        let name = (customer.to_owned(), id.to_owned());
        self.shared.state.lock().failing.insert(name, n_times);
    }

    pub(super) fn silence(&self, at: usize) {
        self.shared.state.lock().silent.insert(at);
    }

    pub(super) fn tell_nothing(&self) {
        self.shared.state.lock().tells_nothing = true;
    }

    pub(super) fn seen(&self) -> Seen {
        self.shared.state.lock().seen.clone()
    }

    pub(super) async fn stop(&self, at: usize) {
        let server = self.servers.lock().remove(&at);
        if let Some(server) = server {
            self.shared.state.lock().gone.insert(at);
            server.abort();
            assert!(server.await.is_err(), "it was aborted");
        }
    }
}

fn not_needed() -> Status {
    Status::unimplemented("no test needs it")
}

fn told(shared: &Shared) -> wire::GetTableResponse {
    let state = shared.state.lock();
    let partitions = state
        .leaders
        .iter()
        .map(|(partition, at)| wire::PartitionRoute {
            partition: *partition,
            leader_node: *at as u64 + 1,
            leader_address: shared.addresses[*at].clone(),
            ..Default::default()
        });
    let nodes = (1..).zip(&shared.addresses);
    wire::GetTableResponse {
        slots: Some(wire::SlotRule {
            slots: u32::from(N_SLOTS),
            partitions: N_PARTITIONS,
            salt: vec![7; 16].into(),
        }),
        partitions: partitions.collect(),
        nodes: nodes
            .map(|(node, address)| wire::NodeAddress {
                node,
                api_address: address.clone(),
            })
            .collect(),
        ..Default::default()
    }
}

impl FakeNode {
    fn answers(&self) -> Result<(), Status> {
        let is_gone = self.shared.state.lock().gone.contains(&self.at);
        if is_gone {
            return Err(Status::unavailable("the connection is closed"));
        }
        Ok(())
    }
}

#[tonic::async_trait]
impl ClusterService for FakeNode {
    async fn get_table(
        &self,
        _request: Request<wire::GetTableRequest>,
    ) -> Result<Response<wire::GetTableResponse>, Status> {
        self.answers()?;
        if self.shared.state.lock().tells_nothing {
            return Err(Status::unimplemented("an older node"));
        }
        Ok(Response::new(told(&self.shared)))
    }

    async fn drain_node(
        &self,
        _request: Request<wire::ChangeNodeRequest>,
    ) -> Result<Response<wire::ChangeNodeResponse>, Status> {
        Err(not_needed())
    }

    async fn undrain_node(
        &self,
        _request: Request<wire::ChangeNodeRequest>,
    ) -> Result<Response<wire::ChangeNodeResponse>, Status> {
        Err(not_needed())
    }

    async fn remove_node(
        &self,
        _request: Request<wire::ChangeNodeRequest>,
    ) -> Result<Response<wire::ChangeNodeResponse>, Status> {
        Err(not_needed())
    }

    async fn get_status(
        &self,
        _request: Request<wire::GetStatusRequest>,
    ) -> Result<Response<wire::GetStatusResponse>, Status> {
        Err(not_needed())
    }

    async fn list_nodes(
        &self,
        _request: Request<wire::ListNodesRequest>,
    ) -> Result<Response<wire::ListNodesResponse>, Status> {
        Err(not_needed())
    }

    async fn list_partitions(
        &self,
        _request: Request<wire::ListPartitionsRequest>,
    ) -> Result<Response<wire::ListPartitionsResponse>, Status> {
        Err(not_needed())
    }

    async fn describe_partition(
        &self,
        _request: Request<wire::DescribePartitionRequest>,
    ) -> Result<Response<wire::DescribePartitionResponse>, Status> {
        Err(not_needed())
    }

    async fn transfer_leader(
        &self,
        _request: Request<wire::TransferLeaderRequest>,
    ) -> Result<Response<wire::TransferLeaderResponse>, Status> {
        Err(not_needed())
    }
}

#[tonic::async_trait]
impl IngestService for FakeNode {
    async fn ingest(
        &self,
        request: Request<wire::IngestRequest>,
    ) -> Result<Response<wire::IngestResponse>, Status> {
        self.answers()?;
        let is_silent = {
            let mut state = self.shared.state.lock();
            let is_silent = state.silent.contains(&self.at);
            state.seen.n_unanswered += usize::from(is_silent);
            is_silent
        };
        if is_silent {
            return std::future::pending().await;
        }
        let is_direct = request.metadata().contains_key("journey-hop");
        assert!(request.metadata().contains_key("journey-in-order"));
        let rule = Table::of(told(&self.shared)).unwrap().rule;
        let mut state = self.shared.state.lock();
        let mut broken = Vec::new();
        let mut results = Vec::new();
        for event in request.into_inner().events {
            let partition = rule.partition_of(&event);
            let result = state.take(
                self,
                &event,
                (partition, is_direct),
                broken.contains(&partition),
            );
            if result.retry {
                broken.push(partition);
            }
            results.push(result);
        }
        Ok(Response::new(wire::IngestResponse { results }))
    }

    type IngestStreamStream = ReceiverStream<Result<wire::IngestStreamResponse, Status>>;

    async fn ingest_stream(
        &self,
        _request: Request<tonic::Streaming<wire::IngestStreamRequest>>,
    ) -> Result<Response<Self::IngestStreamStream>, Status> {
        Err(not_needed())
    }
}

impl State {
    fn take(
        &mut self,
        node: &FakeNode,
        event: &wire::CustomerEvent,
        (partition, is_direct): (u32, bool),
        is_broken: bool,
    ) -> wire::EventResult {
        let refused = |reason: &str, leader: &str| wire::EventResult {
            status: EventStatus::Rejected.into(),
            reason: reason.to_owned(),
            retry: true,
            leader_address: leader.to_owned(),
            ..Default::default()
        };
        if is_broken {
            return refused("RETRY_IN_ORDER", "");
        }
        let leader = self.leaders[&partition];
        if leader != node.at && is_direct {
            self.seen.n_redirects += 1;
            return refused("NOT_LEADER", &node.shared.addresses[leader]);
        }
        self.seen.n_hops += usize::from(leader != node.at);
        let name = (event.customer_id.clone(), event.id.clone());
        if let Some(n_times) = self.failing.get_mut(&name).filter(|n_times| **n_times > 0) {
            *n_times -= 1;
            self.seen.n_failures += 1;
            return refused("OUTCOME_UNKNOWN", "");
        }
        self.seen.n_accepted += 1;
        *self.seen.n_by_node.entry(node.at).or_default() += 1;
        let ids = self
            .seen
            .order
            .entry(event.customer_id.clone())
            .or_default();
        ids.push(event.id.parse().unwrap());
        wire::EventResult {
            status: EventStatus::Accepted.into(),
            ..Default::default()
        }
    }
}
