//! A node as a process of its own.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::Context as _;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::{mpsc, oneshot};

use crate::dev::plan::NodePlan;

/// How this program is started as a node.
#[derive(Debug)]
pub(super) struct Launch {
    program: PathBuf,
    leading: Vec<OsString>,
}

/// A node has ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// Which, by its place in the crew.
    pub(super) at: usize,
    /// `signal: 9 (SIGKILL)`, `exit status: 1` …
    pub(super) how: String,
}

/// A node that runs. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Process {
    id: u32,
    /// It ends in order when this closes.
    input: Option<ChildStdin>,
    kill: Option<oneshot::Sender<()>>,
}

impl Launch {
    pub(super) fn of_this_program(leading: &[OsString]) -> anyhow::Result<Self> {
        let program =
            std::env::current_exe().context("finding this program, to start the nodes with")?;
        Ok(Self {
            program,
            leading: leading.to_vec(),
        })
    }

    /// Starts a node; its end is told once.
    pub(super) fn start(
        &self,
        plan: &NodePlan,
        at: usize,
        ended: &mpsc::Sender<Ended>,
    ) -> anyhow::Result<Process> {
        let log = OpenOptions::new().create(true).append(true).open(&plan.log);
        let log = log.with_context(|| format!("opening the log {}", plan.log.display()))?;
        let mut child = Command::new(&self.program)
            .args(&self.leading)
            .args(&plan.arguments)
            .arg("--stop-with-stdin")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::from(log))
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", plan.name))?;
        let input = child.stdin.take();
        let (kill, killed) = oneshot::channel();
        let process = Process {
            id: child.id().unwrap_or(0),
            input,
            kill: Some(kill),
        };
        tokio::spawn(watch(child, killed, at, ended.clone()));
        Ok(process)
    }
}

impl Process {
    pub(super) const fn id(&self) -> u32 {
        self.id
    }

    /// Lets it end in order.
    pub(super) fn stop(&mut self) {
        self.input = None;
    }

    /// `kill -9`.
    pub(super) fn kill(&mut self) {
        if let Some(kill) = self.kill.take()
            && kill.send(()).is_err()
        {
            tracing::debug!(process_id = self.id, "the node has ended already");
        }
    }
}

/// Waits for its end, which a word of whoever holds it, or their own end, brings about.
async fn watch(
    mut child: Child,
    killed: oneshot::Receiver<()>,
    at: usize,
    ended: mpsc::Sender<Ended>,
) {
    let how = tokio::select! {
        biased;
        status = child.wait() => status,
        _ = killed => match child.start_kill() {
            Ok(()) => child.wait().await,
            Err(error) => Err(error),
        },
    };
    let how = how.map_or_else(|error| error.to_string(), |status| status.to_string());
    if ended.send(Ended { at, how }).await.is_err() {
        tracing::debug!(at, "nobody waits for the end of the node any more");
    }
}
