//! The load harness, tiny: its sums must hold; its speed is nobody's business here.

use std::path::Path;

use serde_json::Value;

use crate::world::{programs, write_file};

/// What every tiny run is told.
const TINY: [&str; 12] = [
    "--seconds",
    "1",
    "--warm-up",
    "1",
    "--customers",
    "150",
    "--events",
    "1000",
    "--rate-factor",
    "0.1",
    "-o",
    "json",
];

fn run(arguments: &[&str]) -> anyhow::Result<std::process::Output> {
    Ok(programs().command("loadtest").args(arguments).output()?)
}

/// Runs a scenario and expects its sums to be proven.
fn proven(scenario: &str, more: &[&str]) -> anyhow::Result<Value> {
    let output = run(&[&["run", scenario], more, &TINY[..]].concat())?;
    report_of(scenario, &output)
}

fn report_of(scenario: &str, output: &std::process::Output) -> anyhow::Result<Value> {
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{scenario}: {stderr}");
    let report: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(report["sums_proven"], true);
    assert!(report["events"].as_u64().unwrap() > 0, "{report}");
    Ok(report)
}

fn phase<'a>(report: &'a Value, name: &str) -> &'a Value {
    let phases = report["phases"].as_array().unwrap();
    let found = phases.iter().find(|phase| phase["name"] == name);
    found.unwrap_or_else(|| panic!("no phase {name} in {report}"))
}

const NO_FLOOR: [&str; 2] = ["--floor-seconds", "0"];
const FLOOR: [&str; 2] = ["--floor-seconds", "1"];

#[test]
fn advance_proves_its_sums_against_a_floor() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let html = folder.path().join("report.html");
    let html_path = html.display().to_string();
    let report = proven("advance", &[&FLOOR[..], &["--report", &html_path]].concat())?;
    assert!(report["share_of_floor"].as_f64().unwrap() > 0.0, "{report}");
    assert!(report["ack_latency_ms"]["p99"].as_f64().unwrap() > 0.0);
    let half = phase(&report, "half");
    assert!(half["offered_per_second"].as_f64().unwrap() > 0.0, "{half}");
    assert!(!report["samples"].as_array().unwrap().is_empty());
    let html = std::fs::read_to_string(html)?;
    for part in ["<svg", "Throughput", "Timer lateness", "Every sum holds"] {
        assert!(html.contains(part), "no {part} in the report");
    }
    assert!(
        !html.contains("<script") && !html.contains("http"),
        "it fetches something"
    );
    // A run against itself has not changed.
    let json = write_file(folder.path(), "a.json", &report.to_string())?;
    let output = run(&["compare", &json, &json])?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("+0.0 %"), "{text}");
    Ok(())
}

#[test]
fn events_that_touch_only_the_profile_are_all_in_history() -> anyhow::Result<()> {
    let report = proven("ingest", &NO_FLOOR)?;
    assert_eq!(report["share_of_floor"], Value::Null);
    Ok(())
}

#[test]
fn single_events_prove_their_sums_against_a_floor_of_single_events() -> anyhow::Result<()> {
    let report = proven("unary", &[&FLOOR[..], &["--connections", "8"]].concat())?;
    assert_eq!(report["floor"]["form"], "calls");
    assert_eq!(report["floor"]["batch"], 1);
    Ok(())
}

#[test]
fn the_shop_accounts_for_every_effect_duplicate_and_bad_event() -> anyhow::Result<()> {
    let report = proven("mixed", &[&NO_FLOOR[..], &["--batch", "32"]].concat())?;
    assert!(
        report["effects"]["distinct"].as_u64().unwrap() > 0,
        "{report}"
    );
    assert!(report["effect_latency_ms"]["p99"].as_f64().unwrap() > 0.0);
    Ok(())
}

#[test]
fn a_storm_fires_every_timer_once() -> anyhow::Result<()> {
    let report = proven("timers", &NO_FLOOR)?;
    assert!(report["timer_lateness_ms"]["p99"].as_f64().unwrap() > 0.0);
    Ok(())
}

#[test]
fn a_hot_customer_loses_nothing() -> anyhow::Result<()> {
    proven("hot", &NO_FLOOR).map(drop)
}

#[test]
fn a_burst_loses_nothing() -> anyhow::Result<()> {
    let report = proven("burst", &NO_FLOOR)?;
    let (calm, burst) = (phase(&report, "calm"), phase(&report, "burst"));
    let offered = |phase: &Value| phase["offered_per_second"].as_f64().unwrap();
    assert!(offered(burst) > 9.0 * offered(calm));
    Ok(())
}

#[test]
fn what_gets_through_an_overload_is_accounted_for() -> anyhow::Result<()> {
    let report = proven("overload", &NO_FLOOR)?;
    let offered = phase(&report, "five times")["offered_per_second"].as_f64();
    let capacity = phase(&report, "capacity")["events_per_second"].as_f64();
    assert!(
        (offered.unwrap() / capacity.unwrap() - 5.0).abs() < 0.01,
        "{report}"
    );
    Ok(())
}

#[test]
fn restarts_lose_nothing_and_tell_the_time_to_the_first_answer() -> anyhow::Result<()> {
    let report = proven("restart", &NO_FLOOR)?;
    for name in ["kill with a tenth", "stop with all"] {
        let first = phase(&report, name)["first_ack_ms"].as_f64();
        assert!(first.unwrap() > 0.0, "{report}");
    }
    Ok(())
}

#[test]
fn history_is_counted_in_events() -> anyhow::Result<()> {
    let report = proven("history", &NO_FLOOR)?;
    assert_eq!(phase(&report, "history")["events"], 1_000);
    Ok(())
}

#[test]
fn a_suite_writes_reports_and_a_table() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let out = folder.path().join("results");
    let out_path = out.display().to_string();
    let output = run(&["suite", "--tiny", "--only", "soak", "--out", &out_path])?;
    assert!(output.status.success(), "{output:?}");
    let table = std::fs::read_to_string(out.join("table.md"))?;
    assert!(table.contains("| `soak`, 300 customers |"), "{table}");
    assert!(Path::new(&out).join("soak.html").is_file());
    let report: Value = serde_json::from_str(&std::fs::read_to_string(out.join("soak.json"))?)?;
    assert_eq!(report["sums_proven"], true);
    Ok(())
}

#[test]
fn a_run_that_cannot_prove_its_sums_fails_with_what_is_missing() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let shown = run(&["show", "ingest"])?;
    let text = String::from_utf8(shown.stdout)?;
    // Somebody expects as many entries as events, and nobody enters; the node gets a configuration of its own.
    let text = text.replace(
        "[customers]\n",
        "sums = [\"counts.counted.entered = accepted.identify\"]\nsettle = \"1s\"\n[node.config]\npartitions = 2\n[customers]\n",
    );
    let file = write_file(folder.path(), "wrong.toml", &text)?;
    let output = run(&[&["run", &file], &NO_FLOOR[..], &TINY[..]].concat())?;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    let missing = "counts.counted.entered = accepted.identify: 0 on the left, ";
    assert!(stderr.contains(missing), "{stderr}");
    let report: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(report["sums_proven"], false);
    Ok(())
}

#[test]
fn scenarios_are_listed_and_what_is_wrong_with_one_is_said() -> anyhow::Result<()> {
    let listed = String::from_utf8(run(&["list"])?.stdout)?;
    assert!(listed.lines().count() >= 10, "{listed}");
    let output = run(&["run", "advanec"])?;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        stderr.contains("there is no scenario `advanec`; there are ingest, advance"),
        "{stderr}"
    );
    Ok(())
}

#[test]
fn the_floor_alone_can_be_measured() -> anyhow::Result<()> {
    let output = run(&[
        "floor",
        "--seconds",
        "1",
        "--connections",
        "4",
        "-o",
        "json",
    ])?;
    let floors: Value = serde_json::from_slice(&output.stdout)?;
    for (scenario, form) in [("advance", "stream"), ("unary", "calls")] {
        let floor = &floors[scenario];
        assert_eq!(floor["form"], form);
        assert!(
            floor["events_per_second"].as_f64().unwrap() > 0.0,
            "{floor}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_node_that_runs_already_is_measured_and_left_running() -> anyhow::Result<()> {
    let world = crate::world::World::start().await?;
    let at = [
        "--address",
        world.node.address(),
        "--http",
        world.node.http(),
    ];
    for _ in 0..2 {
        // The second run finds what the first one counted, and proves its own sums all the same.
        let report = proven("advance", &[&NO_FLOOR[..], &at[..]].concat())?;
        let sums = report["sums"].as_array().unwrap();
        assert!(
            sums.iter()
                .any(|sum| sum["sum"] == "node.accepted = accepted"),
            "{report}"
        );
    }
    assert!(world.client.is_serving().await?);
    Ok(())
}

#[test]
fn replication_is_measured_against_one_node_in_the_same_run() -> anyhow::Result<()> {
    // Few partitions and patient elections: other tests keep the cores busy.
    let calm = [
        ("JOURNEY__PARTITIONS", "3"),
        ("JOURNEY__RAFT__HEARTBEAT_INTERVAL", "100ms"),
        ("JOURNEY__RAFT__ELECTION_TIMEOUT_MIN", "1s"),
        ("JOURNEY__RAFT__ELECTION_TIMEOUT_MAX", "2s"),
    ];
    let programs = calm.iter().fold(programs(), |programs, (name, value)| {
        programs.with_environment(name, value)
    });
    let arguments = [&["run", "replication"], &NO_FLOOR[..], &TINY[..]].concat();
    let output = programs.command("loadtest").args(arguments).output()?;
    let report = report_of("replication", &output)?;
    assert_eq!(report["nodes"], 3);
    let (alone, ratio) = (
        &report["one_node"]["events_per_second"],
        &report["replication_ratio"],
    );
    let together = report["events_per_second"].as_f64().unwrap();
    let product = alone.as_f64().unwrap() * ratio.as_f64().unwrap();
    assert!((product / together - 1.0).abs() < 1e-6, "{report}");
    let sums = report["sums"].as_array().unwrap();
    for sum in [
        "node.accepted = accepted",
        "one node: node.accepted = accepted",
    ] {
        assert!(sums.iter().any(|proof| proof["sum"] == sum), "{report}");
    }
    Ok(())
}

#[tokio::test]
async fn effects_of_a_cluster_that_runs_already_are_counted_over_all_its_nodes()
-> anyhow::Result<()> {
    let cluster = tests::ClusterProcess::start(&programs(), 3, 3).await?;
    let mut at = Vec::new();
    for node in cluster.nodes() {
        at.extend(["--address", node.address(), "--http", node.http()]);
    }
    let report = proven(
        "mixed",
        &[&NO_FLOOR[..], &["--batch", "32"], &at[..]].concat(),
    )?;
    assert_eq!(report["nodes"], 3);
    assert!(
        report["effects"]["distinct"].as_u64().unwrap() > 0,
        "{report}"
    );
    Ok(())
}
