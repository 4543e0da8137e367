//! One look at the whole cluster: what the metadata says should be, and what each node says that is.
//!
//! ```text
//!   metadata (nodes, table) ─┐
//!   reports of all nodes ────┴─► Survey ─► GroupView of each group ─► findings, answers
//! ```
//!
//! Who leads is not what one replica claims: a leader counts when a majority of its voters answers and follows it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::join_all;
use journey_consensus::placement::REPLICATION_FACTOR;
use journey_consensus::{
    GroupId, MetadataHandle, MetadataState, NodeRecord, NodeState, PartitionPlacement,
    PartitionTable, ReplicaId, ReplicaRole,
};
use journey_proto::internal::{NodeReport, ReplicaReport};
use journey_types::{NodeId, PartitionId, Timestamp};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::cluster::source::SurveySource;
use crate::limits::SURVEY_ANSWER_MAX;

/// A node that is a member, and what it said.
#[derive(Debug, Clone)]
pub(super) struct SurveyedNode {
    pub(super) record: NodeRecord,
    /// Or why it said nothing.
    pub(super) report: Result<NodeReport, String>,
}

/// The cluster at one moment, as far as one node can see it.
#[derive(Debug, Clone)]
pub(super) struct Survey {
    /// The node that looked.
    pub(super) asked: NodeId,
    pub(super) cluster: u64,
    pub(super) founded_at: Timestamp,
    pub(super) version: u64,
    pub(super) nodes: BTreeMap<NodeId, SurveyedNode>,
    pub(super) table: Arc<PartitionTable>,
}

/// One replica as it should be and as it is.
#[derive(Debug, Clone)]
pub(super) struct ReplicaView<'s> {
    pub(super) replica: ReplicaId,
    pub(super) node: NodeId,
    pub(super) role: ReplicaRole,
    /// What its node says of it, or why nothing.
    pub(super) report: Result<&'s ReplicaReport, String>,
}

/// One group: its replicas, and who leads them.
#[derive(Debug, Clone)]
pub(super) struct GroupView<'s> {
    pub(super) replicas: Vec<ReplicaView<'s>>,
    /// The replica that says that it leads, in the highest term.
    claims: Option<(NodeId, &'s ReplicaReport)>,
    /// Whether a majority of its voters follows it.
    has_majority: bool,
}

impl Survey {
    /// Asks every node at once.
    async fn take(source: &dyn SurveySource, metadata: &MetadataState, own: NodeId) -> Self {
        let identity = metadata.identity();
        let cluster = identity.map_or(0, |identity| identity.origin.cluster_id);
        let members = metadata.nodes().filter(|node| node.is_member());
        let asked = members.map(|record| async move {
            let report = if record.id == own {
                Ok(source.own())
            } else {
                ask(source, cluster, record).await
            };
            let record = record.clone();
            (record.id, SurveyedNode { record, report })
        });
        Self {
            asked: own,
            cluster,
            founded_at: Timestamp::from_unix_ms(
                identity.map_or(0, |identity| identity.founded_at_ms),
            ),
            version: metadata.map_version(),
            nodes: join_all(asked).await.into_iter().collect(),
            table: Arc::clone(metadata.table()),
        }
    }

    /// Replicas that each partition should have: nodes that leave keep none, and those that are gone are missed.
    pub(super) fn replicas_wanted(&self) -> usize {
        let takes = |node: &&SurveyedNode| {
            let record = &node.record;
            record.is_member() && !record.drains && record.state != NodeState::Draining
        };
        let n_nodes = self.nodes.values().filter(takes).count();
        n_nodes.clamp(1, REPLICATION_FACTOR)
    }

    /// A partition's group.
    pub(super) fn partition(
        &self,
        partition: PartitionId,
        placement: &PartitionPlacement,
    ) -> GroupView<'_> {
        let placed = placement.replicas.iter();
        let placed = placed.map(|placed| (placed.replica, placed.node, placed.role));
        self.group(GroupId::of_partition(partition), placed)
    }

    /// The metadata group: every node has a replica, some vote.
    pub(super) fn metadata_group(&self) -> GroupView<'_> {
        let placed = self.nodes.values().map(|node| {
            let record = &node.record;
            (record.metadata_replica, record.id, ReplicaRole::Voter)
        });
        self.group(GroupId::METADATA, placed)
    }

    fn group(
        &self,
        group: GroupId,
        placed: impl Iterator<Item = (ReplicaId, NodeId, ReplicaRole)>,
    ) -> GroupView<'_> {
        let replicas = placed.map(|(replica, node, role)| ReplicaView {
            replica,
            node,
            role,
            report: self.report_of(group, replica, node),
        });
        GroupView::of(replicas.collect())
    }

    fn report_of(
        &self,
        group: GroupId,
        replica: ReplicaId,
        node: NodeId,
    ) -> Result<&ReplicaReport, String> {
        let Some(surveyed) = self.nodes.get(&node) else {
            return Err(format!("node {node} is no member any more"));
        };
        let report = surveyed.report.as_ref();
        let report = report.map_err(|silence| format!("node {node} does not answer: {silence}"))?;
        let found = report
            .replicas
            .iter()
            .find(|found| found.group == group.get() && found.replica == replica.get());
        found.ok_or_else(|| format!("node {node} does not run it, or not yet"))
    }
}

async fn ask(
    source: &dyn SurveySource,
    cluster: u64,
    record: &NodeRecord,
) -> Result<NodeReport, String> {
    let address = record.place.peer_address.clone();
    if address.is_empty() {
        return Err("it has no address for other nodes; start it with --peer-listen".to_owned());
    }
    let asked = tokio::time::timeout(SURVEY_ANSWER_MAX, source.ask(address.clone())).await;
    let report = asked.map_err(|_| {
        let seconds = SURVEY_ANSWER_MAX.as_secs();
        format!("{address} takes a connection and says nothing for {seconds} s")
    })??;
    if (report.cluster, report.node) != (cluster, record.id.get()) {
        return Err(format!(
            "node {} of cluster {:016x} answers at {address}",
            report.node, report.cluster
        ));
    }
    Ok(report)
}

impl<'s> GroupView<'s> {
    fn of(replicas: Vec<ReplicaView<'s>>) -> Self {
        let reports = || {
            replicas
                .iter()
                .filter_map(|view| Some((view.node, *view.report.as_ref().ok()?)))
        };
        let claims = reports()
            .filter(|(_, report)| report.is_leader && report.problem.is_empty())
            .max_by_key(|(_, report)| report.term);
        let has_majority = claims.is_some_and(|(_, leader)| {
            let voters: BTreeSet<u64> = leader.voters.iter().copied().collect();
            let behind = reports()
                .filter(|(_, report)| voters.contains(&report.replica) && follows(report, leader));
            behind.count() * 2 > voters.len()
        });
        Self {
            replicas,
            claims,
            has_majority,
        }
    }

    /// The node that leads with a majority behind it, and its word.
    pub(super) fn leader(&self) -> Option<(NodeId, &'s ReplicaReport)> {
        self.claims.filter(|_| self.has_majority)
    }

    /// Whether that replica follows the one that leads, or leads.
    pub(super) fn is_in_order(&self, view: &ReplicaView<'_>) -> bool {
        match (self.claims, &view.report) {
            (Some((_, leader)), Ok(report)) => follows(report, leader),
            (Some(_) | None, Ok(_) | Err(_)) => false,
        }
    }

    /// Whether it votes, as the one that leads says.
    pub(super) fn votes(&self, view: &ReplicaView<'_>) -> bool {
        let voters = self.claims.map(|(_, leader)| &leader.voters);
        voters.is_some_and(|voters| voters.contains(&view.replica.get()))
    }

    /// Replicas that vote and are in order.
    pub(super) fn n_in_order(&self) -> usize {
        let counted = self.replicas.iter();
        counted
            .filter(|view| self.votes(view) && self.is_in_order(view))
            .count()
    }

    /// Why nobody leads with a majority.
    pub(super) fn why_no_leader(&self) -> String {
        if let Some((node, leader)) = self.claims {
            let n_voters = leader.voters.len();
            let n_behind = self.n_in_order();
            return format!(
                "node {node} says that it leads, and {n_behind} of {n_voters} replicas follow it"
            );
        }
        let n_answer = self.replicas.iter().filter(|view| view.report.is_ok());
        let n_answer = n_answer.count();
        format!(
            "{n_answer} of {} replicas answer, and none of them leads",
            self.replicas.len()
        )
    }
}

fn follows(report: &ReplicaReport, leader: &ReplicaReport) -> bool {
    let is_one_of_it = report.leader == leader.replica || report.replica == leader.replica;
    report.problem.is_empty() && is_one_of_it && report.term == leader.term
}

/// The latest survey: one is under way at a time, and it serves all who asked before it began.
#[derive(Debug, Default)]
pub(super) struct Surveys {
    latest: Mutex<Option<(Instant, Arc<Survey>)>>,
}

impl Surveys {
    /// A survey that began after it was asked for: what was changed before is seen. However many ask, the nodes are
    /// asked by one of them at a time.
    pub(super) async fn fresh(
        &self,
        source: &dyn SurveySource,
        metadata: &MetadataHandle,
        own: NodeId,
    ) -> Arc<Survey> {
        let asked_at = Instant::now();
        let mut latest = self.latest.lock().await;
        if let Some((began_at, survey)) = &*latest
            && *began_at >= asked_at
        {
            return Arc::clone(survey);
        }
        let began_at = Instant::now();
        let survey = Arc::new(Survey::take(source, &metadata.current(), own).await);
        *latest = Some((began_at, Arc::clone(&survey)));
        survey
    }
}

#[cfg(test)]
pub(super) mod tests;
