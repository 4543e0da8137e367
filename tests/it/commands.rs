//! Every command and RPC has a test; this list is held against the programs themselves.

use std::collections::BTreeSet;

use crate::world::programs;

/// Command or RPC, and the test that shows it.
const SHOWN_BY: &[(&str, &str)] = &[
    ("journeyd start", "every test with a node"),
    ("journeyd demo", "demo::the_demo_runs_restarts_and_goes_on"),
    (
        "journeyctl journey check",
        "authoring::check_reports_every_problem_with_its_place",
    ),
    (
        "journeyctl journey test",
        "authoring::embedded_tests_pass_or_say_what_differs",
    ),
    (
        "journeyctl journey publish",
        "authoring::publish_list_show_and_counts",
    ),
    (
        "journeyctl journey list",
        "authoring::publish_list_show_and_counts",
    ),
    (
        "journeyctl journey show",
        "authoring::publish_list_show_and_counts",
    ),
    (
        "journeyctl journey counts",
        "authoring::publish_list_show_and_counts",
    ),
    (
        "journeyctl journey enroll",
        "enroll::customers_enter_by_the_api_and_each_is_answered_for_itself",
    ),
    (
        "JourneyService/Enroll",
        "enroll::customers_enter_by_the_api_and_each_is_answered_for_itself",
    ),
    (
        "journeyctl ingest",
        "ingest::files_are_read_counted_and_reported",
    ),
    (
        "journeyctl customer show",
        "customers::show_timeline_and_export",
    ),
    (
        "journeyctl customer timeline",
        "customers::show_timeline_and_export",
    ),
    (
        "journeyctl customer export",
        "customers::show_timeline_and_export",
    ),
    (
        "journeyctl cluster health",
        "health::a_wedge_is_flagged_with_its_reason_and_cleared_when_it_moves",
    ),
    (
        "journeyctl worker",
        "effects::the_worker_command_prints_and_acknowledges",
    ),
    (
        "journeyctl simulate",
        "simulate::a_simulation_counts_what_would_happen",
    ),
    (
        "loadtest run",
        "load::advance_proves_its_sums_against_a_floor",
    ),
    (
        "loadtest list",
        "load::scenarios_are_listed_and_what_is_wrong_with_one_is_said",
    ),
    (
        "loadtest show",
        "load::a_run_that_cannot_prove_its_sums_fails_with_what_is_missing",
    ),
    ("loadtest floor", "load::the_floor_alone_can_be_measured"),
    ("loadtest suite", "load::a_suite_writes_reports_and_a_table"),
    (
        "loadtest compare",
        "load::advance_proves_its_sums_against_a_floor",
    ),
    (
        "IngestService/Ingest",
        "ingest::a_batch_is_answered_event_by_event",
    ),
    (
        "IngestService/IngestStream",
        "ingest::batches_of_a_stream_are_answered_in_order",
    ),
    (
        "JourneyService/CheckJourneys",
        "authoring::check_reports_every_problem_with_its_place",
    ),
    (
        "JourneyService/PublishJourneys",
        "authoring::publish_list_show_and_counts",
    ),
    (
        "JourneyService/AwaitRevision",
        "authoring::publish_list_show_and_counts",
    ),
    (
        "JourneyService/ListJourneys",
        "authoring::publish_list_show_and_counts",
    ),
    (
        "JourneyService/GetJourney",
        "authoring::publish_list_show_and_counts",
    ),
    (
        "JourneyService/GetJourneyCounts",
        "authoring::publish_list_show_and_counts",
    ),
    (
        "CustomerService/GetCustomer",
        "customers::show_timeline_and_export",
    ),
    (
        "CustomerService/ListCustomers",
        "customers::show_timeline_and_export",
    ),
    (
        "CustomerService/ListInstances",
        "customers::show_timeline_and_export",
    ),
    (
        "CustomerService/GetTimeline",
        "customers::show_timeline_and_export",
    ),
    (
        "WorkerService/Work",
        "effects::an_effect_comes_back_until_it_is_settled",
    ),
    (
        "WorkerService/Settle",
        "effects::a_hand_over_is_confirmed_until_it_is_settled",
    ),
    (
        "WorkerService/Confirm",
        "effects::a_hand_over_is_confirmed_until_it_is_settled",
    ),
    (
        "journeyctl deadletter list",
        "dead_letters::a_dead_letter_is_listed_read_replayed_and_discarded",
    ),
    (
        "journeyctl deadletter read",
        "dead_letters::a_dead_letter_is_listed_read_replayed_and_discarded",
    ),
    (
        "journeyctl deadletter replay",
        "dead_letters::a_dead_letter_is_listed_read_replayed_and_discarded",
    ),
    (
        "journeyctl deadletter discard",
        "dead_letters::a_dead_letter_is_listed_read_replayed_and_discarded",
    ),
    (
        "DeadLetterService/ListDeadLetters",
        "dead_letters::a_dead_letter_is_listed_read_replayed_and_discarded",
    ),
    (
        "DeadLetterService/GetDeadLetter",
        "dead_letters::a_dead_letter_is_listed_read_replayed_and_discarded",
    ),
    (
        "DeadLetterService/ReplayDeadLetters",
        "dead_letters::a_dead_letter_is_listed_read_replayed_and_discarded",
    ),
    (
        "DeadLetterService/DiscardDeadLetters",
        "dead_letters::a_dead_letter_is_listed_read_replayed_and_discarded",
    ),
    (
        "journeyctl quarantine list",
        "dead_letters::a_poison_event_is_quarantined_and_survives_a_crash",
    ),
    (
        "journeyctl quarantine show",
        "dead_letters::a_poison_event_is_quarantined_and_survives_a_crash",
    ),
    (
        "journeyctl quarantine replay",
        "dead_letters::a_poison_event_is_quarantined_and_survives_a_crash",
    ),
    (
        "journeyctl quarantine discard",
        "dead_letters::a_poison_event_is_quarantined_and_survives_a_crash",
    ),
    (
        "journeyctl quarantine release",
        "dead_letters::a_poison_event_is_quarantined_and_survives_a_crash",
    ),
    (
        "QuarantineService/ListQuarantined",
        "dead_letters::a_poison_event_is_quarantined_and_survives_a_crash",
    ),
    (
        "QuarantineService/GetQuarantined",
        "dead_letters::a_poison_event_is_quarantined_and_survives_a_crash",
    ),
    (
        "QuarantineService/ReplayQuarantined",
        "dead_letters::a_poison_event_is_quarantined_and_survives_a_crash",
    ),
    (
        "QuarantineService/DiscardQuarantined",
        "dead_letters::a_poison_event_is_quarantined_and_survives_a_crash",
    ),
    (
        "journeyctl cluster status",
        "sre::any_node_tells_of_the_whole_cluster_and_what_is_wrong_with_it",
    ),
    (
        "journeyctl node list",
        "sre::any_node_tells_of_the_whole_cluster_and_what_is_wrong_with_it",
    ),
    (
        "journeyctl partition list",
        "sre::any_node_tells_of_the_whole_cluster_and_what_is_wrong_with_it",
    ),
    (
        "journeyctl partition describe",
        "sre::any_node_tells_of_the_whole_cluster_and_what_is_wrong_with_it",
    ),
    (
        "journeyctl partition transfer-leader",
        "sre::any_node_tells_of_the_whole_cluster_and_what_is_wrong_with_it",
    ),
    (
        "ClusterService/GetStatus",
        "sre::any_node_tells_of_the_whole_cluster_and_what_is_wrong_with_it",
    ),
    (
        "ClusterService/ListNodes",
        "sre::any_node_tells_of_the_whole_cluster_and_what_is_wrong_with_it",
    ),
    (
        "ClusterService/ListPartitions",
        "sre::any_node_tells_of_the_whole_cluster_and_what_is_wrong_with_it",
    ),
    (
        "ClusterService/DescribePartition",
        "sre::any_node_tells_of_the_whole_cluster_and_what_is_wrong_with_it",
    ),
    (
        "ClusterService/TransferLeader",
        "sre::any_node_tells_of_the_whole_cluster_and_what_is_wrong_with_it",
    ),
    (
        "journeyd dev",
        "dev::one_command_runs_three_nodes_and_leaves_none_behind",
    ),
    (
        "journeyctl node drain",
        "sre::a_node_is_drained_taken_back_and_removed",
    ),
    (
        "journeyctl node undrain",
        "sre::a_node_is_drained_taken_back_and_removed",
    ),
    (
        "journeyctl node remove",
        "sre::a_node_is_drained_taken_back_and_removed",
    ),
    (
        "ClusterService/DrainNode",
        "sre::a_node_is_drained_taken_back_and_removed",
    ),
    (
        "ClusterService/UndrainNode",
        "sre::a_node_is_drained_taken_back_and_removed",
    ),
    (
        "ClusterService/RemoveNode",
        "sre::a_node_is_drained_taken_back_and_removed",
    ),
    (
        "ClusterService/GetTable",
        "sre::the_table_says_where_each_customer_lies_and_who_leads_there",
    ),
    (
        "QuarantineService/ReleaseCustomer",
        "dead_letters::a_poison_event_is_quarantined_and_survives_a_crash",
    ),
    (
        "grpc.health.v1.Health/Check",
        "api::health_and_reflection_answer",
    ),
    (
        "grpc.reflection.v1.ServerReflection",
        "api::health_and_reflection_answer",
    ),
];

fn help(program: &str, words: &[&str]) -> String {
    let output = programs()
        .command(program)
        .args(words)
        .arg("--help")
        .output()
        .expect("the programs are built with the tests");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Subcommands of a help text.
fn subcommands(help: &str) -> Vec<String> {
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|word| *word != "help")
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_command_has_a_test() {
    let mut found = BTreeSet::new();
    for program in ["journeyd", "journeyctl", "loadtest"] {
        let commands = subcommands(&help(program, &[]));
        assert!(!commands.is_empty(), "{program} --help lists no commands");
        for command in commands {
            let inner = subcommands(&help(program, &[&command]));
            if inner.is_empty() {
                found.insert(format!("{program} {command}"));
            }
            found.extend(
                inner
                    .iter()
                    .map(|verb| format!("{program} {command} {verb}")),
            );
        }
    }
    let shown: BTreeSet<String> = SHOWN_BY
        .iter()
        .map(|(command, _)| (*command).to_owned())
        .filter(|command| command.starts_with("journey") || command.starts_with("loadtest"))
        .collect();
    assert_eq!(
        found, shown,
        "the list in tests/it/commands.rs and the programs differ"
    );
}

#[test]
fn every_test_of_the_list_exists() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("it");
    for (command, test) in SHOWN_BY {
        // `journeyd start` alone is shown by every test with a node.
        let Some((module, name)) = test.split_once("::") else {
            assert_eq!(*command, "journeyd start");
            continue;
        };
        let text = std::fs::read_to_string(folder.join(format!("{module}.rs"))).unwrap();
        assert!(
            text.contains(&format!("fn {name}(")),
            "{command} names {test}, which is not there"
        );
    }
}

#[test]
fn every_rpc_has_a_test() {
    let proto = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/journey/v1");
    let mut found = BTreeSet::new();
    for file in std::fs::read_dir(proto).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let mut service = "";
        for line in text.lines() {
            let words: Vec<&str> = line
                .split([' ', '('])
                .filter(|word| !word.is_empty())
                .collect();
            match words.as_slice() {
                ["service", name, ..] => service = name,
                ["rpc", name, ..] => {
                    found.insert(format!("{service}/{name}"));
                }
                _ => {}
            }
        }
    }
    let shown: BTreeSet<String> = SHOWN_BY
        .iter()
        .map(|(command, _)| (*command).to_owned())
        .filter(|command| command.contains("Service/"))
        .collect();
    assert_eq!(
        found, shown,
        "the list in tests/it/commands.rs and the services differ"
    );
}
