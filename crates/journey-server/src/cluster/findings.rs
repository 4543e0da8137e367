//! What is not as it should be, why, and what to do: health is progress, so what counts is who is followed and what moves,
//! not which process is there.

use std::collections::BTreeMap;

use journey_consensus::{NodeState, PartitionPlacement, ReplicaRole};
use journey_proto::v1 as wire;
use journey_proto::v1::ClusterHealth;
use journey_types::{NodeId, PartitionId};

use crate::cluster::survey::{GroupView, Survey, SurveyedNode};

/// What is said of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PartitionVerdict {
    pub(super) health: ClusterHealth,
    /// Why it is not healthy.
    pub(super) problems: Vec<String>,
    pub(super) leader: Option<NodeId>,
    pub(super) n_in_order: usize,
    pub(super) is_moving: bool,
}

/// Judges one partition.
pub(super) fn judge(
    survey: &Survey,
    partition: PartitionId,
    placement: &PartitionPlacement,
    group: &GroupView<'_>,
) -> PartitionVerdict {
    let wanted = survey.replicas_wanted();
    let n_in_order = group.n_in_order();
    let leader = group.leader().map(|(node, _)| node);
    let mut problems = Vec::new();
    let stuck = leader.map_or_else(Vec::new, |node| stuck_at(survey, node, partition));
    let health = if leader.is_none() {
        problems.push(group.why_no_leader());
        ClusterHealth::Unhealthy
    } else if !stuck.is_empty() {
        problems.extend(stuck);
        ClusterHealth::Unhealthy
    } else if n_in_order < wanted {
        problems.push(format!("{n_in_order} of {wanted} replicas are in order"));
        ClusterHealth::Degraded
    } else {
        ClusterHealth::Healthy
    };
    if health != ClusterHealth::Healthy {
        let silent = group.replicas.iter();
        let silent = silent.filter_map(|view| match &view.report {
            Err(reason) => Some(reason.clone()),
            Ok(report) if !report.problem.is_empty() => {
                Some(format!("node {}: {}", view.node, report.problem))
            }
            Ok(_) => None,
        });
        problems.extend(silent);
    }
    PartitionVerdict {
        health,
        problems,
        leader,
        n_in_order,
        is_moving: !placement.is_settled(),
    }
}

/// What a node says of that partition: stopped, or with work that does not move.
fn stuck_at(survey: &Survey, node: NodeId, partition: PartitionId) -> Vec<String> {
    let report = survey
        .nodes
        .get(&node)
        .and_then(|node| node.report.as_ref().ok());
    let (named, stopped) = (
        format!("partition {partition}:"),
        format!("partition {partition} stopped:"),
    );
    let problems = report.iter().flat_map(|report| &report.problems);
    problems
        .filter(|problem| problem.contains(&named) || problem.contains(&stopped))
        .cloned()
        .collect()
}

/// Everything that is not as it should be, the worst first.
pub(super) fn findings(
    survey: &Survey,
    verdicts: &BTreeMap<PartitionId, PartitionVerdict>,
) -> Vec<wire::Finding> {
    let mut findings = Vec::new();
    findings.extend(without_leader(verdicts));
    for node in survey.nodes.values() {
        findings.extend(node_finding(node, verdicts));
    }
    findings.extend(metadata_finding(survey));
    findings.extend(under_replicated(survey, verdicts));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

/// The worst of them.
pub(super) fn health_of(findings: &[wire::Finding]) -> ClusterHealth {
    let worst = findings.iter().map(wire::Finding::severity).max();
    worst.unwrap_or(ClusterHealth::Healthy)
}

fn finding(severity: ClusterHealth, subject: String, text: String, advice: &str) -> wire::Finding {
    wire::Finding {
        severity: severity.into(),
        subject,
        text,
        advice: advice.to_owned(),
    }
}

fn without_leader(verdicts: &BTreeMap<PartitionId, PartitionVerdict>) -> Option<wire::Finding> {
    let leaderless = || {
        verdicts
            .iter()
            .filter(|(_, verdict)| verdict.leader.is_none())
    };
    let (_, first) = leaderless().next()?;
    let which = ranges(leaderless().map(|(partition, _)| partition.get()));
    let why = first.problems.first().map_or("", String::as_str);
    Some(finding(
        ClusterHealth::Unhealthy,
        format!("partitions {which}"),
        format!("no leader with a majority behind it, so their events are refused: {why}"),
        "an election takes about a second; where it lasts, start the nodes that do not answer: a majority of the replicas \
         must be there (journeyctl partition describe N)",
    ))
}

fn node_finding(
    node: &SurveyedNode,
    verdicts: &BTreeMap<PartitionId, PartitionVerdict>,
) -> Option<wire::Finding> {
    let record = &node.record;
    let subject = format!("node {}", record.id);
    let report = match &node.report {
        Ok(report) if report.serving => return None,
        Ok(report) => report,
        Err(silence) => {
            let text = format!("does not answer ({}): {silence}", record.place.api_address);
            let advice = match record.state {
                NodeState::Down => {
                    "its replicas are rebuilt where there are other nodes; start it again with its --data-dir and it \
                     catches up, or `journeyctl node remove` it"
                }
                NodeState::Joining
                | NodeState::Active
                | NodeState::Draining
                | NodeState::Removed => {
                    "start it again with its --data-dir and it catches up; after `cluster.down-after` its replicas are \
                     rebuilt elsewhere"
                }
            };
            return Some(finding(ClusterHealth::Degraded, subject, text, advice));
        }
    };
    let leads = verdicts
        .values()
        .any(|verdict| verdict.leader == Some(record.id));
    let severity = if leads {
        ClusterHealth::Unhealthy
    } else {
        ClusterHealth::Degraded
    };
    Some(finding(
        severity,
        subject,
        format!("not serving: {}", report.problems.join("; ")),
        "its log and its /healthz?verbose say more",
    ))
}

fn metadata_finding(survey: &Survey) -> Option<wire::Finding> {
    let group = survey.metadata_group();
    if group.leader().is_some() {
        return None;
    }
    Some(finding(
        ClusterHealth::Degraded,
        "metadata".to_owned(),
        format!(
            "no leader: {}; events, timers and effects go on, publishes, joins and moves wait",
            group.why_no_leader()
        ),
        "start the nodes that do not answer: a majority of its voters must be there",
    ))
}

/// One finding for all partitions that lack as many replicas: a node that is gone is in many.
fn under_replicated(
    survey: &Survey,
    verdicts: &BTreeMap<PartitionId, PartitionVerdict>,
) -> Vec<wire::Finding> {
    let wanted = survey.replicas_wanted();
    let mut by_number: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
    for (partition, verdict) in verdicts {
        if verdict.leader.is_some() && verdict.n_in_order < wanted {
            let partitions = by_number.entry(verdict.n_in_order).or_default();
            partitions.push(partition.get());
        }
    }
    let moves = verdicts.values().any(|verdict| verdict.is_moving);
    let silent = survey.nodes.values().any(|node| node.report.is_err());
    let advice = if moves {
        "replicas are on their way; watch `journeyctl partition list --watch`"
    } else if silent {
        "they are there again when the nodes that do not answer are"
    } else {
        "replicas are placed within seconds where there are nodes for them; `journeyctl partition describe N` says \
         which one lacks"
    };
    by_number
        .into_iter()
        .map(|(n_in_order, partitions)| {
            finding(
                ClusterHealth::Degraded,
                format!("partitions {}", ranges(partitions.into_iter())),
                format!("{n_in_order} of {wanted} replicas are in order"),
                advice,
            )
        })
        .collect()
}

/// Whether any one zone may be lost: the replicas of each partition lie in as many zones as there are replicas.
pub(super) fn is_zone_safe(survey: &Survey) -> bool {
    let zone_of = |node: NodeId| {
        let node = survey.nodes.get(&node);
        node.map(|node| node.record.place.zone.as_str())
    };
    survey.replicas_wanted() >= 3
        && survey.table.partitions.iter().all(|placement| {
            let voters = placement.of_role(ReplicaRole::Voter);
            let mut zones: Vec<_> = voters.filter_map(|placed| zone_of(placed.node)).collect();
            let n_voters = zones.len();
            zones.sort_unstable();
            zones.dedup();
            zones.len() == n_voters && n_voters >= 3
        })
}

/// Numbers in rising order, those that follow one another as `first-last`.
fn ranges(numbers: impl Iterator<Item = u32>) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if number == *last + 1 => *last = number,
            Some(_) | None => runs.push((number, number)),
        }
    }
    let texts = runs.into_iter().map(|(first, last)| match last - first {
        0 => first.to_string(),
        1 => format!("{first}, {last}"),
        _ => format!("{first}-{last}"),
    });
    texts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests;
