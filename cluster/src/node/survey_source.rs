//! What a survey of the cluster asks of this node and, through it, of the others.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use journey_consensus::{GroupId, ReplicaId};
use journey_proto::internal::NodeReport;
use journey_server::SurveySource;
use journey_types::PartitionId;
use tonic::Code;

use crate::node::member_calls;
use crate::node::members::{OwnSide, report};

impl SurveySource for OwnSide {
    fn own(&self) -> NodeReport {
        report(self, true)
    }

    fn ask(&self, peer_address: String) -> BoxFuture<'static, Result<NodeReport, String>> {
        async move {
            let asked = member_calls::report(&peer_address, true).await;
            asked.map_err(|status| {
                if [Code::Cancelled, Code::DeadlineExceeded].contains(&status.code()) {
                    format!("{peer_address} takes connections and says nothing: frozen or cut off")
                } else {
                    status.message().to_owned()
                }
            })
        }
        .boxed()
    }

    fn hand_over(
        &self,
        partition: PartitionId,
        to: ReplicaId,
    ) -> BoxFuture<'static, Result<(), String>> {
        let wanted = GroupId::of_partition(partition);
        let mut groups = self.consensus.groups().into_iter();
        let group = groups.find(|group| group.group() == wanted);
        async move {
            let Some(group) = group else {
                return Err("this node has no replica of it any more".to_owned());
            };
            let handed_over = group.transfer_leadership(to).await;
            handed_over.map_err(|error| error.to_string())
        }
        .boxed()
    }
}
