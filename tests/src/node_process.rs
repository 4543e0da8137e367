//! A journeyd process of a test's own.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;

/// Where the executable lies that is every program (see `src/bin/programs.rs`).
#[derive(Debug, Clone)]
pub struct Programs {
    path: PathBuf,
    environment: Vec<(String, String)>,
}

impl Programs {
    /// The executable; tests pass `env!("CARGO_BIN_EXE_programs")`.
    #[must_use]
    pub fn at(path: &str) -> Self {
        Self {
            path: PathBuf::from(path),
            environment: Vec::new(),
        }
    }

    /// The same with an environment variable set for every process.
    #[must_use]
    pub fn with_environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A command line of one program.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(&self.path);
        command.arg(program);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command
    }
}

/// The number of the signal.
const SIGKILL: i32 = 9;
/// Lines of a log that are kept, for messages and for the search for warnings.
const LOG_LINES_MAX: usize = 10_000;

/// A running node. Dropping it kills it.
#[derive(Debug)]
pub struct NodeProcess {
    programs: Programs,
    program: &'static str,
    data_dir: PathBuf,
    arguments: Vec<OsString>,
    address: String,
    http: String,
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
}

impl NodeProcess {
    /// Starts a node on a free port with its data in that folder and waits until it serves.
    ///
    /// # Errors
    /// When it ends before it serves: with its log.
    pub fn start(programs: &Programs, data_dir: &Path, arguments: &[&str]) -> anyhow::Result<Self> {
        Self::start_at(programs, data_dir, "127.0.0.1:0", arguments)
    }

    /// [`Self::start`] at an address.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_at(
        programs: &Programs,
        data_dir: &Path,
        listen: &str,
        arguments: &[&str],
    ) -> anyhow::Result<Self> {
        let arguments: Vec<OsString> = arguments.iter().map(OsString::from).collect();
        let program = (programs, "journeyd");
        Self::start_listening(program, data_dir, listen, arguments)
    }

    /// [`Self::start`] of another program that is a node, such as `journeyd-hanging`.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_program(
        programs: &Programs,
        program: &'static str,
        data_dir: &Path,
        arguments: &[OsString],
    ) -> anyhow::Result<Self> {
        let program = (programs, program);
        Self::start_listening(program, data_dir, "127.0.0.1:0", arguments.to_vec())
    }

    fn start_listening(
        (programs, program): (&Programs, &'static str),
        data_dir: &Path,
        listen: &str,
        arguments: Vec<OsString>,
    ) -> anyhow::Result<Self> {
        let served = spawn((programs, program), data_dir, listen, &arguments)?;
        let (programs, data_dir) = (programs.clone(), data_dir.to_path_buf());
        Ok(Self {
            programs,
            data_dir,
            program,
            arguments,
            address: served.address,
            http: served.http,
            child: served.child,
            log: served.log,
        })
    }

    /// `http://127.0.0.1:<port>`; the same after a restart.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// `127.0.0.1:<port>` of health and metrics over HTTP; another one after a restart.
    #[must_use]
    pub fn http(&self) -> &str {
        &self.http
    }

    /// The folder of its data.
    #[must_use]
    pub fn data_dir(&self) -> &Path {
        &self.data_dir
    }

    /// Lines of the log so far.
    #[must_use]
    pub fn log_lines(&self) -> Vec<String> {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        log.clone()
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
        let status = self.child.wait().context("waiting for the killed node")?;
        anyhow::ensure!(
            status.signal() == Some(SIGKILL),
            "the node had ended before it was killed ({status}):\n{}",
            self.log_lines().join("\n")
        );
        Ok(())
    }

    /// Stops the process as it stands (SIGSTOP): its connections stay open, nothing answers.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn freeze(&self) -> anyhow::Result<()> {
        self.signal("-STOP")
    }

    /// Whether the process stands still, and the time of a core it has had, in ticks of the clock.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn standstill(&self) -> anyhow::Result<(bool, u64)> {
        let text = std::fs::read_to_string(format!("/proc/{}/stat", self.id()))?;
        let (_, fields) = text.rsplit_once(") ").context("a process has a name")?;
        let fields: Vec<&str> = fields.split(' ').collect();
        // man 5 proc: the state is field 3, the times of user and system 14 and 15.
        let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<u64>().ok());
        let n_ticks = ticks(11).zip(ticks(12)).map(|(user, system)| user + system);
        Ok((fields[0] == "T", n_ticks.context("a process has had time")?))
    }

    /// Lets a frozen process go on.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn thaw(&self) -> anyhow::Result<()> {
        self.signal("-CONT")
    }

    fn signal(&self, signal: &str) -> anyhow::Result<()> {
        let status = Command::new("kill")
            .arg(signal)
            .arg(self.id().to_string())
            .status();
        let is_sent = status
            .with_context(|| format!("sending {signal}"))?
            .success();
        anyhow::ensure!(is_sent, "kill {signal} failed");
        Ok(())
    }

    /// Starts the node again on the same folder and port.
    ///
    /// # Errors
    /// When it ends before it serves: with its log.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        let listen = self.address.trim_start_matches("http://").to_owned();
        let programs = (&self.programs, self.program);
        let served = spawn(programs, &self.data_dir, &listen, &self.arguments)?;
        anyhow::ensure!(
            served.address == self.address,
            "restarted on {} instead of {}",
            served.address,
            self.address
        );
        self.child = served.child;
        self.log = served.log;
        self.http = served.http;
        Ok(())
    }

    /// Ends the node with SIGTERM and returns its exit status.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn terminate(&mut self) -> anyhow::Result<std::process::ExitStatus> {
        self.signal("-TERM")?;
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
            // A machine on which nothing moves for seconds is nobody's fault here; `health.rs` looks for these.
            .filter(|line| !line.contains(" wedged "))
            // Nor is how full its disk is.
            .filter(|line| !line.contains("the disk is low"))
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

/// A process that serves.
struct Served {
    child: Child,
    address: String,
    http: String,
    log: Log,
}

fn spawn(
    (programs, program): (&Programs, &str),
    data_dir: &Path,
    listen: &str,
    arguments: &[OsString],
) -> anyhow::Result<Served> {
    let mut command = programs.command(program);
    if !arguments.iter().any(|argument| argument == "--config") {
        // How full the disk of the machine is, is nobody's business here.
        command.envs([
            ("JOURNEY__DISK__LOW", "3MiB"),
            ("JOURNEY__DISK__HIGH", "2MiB"),
            ("JOURNEY__DISK__CRITICAL", "1MiB"),
        ]);
    }
    let mut child = command
        .args(["start", "--listen", listen])
        .args(["--http-listen", "127.0.0.1:0", "--data-dir"])
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
    let mut found = None;
    for line in lines.by_ref() {
        let line = line.context("reading the node's log")?;
        seen.push(line.clone());
        if let (Some(address), Some(http)) = (field(&line, "address"), field(&line, "http")) {
            found = Some((format!("http://{address}"), http));
            break;
        }
    }
    let Some((address, http)) = found else {
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
    Ok(Served {
        child,
        address,
        http,
        log,
    })
}

/// A field of a log line, as text (`name=value`) or JSON (`"name":"value"`).
fn field(line: &str, name: &str) -> Option<String> {
    let (text, json) = (format!(" {name}="), format!("\"{name}\":\""));
    let after = line
        .split(&text)
        .nth(1)
        .or_else(|| line.split(&json).nth(1));
    let value = after?.trim_start_matches('"');
    let end = value.find([' ', '"']).unwrap_or(value.len());
    Some(value[..end].to_owned())
}
