//! What the node that leads the metadata group does for the others: who is there, who votes in the metadata group, and
//! which replica goes where next.
//!
//! ```text
//!   each round: reports of all nodes ─► states ─► members of group 0 ─► placement steps
//! ```
//!
//! It remembers only since when it has not heard of a node; everything else stands in the metadata, so whoever leads next
//! goes on where this one stopped. Each change is a compare-and-set: two that both think they lead do no harm.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use journey_consensus::placement::{REPLICATION_FACTOR, metadata_voters, plan};
use journey_consensus::{
    ConsensusError, GroupId, MetadataError, MetadataHandle, MetadataState, NodeRecord, NodeState,
    PlacementChange, ReplicaId,
};
use journey_types::NodeId;

use crate::clock::monotonic_now;
use crate::config::Config;
use crate::node::member_calls;

/// Pause between two rounds: a change of the metadata begins the next one at once.
const ROUND_PAUSE: Duration = Duration::from_secs(1);
/// The shortest pause, so that changes that follow each other make no loop without rest.
const ROUND_PAUSE_MIN: Duration = Duration::from_millis(50);
/// Entries of the metadata group that a node may lack and count as caught up.
const LAG_MAX: u64 = 64;
/// A node that has not answered for so long gets no new replicas.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// The rounds of one node; they do something only while it leads the metadata group.
pub(crate) struct Steward {
    metadata: MetadataHandle,
    own: NodeId,
    cluster: u64,
    down_after: Duration,
    /// When each node answered last, since this one leads.
    heard: BTreeMap<NodeId, Instant>,
}

/// Begins the rounds.
pub(crate) fn spawn(config: &Config, metadata: &MetadataHandle, own: NodeId) {
    let state = metadata.current();
    let cluster = state
        .identity()
        .map_or(0, |identity| identity.origin.cluster_id);
    let steward = Steward {
        metadata: metadata.clone(),
        own,
        cluster,
        down_after: config.cluster.down_after.duration(),
        heard: BTreeMap::new(),
    };
    tokio::spawn(steward.run());
}

impl Steward {
    async fn run(mut self) {
        let mut leadership = self.metadata.group().leadership();
        let mut changes = self.metadata.watch();
        loop {
            let led = leadership.wait_for(|now| now.is_leader || now.stopped.is_some());
            match led.await {
                Ok(now) if now.is_leader => {}
                Ok(_) | Err(_) => return,
            }
            let state = Arc::clone(&changes.borrow_and_update());
            self.round(&state).await;
            tokio::time::sleep(ROUND_PAUSE_MIN).await;
            let changed = tokio::time::timeout(ROUND_PAUSE, changes.changed()).await;
            if matches!(changed, Ok(Err(_))) {
                return;
            }
            if !leadership.borrow().is_leader {
                // Whoever leads next has its own ears.
                self.heard.clear();
            }
        }
    }

    async fn round(&mut self, state: &MetadataState) {
        self.listen(state).await;
        if let Err(error) = self.tend_states(state).await {
            tracing::debug!(%error, "a node's state is not changed");
        }
        if let Err(error) = self.tend_members(state).await {
            tracing::debug!(%error, "the metadata group's members are not changed");
        }
        if let Err(error) = self.tend_placement().await {
            tracing::debug!(%error, "the placement is not changed");
        }
    }

    /// Asks every node whether it is there.
    async fn listen(&mut self, state: &MetadataState) {
        let others = state.nodes().filter(|node| {
            node.is_member() && node.id != self.own && !node.place.peer_address.is_empty()
        });
        let cluster = self.cluster;
        let asked = others.map(|node| async move {
            let report = member_calls::report(&node.place.peer_address, false).await;
            let is_it = report
                .is_ok_and(|report| report.cluster == cluster && report.node == node.id.get());
            (node.id, is_it)
        });
        let answers = join_all(asked).await;
        let now = monotonic_now();
        self.heard.insert(self.own, now);
        for (node, answered) in answers {
            // One that was never asked before begins as if it had answered.
            let heard = self.heard.entry(node).or_insert(now);
            if answered {
                *heard = now;
            }
        }
    }

    fn silence_of(&self, node: NodeId) -> Duration {
        let heard = self.heard.get(&node);
        heard.map_or(Duration::ZERO, |heard| {
            monotonic_now().duration_since(*heard)
        })
    }

    async fn tend_states(&self, state: &MetadataState) -> Result<(), MetadataError> {
        for node in state.nodes().filter(|node| node.is_member()) {
            let lag = self.metadata.group().lag_of(node.metadata_replica);
            let heard = Heard {
                silence: self.silence_of(node.id),
                down_after: self.down_after,
                lag,
            };
            let Some(next) = heard.next_state(node) else {
                continue;
            };
            tracing::info!(
                node_id = node.id.get(),
                from = node.state.word(),
                to = next.word(),
                "node changes its state"
            );
            self.metadata
                .set_node_state(node.id, node.version, next)
                .await?;
        }
        Ok(())
    }

    /// One change of the metadata group's members, if one is due.
    async fn tend_members(&self, state: &MetadataState) -> Result<(), ConsensusError> {
        let group = self.metadata.group();
        let membership = group.membership();
        let known = |replica: &ReplicaId| {
            membership.voters.contains(replica) || membership.learners.contains(replica)
        };
        let members: Vec<NodeRecord> = state
            .nodes()
            .filter(|node| node.is_member())
            .cloned()
            .collect();
        let is_reachable =
            |node: &&NodeRecord| node.id == self.own || !node.place.peer_address.is_empty();
        for node in members.iter().filter(is_reachable) {
            if !known(&node.metadata_replica) {
                tracing::info!(
                    node_id = node.id.get(),
                    "node gets its copy of the metadata"
                );
                return group.add_learner(node.metadata_replica).await;
            }
        }
        let wanted = metadata_voters(&members, &membership.voters, group.replica());
        let has_caught_up = |replica: &ReplicaId| {
            membership.voters.contains(replica)
                || group.lag_of(*replica).is_some_and(|lag| lag <= LAG_MAX)
        };
        let is_due = membership.is_joint || wanted != membership.voters;
        if is_due && wanted.iter().all(has_caught_up) {
            let voters: Vec<u64> = wanted.iter().map(|replica| replica.get()).collect();
            tracing::info!(?voters, "voters of the metadata group change");
            return group.change_voters(wanted).await;
        }
        let ids: BTreeSet<ReplicaId> = members.iter().map(|node| node.metadata_replica).collect();
        for gone in membership
            .learners
            .iter()
            .filter(|replica| !ids.contains(replica))
        {
            group.remove_learner(*gone).await?;
        }
        Ok(())
    }

    /// Writes the steps that the planner wants next.
    async fn tend_placement(&self) -> Result<(), MetadataError> {
        let state = self.metadata.current();
        let nodes: Vec<NodeRecord> = state.nodes().cloned().collect();
        for step in plan(&nodes, state.table(), REPLICATION_FACTOR) {
            if let PlacementChange::Add { node, .. } = step.change
                && self.silence_of(node) > SILENCE_MAX
            {
                continue;
            }
            let group_id = GroupId::of_partition(step.partition);
            tracing::info!(%group_id, partition_id = step.partition.get(), change = ?step.change, "placement changes");
            self.metadata
                .change_placement(step.partition, step.expected_version, step.change)
                .await?;
        }
        Ok(())
    }
}

/// What is known of a node that may change its state.
#[derive(Debug, Clone, Copy)]
struct Heard {
    /// How long it has not answered.
    silence: Duration,
    down_after: Duration,
    /// How many entries its copy of the metadata lacks, where that is known.
    lag: Option<u64>,
}

impl Heard {
    fn next_state(self, node: &NodeRecord) -> Option<NodeState> {
        let is_there = self.silence < SILENCE_MAX;
        match node.state {
            NodeState::Joining | NodeState::Active | NodeState::Draining
                if self.silence > self.down_after =>
            {
                Some(NodeState::Down)
            }
            // It takes replicas once it has its copy of the metadata.
            NodeState::Joining => {
                let has_copy = self.lag.is_some_and(|lag| lag <= LAG_MAX);
                (has_copy && is_there).then_some(NodeState::Active)
            }
            NodeState::Down if is_there && node.drains => Some(NodeState::Draining),
            NodeState::Down => is_there.then_some(NodeState::Active),
            NodeState::Active | NodeState::Draining | NodeState::Removed => None,
        }
    }
}

#[cfg(test)]
mod tests;
