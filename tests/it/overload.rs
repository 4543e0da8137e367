//! Too much at once, and too little disk: refused at once and by name, while everything else goes on.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use journey_client::wire::event_result::Status;
use journey_client::wire::outcome::Result as Outcome;
use journey_client::{Client, ClientError, WorkerMessage, wire};
use tests::{Refusals, http_get, slow_tests_wanted, wait_until};
use tokio::time::Instant;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::health::{Hanging, metric, serving};
use crate::world::{World, accept, counts, event, publish, send};

const TIMED: &str = "\
journey: timed
entry: [ { event: started } ]
key: event.id
steps:
  rest: { delay: 300ms, next: say }
  say: { message: { content: hi, channels: [push] }, next: end }
---
content: hi
variants: [ { channel: push, body: Hi } ]
";

/// What a flood saw.
#[derive(Debug, Default)]
struct Flood {
    n_accepted: AtomicU64,
    n_refused: AtomicU64,
    n_workspace_busy: AtomicU64,
    /// The first such refusal in words.
    workspace_busy: OnceLock<String>,
    slowest_refusal_us: AtomicU64,
}

/// Sends batches, one after the other, until told to stop.
async fn flood(
    client: Client,
    (workspace, lane): (&'static str, u32),
    seen: Arc<Flood>,
    stop: Arc<AtomicBool>,
) -> anyhow::Result<()> {
    let mut n = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        n += 1;
        let events = (0..20)
            .map(|position| wire::CustomerEvent {
                workspace: workspace.to_owned(),
                ..event(
                    &format!("c{lane}-{position}"),
                    &format!("e{lane}-{n}-{position}"),
                    "noise",
                )
            })
            .collect();
        let begun = Instant::now();
        match client.ingest(wire::IngestRequest { events, mode: 0 }).await {
            Ok(response) => {
                let is_accepted = |result: &&wire::EventResult| result.status() == Status::Accepted;
                let n_accepted = response.results.iter().filter(is_accepted).count();
                seen.n_accepted
                    .fetch_add(n_accepted as u64, Ordering::Relaxed);
                for result in &response.results {
                    if result.status() == Status::Rejected {
                        anyhow::ensure!(result.retry && result.retry_after_ms > 0, "{result:?}");
                    }
                }
            }
            Err(ClientError::Refused { status }) => {
                anyhow::ensure!(status.code() == Code::ResourceExhausted, "{status:?}");
                let details = status.get_error_details();
                let reason = details
                    .error_info()
                    .map_or("", |info| info.reason.as_str())
                    .to_owned();
                anyhow::ensure!(
                    reason == "PARTITION_BUSY" || reason == "WORKSPACE_BUSY",
                    "{status:?}"
                );
                anyhow::ensure!(
                    details.retry_info().is_some() && details.quota_failure().is_some()
                );
                if reason == "WORKSPACE_BUSY" {
                    let said = ClientError::Refused {
                        status: status.clone(),
                    };
                    seen.workspace_busy.get_or_init(|| said.to_string());
                    seen.n_workspace_busy.fetch_add(1, Ordering::Relaxed);
                }
                let took_us = u64::try_from(begun.elapsed().as_micros())?;
                seen.slowest_refusal_us
                    .fetch_max(took_us, Ordering::Relaxed);
                seen.n_refused.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_saturated_node_refuses_at_once_and_goes_on_with_everything_else() -> anyhow::Result<()> {
    let config = "[limits]\nrequests-per-partition = 4\n";
    let hanging = Hanging::start(&["--partitions", "1"], config).await?;
    let client = &hanging.client;
    publish(client, TIMED).await?;
    accept(client, event("ann", "before", "started")).await?;
    let mut table = Refusals::new(
        "busy",
        "Too much at once",
        "Each is refused before anything of it is taken in. `PARTITION_BUSY` and `NODE_BUSY` say the same of a partition's requests and of \
         a node's events.",
    );
    let herd = wire::IngestRequest {
        events: (0..200)
            .map(|n| event("hot", &n.to_string(), "seen"))
            .collect(),
        mode: 0,
    };
    let results = client.ingest(herd).await?.results;
    let hot = results
        .iter()
        .find(|result| result.reason == "HOT_CUSTOMER");
    let hot = hot.expect("more than a mailbox holds");
    assert!(hot.retry, "{hot:?}");
    table.row(
        "Ingest, 200 events of one customer in one batch (of each event beyond the 64 that its mailbox holds)",
        &format!("{} [{}]", hot.message, hot.reason),
    )?;
    hanging.slow(Some(40))?;
    let (seen, stop) = (Arc::new(Flood::default()), Arc::new(AtomicBool::new(false)));
    let floods: Vec<_> = (0..16)
        .map(|lane| {
            let address = hanging.node.address().to_owned();
            let (seen, stop) = (Arc::clone(&seen), Arc::clone(&stop));
            async move {
                let client = Client::connect(&address).await?;
                flood(client, ("noisy", lane), seen, stop).await
            }
        })
        .map(tokio::spawn)
        .collect();
    let refused = || async { (seen.n_refused.load(Ordering::Relaxed) > 50).then_some(()) };
    wait_until("the flood is refused", refused).await?;
    // Another workspace, one request at a time: there is always room for it.
    for n in 0..5 {
        let result = send(client, event("bob", &format!("quiet-{n}"), "started")).await?;
        assert_eq!(result.status(), Status::Accepted, "{result:?}");
    }
    // Reads, lists, publishes, timers, workers.
    let request = wire::GetCustomerRequest {
        customer_id: "bob".to_owned(),
        ..Default::default()
    };
    client.get_customer(request).await?;
    client
        .list_journeys(wire::ListJourneysRequest::default())
        .await?;
    publish(client, &TIMED.replace("300ms", "200ms")).await?;
    let mut worker = client.work(wire::Subscribe::default()).await?;
    let mut n_settled = 0;
    while n_settled < 6 {
        match worker.next().await? {
            WorkerMessage::Effect(effect) => {
                let outcome = wire::Outcome {
                    effect_id: effect.effect_id.clone(),
                    attempt: effect.attempt,
                    result: Outcome::Sent.into(),
                    ..Default::default()
                };
                worker.settle(vec![outcome]).await?;
            }
            WorkerMessage::Results(results) => n_settled += results.len(),
        }
    }
    let accepted = seen.n_accepted.load(Ordering::Relaxed);
    let goes_on = || async { (seen.n_accepted.load(Ordering::Relaxed) > accepted).then_some(()) };
    wait_until("work that was taken in goes on", goes_on).await?;
    stop.store(true, Ordering::Relaxed);
    for flood in floods {
        flood.await??;
    }
    let slowest_us = seen.slowest_refusal_us.load(Ordering::Relaxed);
    eprintln!("slowest refusal {slowest_us} us; {seen:?}");
    if slow_tests_wanted() {
        assert!(slowest_us < 100_000, "refused after {slowest_us} us");
    }
    let workspace_busy = seen.workspace_busy.get().cloned().unwrap_or_default();
    table.row(
        "Ingest, while another workspace floods the partition",
        &numbers_as_n(&workspace_busy),
    )?;
    table.hold()?;
    assert!(seen.n_workspace_busy.load(Ordering::Relaxed) > 0);
    assert!(
        metric(
            &hanging.node,
            "journey_shed_total{cause=\"WORKSPACE_BUSY\"}"
        )? > Some(0.0)
    );
    assert_eq!(
        http_get(hanging.node.http(), "/readyz")?.code,
        200,
        "busy is not wedged"
    );
    Ok(())
}

#[tokio::test]
async fn a_workspace_over_its_rate_is_told_when_to_try_again() -> anyhow::Result<()> {
    let config = "[limits]\nworkspace-events-per-second = 5\n[limits.workspaces]\nbig = 10000\n";
    let node = Hanging::start(&["--partitions", "1"], config).await?;
    let request = |workspace: &str, first: u32| wire::IngestRequest {
        events: (first..first + 10)
            .map(|n| wire::CustomerEvent {
                workspace: workspace.to_owned(),
                ..event("ann", &n.to_string(), "seen")
            })
            .collect(),
        mode: 0,
    };
    node.client.ingest(request("small", 0)).await?;
    let refused = node.client.ingest(request("small", 10)).await.unwrap_err();
    let text = refused.to_string();
    let mut table = Refusals::new(
        "rates",
        "A workspace over its rate",
        "`limits.workspace-events-per-second` is 5, and ten events come after ten others.",
    );
    table.row("Ingest", &numbers_as_n(&text))?;
    assert!(
        text.contains("[WORKSPACE_RATE]") && text.contains("retry in"),
        "{text}"
    );
    for first in 0..20 {
        node.client.ingest(request("big", first * 10)).await?;
    }
    let again = || async { node.client.ingest(request("small", 10)).await.ok() };
    wait_until("the rate lets it in again", again).await?;
    table.hold()
}

/// Room and time differ from run to run.
fn numbers_as_n(text: &str) -> String {
    let mut shown = String::new();
    for part in text.split_inclusive(|c: char| !c.is_ascii_digit() && c != '.') {
        let digits = part.trim_end_matches(|c: char| !c.is_ascii_digit());
        let is_number = digits.starts_with(|c: char| c.is_ascii_digit());
        shown.push_str(&if is_number {
            part.replacen(digits, "N", 1)
        } else {
            part.to_owned()
        });
    }
    shown
}

fn disk_low(error: &ClientError) -> bool {
    error.is_retryable() && error.to_string().contains("[DISK_LOW]")
}

#[tokio::test]
async fn a_full_disk_refuses_by_name_and_the_node_comes_back_by_itself() -> anyhow::Result<()> {
    let config =
        "[disk]\nbudget = \"256MiB\"\nlow = \"96MiB\"\nhigh = \"64MiB\"\ncritical = \"32MiB\"\n";
    let mut world = World::start_with(config).await?;
    publish(&world.client, TIMED).await?;
    for n in 0..20 {
        accept(&world.client, event("ann", &format!("e{n}"), "started")).await?;
    }
    let measured = || async {
        let free = metric(&world.node, "store_disk_free_bytes").ok()??;
        (free > 0.0).then_some(free)
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "some hundred MiB"
    )]
    let free_mib = (wait_until("the disk is measured", measured).await? as u64) >> 20;
    let ballast = world.node.data_dir().join("ballast");
    let fill = |left_mib: u64| {
        let size = usize::try_from(free_mib.saturating_sub(left_mib)).unwrap() << 20;
        std::fs::write(&ballast, vec![1_u8; size])
    };
    // High: no events, no publishes; workers settle, timers fire, reads go on, the node is ready.
    fill(50)?;
    let refused = || async {
        let request = wire::IngestRequest {
            events: vec![event("bob", "late", "started")],
            mode: 0,
        };
        world.client.ingest(request).await.err().filter(disk_low)
    };
    let mut table = Refusals::new(
        "disk",
        "A disk that fills up",
        "What is said while the room is below `disk.high` and below `disk.critical`. It ends by itself when there is room again.",
    );
    table.section(
        "Below `disk.high`: no events and publishes; timers fire, workers settle, reads go on",
    );
    let error = wait_until("events are refused DISK_LOW", refused).await?;
    table.row("Ingest", &numbers_as_n(&error.to_string()))?;
    let republished = publish(&world.client, &TIMED.replace("300ms", "1s")).await;
    let error = republished.unwrap_err().to_string();
    assert!(
        error.contains("[DISK_LOW]") && error.contains("retry in"),
        "{error}"
    );
    table.row("PublishJourneys", &numbers_as_n(&error))?;
    let mut worker = world.client.work(wire::Subscribe::default()).await?;
    let mut n_settled = 0;
    while n_settled < 5 {
        match worker.next().await? {
            WorkerMessage::Effect(effect) => {
                let outcome = wire::Outcome {
                    effect_id: effect.effect_id.clone(),
                    attempt: effect.attempt,
                    result: Outcome::Sent.into(),
                    ..Default::default()
                };
                worker.settle(vec![outcome]).await?;
            }
            WorkerMessage::Results(results) => n_settled += results.len(),
        }
    }
    drop(worker);
    assert_eq!(http_get(world.node.http(), "/readyz")?.code, 200);
    // Critical: nothing that writes; it says so, and still reads.
    fill(16)?;
    let http = world.node.http().to_owned();
    let not_ready = || async {
        let answer = http_get(&http, "/readyz").ok()?;
        (answer.code == 503).then_some(answer.body)
    };
    let reasons = wait_until("not ready", not_ready).await?;
    assert!(reasons.contains("DISK_LOW"), "{reasons}");
    table.section("Below `disk.critical`: nothing is written but checkpoints");
    table.row("GET /readyz", &numbers_as_n(&reasons))?;
    let address = world.node.address().to_owned();
    let turned_away = || async { (!serving(&address).await.ok()?).then_some(()) };
    wait_until("gRPC health says so too", turned_away).await?;
    let request = wire::GetCustomerRequest {
        customer_id: "ann".to_owned(),
        read: Some(wire::ReadOptions {
            linearizable: true,
            ..Default::default()
        }),
        ..Default::default()
    };
    world.client.get_customer(request).await?;
    assert_eq!(
        metric(&world.node, "store_disk_state{state=\"critical\"}")?,
        Some(1.0)
    );
    // Room again: everything goes on by itself, and nothing is lost.
    std::fs::remove_file(&ballast)?;
    let accepted = || async {
        let result = send(&world.client, event("bob", "late", "started"))
            .await
            .ok()?;
        (result.status() != Status::Rejected).then_some(())
    };
    wait_until("events are accepted again", accepted).await?;
    let ready = || async { (http_get(&http, "/readyz").ok()?.code == 200).then_some(()) };
    wait_until("ready again", ready).await?;
    assert!(serving(&address).await?);
    world.crash().await?;
    for n in 0..20 {
        let again = send(&world.client, event("ann", &format!("e{n}"), "started")).await?;
        assert_eq!(again.status(), Status::Duplicate);
    }
    assert_eq!(counts(&world.client, "timed").await?.entered, 21);
    table.hold()
}
