//! An operator lets another replica lead a partition: written into the table first, so that it
//! stays, then done at once.

use journey_consensus::placement::{REPLICATION_FACTOR, plan};
use journey_consensus::{
    MetadataError, MetadataState, NodeRecord, NodeState, PartitionPlacement, PartitionTable,
    PlacedReplica, PlacementChange, ReplicaId, ReplicaRole,
};
use journey_proto::v1 as wire;
use journey_proto::v1::cluster_service_client::ClusterServiceClient;
use journey_types::{NodeId, PartitionId};
use tonic::Status;

use crate::cluster::source::SurveySource;
use crate::error::ServerError;
use crate::limits::{TRANSFER_SEEN_MAX, WRITE_ATTEMPTS_MAX};
use crate::node::Node;
use crate::router::{Hop, Target, hop_request};

/// Carries the request out where the partition is led.
pub(super) async fn transfer(
    (node, source): (&Node, &dyn SurveySource),
    hop: &Hop,
    request: wire::TransferLeaderRequest,
) -> Result<wire::TransferLeaderResponse, Status> {
    let partition = PartitionId::new(request.partition);
    let to = NodeId::new(request.to_node);
    let heir = heir(&node.metadata().current(), partition, to)?;
    match node.target_for(hop, partition)? {
        Target::There(leader) => {
            let call = |channel| async move {
                let mut service = ClusterServiceClient::new(channel);
                service.transfer_leader(hop_request(request, &[])).await
            };
            node.hop(partition, leader, call).await
        }
        Target::Here(handle) if !handle.leads() => Err(node.not_leader(partition).into()),
        Target::Here(_) => {
            let from = node.routes().own();
            let metadata = node.metadata().current();
            let row = metadata.placement(partition);
            if row.is_some_and(|row| row.preferred != heir.replica) {
                let nodes: Vec<NodeRecord> = metadata.nodes().cloned().collect();
                let known = (&*nodes, metadata.table().as_ref());
                if let Some((other, replica)) = exchange(known, partition, heir)? {
                    prefer(node, other, replica).await?;
                }
                prefer(node, partition, heir.replica).await?;
            }
            if from == Some(to) {
                return Ok(unchanged(to));
            }
            let handed_over = source.hand_over(partition, heir.replica).await;
            if let Err(reason) = handed_over
                && !is_led_by(node, partition, to).await
            {
                let reason = format!(
                    "node {to} has not taken partition {partition} over yet, it is tried again by itself: {reason}"
                );
                return Err(ServerError::Unavailable { reason }.into());
            }
            Ok(wire::TransferLeaderResponse {
                changed: true,
                from_node: from.map_or(0, NodeId::get),
                to_node: to.get(),
            })
        }
        Target::Nowhere => Err(node.not_leader(partition).into()),
    }
}

/// Whether it is soon: whoever follows the table may have handed it over first.
async fn is_led_by(node: &Node, partition: PartitionId, to: NodeId) -> bool {
    let mut table = node.routes().watch();
    let led = table.wait_for(|table| table.leaders.get(&partition) == Some(&to));
    let led = tokio::time::timeout(TRANSFER_SEEN_MAX, led).await;
    matches!(led, Ok(Ok(_)))
}

fn unchanged(to: NodeId) -> wire::TransferLeaderResponse {
    wire::TransferLeaderResponse {
        changed: false,
        from_node: to.get(),
        to_node: to.get(),
    }
}

/// The replica that is to lead, if it may.
fn heir(
    metadata: &MetadataState,
    partition: PartitionId,
    to: NodeId,
) -> Result<PlacedReplica, ServerError> {
    let placement = metadata
        .placement(partition)
        .ok_or_else(|| no_partition(partition))?;
    let node = metadata.node(to).filter(|node| node.is_member());
    let node = node.ok_or_else(|| ServerError::NotFound {
        kind: "node",
        name: to.to_string(),
        hint: "`journeyctl node list` names them all",
    })?;
    let placed = placement.on_node(to).copied();
    let voter = placed.filter(|placed| placed.role == ReplicaRole::Voter);
    let voter = voter.ok_or_else(|| {
        let voters = placement.of_role(ReplicaRole::Voter);
        let voters: Vec<String> = voters.map(|placed| placed.node.to_string()).collect();
        ServerError::Precondition {
            reason: format!(
                "node {to} has no voting replica of partition {partition}; nodes {} have",
                voters.join(", ")
            ),
        }
    })?;
    if node.state != NodeState::Active {
        let state = node.state.word();
        return Err(ServerError::Precondition {
            reason: format!("node {to} is {state}: only active nodes are given partitions to lead"),
        });
    }
    Ok(voter)
}

/// The replica that would lead a partition instead, once the planner has seen that these should lead theirs.
fn taken_back(
    (nodes, table): (&[NodeRecord], &PartitionTable),
    preferred: &[(PartitionId, ReplicaId)],
    partition: PartitionId,
) -> Option<ReplicaId> {
    let mut table = table.clone();
    for (of, replica) in preferred {
        let position = usize::try_from(of.get()).ok();
        let row = position.and_then(|position| table.partitions.get_mut(position));
        row?.preferred = *replica;
    }
    let steps = plan(nodes, &table, REPLICATION_FACTOR);
    steps.iter().find_map(|step| match step.change {
        PlacementChange::Prefer(replica) if step.partition == partition => Some(replica),
        PlacementChange::Prefer(_)
        | PlacementChange::Add { .. }
        | PlacementChange::Promoted(_)
        | PlacementChange::Retire(_)
        | PlacementChange::Keep(_)
        | PlacementChange::Retired(_) => None,
    })
}

/// Leaders are kept even: where the planner would take the partition back, another one that the node leads goes the other
/// way.
fn exchange(
    known: (&[NodeRecord], &PartitionTable),
    partition: PartitionId,
    heir: PlacedReplica,
) -> Result<Option<(PartitionId, ReplicaId)>, ServerError> {
    let (_, table) = known;
    let wanted = (partition, heir.replica);
    if taken_back(known, &[wanted], partition).is_none() {
        return Ok(None);
    }
    let is_led = |row: &PartitionPlacement| {
        let preferred = row.replica(row.preferred);
        preferred.is_some_and(|placed| placed.node == heir.node)
    };
    let others = table
        .iter()
        .filter(|(other, row)| *other != partition && is_led(row));
    // To whichever node: the one that lost the partition need not be the one that lacks one now.
    let mut other_ways = others.flat_map(|(other, row)| {
        let voters = row.of_role(ReplicaRole::Voter);
        let elsewhere = voters.filter(|placed| placed.node != heir.node);
        elsewhere.map(move |placed| (other, placed.replica))
    });
    let found = other_ways.find(|goes| taken_back(known, &[wanted, *goes], partition).is_none());
    found.map(Some).ok_or_else(|| ServerError::Precondition {
        reason: format!(
            "leaders are kept even over the nodes: partition {partition} would go back from node {} at once, and no other \
             partition can go the other way",
            heir.node
        ),
    })
}

/// Writes into the table that this replica should lead.
async fn prefer(
    node: &Node,
    partition: PartitionId,
    replica: ReplicaId,
) -> Result<(), ServerError> {
    let metadata = node.metadata();
    for _ in 0..WRITE_ATTEMPTS_MAX {
        let current = metadata.current();
        let Some(row) = current.placement(partition) else {
            return Err(no_partition(partition));
        };
        if row.preferred == replica {
            return Ok(());
        }
        let change = PlacementChange::Prefer(replica);
        match metadata
            .change_placement(partition, row.version, change)
            .await
        {
            Ok(_) => return Ok(()),
            Err(MetadataError::Conflict { .. }) => {}
            Err(error) => {
                return Err(ServerError::Unavailable {
                    reason: format!(
                        "who should lead partition {partition} cannot be written: {error}"
                    ),
                });
            }
        }
    }
    Err(ServerError::Conflict {
        reason: format!("the placement of partition {partition} changes all the time"),
    })
}

pub(super) fn no_partition(partition: PartitionId) -> ServerError {
    ServerError::NotFound {
        kind: "partition",
        name: partition.to_string(),
        hint: "`journeyctl partition list` names them all, from 0",
    }
}

#[cfg(test)]
mod tests;
