//! The cluster as clients and SREs see it.

mod table;

use std::sync::Arc;

use journey_proto::v1 as wire;
use journey_proto::v1::cluster_service_server::ClusterService;
use tonic::{Request, Response, Status};

use crate::node::Node;

/// The gRPC service.
#[derive(Debug, Clone)]
pub struct ClusterApi {
    node: Arc<Node>,
}

impl ClusterApi {
    /// The service of a node.
    #[must_use]
    pub const fn new(node: Arc<Node>) -> Self {
        Self { node }
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
}
