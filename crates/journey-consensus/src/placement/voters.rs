//! Who votes in the metadata group; everybody else follows it.

use std::collections::BTreeSet;

use super::REPLICATION_FACTOR;
use crate::{NodeRecord, NodeState, ReplicaId};

/// The replicas that should vote in the metadata group: three where the cluster has three nodes, else one. Those that
/// vote now stay as long as their nodes are well; `leader` is never left out. Zones that have no vote come first.
#[must_use]
pub fn metadata_voters(
    nodes: &[NodeRecord],
    current: &BTreeSet<ReplicaId>,
    leader: ReplicaId,
) -> BTreeSet<ReplicaId> {
    let members: Vec<&NodeRecord> = nodes.iter().filter(|node| node.is_member()).collect();
    let n_wanted = if members.len() >= REPLICATION_FACTOR {
        REPLICATION_FACTOR
    } else {
        1
    };
    // A node that is still joining has no copy yet, and one that does not vote and is not well helps nobody.
    let mut candidates: Vec<&NodeRecord> = members
        .into_iter()
        .filter(|node| node.state == NodeState::Active || current.contains(&node.metadata_replica))
        .collect();
    let mut voters: BTreeSet<ReplicaId> = BTreeSet::new();
    let mut zones: BTreeSet<&str> = BTreeSet::new();
    while voters.len() < n_wanted && !candidates.is_empty() {
        let best = candidates.iter().enumerate().min_by_key(|(_, node)| {
            let replica = node.metadata_replica;
            let is_well = node.state == NodeState::Active;
            let votes = current.contains(&replica);
            let has_zone = zones.contains(node.place.zone.as_str());
            (replica != leader, !is_well, !votes, has_zone, node.id)
        });
        let Some((position, _)) = best else { break };
        let node = candidates.swap_remove(position);
        zones.insert(&node.place.zone);
        voters.insert(node.metadata_replica);
    }
    // Two votes are worse than one: either node lost would stop the group.
    if voters.len() < n_wanted {
        voters.retain(|replica| *replica == leader);
    }
    voters
}
