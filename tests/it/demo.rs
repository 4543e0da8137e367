//! The demo: runs by itself for a while, and goes on after a restart.

use std::path::Path;

use crate::world::programs;

fn run(data_dir: &Path) -> anyhow::Result<(String, String)> {
    let output = programs()
        .command("journeyd")
        .args([
            "demo",
            "--for",
            "5s",
            "--http-listen",
            "127.0.0.1:0",
            "--listen",
            "127.0.0.1:0",
            "--data-dir",
        ])
        .arg(data_dir)
        .output()?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    anyhow::ensure!(
        output.status.success(),
        "the demo failed:\n{stdout}\n{stderr}"
    );
    Ok((stdout, stderr))
}

/// The number after a word of a line.
fn figure(line: &str, word: &str) -> u64 {
    let rest = line.split(word).nth(1).unwrap_or_default();
    rest.split_whitespace()
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

#[test]
fn the_demo_runs_restarts_and_goes_on() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let data_dir = folder.path().join("journeyd-data");
    let (stdout, stderr) = run(&data_dir)?;
    let last = stdout.lines().last().unwrap_or_default();
    for part in [
        "events/s",
        "ack p50",
        "p99",
        "customers",
        "active",
        "messages",
        "timers due",
    ] {
        assert!(last.contains(part), "{part:?} is missing in {last:?}");
    }
    assert!(
        stderr.contains("seconds so that you can watch"),
        "it says that its waits are short: {stderr}"
    );
    assert!(figure(last, "customers") > 0, "{last}");
    let (stdout, _) = run(&data_dir)?;
    let first = stdout.lines().next().unwrap_or_default();
    assert!(
        figure(first, "customers") >= figure(last, "customers"),
        "{first} after {last}"
    );
    Ok(())
}
