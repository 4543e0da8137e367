//! The cluster as clients and SREs see it: any node answers for all of it.
//!
//! ```text
//!   GetTable ─► table (from memory)        GetStatus, List…, Describe… ─► survey (asks every node) ─► findings ─► answers
//! ```

mod answers;
mod findings;
mod lives;
mod source;
mod survey;
mod table;
mod transfer;

use std::sync::Arc;

use journey_proto::v1 as wire;
use journey_proto::v1::cluster_service_server::ClusterService;
use journey_types::{NodeId, PartitionId};
use tonic::{Request, Response, Status};

pub use self::source::SurveySource;

use crate::cluster::answers::Judged;
use crate::cluster::lives::Turn;
use crate::cluster::survey::{Survey, Surveys};
use crate::node::Node;
use crate::router::Hop;

/// The gRPC service.
#[derive(Debug, Clone)]
pub struct ClusterApi {
    node: Arc<Node>,
    surveys: Arc<Surveys>,
}

impl ClusterApi {
    /// The service of a node.
    #[must_use]
    pub fn new(node: Arc<Node>) -> Self {
        Self {
            node,
            surveys: Arc::default(),
        }
    }

    async fn survey(&self) -> Arc<Survey> {
        let own = self.node.routes().own();
        let own = own.unwrap_or_else(|| NodeId::new(0));
        let source = self.node.survey_source();
        let metadata = self.node.metadata();
        self.surveys.fresh(source, metadata, own).await
    }

    async fn change_node(
        &self,
        request: Request<wire::ChangeNodeRequest>,
        turn: Turn,
    ) -> Result<Response<wire::ChangeNodeResponse>, Status> {
        let id = NodeId::new(request.into_inner().node);
        let survey = self.survey().await;
        let changed = lives::change(&self.node, &survey, (id, turn)).await?;
        Ok(Response::new(changed))
    }
}

#[tonic::async_trait]
impl ClusterService for ClusterApi {
    async fn get_table(
        &self,
        _request: Request<wire::GetTableRequest>,
    ) -> Result<Response<wire::GetTableResponse>, Status> {
        let metadata = self.node.metadata().current();
        let routes = self.node.routes().watch();
        let table = table::table(&metadata, &routes.borrow())?;
        Ok(Response::new(table))
    }

    async fn get_status(
        &self,
        _request: Request<wire::GetStatusRequest>,
    ) -> Result<Response<wire::GetStatusResponse>, Status> {
        let survey = self.survey().await;
        Ok(Response::new(Judged::of(&survey).status()))
    }

    async fn list_nodes(
        &self,
        _request: Request<wire::ListNodesRequest>,
    ) -> Result<Response<wire::ListNodesResponse>, Status> {
        let survey = self.survey().await;
        let nodes = Judged::of(&survey).nodes();
        Ok(Response::new(wire::ListNodesResponse { nodes }))
    }

    async fn list_partitions(
        &self,
        _request: Request<wire::ListPartitionsRequest>,
    ) -> Result<Response<wire::ListPartitionsResponse>, Status> {
        let survey = self.survey().await;
        let partitions = Judged::of(&survey).partitions();
        Ok(Response::new(wire::ListPartitionsResponse { partitions }))
    }

    async fn describe_partition(
        &self,
        request: Request<wire::DescribePartitionRequest>,
    ) -> Result<Response<wire::DescribePartitionResponse>, Status> {
        let partition = PartitionId::new(request.into_inner().partition);
        let survey = self.survey().await;
        let described = Judged::of(&survey).partition(partition);
        let described = described.ok_or_else(|| transfer::no_partition(partition))?;
        Ok(Response::new(wire::DescribePartitionResponse {
            partition: Some(described),
        }))
    }

    async fn transfer_leader(
        &self,
        request: Request<wire::TransferLeaderRequest>,
    ) -> Result<Response<wire::TransferLeaderResponse>, Status> {
        let hop = Hop::of(request.metadata())?;
        let parts = (self.node.as_ref(), self.node.survey_source());
        let answer = transfer::transfer(parts, &hop, request.into_inner()).await?;
        Ok(Response::new(answer))
    }

    async fn drain_node(
        &self,
        request: Request<wire::ChangeNodeRequest>,
    ) -> Result<Response<wire::ChangeNodeResponse>, Status> {
        self.change_node(request, Turn::Drain).await
    }

    async fn undrain_node(
        &self,
        request: Request<wire::ChangeNodeRequest>,
    ) -> Result<Response<wire::ChangeNodeResponse>, Status> {
        self.change_node(request, Turn::Undrain).await
    }

    async fn remove_node(
        &self,
        request: Request<wire::ChangeNodeRequest>,
    ) -> Result<Response<wire::ChangeNodeResponse>, Status> {
        self.change_node(request, Turn::Remove).await
    }
}
