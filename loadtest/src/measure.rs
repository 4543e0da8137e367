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
use crate::node::{Launch, Launched, Scrape};
use crate::nodes::NodesUnderTest;
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
    if !arguments.address.is_empty() {
        let nodes = NodesUnderTest::at(&arguments.address, &arguments.http)?;
        let found = play_on(nodes, scenario, &progress).await?;
        return Ok(build(scenario, Found { floor, ..found }));
    }
    let launch = Launch {
        program_prefix: program_prefix.to_vec(),
        what: Launched::Node,
        config: scenario.node.config.clone(),
        data_dir: arguments.data_dir.clone(),
        more: Vec::new(),
    };
    let n_nodes = scenario.node.count;
    let one_node = if n_nodes > 1 && arguments.one_node_first {
        progress.say("starting one node");
        let launch = Launch {
            data_dir: launch.data_dir.as_ref().map(|dir| dir.join("alone")),
            ..launch.clone()
        };
        let found = play_on(NodesUnderTest::start_one(launch)?, scenario, &progress).await?;
        Some(build(scenario, found))
    } else {
        None
    };
    progress.say(&format!("starting {n_nodes} node(s)"));
    let nodes = NodesUnderTest::start(&launch, n_nodes).await?;
    let found = play_on(nodes, scenario, &progress).await?;
    let report = build(scenario, Found { floor, ..found });
    Ok(match one_node {
        Some(one_node) => report.beside_one_node(one_node),
        None => report,
    })
}

/// Plays the scenario and ends the nodes that are ours.
async fn play_on(
    mut nodes: NodesUnderTest,
    scenario: &Scenario,
    progress: &Progress,
) -> anyhow::Result<Found> {
    let found = play(scenario, &mut nodes, progress).await?;
    progress.end();
    nodes.close()?;
    Ok(found)
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
    let mut node = NodesUnderTest::start_one(Launch {
        program_prefix: program_prefix.to_vec(),
        what: Launched::Floor,
        config: toml::Table::new(),
        data_dir: None,
        more: Vec::new(),
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
    nodes: &mut NodesUnderTest,
    progress: &Progress,
) -> anyhow::Result<Found> {
    let client = Client::connect(nodes.address()).await?;
    let before = before(&client, scenario, nodes).await?;
    let resident_before = nodes.resident_bytes();
    let run = new_run(scenario);
    let ledger = new_ledger(scenario, &run);
    let worker = match &scenario.worker {
        Some(settings) => Some(Worker::start(nodes, settings, &run).await?),
        None => None,
    };
    let mut watched = Watched {
        ledger: Arc::clone(&ledger),
        process_ids: Arc::default(),
        phase: Arc::default(),
        https: nodes.https(),
        data_dirs: nodes.data_dirs(),
        seconds: planned_seconds(scenario) as f64,
        progress: progress.clone(),
    };
    let mut stage = Stage::open(scenario, Arc::clone(&run), Arc::clone(&ledger), nodes).await?;
    stage.journeys = before.journeys.clone();
    let n_fired_before = before
        .counts
        .values()
        .map(|counts| counts.timers_fired)
        .sum();
    stage.n_fired_before = n_fired_before;
    watched.process_ids = Arc::clone(&stage.process_ids);
    watched.phase = Arc::clone(&stage.phase);
    let last_phase = Arc::clone(&stage.phase);
    let sampler = Sampler::start(watched);
    let spans = stage.play().await?;
    // What comes now belongs to no phase.
    last_phase.store(scenario.phases.len(), Ordering::Relaxed);
    let (resident_after, disk_bytes) = (nodes.resident_bytes(), nodes.disk_bytes());
    progress.say("proving the sums");
    let prover = Prover {
        scenario,
        run: &run,
        ledger: &ledger,
        nodes,
        before: &before,
        worker: worker.as_ref(),
    };
    let proofs = prover.prove().await?;
    let after = if before.scrape.is_some() {
        let now = figures::counts(&client, &before.journeys).await?;
        let n_fired: u64 = now.values().map(|counts| counts.timers_fired).sum();
        scrape_with_timers(nodes, n_fired.saturating_sub(n_fired_before)).await
    } else {
        None
    };
    let samples = sampler.end();
    let seen = worker.as_ref().map(Worker::seen);
    if let Some(worker) = worker {
        worker.stop().await?;
    }
    Ok(Found {
        n_nodes: nodes.n_nodes(),
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
async fn scrape_with_timers(nodes: &NodesUnderTest, n_fired: u64) -> Option<Scrape> {
    let until = Instant::now() + FIGURES_WAIT_MAX;
    loop {
        let found = nodes.scrape().await;
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

/// Publishes the scenario's journeys and notes what the node counts already.
async fn before(
    client: &Client,
    scenario: &Scenario,
    nodes: &NodesUnderTest,
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
    before.scrape = nodes.scrape().await;
    Ok(before)
}
