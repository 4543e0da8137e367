//! One run of a scenario: the floor, then the node with every phase, then the proof.

use std::ffi::OsString;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Context as _;
use journey_client::{Client, wire};
use journey_partition::Clock as _;
use rand::Rng as _;
use tokio::time::Instant;

use crate::arguments::RunArguments;
use crate::figures;
use crate::ledger::Ledger;
use crate::node::{Launch, Launched, NodeUnderTest, ProcessFigures, Scrape, disk_bytes, scrape};
use crate::progress::{Progress, planned_seconds};
use crate::prove::{Before, Prover};
use crate::report::{Floor, Found, Latency, Report, build};
use crate::sampler::{Sampler, Watched};
use crate::scenario::{Extent, Phase, PhaseKind, Scenario};
use crate::stage::Stage;
use crate::traffic::Run;
use crate::worker::Worker;

/// How long the node's own figures are waited for: it gathers them every two seconds.
const FIGURES_WAIT_MAX: Duration = Duration::from_secs(5);
/// Pause between two looks at them.
const FIGURES_LOOK: Duration = Duration::from_millis(100);

/// Seconds of the floor's warm-up.
const FLOOR_WARM_UP_SECONDS: u32 = 1;

/// Runs a scenario as the arguments say.
pub(crate) async fn measure(
    program_prefix: &[OsString],
    arguments: &RunArguments,
    scenario: &Scenario,
) -> anyhow::Result<Report> {
    let progress = Progress::new(scenario);
    let sends = !scenario.traffic.events.is_empty() || scenario.customers.start.is_some();
    let floor = if arguments.floor_seconds > 0 && sends {
        progress.say("measuring the floor");
        Some(floor(program_prefix, scenario, arguments.floor_seconds).await?)
    } else {
        None
    };
    progress.say("starting the node");
    let mut node = match &arguments.address {
        Some(address) => NodeUnderTest::at(address, arguments.http.as_deref()),
        None => NodeUnderTest::start(Launch {
            program_prefix: program_prefix.to_vec(),
            what: Launched::Node,
            config: scenario.node.config.clone(),
            data_dir: arguments.data_dir.clone(),
        })?,
    };
    let mut found = play(scenario, &mut node, &progress).await?;
    progress.end();
    found.floor = floor;
    node.close()?;
    Ok(build(scenario, found))
}

/// What the floor reaches with the traffic of a scenario, in a closed loop.
pub(crate) async fn floor(
    program_prefix: &[OsString],
    scenario: &Scenario,
    seconds: u32,
) -> anyhow::Result<Floor> {
    let phase = |name: &str, seconds, is_measured| Phase {
        name: name.to_owned(),
        kind: PhaseKind::Closed {
            extent: Extent::Seconds(seconds),
        },
        is_measured,
    };
    let mut scenario = scenario.clone();
    scenario.phases = vec![
        phase("warm-up", FLOOR_WARM_UP_SECONDS, false),
        phase("floor", seconds, true),
    ];
    // It takes everything in; what it is given must be what the node accepts.
    scenario.traffic.duplicates = 0.0;
    scenario.traffic.bad = 0.0;
    scenario.customers.sample = 0;
    if scenario.traffic.events.is_empty() {
        scenario
            .traffic
            .events
            .extend(scenario.customers.start.clone());
    }
    let mut node = NodeUnderTest::start(Launch {
        program_prefix: program_prefix.to_vec(),
        what: Launched::Floor,
        config: toml::Table::new(),
        data_dir: None,
    })?;
    let run = new_run(&scenario);
    let ledger = new_ledger(&scenario, &run);
    let stage = Stage::open(&scenario, run, Arc::clone(&ledger), &mut node).await?;
    stage.play().await.context("measuring the floor")?;
    node.close()?;
    let totals = ledger.totals();
    let tally = &totals.phases[1];
    let traffic = &scenario.traffic;
    Ok(Floor {
        form: traffic.form.word().to_owned(),
        connections: traffic.connections,
        batch: traffic.batch,
        in_flight: traffic.in_flight,
        events_per_second: tally.n_in_time as f64 / f64::from(seconds),
        ack_latency_ms: Latency::of(&tally.latency_us),
    })
}

fn new_run(scenario: &Scenario) -> Arc<Run> {
    let id = rand::rng().random();
    let now = cluster::SystemClock.now();
    Arc::new(Run::new(id, cluster::monotonic_now(), now, scenario))
}

fn new_ledger(scenario: &Scenario, run: &Run) -> Arc<Ledger> {
    let n_sample = scenario.customers.sample.min(scenario.customers.count);
    Arc::new(Ledger::new(
        run.kinds.len(),
        scenario.phases.len(),
        n_sample,
    ))
}

/// Publishes, plays every phase, and proves the sums.
async fn play(
    scenario: &Scenario,
    node: &mut NodeUnderTest,
    progress: &Progress,
) -> anyhow::Result<Found> {
    let client = Client::connect(node.address()).await?;
    let before = before(&client, scenario, node).await?;
    let resident_before = resident(node);
    let run = new_run(scenario);
    let ledger = new_ledger(scenario, &run);
    let worker = match &scenario.worker {
        Some(settings) => Some(Worker::start(node.address(), settings, &run).await?),
        None => None,
    };
    let mut watched = Watched {
        ledger: Arc::clone(&ledger),
        process_id: Arc::default(),
        phase: Arc::default(),
        http: node.http().map(str::to_owned),
        data_dir: node.data_dir().map(std::path::Path::to_path_buf),
        seconds: planned_seconds(scenario) as f64,
        progress: progress.clone(),
    };
    let mut stage = Stage::open(scenario, Arc::clone(&run), Arc::clone(&ledger), node).await?;
    stage.journeys = before.journeys.clone();
    let n_fired_before = before
        .counts
        .values()
        .map(|counts| counts.timers_fired)
        .sum();
    stage.n_fired_before = n_fired_before;
    watched.process_id = Arc::clone(&stage.process_id);
    watched.phase = Arc::clone(&stage.phase);
    let last_phase = Arc::clone(&stage.phase);
    let sampler = Sampler::start(watched);
    let spans = stage.play().await?;
    // What comes now belongs to no phase.
    last_phase.store(scenario.phases.len(), Ordering::Relaxed);
    let (resident_after, disk_bytes) = (resident(node), node.data_dir().map(disk_bytes));
    progress.say("proving the sums");
    let prover = Prover {
        scenario,
        run: &run,
        ledger: &ledger,
        node,
        before: &before,
        worker: worker.as_ref(),
    };
    let proofs = prover.prove().await?;
    let after = match node.http() {
        Some(http) => {
            let now = figures::counts(&client, &before.journeys).await?;
            let n_fired: u64 = now.values().map(|counts| counts.timers_fired).sum();
            scrape_with_timers(http, n_fired.saturating_sub(n_fired_before)).await
        }
        None => None,
    };
    let samples = sampler.end();
    let seen = worker.as_ref().map(Worker::seen);
    if let Some(worker) = worker {
        worker.stop().await?;
    }
    Ok(Found {
        totals: ledger.totals(),
        spans,
        samples,
        proofs,
        seen,
        floor: None,
        scrapes: before.scrape.zip(after),
        resident_before,
        resident_after,
        disk_bytes,
    })
}

/// What the node exports once it tells of that many timers at least, or whatever it tells after a while: its figures
/// are gathered now and then, and those of a node that was started anew begin at zero.
async fn scrape_with_timers(http: &str, n_fired: u64) -> Option<Scrape> {
    let until = Instant::now() + FIGURES_WAIT_MAX;
    loop {
        let found = scrape(http).await.ok();
        let n_told = found.as_ref().and_then(|found| {
            let buckets = found.buckets("journey_timer_lateness_seconds");
            Some(buckets.last()?.1)
        });
        if n_told.unwrap_or(0.0) >= n_fired as f64 || Instant::now() > until {
            return found;
        }
        tokio::time::sleep(FIGURES_LOOK).await;
    }
}

fn resident(node: &NodeUnderTest) -> Option<u64> {
    let figures = ProcessFigures::of(node.id()?)?;
    Some(figures.resident_bytes)
}

/// Publishes the scenario's journeys and notes what the node counts already.
async fn before(
    client: &Client,
    scenario: &Scenario,
    node: &NodeUnderTest,
) -> anyhow::Result<Before> {
    let mut before = Before::default();
    if !scenario.journeys.is_empty() {
        let file = wire::SourceFile {
            name: format!("{}.yaml", scenario.name),
            text: scenario.journeys.clone(),
        };
        let request = wire::PublishJourneysRequest { files: vec![file] };
        let published = client
            .publish_journeys(request)
            .await
            .context("publishing the scenario's journeys")?;
        let journeys = published
            .documents
            .into_iter()
            .filter(|d| d.kind == "journey");
        before.journeys = journeys.map(|document| document.id).collect();
    }
    before.counts = figures::counts(client, &before.journeys).await?;
    if let Some(http) = node.http() {
        before.scrape = Some(scrape(http).await?);
    }
    Ok(before)
}
