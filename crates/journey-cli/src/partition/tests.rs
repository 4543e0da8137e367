//! What is printed of partitions.

use journey_client::wire;
use journey_client::wire::ClusterHealth;
use journey_client::wire::partition_replica::Role;

use super::{describe_text, list_text};

fn partition() -> wire::Partition {
    let replica = |node: u64, role: Role| wire::PartitionReplica {
        replica: node + 10,
        node,
        role: role.into(),
        answers: true,
        follows: true,
        votes: true,
        term: 4,
        last_index: 90,
        applied_index: 90,
        ..Default::default()
    };
    wire::Partition {
        partition: 3,
        health: ClusterHealth::Degraded.into(),
        problems: vec!["2 of 3 replicas are in order".to_owned()],
        leader_node: 1,
        term: 4,
        preferred_node: 2,
        last_index: 92,
        first_slot: 768,
        last_slot: 1_023,
        replicas: vec![
            wire::PartitionReplica {
                leads: true,
                ..replica(1, Role::Voter)
            },
            wire::PartitionReplica {
                lag: 2,
                ..replica(2, Role::Voter)
            },
            wire::PartitionReplica {
                answers: false,
                follows: false,
                ..replica(3, Role::Leaving)
            },
            replica(4, Role::Joining),
        ],
        version: 7,
    }
}

fn words(text: &str) -> Vec<Vec<&str>> {
    text.lines()
        .map(|line| line.split_whitespace().collect())
        .collect()
}

#[test]
fn a_list_marks_replicas_that_move_or_are_silent() {
    let text = list_text(&[partition()]);
    assert_eq!(
        words(&text)[1],
        [
            "3",
            "degraded",
            "1",
            "4",
            "1",
            "2",
            "3:leaving:silent",
            "4:joining",
            "2",
            "92",
            "768-1023"
        ]
    );
}

#[test]
fn a_description_says_who_leads_and_who_should() {
    let text = describe_text(&partition());
    assert!(
        text.contains("leader     node 1, term 4; node 2 should lead"),
        "{text}"
    );
    assert!(
        text.contains("problem    2 of 3 replicas are in order"),
        "{text}"
    );
    let rows = words(&text);
    let of = |node: &str| {
        let row = rows.iter().find(|row| row.first() == Some(&node));
        row.cloned().unwrap_or_default()
    };
    assert_eq!(of("1")[2..5], ["voter", "leads", "yes"]);
    assert_eq!(of("2")[2..5], ["voter", "follows", "yes"]);
    assert_eq!(of("3")[2..6], ["leaving", "silent", "yes", "-"]);
}
