//! `journeyctl` as a user runs it.

use anyhow::Context as _;

use crate::node_process::Programs;

/// Runs `journeyctl` against one node.
#[derive(Debug, Clone)]
pub struct Ctl {
    programs: Programs,
    address: String,
}

/// What a run said.
#[derive(Debug, Clone)]
pub struct CtlOutput {
    /// The exit code; -1 when a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Ctl {
    /// Against the node at that address.
    #[must_use]
    pub fn new(programs: &Programs, address: &str) -> Self {
        Self {
            programs: programs.clone(),
            address: address.to_owned(),
        }
    }

    /// Runs with arguments and waits for its end.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run(&self, arguments: &[&str]) -> anyhow::Result<CtlOutput> {
        let output = self
            .programs
            .command("journeyctl")
            .args(["--address", &self.address])
            .args(arguments)
            .output()
            .context("starting journeyctl")?;
        Ok(CtlOutput {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Runs with `-o json`, expects success, and reads the document.
    ///
    /// # Errors
    /// With everything it said when it failed or printed no JSON.
    pub fn json(&self, arguments: &[&str]) -> anyhow::Result<serde_json::Value> {
        let mut with_format = arguments.to_vec();
        with_format.extend(["-o", "json"]);
        let output = self.run(&with_format)?;
        anyhow::ensure!(
            output.code == 0,
            "journeyctl {arguments:?} failed: {output:?}"
        );
        serde_json::from_str(&output.stdout).with_context(|| format!("reading {output:?}"))
    }
}
