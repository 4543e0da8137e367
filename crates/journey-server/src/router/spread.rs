//! A request about every partition, divided by who leads them.

use std::collections::BTreeMap;
use std::future::Future;

use futures::future::{join_all, try_join_all};
use journey_partition::PartitionHandle;
use journey_types::PartitionId;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use crate::error::ServerError;
use crate::node::Node;
use crate::router::{Hop, Leader, Target, hop_request};

/// The partitions that are meant, by where they are led.
#[derive(Debug, Default)]
pub(crate) struct Spread {
    pub(crate) here: Vec<PartitionHandle>,
    pub(crate) there: BTreeMap<Leader, Vec<PartitionId>>,
}

impl Node {
    /// Divides the partitions that are meant.
    ///
    /// # Errors
    /// [`ServerError::NotLeader`] for one that cannot be asked now.
    pub(crate) async fn spread(&self, hop: &Hop) -> Result<Spread, ServerError> {
        let mut spread = Spread::default();
        let meant = self
            .partition_ids()
            .filter(|partition| hop.means(*partition));
        let readers =
            meant.map(|partition| async move { (partition, self.reader_of(hop, partition).await) });
        for (partition, reader) in join_all(readers).await {
            match reader? {
                Target::Here(handle) => spread.here.push(handle),
                Target::There(leader) => spread.there.entry(leader).or_default().push(partition),
                Target::Nowhere => return Err(self.not_leader(partition)),
            }
        }
        Ok(spread)
    }
}

impl Spread {
    /// Asks every other node at once for what it leads.
    pub(crate) async fn ask<M, R, F>(
        &self,
        node: &Node,
        message: &M,
        call: impl Fn(Channel, Request<M>) -> F,
    ) -> Result<Vec<R>, Status>
    where
        M: Clone,
        F: Future<Output = Result<Response<R>, Status>>,
    {
        let asked = self.there.iter().map(|(leader, partitions)| {
            let call = &call;
            async move {
                let distinct = partitions.iter().copied().collect();
                let request = || hop_request(message.clone(), partitions);
                node.hop_once(leader, &distinct, &|channel| call(channel, request()))
                    .await
            }
        });
        try_join_all(asked).await
    }
}
