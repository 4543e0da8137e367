//! What is printed of a cluster.

use journey_client::wire;
use journey_client::wire::ClusterHealth;

use super::{Health, counted, page_of, status_text};

fn status() -> wire::GetStatusResponse {
    wire::GetStatusResponse {
        cluster_id: "00000000000000ab".to_owned(),
        founded_at: None,
        asked_node: 1,
        version: 12,
        health: ClusterHealth::Degraded.into(),
        findings: vec![wire::Finding {
            severity: ClusterHealth::Degraded.into(),
            subject: "node 5".to_owned(),
            text: "does not answer".to_owned(),
            advice: "start it again".to_owned(),
        }],
        metadata: Some(wire::MetadataGroup {
            leader_node: 1,
            term: 2,
            voter_nodes: vec![1, 5],
        }),
        partitions: Some(wire::PartitionSums {
            total: 4,
            led: 4,
            under_replicated: 3,
            moving: 1,
            replicas_wanted: 2,
        }),
        nodes: Vec::new(),
        zones: 1,
        zone_safe: false,
    }
}

#[test]
fn a_status_names_what_is_wrong_and_what_to_do() {
    let text = status_text(&status());
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[1], "health      degraded");
    assert_eq!(lines[2], "  node 5: does not answer");
    assert_eq!(lines[3], "    -> start it again");
    assert_eq!(
        lines[4],
        "partitions  4 partitions on 0 nodes, all led, 2 replicas wanted of each, 3 lack some, 1 moving"
    );
    assert_eq!(lines[5], "metadata    led by node 1, term 2; voters 1, 5");
    assert!(lines[6].starts_with("zones       1, zone-unsafe"), "{text}");
}

#[test]
fn health_is_one_word_and_its_reason() {
    let health = Health {
        address: "http://127.0.0.1:7701",
        health: "unreachable",
        reason: Some("no journeyd answers".to_owned()),
        findings: Vec::new(),
    };
    let page = page_of(&health).unwrap();
    assert_eq!(
        page.text,
        "http://127.0.0.1:7701: unreachable: no journeyd answers"
    );
    assert_eq!(page.json["health"], "unreachable");
}

#[test]
fn one_thing_has_no_plural() {
    assert_eq!(counted(1_u32, "node"), "1 node");
    assert_eq!(counted(0_usize, "node"), "0 nodes");
}
