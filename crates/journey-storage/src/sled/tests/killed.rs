//! Kills a real process that writes, flushes and acknowledges, and looks at what it leaves.

use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use super::open;
use crate::conformance::crash;

const CHILD: &str = "sled::tests::killed::writes_rounds_until_killed";
const FOLDER: &str = "JOURNEY_STORAGE_CRASH_FOLDER";
const ACKNOWLEDGED: &str = "JOURNEY_STORAGE_CRASH_ACKNOWLEDGED";
/// A child ends by itself after so many rounds, should the one that kills it have died.
const CHILD_ROUNDS_MAX: u64 = 2_000;
const OPENING: &str = "crash child opens the database";
const ROUND: &str = "crash child acknowledges round ";

/// The child's side; run as an ordinary test it does ten rounds and lives.
#[test]
fn writes_rounds_until_killed() {
    let own = tempfile::tempdir().unwrap();
    let told = env::var_os(FOLDER);
    let n_rounds = if told.is_some() { CHILD_ROUNDS_MAX } else { 10 };
    let folder = told.clone().unwrap_or_else(|| own.path().into());
    let acknowledged = env::var_os(ACKNOWLEDGED);
    let acknowledged = acknowledged.map_or(0, |text| text.to_str().unwrap().parse().unwrap());
    // Not `print!`, which the test harness may hold back.
    let mut out: Box<dyn Write> = match told {
        Some(_) => Box::new(std::io::stdout()),
        None => Box::new(std::io::sink()),
    };
    writeln!(out, "{OPENING}").unwrap();
    let engine = open(Path::new(&folder)).unwrap();
    crash::check_survivor(&engine, acknowledged).unwrap();
    for round in acknowledged + 1..=acknowledged + n_rounds {
        crash::write_round(&engine, round).unwrap();
        writeln!(out, "{ROUND}{round}").unwrap();
    }
    assert_eq!(
        crash::check_survivor(&engine, acknowledged + n_rounds).unwrap(),
        acknowledged + n_rounds
    );
}

/// Starts a child, kills it after it has printed so many lines, and gives the last round that it acknowledged.
fn kill_after(folder: &Path, n_lines: usize, acknowledged: u64) -> u64 {
    let mut child = Command::new(env::current_exe().unwrap())
        .args([CHILD, "--exact", "--nocapture", "--test-threads=1"])
        .env(FOLDER, folder)
        .env(ACKNOWLEDGED, acknowledged.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut text = String::new();
    for _ in 0..n_lines {
        // The harness prints lines of its own, and may end the child's on a line that it began.
        while out.read_line(&mut text).unwrap() > 0 {
            let line = text.trim_end().rsplit('\n').next().unwrap();
            if line.ends_with(OPENING) || line.contains(ROUND) {
                break;
            }
        }
    }
    child.kill().unwrap();
    out.read_to_string(&mut text).unwrap();
    let mut errors = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut errors)
        .unwrap();
    let status = child.wait().unwrap();
    assert_eq!(
        status.code(),
        None,
        "the child ended by itself:\n{text}\n{errors}"
    );
    let rounds = text.lines().filter_map(|line| line.split_once(ROUND));
    let rounds = rounds.filter_map(|(_, round)| round.parse().ok());
    rounds.max().unwrap_or(acknowledged)
}

#[test]
fn killed_process_leaves_every_acknowledged_round() {
    let n_kills = if env::var_os("RUN_SLOW_TESTS").is_some() {
        200
    } else {
        12
    };
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for kill in 0..n_kills {
        // 1 is while it opens, above that after some round; multiples of 7 spread the rest.
        let n_lines = [1, 2, 1 + kill * 7 % 40][kill % 3];
        acknowledged = kill_after(folder.path(), n_lines, acknowledged);
        if kill % 2 == 0 {
            let engine = open(folder.path()).unwrap();
            crash::check_survivor(&engine, acknowledged).unwrap();
        }
    }
    // Two thirds of them come after at least one round.
    assert!(acknowledged > 0, "no round was ever acknowledged");
}
