//! Cuts the power of a real sled database, by replaying its recorded writes.
//!
//! A child process writes and acknowledges rounds while a preloaded library records what reaches the data file. For a
//! cut somewhere in the recording, everything before the last fsync is kept, and of what came after it some writes are
//! kept and others lost, in any order, as disks do it. Then the acknowledged rounds must be there.

use std::env;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::Ordering;

use super::super::witness::Witness;
use super::open_with_segments;
use crate::conformance::crash;

const CHILD: &str = "sled::tests::power_cut::writes_rounds_for_the_recorder";
const DATA_FILE: &str = "RECORDER_DATA_FILE";
/// The smallest that is safe, so that many are written, freed and used again.
const SEGMENT_SIZE_BYTES: usize = 2 * 1024 * 1024;
/// Enough rounds to use segments again, and so few flushes that several segments are written between two.
const N_ROUNDS: u64 = 600;
const ROUNDS_PER_FLUSH: u64 = 150;
const ACKNOWLEDGED: &str = "recorded child acknowledges round ";

/// The child's side; run as an ordinary test it writes one flush's worth of rounds in a folder of its own.
#[test]
fn writes_rounds_for_the_recorder() {
    let own = tempfile::tempdir().unwrap();
    let told = env::var_os(DATA_FILE);
    let n_rounds = if told.is_some() {
        N_ROUNDS
    } else {
        ROUNDS_PER_FLUSH
    };
    let folder = told
        .as_deref()
        .map_or(own.path(), |file| Path::new(file).parent().unwrap());
    let engine = open_with_segments(folder, SEGMENT_SIZE_BYTES).unwrap();
    for round in 1..=n_rounds {
        crash::write_unflushed_round(&engine, round).unwrap();
        if round % ROUNDS_PER_FLUSH == 0 {
            crate::Engine::flush_durable(&engine).unwrap();
            if told.is_some() {
                let lsn = engine.database.synced_lsn.load(Ordering::Acquire);
                writeln!(std::io::stdout(), "{ACKNOWLEDGED}{round} synced to {lsn}").unwrap();
            }
        }
    }
    assert_eq!(crash::check_survivor(&engine, n_rounds).unwrap(), n_rounds);
}

enum Record<'a> {
    Written { offset: usize, bytes: &'a [u8] },
    SyncBegun,
    Truncated { size_bytes: usize },
    Printed(&'a [u8]),
}

fn parse(mut recording: &[u8]) -> Vec<Record<'_>> {
    let mut records = Vec::new();
    while !recording.is_empty() {
        let (header, rest) = recording.split_at(24);
        let number = |at: usize| {
            let bytes = header[at * 8..][..8].try_into().unwrap();
            usize::try_from(u64::from_le_bytes(bytes)).unwrap()
        };
        let (kind, a, b) = (number(0), number(1), number(2));
        let (bytes, rest) = rest.split_at(if matches!(kind, 1 | 4) { b } else { 0 });
        recording = rest;
        records.push(match kind {
            1 => Record::Written { offset: a, bytes },
            2 => Record::SyncBegun,
            3 => Record::Truncated { size_bytes: a },
            4 => Record::Printed(bytes),
            kind => panic!("record of kind {kind}"),
        });
    }
    records
}

impl Record<'_> {
    fn replay(&self, file: &mut Vec<u8>) {
        match self {
            Self::Written { offset, bytes } => {
                let end = offset + bytes.len();
                file.resize(file.len().max(end), 0);
                file[*offset..end].copy_from_slice(bytes);
            }
            Self::Truncated { size_bytes } => file.resize(*size_bytes, 0),
            Self::SyncBegun | Self::Printed(_) => {}
        }
    }

    /// A round, and the position in sled's log up to which it was synced.
    fn acknowledged(&self) -> Option<(u64, i64)> {
        let Self::Printed(bytes) = self else {
            return None;
        };
        let text = std::str::from_utf8(bytes).unwrap();
        let (_, told) = text.trim_end().split_once(ACKNOWLEDGED)?;
        let (round, lsn) = told.split_once(" synced to ").unwrap();
        Some((round.parse().unwrap(), lsn.parse().unwrap()))
    }
}

/// What of the writes since the last fsync a cut leaves.
#[derive(Debug, Clone, Copy)]
enum Kept {
    Nothing,
    /// Writes inside the file as it was; its growth is lost, as with a file system that journals metadata.
    Overwrites,
    /// Every other write or so.
    Half,
}

/// A file, what it is sure to hold, and what has come since the last fsync.
#[derive(Default)]
struct Disk<'a> {
    synced: Vec<u8>,
    unsynced: Vec<&'a Record<'a>>,
    acknowledged: u64,
    synced_lsn: i64,
}

impl<'a> Disk<'a> {
    fn take(&mut self, record: &'a Record<'a>) {
        match record {
            Record::Written { .. } | Record::Truncated { .. } => self.unsynced.push(record),
            Record::SyncBegun => {
                let unsynced = std::mem::take(&mut self.unsynced);
                unsynced
                    .iter()
                    .for_each(|record| record.replay(&mut self.synced));
            }
            Record::Printed(_) => {
                (self.acknowledged, self.synced_lsn) = record
                    .acknowledged()
                    .unwrap_or((self.acknowledged, self.synced_lsn));
            }
        }
    }

    fn cut(&self, kept: Kept, seed: u64) -> Vec<u8> {
        let mut file = self.synced.clone();
        for (number, record) in (0_u64..).zip(&self.unsynced) {
            let is_kept = match (kept, record) {
                (Kept::Nothing, _) => false,
                (Kept::Overwrites, Record::Written { offset, bytes }) => {
                    offset + bytes.len() <= self.synced.len()
                }
                (Kept::Overwrites, _) => false,
                (Kept::Half, _) => mix(seed, number).is_multiple_of(2),
            };
            if is_kept {
                record.replay(&mut file);
            }
        }
        file
    }
}

fn mix(seed: u64, number: u64) -> u64 {
    xorshift(xorshift(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (number + 1)) >> 7)
}

fn xorshift(mut state: u64) -> u64 {
    state = state.wrapping_mul(0x2545_F491_4F6C_DD1D);
    state ^= state >> 29;
    state ^= state << 17;
    state ^ (state >> 31)
}

/// Runs the child under the recorder, or says why that cannot be.
fn record(folder: &Path) -> Result<Vec<u8>, String> {
    let (library, source) = (folder.join("recorder.so"), folder.join("recorder.c"));
    fs::write(&source, include_str!("power_cut/recorder.c")).unwrap();
    let compiled = Command::new("cc")
        .args(["-O1", "-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .args(["-ldl", "-lpthread"])
        .output()
        .map_err(|error| format!("no C compiler: {error}"))?;
    assert!(
        compiled.status.success(),
        "{}",
        String::from_utf8_lossy(&compiled.stderr)
    );
    let recording = folder.join("recording");
    let ran = Command::new(env::current_exe().unwrap())
        .args([CHILD, "--exact", "--nocapture", "--test-threads=1"])
        .env("LD_PRELOAD", &library)
        .env(DATA_FILE, folder.join("database").join("db"))
        .env("RECORDER_RECORDING", &recording)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    Ok(fs::read(recording).unwrap())
}

/// Copies what lies in a database's folder, also sled's index, which is written at open only.
fn copy_files(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// Opens what a cut leaves: everything that was acknowledged is there.
fn expect_survivor(disk: &Disk<'_>, (database, left): (&Path, &Path), kept: Kept, seed: u64) {
    copy_files(database, left);
    fs::write(left.join("db"), disk.cut(kept, seed)).unwrap();
    fs::remove_file(left.join("synced")).unwrap();
    Witness::open(left).unwrap().note(disk.synced_lsn).unwrap();
    let engine = open_with_segments(left, SEGMENT_SIZE_BYTES).unwrap();
    crash::check_survivor(&engine, disk.acknowledged).unwrap();
    drop(engine);
    fs::remove_dir_all(left).unwrap();
}

#[test]
fn power_cut_leaves_every_acknowledged_round() {
    // Places of the recording, and how many kinds of cuts at each.
    let (n_places, n_kinds) = if env::var_os("RUN_SLOW_TESTS").is_some() {
        (700, 3)
    } else {
        (15, 1)
    };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    // What the child finds, so that it starts as nodes do: with sled's index of what an earlier process wrote.
    let database = folder.join("database");
    let engine = open_with_segments(&database, SEGMENT_SIZE_BYTES).unwrap();
    (1..=40).for_each(|round| crash::write_round(&engine, round).unwrap());
    drop(engine);
    let mut disk = Disk {
        synced: fs::read(database.join("db")).unwrap(),
        ..Disk::default()
    };
    let recording = match record(&folder) {
        Ok(recording) => recording,
        Err(reason) => return println!("skipped: {reason}"),
    };
    let records = parse(&recording);
    let mut most_unsynced = 0;
    let mut seed = 0;
    let step = (records.len() / n_places).max(1);
    for (number, record) in records.iter().enumerate() {
        disk.take(record);
        most_unsynced = most_unsynced.max(disk.unsynced.len());
        // The first ones open the database; the rest is cut evenly.
        if number < 50 || number % step != step / 2 {
            continue;
        }
        for turn in 0..n_kinds {
            seed += 1;
            let kept = [Kept::Half, Kept::Overwrites, Kept::Nothing][(number / step + turn) % 3];
            // Shown when it panics.
            println!("cut {seed} after record {number}, {kept:?} kept");
            expect_survivor(&disk, (&database, &folder.join("left")), kept, seed);
        }
    }
    println!("{seed} cuts");
    assert_eq!(disk.acknowledged, N_ROUNDS);
    assert!(most_unsynced > 2, "no cut lost anything");
}
