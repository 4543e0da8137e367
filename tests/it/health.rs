//! What a node tells of itself: probes, metrics, a wedge with its reason.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Duration;

use journey_client::{Client, wire};
use tests::{Ctl, NodeProcess, http_get, slow_tests_wanted, wait_until};
use tokio::time::Instant;
use tonic::transport::Endpoint;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::world::{World, accept, event, programs, publish};

const HELLO: &str = "\
journey: hello
entry: [ { event: signed_up } ]
steps:
  rest: { delay: 100ms, next: end }
";

/// A node that hangs or is slow as its file `.hang` says.
pub(crate) struct Hanging {
    pub(crate) node: NodeProcess,
    pub(crate) client: Client,
    file: std::path::PathBuf,
    _folder: tempfile::TempDir,
}

impl Hanging {
    pub(crate) async fn start(arguments: &[&str], config: &str) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let data = folder.path().join("data");
        let mut all: Vec<std::ffi::OsString> = arguments.iter().map(Into::into).collect();
        let path = crate::world::write_file(folder.path(), "node.toml", config)?;
        all.extend(["--config".into(), path.into()]);
        let node = NodeProcess::start_program(&programs(), "journeyd-hanging", &data, &all)?;
        let client = Client::connect(node.address()).await?;
        Ok(Self {
            node,
            client,
            file: folder.path().join("data.hang"),
            _folder: folder,
        })
    }

    /// Flushes take so much longer, or, without a number, hang.
    pub(crate) fn slow(&self, ms: Option<u32>) -> anyhow::Result<()> {
        let text = ms.map_or(String::new(), |ms| ms.to_string());
        // Under another name first: half a file would be read as a hang.
        let half = self.file.with_extension("half");
        std::fs::write(&half, text)?;
        Ok(std::fs::rename(&half, &self.file)?)
    }

    pub(crate) fn go_on(&self) -> anyhow::Result<()> {
        Ok(std::fs::remove_file(&self.file)?)
    }
}

pub(crate) async fn serving(address: &str) -> anyhow::Result<bool> {
    let channel = Endpoint::from_shared(address.to_owned())?.connect().await?;
    let request = HealthCheckRequest {
        service: String::new(),
    };
    let answer = HealthClient::new(channel)
        .check(request)
        .await?
        .into_inner();
    Ok(answer.status == i32::from(ServingStatus::Serving))
}

/// One value of `/metrics`, by its name with labels.
pub(crate) fn metric(node: &NodeProcess, series: &str) -> anyhow::Result<Option<f64>> {
    let text = http_get(node.http(), "/metrics")?.body;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    Ok(line.map(str::parse).transpose()?)
}

/// Checks the text format by its own rules; `promtool` does so too where it is installed.
fn check_metrics(text: &str) -> BTreeMap<String, String> {
    let mut kinds: BTreeMap<String, String> = BTreeMap::new();
    let mut helped = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let mut family = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').unwrap();
            assert!(helped.insert(name.to_owned()) && !help.is_empty(), "{line}");
            continue;
        }
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(helped.contains(name), "HELP comes first: {line}");
            let before = kinds.insert(name.to_owned(), kind.to_owned());
            assert!(before.is_none(), "one family per name: {line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            family = name.to_owned();
            continue;
        }
        let (series, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
        assert!(seen.insert(series.to_owned()), "twice: {line}");
        let name = series.split('{').next().unwrap();
        let is_plain =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        assert!(name.bytes().all(is_plain), "{line}");
        let suffix = name.strip_prefix(family.as_str()).unwrap_or("none");
        let fits = match kinds[&family].as_str() {
            "histogram" => ["_bucket", "_sum", "_count"].contains(&suffix),
            _ => suffix.is_empty(),
        };
        assert!(fits, "{line} in {family}");
    }
    kinds
}

fn promtool(text: &str) -> anyhow::Result<()> {
    let started = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut checking) = started else {
        eprintln!("promtool is not on PATH: checked by the test's own rules alone");
        return Ok(());
    };
    let mut input = checking.stdin.take().unwrap();
    input.write_all(text.as_bytes())?;
    drop(input);
    let output = checking.wait_with_output()?;
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "{output:?}"
    );
    Ok(())
}

#[tokio::test]
async fn probes_and_metrics_answer_over_http() -> anyhow::Result<()> {
    let mut world = World::with_journeys(HELLO).await?;
    accept(&world.client, event("ann", "1", "signed_up")).await?;
    crate::world::send(&world.client, event("ann", "1", "signed_up")).await?;
    assert!(
        world
            .client
            .ingest(wire::IngestRequest::default())
            .await
            .is_err()
    );
    let http = world.node.http().to_owned();
    for (path, body) in [
        ("/livez", "ok\n"),
        ("/readyz", "ready\n"),
        ("/healthz", "ok\n"),
    ] {
        let answer = http_get(&http, path)?;
        assert_eq!((answer.code, answer.body.as_str()), (200, body), "{path}");
    }
    let verbose = http_get(&http, "/healthz?verbose")?.body;
    for check in ["phase", "partitions", "progress", "disk"] {
        assert!(verbose.contains(&format!("[+] {check}: ok")), "{verbose}");
    }
    let version = http_get(&http, "/version")?;
    assert!(version.body.contains("\"version\":\"0."), "{version:?}");
    assert_eq!(http_get(&http, "/nothing")?.code, 404);
    // Partitions are asked twice a second: wait until both events and the timer are told.
    let fired = || async {
        let fired = metric(&world.node, "journey_timer_fires_total").ok()??;
        let duplicates = metric(&world.node, "journey_dedupe_hits_total").ok()??;
        let instances = "journey_instances{definition=\"hello\",state=\"completed\"}";
        let completed = metric(&world.node, instances).ok()??;
        (fired >= 1.0 && duplicates >= 1.0 && completed >= 1.0).then_some(())
    };
    wait_until("the figures of what was done", fired).await?;
    let answer = http_get(&http, "/metrics")?;
    assert!(
        answer.head.contains("text/plain; version=0.0.4"),
        "{}",
        answer.head
    );
    let text = answer.body;
    let kinds = check_metrics(&text);
    promtool(&text)?;
    let wanted = [
        "journey_requests_total{op=\"Ingest\",code=\"OK\"} 2",
        "journey_requests_total{op=\"Ingest\",code=\"INVALID_ARGUMENT\"} 1",
        "journey_requests_total{op=\"PublishJourneys\",code=\"OK\"} 1",
        "journey_events_accepted_total 1",
        "journey_dedupe_hits_total 1",
        "journey_shed_total{cause=\"DISK_LOW\"} 0",
        "journey_customers 1",
        "journey_inflight 0",
        "journey_inflight_limit 512",
        "journey_parked_total 0",
        "journey_passivations_total{reason=\"memory\"} 0",
        "journey_stopped_queues 0",
        "dlq_messages 0",
        "dlq_oldest_age_seconds 0",
        "raft_leader_partitions 2",
        "raft_leaderless_partitions 0",
        "raft_stalled_partitions 0",
        "journey_ready 1",
        "store_disk_state{state=\"critical\"} 0",
        "build_info{version=\"0.1.0\"} 1",
    ];
    for line in wanted {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is missing in\n{text}"
        );
    }
    for (name, kind) in [
        ("journey_request_duration_seconds", "histogram"),
        ("raft_proposal_duration_seconds", "histogram"),
        ("store_flush_duration_seconds", "histogram"),
        ("store_batch_entries", "histogram"),
        ("store_disk_free_bytes", "gauge"),
        ("process_resident_memory_bytes", "gauge"),
        ("journey_runtime_busy_seconds_total", "counter"),
        ("journey_activations_total", "counter"),
        ("journey_activation_duration_seconds", "histogram"),
        ("journey_mailbox_depth", "histogram"),
        ("journey_passivations_total", "counter"),
        ("journey_transitions_total", "counter"),
    ] {
        assert_eq!(kinds.get(name).map(String::as_str), Some(kind), "{name}");
    }
    world.expect_no_warnings();
    // A node that was told to stop says so and ends in order.
    assert!(world.node.terminate()?.success());
    Ok(())
}

#[tokio::test]
async fn a_wedge_is_flagged_with_its_reason_and_cleared_when_it_moves() -> anyhow::Result<()> {
    let hanging = Hanging::start(&["--partitions", "2"], "").await?;
    publish(&hanging.client, HELLO).await?;
    let (http, address) = (
        hanging.node.http().to_owned(),
        hanging.node.address().to_owned(),
    );
    assert_eq!(http_get(&http, "/readyz")?.code, 200);
    assert!(serving(&address).await?);
    hanging.slow(None)?;
    let begun = Instant::now();
    let client = hanging.client.clone();
    let stuck = tokio::spawn(async move { accept(&client, event("ann", "1", "signed_up")).await });
    let flagged = || async {
        let answer = http_get(&http, "/readyz").ok()?;
        (answer.code == 503).then_some(answer.body)
    };
    let reasons = wait_until("the wedge is flagged", flagged).await?;
    let took = begun.elapsed();
    eprintln!("wedge flagged after {} ms: {reasons}", took.as_millis());
    assert!(
        reasons.contains("a flush of the log does not end"),
        "{reasons}"
    );
    if slow_tests_wanted() {
        assert!(took < Duration::from_secs(5), "flagged after {took:?}");
    }
    let turned_away = || async { (!serving(&address).await.ok()?).then_some(()) };
    wait_until("gRPC health says so too", turned_away).await?;
    let verbose = http_get(&http, "/healthz?verbose")?;
    assert_eq!(verbose.code, 503);
    assert!(
        verbose.body.contains("[-] progress: log: flushing"),
        "{verbose:?}"
    );
    assert!(metric(&hanging.node, "raft_stalled_partitions")? >= Some(1.0));
    assert_eq!(http_get(&http, "/livez")?.code, 200, "the process lives");
    let ctl = Ctl::new(&programs(), &address);
    let unhealthy = ctl.run(&["cluster", "health"])?;
    assert_eq!(unhealthy.code, 10, "{unhealthy:?}");
    assert!(unhealthy.stdout.contains("not serving"), "{unhealthy:?}");
    hanging.go_on()?;
    stuck.await??;
    let ready = || async { (http_get(&http, "/readyz").ok()?.code == 200).then_some(()) };
    wait_until("it is over by itself", ready).await?;
    let serves = || async { serving(&address).await.ok()?.then_some(()) };
    wait_until("gRPC health says so too", serves).await?;
    let healthy = ctl.run(&["cluster", "health", "--exit-when-healthy"])?;
    assert_eq!(healthy.code, 0, "{healthy:?}");
    let log = hanging.node.log_lines().join("\n");
    assert!(
        log.contains("wedged") && log.contains("moves again"),
        "{log}"
    );
    Ok(())
}

#[tokio::test]
async fn an_event_can_be_followed_through_the_log_without_personal_data() -> anyhow::Result<()> {
    const MESSAGE: &str = "\
journey: hello
entry: [ { event: signed_up } ]
steps:
  say: { message: { content: hi, channels: [push] }, next: end }
---
content: hi
variants: [ { channel: push, body: 'Dear {{ customer.id }} of {{ entry.properties.street }}' } ]
";
    let config = "[log]\nlevel = \"info,journey_server=trace,journey_partition=trace,cluster=debug\"\nformat = \"json\"\n";
    let world = World::start_with(config).await?;
    publish(&world.client, MESSAGE).await?;
    let street = journey_types::Value::Text("Secret Street 7".into());
    let event = crate::world::event_with("ann", "1", "signed_up", &[("street", street)]);
    accept(&world.client, event).await?;
    let mut worker = world.client.work(wire::Subscribe::default()).await?;
    worker.next().await?;
    let spans_of = |line: &serde_json::Value| -> Vec<String> {
        let spans = line["spans"].as_array().cloned().unwrap_or_default();
        let names = spans.iter().filter_map(|span| span["name"].as_str());
        names.map(str::to_owned).collect()
    };
    let wanted = [
        "request",
        "ingest",
        "partition",
        "decide",
        "propose",
        "apply",
        "deliver",
    ];
    let told = || async {
        let log = world.node.log_lines();
        let lines = log
            .iter()
            .filter_map(|line| serde_json::from_str(line).ok());
        let seen: BTreeSet<String> = lines
            .flat_map(|line: serde_json::Value| spans_of(&line))
            .collect();
        wanted
            .iter()
            .all(|name| seen.contains(*name))
            .then_some(log)
    };
    let log = wait_until("every hop of the path is told", told).await?;
    let decided = log
        .iter()
        .find(|line| line.contains("turn begun") && line.contains("\"customer_id\":\"ann\""));
    let decided: serde_json::Value = serde_json::from_str(decided.unwrap())?;
    // Around them ractor has a span of its own.
    assert!(
        spans_of(&decided).ends_with(&["partition".into(), "decide".into()]),
        "{decided}"
    );
    assert!(
        decided.to_string().contains("\"partition_id\":"),
        "{decided}"
    );
    let text = log.join("\n");
    assert!(
        !text.contains("Secret Street") && !text.contains("Dear ann"),
        "{text}"
    );
    Ok(())
}
