//! The node under test: one that runs already, or a process of our own for the time of the run.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;

/// Lines of the node's log that are read while waiting for its address.
const START_LINES_MAX: usize = 1_000;

/// Where the traffic goes.
#[derive(Debug)]
pub(crate) struct NodeUnderTest {
    address: String,
    process: Option<Process>,
}

#[derive(Debug)]
struct Process {
    child: Child,
    data_dir: PathBuf,
    /// Removes the folder at the end, where it is a temporary one.
    _folder: Option<tempfile::TempDir>,
}

impl NodeUnderTest {
    /// A node that runs already.
    pub(crate) fn at(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            process: None,
        }
    }

    /// Starts a node on a free port and waits until it serves.
    pub(crate) fn start(
        program_prefix: &[OsString],
        data_dir: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let (data_dir, folder) = match data_dir {
            Some(data_dir) => (data_dir.to_path_buf(), None),
            None => {
                let folder = tempfile::tempdir().context("making a temporary data folder")?;
                (folder.path().join("data"), Some(folder))
            }
        };
        let program = std::env::current_exe().context("finding this program's own file")?;
        let mut child = Command::new(program)
            .args(program_prefix)
            .args([
                "node",
                "--",
                "start",
                "--http-listen",
                "127.0.0.1:0",
                "--listen",
                "127.0.0.1:0",
                "--data-dir",
            ])
            .arg(&data_dir)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting the node under test")?;
        let log = child.stderr.take().context("the node's log is not piped")?;
        let mut lines = BufReader::new(log).lines();
        let mut address = None;
        for line in lines.by_ref().take(START_LINES_MAX) {
            let line = line.context("reading the node's log")?;
            if let Some(found) = line.split("address=").nth(1) {
                address = found.split_whitespace().next().map(str::to_owned);
                break;
            }
            eprintln!("node: {line}");
        }
        // The rest of its log goes where ours goes, so that its pipe never fills.
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                eprintln!("node: {line}");
            }
        });
        let address = address.context("the node ended before it served; its log is above")?;
        let process = Process {
            child,
            data_dir,
            _folder: folder,
        };
        Ok(Self {
            address: format!("http://{address}"),
            process: Some(process),
        })
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Resident memory of the node's process in bytes, where it is ours and the system tells.
    pub(crate) fn resident_bytes(&self) -> Option<u64> {
        let id = self.process.as_ref()?.child.id();
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kib * 1_024)
    }

    /// Bytes below the data folder, where it is ours.
    pub(crate) fn disk_bytes(&self) -> Option<u64> {
        fn size(path: &Path) -> u64 {
            let Ok(entries) = std::fs::read_dir(path) else {
                return 0;
            };
            let of = |entry: std::fs::DirEntry| match entry.metadata() {
                Ok(metadata) if metadata.is_dir() => size(&entry.path()),
                Ok(metadata) => metadata.len(),
                Err(_) => 0,
            };
            entries.filter_map(Result::ok).map(of).sum()
        }
        Some(size(&self.process.as_ref()?.data_dir))
    }

    /// Ends the node if it is ours.
    pub(crate) fn stop(mut self) -> anyhow::Result<()> {
        if let Some(process) = &mut self.process {
            process.child.kill().context("ending the node under test")?;
            process
                .child
                .wait()
                .context("waiting for the node under test")?;
        }
        Ok(())
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
