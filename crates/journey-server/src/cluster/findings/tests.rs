//! What is found in clusters that are not as they should be.

use std::sync::Arc;

use journey_consensus::NodeState;
use journey_proto::v1 as wire;
use journey_proto::v1::ClusterHealth;
use journey_types::{NodeId, PartitionId};

use super::ranges;
use crate::cluster::answers::Judged;
use crate::cluster::survey::Survey;
use crate::cluster::survey::tests::healthy;

fn status(survey: &Survey) -> wire::GetStatusResponse {
    Judged::of(survey).status()
}

fn texts(status: &wire::GetStatusResponse) -> Vec<String> {
    let findings = status.findings.iter();
    findings
        .map(|finding| format!("{}: {}", finding.subject, finding.text))
        .collect()
}

#[test]
fn nothing_is_found_where_all_is_well() {
    for n_nodes in [1, 2, 3, 5] {
        let status = status(&healthy(n_nodes, 16));
        assert_eq!(status.health(), ClusterHealth::Healthy, "{n_nodes} nodes");
        assert_eq!(texts(&status), [""; 0]);
    }
}

#[test]
fn a_node_that_is_gone_degrades_and_is_named_once_for_all_partitions() {
    let mut survey = healthy(3, 6);
    survey.silence(3);
    // Its partitions 2 and 5 were taken over.
    for partition in [2, 5] {
        for node in [1, 2] {
            let replica = survey.said_of(node, PartitionId::new(partition));
            (replica.leader, replica.term, replica.is_leader) = (1, 4, node == 1);
        }
    }
    let status = status(&survey);
    assert_eq!(status.health(), ClusterHealth::Degraded);
    assert_eq!(
        texts(&status),
        [
            "node 3: does not answer (127.0.0.1:7703): connection refused",
            "partitions 0-5: 2 of 3 replicas are in order",
        ]
    );
    assert!(
        status.findings[0].advice.contains("start it again"),
        "{status:?}"
    );
    let sums = status.partitions.unwrap();
    assert_eq!((sums.total, sums.led, sums.under_replicated), (6, 6, 6));
}

#[test]
fn what_nobody_leads_is_unhealthy_and_comes_first() {
    let mut survey = healthy(3, 6);
    survey.silence(3);
    let status = status(&survey);
    assert_eq!(status.health(), ClusterHealth::Unhealthy);
    assert_eq!(
        texts(&status)[0],
        "partitions 2, 5: no leader with a majority behind it, so their events are refused: 2 of 3 replicas answer, and \
         none of them leads"
    );
}

#[test]
fn the_side_without_a_majority_says_so() {
    let mut survey = healthy(3, 1);
    survey.silence(2);
    survey.silence(3);
    let status = status(&survey);
    assert_eq!(status.health(), ClusterHealth::Unhealthy);
    let texts = texts(&status);
    assert!(
        texts[0].contains("node 1 says that it leads, and 1 of 3 replicas follow it"),
        "{texts:#?}"
    );
    assert!(
        texts
            .iter()
            .any(|text| text.starts_with("metadata: no leader")),
        "{texts:#?}"
    );
}

#[test]
fn a_leader_whose_work_does_not_move_is_unhealthy() {
    let mut survey = healthy(3, 2);
    let said = survey.said(1);
    said.serving = false;
    said.problems =
        vec!["progress: partition 0: applying: entry 4 is the last, for 9 s".to_owned()];
    let status = status(&survey);
    assert_eq!(status.health(), ClusterHealth::Unhealthy);
    assert!(texts(&status)[0].starts_with("node 1: not serving: progress: partition 0"));
    let partitions = Judged::of(&survey).partitions();
    assert_eq!(partitions[0].health(), ClusterHealth::Unhealthy);
    assert_eq!(partitions[1].health(), ClusterHealth::Healthy);
}

#[test]
fn a_follower_that_does_not_serve_degrades() {
    let mut survey = healthy(3, 1);
    let said = survey.said(2);
    said.serving = false;
    said.problems = vec!["phase: the node is draining".to_owned()];
    assert_eq!(status(&survey).health(), ClusterHealth::Degraded);
}

#[test]
fn metadata_without_a_leader_degrades_while_events_go_on() {
    let mut survey = healthy(3, 1);
    for node in 1..=3 {
        let metadata = &mut survey.said(node).replicas[0];
        (metadata.leader, metadata.is_leader) = (0, false);
    }
    let status = status(&survey);
    assert_eq!(status.health(), ClusterHealth::Degraded);
    assert_eq!(status.metadata.as_ref().unwrap().leader_node, 0);
    assert!(texts(&status)[0].contains("publishes, joins and moves wait"));
}

#[test]
fn zones_are_safe_when_each_replica_has_its_own() {
    let mut survey = healthy(3, 2);
    assert!(!status(&survey).zone_safe, "none is named");
    for (node, zone) in [(1, "a"), (2, "b"), (3, "c")] {
        let node = survey.nodes.get_mut(&NodeId::new(node)).unwrap();
        node.record.place.zone = zone.to_owned();
    }
    assert!(status(&survey).zone_safe);
    let table = Arc::make_mut(&mut survey.table);
    table.partitions[1].replicas.truncate(2);
    assert!(!status(&survey).zone_safe, "one partition lacks a replica");
}

#[test]
fn a_node_that_leaves_is_not_missed() {
    let mut survey = healthy(4, 1);
    let node = survey.nodes.get_mut(&NodeId::new(4)).unwrap();
    node.record.state = NodeState::Draining;
    assert_eq!(status(&survey).health(), ClusterHealth::Healthy);
}

#[test]
fn numbers_that_follow_one_another_are_drawn_together() {
    let text = |numbers: &[u32]| ranges(numbers.iter().copied());
    assert_eq!(text(&[]), "");
    assert_eq!(text(&[3]), "3");
    assert_eq!(text(&[0, 1, 4, 5, 6, 9]), "0, 1, 4-6, 9");
}
