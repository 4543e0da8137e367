//! What a survey of the cluster needs from whoever puts the node together: reports of replicas, and a hand on those here.

use std::fmt;

use futures::future::BoxFuture;
use journey_consensus::ReplicaId;
use journey_proto::internal::NodeReport;
use journey_types::PartitionId;

/// Where reports come from.
pub trait SurveySource: fmt::Debug + Send + Sync {
    /// What this node says of itself; from memory.
    fn own(&self) -> NodeReport;

    /// Asks the node at that address for its report, or says in words why there is none. Has a deadline of its own.
    fn ask(&self, peer_address: String) -> BoxFuture<'static, Result<NodeReport, String>>;

    /// Hands the leadership of a partition, which this node leads, to that replica and waits until it leads, or says why
    /// it does not.
    fn hand_over(
        &self,
        partition: PartitionId,
        to: ReplicaId,
    ) -> BoxFuture<'static, Result<(), String>>;
}
