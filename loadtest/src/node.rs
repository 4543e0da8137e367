//! The process under test: a node that runs already, or one of our own for the time of the run, or the floor.

mod figures;
mod scrape;

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;

use crate::limits::START_LINES_MAX;
use crate::scenario::Ending;

pub(crate) use figures::{ProcessFigures, disk_bytes, own_cpu_seconds};
pub(crate) use scrape::{Scrape, scrape_all};

/// Where the traffic goes.
#[derive(Debug)]
pub(crate) struct NodeUnderTest {
    /// `http://127.0.0.1:<port>`.
    address: String,
    /// `127.0.0.1:<port>` of health and metrics, where it is known.
    http: Option<String>,
    process: Option<Process>,
}

#[derive(Debug)]
struct Process {
    child: Child,
    data_dir: PathBuf,
    launch: Launch,
    /// Removes the folder at the end, where it is a temporary one.
    _folder: Option<tempfile::TempDir>,
}

/// What is started, and how it is told where to listen and to write.
#[derive(Debug, Clone)]
pub(crate) struct Launch {
    /// Arguments that make the running executable behave as `loadtest`.
    pub(crate) program_prefix: Vec<OsString>,
    pub(crate) what: Launched,
    /// A configuration file of the node.
    pub(crate) config: toml::Table,
    pub(crate) data_dir: Option<PathBuf>,
    /// What else the node is told, such as the cluster that it founds or joins.
    pub(crate) more: Vec<String>,
}

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Launched {
    Node,
    Floor,
}

/// The addresses that a process said it serves on.
struct Served {
    child: Child,
    address: String,
    http: Option<String>,
}

impl NodeUnderTest {
    /// A node that runs already.
    pub(crate) fn at(address: &str, http: Option<&str>) -> Self {
        let address = if address.contains("://") {
            address.to_owned()
        } else {
            format!("http://{address}")
        };
        Self {
            address,
            http: http.map(str::to_owned),
            process: None,
        }
    }

    /// Starts a process on free ports and waits until it serves.
    pub(crate) fn start(launch: Launch) -> anyhow::Result<Self> {
        let (data_dir, folder) = match &launch.data_dir {
            Some(data_dir) => (data_dir.clone(), None),
            None => {
                let folder = tempfile::tempdir().context("making a temporary data folder")?;
                (folder.path().join("data"), Some(folder))
            }
        };
        let served = spawn(&launch, &data_dir, ("127.0.0.1:0", "127.0.0.1:0"))?;
        let process = Process {
            child: served.child,
            data_dir,
            launch,
            _folder: folder,
        };
        Ok(Self {
            address: format!("http://{}", served.address),
            http: served.http,
            process: Some(process),
        })
    }

    /// Ends the process and waits until it is gone.
    pub(crate) fn end(&mut self, how: Ending) -> anyhow::Result<()> {
        let process = self
            .process
            .as_mut()
            .context("only a node that the run started can be ended; leave --address out")?;
        match how {
            Ending::Kill => process.child.kill().context("killing the node")?,
            Ending::Stop => {
                let id = process.child.id().to_string();
                let status = Command::new("kill").args(["-TERM", &id]).status();
                let is_sent = status.context("sending SIGTERM")?.success();
                anyhow::ensure!(is_sent, "the node could not be told to stop");
            }
        }
        process.child.wait().context("waiting for the node's end")?;
        Ok(())
    }

    /// Starts an ended process again on the same folder and ports.
    pub(crate) fn start_again(&mut self) -> anyhow::Result<()> {
        let listen = self.address.trim_start_matches("http://").to_owned();
        let http = self
            .http
            .clone()
            .unwrap_or_else(|| "127.0.0.1:0".to_owned());
        let process = self.process.as_mut().context("no process of this run")?;
        let served = spawn(&process.launch, &process.data_dir, (&listen, &http))?;
        process.child = served.child;
        Ok(())
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn http(&self) -> Option<&str> {
        self.http.as_deref()
    }

    /// The process id, where it is ours.
    pub(crate) fn id(&self) -> Option<u32> {
        self.process.as_ref().map(|process| process.child.id())
    }

    /// The data folder, where it is ours.
    pub(crate) fn data_dir(&self) -> Option<&Path> {
        self.process
            .as_ref()
            .map(|process| process.data_dir.as_path())
    }
}

impl Drop for NodeUnderTest {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process
            && process.child.kill().is_ok()
        {
            drop(process.child.wait());
        }
    }
}

fn spawn(launch: &Launch, data_dir: &Path, listen: (&str, &str)) -> anyhow::Result<Served> {
    let program = std::env::current_exe().context("finding this program's own file")?;
    let mut command = Command::new(program);
    command.args(&launch.program_prefix);
    match launch.what {
        Launched::Floor => {
            command.args(["floor-server", "--data-dir"]).arg(data_dir);
        }
        Launched::Node => {
            command.args(["node", "--", "start", "--listen", listen.0]);
            command
                .args(["--http-listen", listen.1, "--data-dir"])
                .arg(data_dir);
            command.args(&launch.more);
            if !launch.config.is_empty() {
                let path = data_dir.with_extension("toml");
                std::fs::write(&path, toml::to_string(&launch.config)?)
                    .with_context(|| format!("writing {}", path.display()))?;
                command.arg("--config").arg(path);
            }
        }
    }
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("starting the process under test")?;
    let log = child.stderr.take().context("its log is not piped")?;
    let mut lines = BufReader::new(log).lines();
    let (mut address, mut http) = (None, None);
    for line in lines.by_ref().take(START_LINES_MAX) {
        let line = line.context("reading the log of the process under test")?;
        if let Some(found) = word_after(&line, " address=") {
            address = Some(found);
            http = word_after(&line, " http=");
            break;
        }
        if !line.contains(" INFO ") {
            eprintln!("node: {line}");
        }
    }
    // The rest of its log goes where ours goes, so that its pipe never fills.
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            if !line.contains(" INFO ") {
                eprintln!("node: {line}");
            }
        }
    });
    let Some(address) = address else {
        drop(child.kill());
        drop(child.wait());
        anyhow::bail!("the process under test ended before it served; its log is above");
    };
    Ok(Served {
        child,
        address,
        http: http.filter(|http| http != "off"),
    })
}

fn word_after(line: &str, mark: &str) -> Option<String> {
    let (_, rest) = line.split_once(mark)?;
    let word = rest.split_whitespace().next()?;
    Some(word.trim_matches('"').to_owned())
}
