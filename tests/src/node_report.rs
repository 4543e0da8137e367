//! What a node says to other nodes of itself and its replicas.

use std::collections::BTreeMap;
use std::time::Duration;

use journey_proto::internal as wire;
use journey_proto::internal::members_client::MembersClient;

use crate::cluster_process::ClusterProcess;
use crate::wait::wait_until;

/// How long an answer may take before it is asked again.
const ANSWER_MAX: Duration = Duration::from_secs(3);

/// Asks a node that listens there for its peers.
///
/// # Errors
/// When it does not answer.
///
/// # Cancel safety
/// Safe.
pub async fn node_report(peer: &str) -> anyhow::Result<wire::NodeReport> {
    let asked = async {
        let mut client = MembersClient::connect(format!("http://{peer}")).await?;
        let request = wire::ReportRequest {
            with_replicas: true,
        };
        Ok::<_, anyhow::Error>(client.report(request).await?.into_inner())
    };
    tokio::time::timeout(ANSWER_MAX, asked).await?
}

/// The nodes of a cluster by what they have of a group.
#[derive(Debug, Clone, Default)]
pub struct GroupNodes {
    /// Where its voters are, in ascending order.
    pub voters: Vec<usize>,
    /// Where its leader is.
    pub leader: Option<usize>,
}

/// Where the voters and leaders of all groups are, by group: 0 is the metadata, partition p is p + 1. Waits until all
/// nodes agree on voters, each group has a leader and all replicas have applied everything.
///
/// # Errors
/// When they never do.
///
/// # Cancel safety
/// Safe.
pub async fn groups_at_rest(cluster: &ClusterProcess) -> anyhow::Result<BTreeMap<u32, GroupNodes>> {
    wait_until(
        "every group to have a leader and nothing to apply",
        || async {
            let mut groups: BTreeMap<u32, GroupNodes> = BTreeMap::new();
            let mut indexes: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
            for (at, peer) in cluster.peers().iter().enumerate() {
                for replica in node_report(peer).await.ok()?.replicas {
                    let group = groups.entry(replica.group).or_default();
                    if replica.is_leader {
                        group.leader = Some(at);
                    }
                    if replica.voters.contains(&replica.replica) {
                        group.voters.push(at);
                    }
                    let index = indexes.entry(replica.group).or_insert((u64::MAX, 0));
                    index.0 = index.0.min(replica.applied_index);
                    index.1 = index.1.max(replica.last_index);
                }
            }
            let is_led = groups.values().all(|group| group.leader.is_some());
            let is_applied = indexes.values().all(|(least, most)| least >= most);
            (is_led && is_applied).then_some(groups)
        },
    )
    .await
}
