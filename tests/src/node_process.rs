//! A journeyd process of a test's own.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;

/// Where the executable lies that is every program (see `src/bin/programs.rs`).
#[derive(Debug, Clone)]
pub struct Programs {
    path: PathBuf,
}

impl Programs {
    /// The executable; tests pass `env!("CARGO_BIN_EXE_programs")`.
    #[must_use]
    pub fn at(path: &str) -> Self {
        Self {
            path: PathBuf::from(path),
        }
    }

    /// A command line of one program.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(&self.path);
        command.arg(program);
        command
    }
}

/// Lines of a log that are kept, for messages and for the search for warnings.
const LOG_LINES_MAX: usize = 10_000;

/// A running node. Dropping it kills it.
#[derive(Debug)]
pub struct NodeProcess {
    programs: Programs,
    data_dir: PathBuf,
    arguments: Vec<OsString>,
    address: String,
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
}

impl NodeProcess {
    /// Starts a node on a free port with its data in that folder and waits until it serves.
    ///
    /// # Errors
    /// When it ends before it serves: with its log.
    pub fn start(programs: &Programs, data_dir: &Path, arguments: &[&str]) -> anyhow::Result<Self> {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let (child, address, log) = spawn(programs, data_dir, "127.0.0.1:0", &arguments)?;
        let (programs, data_dir) = (programs.clone(), data_dir.to_path_buf());
        Ok(Self {
            programs,
            data_dir,
            arguments,
            address,
            child,
            log,
        })
    }

    /// `http://127.0.0.1:<port>`; the same after a restart.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// `kill -9`, and waits until the process is gone.
    ///
    /// # Errors
    /// When the process cannot be killed.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill().context("kill -9 of the node")?;
        self.child.wait().context("waiting for the killed node")?;
        Ok(())
    }

    /// Starts the node again on the same folder and port.
    ///
    /// # Errors
    /// When it ends before it serves: with its log.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        let listen = self.address.trim_start_matches("http://").to_owned();
        let (child, address, log) =
            spawn(&self.programs, &self.data_dir, &listen, &self.arguments)?;
        anyhow::ensure!(
            address == self.address,
            "restarted on {address} instead of {}",
            self.address
        );
        self.child = child;
        self.log = log;
        Ok(())
    }

    /// Ends the node with SIGTERM and returns its exit status.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn terminate(&mut self) -> anyhow::Result<std::process::ExitStatus> {
        let status = Command::new("kill")
            .arg("-TERM")
            .arg(self.id().to_string())
            .status();
        anyhow::ensure!(
            status.context("sending SIGTERM")?.success(),
            "kill -TERM failed"
        );
        self.child.wait().context("waiting for the node to end")
    }

    /// Log lines so far.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.log
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Log lines of level WARN and ERROR so far.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.iter()
            .filter(|line| line.contains(" WARN ") || line.contains("ERROR "))
            .cloned()
            .collect()
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        if self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}

type Log = Arc<Mutex<Vec<String>>>;

fn spawn(
    programs: &Programs,
    data_dir: &Path,
    listen: &str,
    arguments: &[OsString],
) -> anyhow::Result<(Child, String, Log)> {
    let mut child = programs
        .command("journeyd")
        .args(["start", "--listen", listen, "--data-dir"])
        .arg(data_dir)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("starting a node")?;
    let pipe = child.stderr.take().context("the log is not piped")?;
    let mut lines = BufReader::new(pipe).lines();
    let log: Log = Arc::default();
    let mut seen = Vec::new();
    let mut address = None;
    for line in lines.by_ref() {
        let line = line.context("reading the node's log")?;
        seen.push(line.clone());
        if let Some(found) = line.split("address=").nth(1) {
            address = found
                .split_whitespace()
                .next()
                .map(|found| format!("http://{found}"));
            break;
        }
    }
    let Some(address) = address else {
        drop(child.wait());
        anyhow::bail!("the node ended before it served:\n{}", seen.join("\n"));
    };
    log.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .extend(seen);
    let kept = Arc::clone(&log);
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() < LOG_LINES_MAX {
                kept.push(line);
            }
        }
    });
    Ok((child, address, log))
}
