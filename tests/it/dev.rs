//! `journeyd dev`: several nodes by one command, killed and brought back, and none left behind.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use anyhow::Context as _;
use journey_client::{ClusterClient, wire};
use tests::{Ctl, Programs, wait_until};

use crate::world::{event, programs};

/// How long a line may take on a machine that runs much else beside.
const LINE_MAX: Duration = Duration::from_secs(240);

/// Timings for such a machine.
fn patient(programs: Programs) -> Programs {
    programs
        .with_environment("JOURNEY__RAFT__HEARTBEAT_INTERVAL", "100ms")
        .with_environment("JOURNEY__RAFT__ELECTION_TIMEOUT_MIN", "500ms")
        .with_environment("JOURNEY__RAFT__ELECTION_TIMEOUT_MAX", "1s")
        .with_environment("JOURNEY__DISK__LOW", "3MiB")
        .with_environment("JOURNEY__DISK__HIGH", "2MiB")
        .with_environment("JOURNEY__DISK__CRITICAL", "1MiB")
}

/// The command as it runs. Dropping it kills it, and its nodes end with it.
struct Dev {
    child: Child,
    input: ChildStdin,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Dev {
    fn start(arguments: &[&str]) -> anyhow::Result<Self> {
        let mut child = patient(programs())
            .command("journeyd")
            .arg("dev")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child.stdin.take().context("no input")?;
        let output = child.stdout.take().context("no output")?;
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            child,
            input,
            lines,
            seen: Vec::new(),
        })
    }

    /// The next line that holds a text.
    fn line_with(&mut self, text: &str) -> anyhow::Result<String> {
        loop {
            let line = self.lines.recv_timeout(LINE_MAX);
            let line =
                line.with_context(|| format!("waiting for {text:?} after {:#?}", self.seen))?;
            self.seen.push(line.clone());
            if line.contains(text) {
                return Ok(line);
            }
        }
    }

    fn order(&mut self, order: &str) -> anyhow::Result<()> {
        Ok(writeln!(self.input, "{order}")?)
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        if self.child.kill().is_ok() {
            drop(self.child.wait());
        }
    }
}

async fn wait_closed(address: &str) -> anyhow::Result<()> {
    wait_until("the node to be gone", || async {
        TcpStream::connect(address).is_err().then_some(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_command_runs_three_nodes_and_leaves_none_behind() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let data_dir = folder.path().join("dev").display().to_string();
    let mut dev = Dev::start(&["--port", "0", "--partitions", "3", "--data-dir", &data_dir])?;
    let ready = dev.line_with("ready:")?;
    assert!(
        ready.contains("3 partitions with 3 replicas each"),
        "{ready}"
    );
    let line = dev.line_with("--address")?;
    let mut after = line
        .split_whitespace()
        .skip_while(|word| *word != "--address");
    let addresses = after.nth(1).context("no addresses")?.to_owned();
    let ctl = Ctl::new(&programs(), &addresses);
    let healthy = ctl.run(&["cluster", "health"])?;
    assert_eq!(healthy.code, 0, "{healthy:?}");
    let listed = Ctl::new(&programs(), addresses.split(',').nth(2).unwrap());
    let listed = listed.json(&["journey", "list"])?.to_string();
    assert!(
        listed.contains("welcome"),
        "the samples are there: {listed}"
    );

    dev.order("kill n2")?;
    let ended = dev.line_with("n2 ended by signal: 9")?;
    assert!(ended.contains("`start n2`"), "{ended}");
    let command = dev.line_with("journeyd start")?;
    assert!(command.contains("--join"), "{command}");
    let nodes = ClusterClient::new(addresses.split(',').map(str::to_owned))?;
    let sent = nodes.ingest(vec![event("ann", "1", "signed_up")], wire::IngestMode::Live);
    let results = sent.await?;
    assert!(!results[0].retry, "two of three are enough: {results:?}");
    let degraded = ctl.run(&["cluster", "health"])?;
    assert_eq!(degraded.code, 10, "{degraded:?}");
    assert!(degraded.stdout.contains("does not answer"), "{degraded:?}");
    dev.order("start n2")?;
    let healthy = ctl.run(&["cluster", "health", "--exit-when-healthy"])?;
    assert_eq!(healthy.code, 0, "{healthy:?}");
    dev.order("restart n2")?;
    dev.line_with("type `start n2`")?;

    let told = std::process::Command::new("kill")
        .args(["-TERM", &dev.child.id().to_string()])
        .status()?;
    assert!(told.success());
    dev.line_with("stopped; the data is in")?;
    assert!(dev.child.wait()?.success());
    for address in addresses.split(',') {
        wait_closed(address).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_end_with_the_command_that_was_killed() -> anyhow::Result<()> {
    let mut dev = Dev::start(&["--nodes", "1", "--port", "0", "--partitions", "1"])?;
    let line = dev.line_with("n1  api ")?;
    let address = line.split_whitespace().nth(2).context("no address")?;
    dev.line_with("ready:")?;
    assert!(TcpStream::connect(address).is_ok());
    dev.child.kill()?;
    dev.child.wait()?;
    wait_closed(address).await
}
