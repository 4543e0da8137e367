//! `journeyd dev`: a cluster on one machine, one process for each node, started, watched and stopped by one command.
//!
//! ```text
//!   plan (folders, ports) ─► process for each node ─► ready ─► ends and orders are told ─► Ctrl-C stops all
//! ```
//!
//! The nodes are what `journeyd start` starts, over loopback. Each ends when its standard input does, so none outlives this
//! process, however that one ends.

mod orders;
mod plan;
mod process;
mod screen;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use journey_client::wire::ClusterHealth;
use journey_client::{Client, wire};
use tokio::sync::mpsc;
use tokio::time::Instant;

use self::orders::{Order, Verb};
use self::plan::NodePlan;
use self::process::{Ended, Launch, Process};
use crate::arguments::DevArguments;
use crate::clock::monotonic_now;
use crate::demo;
use crate::start::stop_signal;

/// Pause between two looks at nodes that start.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// How long one look may take.
const LOOK_MAX: Duration = Duration::from_secs(5);
/// How long the nodes may take to be one healthy cluster: a replay of much data included.
const READY_MAX: Duration = Duration::from_secs(300);
/// How often it is said what is waited for.
const TELL_INTERVAL: Duration = Duration::from_secs(10);
/// How long a node may take to stop in order; then it is killed. What was acknowledged is durable.
const STOP_MAX: Duration = Duration::from_secs(15);

/// One node, running or not.
#[derive(Debug)]
struct DevNode {
    plan: NodePlan,
    process: Option<Process>,
    /// An order told it to end.
    is_told: bool,
}

/// All of them.
#[derive(Debug)]
struct Crew {
    nodes: Vec<DevNode>,
    launch: Launch,
    ended: mpsc::Receiver<Ended>,
    ended_sender: mpsc::Sender<Ended>,
}

/// Runs the cluster until Ctrl-C or SIGTERM. `leading` is what makes this executable `journeyd`, before its arguments.
pub(crate) async fn run(arguments: &DevArguments, leading: &[OsString]) -> anyhow::Result<()> {
    let n_nodes = usize::from(arguments.nodes);
    let (folder, _removed_at_the_end) = folder(arguments)?;
    anyhow::ensure!(
        arguments.port > 0 || !folder.join("n1").exists(),
        "--port 0 takes other ports each time, and the nodes in {} are known by theirs; give the port",
        folder.display()
    );
    let plans = plan::plans(arguments, &folder)?;
    let is_new = !plans[0].data_dir.exists();
    screen::announce(&plans, &folder, arguments.data_dir.is_some())?;
    let (ended_sender, ended) = mpsc::channel(n_nodes);
    let mut crew = Crew {
        nodes: plans
            .into_iter()
            .map(|plan| DevNode {
                plan,
                process: None,
                is_told: false,
            })
            .collect(),
        launch: Launch::of_this_program(leading)?,
        ended,
        ended_sender,
    };
    let stop = stop_signal();
    tokio::pin!(stop);
    let ran = tokio::select! {
        biased;
        () = &mut stop => Ok(()),
        ran = crew.run(is_new) => ran,
    };
    let stopped = crew.stop_all().await;
    ran?;
    stopped?;
    screen::say(&if arguments.data_dir.is_some() {
        format!(
            "stopped; the data is in {}, run it again and it goes on",
            folder.display()
        )
    } else {
        "stopped; the data is removed".to_owned()
    })
}

/// Where the nodes' data lies, and what removes it at the end where it is temporary.
fn folder(arguments: &DevArguments) -> anyhow::Result<(PathBuf, Option<tempfile::TempDir>)> {
    if let Some(folder) = &arguments.data_dir {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("creating the folder {}", folder.display()))?;
        return Ok((folder.clone(), None));
    }
    let folder = tempfile::Builder::new().prefix("journeyd-dev-").tempdir();
    let folder = folder.context("creating a temporary folder; give one with --data-dir")?;
    Ok((folder.path().to_path_buf(), Some(folder)))
}

impl Crew {
    async fn run(&mut self, is_new: bool) -> anyhow::Result<()> {
        self.start(0)?;
        if is_new {
            // The first one founds the cluster that the others join.
            self.wait_until_serving(0).await?;
        }
        for at in 1..self.nodes.len() {
            self.start(at)?;
        }
        let status = self.wait_until_healthy().await?;
        self.publish_samples().await?;
        let plans: Vec<&NodePlan> = self.nodes.iter().map(|node| &node.plan).collect();
        screen::ready(&plans, &status)?;
        self.supervise().await
    }

    fn start(&mut self, at: usize) -> anyhow::Result<()> {
        let node = &mut self.nodes[at];
        let process = self.launch.start(&node.plan, at, &self.ended_sender)?;
        screen::started(&node.plan, process.id())?;
        node.process = Some(process);
        node.is_told = false;
        Ok(())
    }

    async fn wait_until_serving(&mut self, at: usize) -> anyhow::Result<()> {
        let address = self.nodes[at].plan.api.to_string();
        let deadline = monotonic_now() + READY_MAX;
        loop {
            let look = async { Client::connect(&address).await?.is_serving().await };
            if matches!(tokio::time::timeout(LOOK_MAX, look).await, Ok(Ok(true))) {
                return Ok(());
            }
            let name = &self.nodes[at].plan.name;
            anyhow::ensure!(
                monotonic_now() < deadline,
                "{name} does not serve after {} s; see {}",
                READY_MAX.as_secs(),
                self.nodes[at].plan.log.display()
            );
            self.pause().await?;
        }
    }

    async fn wait_until_healthy(&mut self) -> anyhow::Result<wire::GetStatusResponse> {
        let deadline = monotonic_now() + READY_MAX;
        let mut told = Instant::now();
        loop {
            let address = self.nodes[0].plan.api.to_string();
            let look = async {
                let client = Client::connect(&address).await?;
                client.get_status(wire::GetStatusRequest::default()).await
            };
            let waits_for = match tokio::time::timeout(LOOK_MAX, look).await {
                Ok(Ok(status)) => {
                    let is_healthy = status.health() == ClusterHealth::Healthy;
                    let (n_there, n_wanted) = (status.nodes.len(), self.nodes.len());
                    if is_healthy && n_there >= n_wanted {
                        return Ok(status);
                    }
                    let finding = status.findings.first();
                    finding.map_or_else(
                        || format!("{n_there} of {n_wanted} nodes have joined"),
                        |finding| format!("{}: {}", finding.subject, finding.text),
                    )
                }
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("{address} has not answered"),
            };
            anyhow::ensure!(
                monotonic_now() < deadline,
                "the cluster is not healthy after {} s: {waits_for}",
                READY_MAX.as_secs()
            );
            if told.elapsed() > TELL_INTERVAL {
                screen::say(&format!("waiting: {waits_for}"))?;
                told = Instant::now();
            }
            self.pause().await?;
        }
    }

    /// Waits a moment; a node that ends meanwhile will not be there.
    async fn pause(&mut self) -> anyhow::Result<()> {
        let ended = tokio::time::timeout(LOOK_INTERVAL, self.ended.recv()).await;
        let Ok(Some(ended)) = ended else {
            return Ok(());
        };
        let node = &mut self.nodes[ended.at];
        node.process = None;
        anyhow::bail!(
            "{} ended before the cluster was there, by {}; the end of its log:\n{}",
            node.plan.name,
            ended.how,
            node.plan.end_of_log()
        )
    }

    /// The sample journeys, where nothing is published yet.
    async fn publish_samples(&self) -> anyhow::Result<()> {
        let client = Client::connect(&self.nodes[0].plan.api.to_string()).await?;
        let listed = client.list_journeys(wire::ListJourneysRequest::default());
        if listed.await?.journeys.is_empty() {
            demo::publish(&client).await?;
        }
        Ok(())
    }

    /// Tells of ends and carries orders out, for ever.
    async fn supervise(&mut self) -> anyhow::Result<()> {
        let mut orders = orders::read_from_stdin()?;
        loop {
            tokio::select! {
                biased;
                ended = self.ended.recv() => {
                    let ended = ended.context("nobody tells of ends any more")?;
                    let node = &mut self.nodes[ended.at];
                    node.process = None;
                    screen::ended(&node.plan, &ended.how, node.is_told)?;
                }
                Some(line) = orders.recv() => self.carry_out(&line)?,
            }
        }
    }

    fn carry_out(&mut self, line: &str) -> anyhow::Result<()> {
        let Order { verb, name } = match orders::parse(line) {
            Ok(Some(order)) => order,
            Ok(None) => return Ok(()),
            Err(reason) => return screen::say(&reason),
        };
        let found = self.nodes.iter().position(|node| node.plan.name == name);
        let Some(at) = found else {
            let names: Vec<&str> = self.nodes.iter().map(|node| &*node.plan.name).collect();
            return screen::say(&format!(
                "there is no {name}; there are {}",
                names.join(", ")
            ));
        };
        let node = &mut self.nodes[at];
        match (verb, &mut node.process) {
            (Verb::Start, None) => self.start(at),
            (Verb::Start, Some(_)) => screen::say(&format!("{name} runs")),
            (Verb::Stop | Verb::Kill, None) => screen::say(&format!("{name} does not run")),
            (Verb::Stop, Some(process)) => {
                node.is_told = true;
                process.stop();
                Ok(())
            }
            (Verb::Kill, Some(process)) => {
                node.is_told = true;
                process.kill();
                Ok(())
            }
        }
    }

    async fn stop_all(&mut self) -> anyhow::Result<()> {
        for process in self
            .nodes
            .iter_mut()
            .filter_map(|node| node.process.as_mut())
        {
            process.stop();
        }
        let deadline = Instant::now() + STOP_MAX;
        while self.nodes.iter().any(|node| node.process.is_some()) {
            match tokio::time::timeout_at(deadline, self.ended.recv()).await {
                Ok(Some(ended)) => self.nodes[ended.at].process = None,
                Ok(None) => return Ok(()),
                Err(_) => {
                    let left = self.nodes.iter_mut().filter(|node| node.process.is_some());
                    for node in left {
                        let seconds = STOP_MAX.as_secs();
                        screen::say(&format!(
                            "{} has not stopped in {seconds} s and is killed",
                            node.plan.name
                        ))?;
                        // Dropping it kills it.
                        node.process = None;
                    }
                }
            }
        }
        Ok(())
    }
}
