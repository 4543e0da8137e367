//! An operator changes where a node is in its life: it gives its replicas away, takes them again, or is gone for ever.

use std::sync::Arc;

use journey_consensus::{MetadataError, MetadataState, NodeRecord, NodeState};
use journey_proto::v1 as wire;
use journey_types::NodeId;

use crate::cluster::answers::state_to_wire;
use crate::cluster::survey::Survey;
use crate::error::ServerError;
use crate::limits::WRITE_ATTEMPTS_MAX;
use crate::node::Node;

/// What is wanted of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Give its replicas away and take none.
    Drain,
    /// Take replicas again.
    Undrain,
    /// Be no member any more.
    Remove,
}

/// What has to be written for it, if anything.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Judgement {
    /// It is so already.
    Done,
    /// This state.
    Write(NodeState),
}

/// Writes it, unless it is so already or cannot be.
pub(super) async fn change(
    node: &Node,
    survey: &Arc<Survey>,
    (id, turn): (NodeId, Turn),
) -> Result<wire::ChangeNodeResponse, ServerError> {
    let metadata = node.metadata();
    for _ in 0..WRITE_ATTEMPTS_MAX {
        let current = metadata.current();
        let Some(record) = current.node(id) else {
            return Err(no_node(id));
        };
        let n_replicas = current.table().replicas_of(id).count();
        let answers = survey
            .nodes
            .get(&id)
            .is_some_and(|node| node.report.is_ok());
        let state = match judge(record, turn, (n_replicas, answers), &current)? {
            Judgement::Done => return Ok(answer(false, record.state, n_replicas)),
            Judgement::Write(state) => state,
        };
        match metadata.set_node_state(id, record.version, state).await {
            Ok(_) => return Ok(answer(true, state, n_replicas)),
            Err(MetadataError::Conflict { .. }) => {}
            Err(error) => {
                let reason = format!("the state of node {id} cannot be written: {error}");
                return Err(ServerError::Unavailable { reason });
            }
        }
    }
    Err(ServerError::Conflict {
        reason: format!("the record of node {id} changes all the time"),
    })
}

fn answer(changed: bool, state: NodeState, n_replicas: usize) -> wire::ChangeNodeResponse {
    wire::ChangeNodeResponse {
        changed,
        state: state_to_wire(state).into(),
        replicas: u32::try_from(n_replicas).unwrap_or(u32::MAX),
    }
}

fn no_node(id: NodeId) -> ServerError {
    ServerError::NotFound {
        kind: "node",
        name: id.to_string(),
        hint: "`journeyctl node list` names them all",
    }
}

fn judge(
    record: &NodeRecord,
    turn: Turn,
    (n_replicas, answers): (usize, bool),
    metadata: &MetadataState,
) -> Result<Judgement, ServerError> {
    let others = metadata.nodes().filter(|other| other.id != record.id);
    let others = others.filter(|other| other.state == NodeState::Active);
    may(record, turn, (n_replicas, answers), others.count())
}

/// Whether a node may take that turn, beside so many other active ones.
fn may(
    record: &NodeRecord,
    turn: Turn,
    (n_replicas, answers): (usize, bool),
    n_others: usize,
) -> Result<Judgement, ServerError> {
    let id = record.id;
    let refused = |reason: String| Err(ServerError::Precondition { reason });
    match (turn, record.state) {
        (Turn::Remove, NodeState::Removed) => Ok(Judgement::Done),
        (Turn::Drain | Turn::Undrain, NodeState::Removed) => refused(format!(
            "node {id} was removed, which is for ever; start it with an empty data folder to join as a new node"
        )),
        (Turn::Drain, _) if record.drains => Ok(Judgement::Done),
        (Turn::Drain, NodeState::Joining) => refused(format!(
            "node {id} is still joining and has nothing to give away; stop it and remove it instead"
        )),
        (Turn::Drain, _) if n_others == 0 => refused(format!(
            "node {id} is the last active one: nobody would take its replicas; let another node join first"
        )),
        (Turn::Drain, _) => Ok(Judgement::Write(NodeState::Draining)),
        (Turn::Undrain, _) if !record.drains => Ok(Judgement::Done),
        (Turn::Undrain, _) => Ok(Judgement::Write(NodeState::Active)),
        (Turn::Remove, _) if n_replicas > 0 => refused(format!(
            "node {id} still has {n_replicas} replicas; drain it first and wait (`journeyctl node drain {id} --wait`), or, \
             where it is lost, until it is down for `cluster.down-after` and they are rebuilt elsewhere"
        )),
        (Turn::Remove, _) if answers => refused(format!(
            "node {id} still runs; stop it first, since it cannot come back under this id"
        )),
        (Turn::Remove, _) => Ok(Judgement::Write(NodeState::Removed)),
    }
}

#[cfg(test)]
mod tests;
