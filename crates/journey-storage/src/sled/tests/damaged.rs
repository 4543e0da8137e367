//! Flips bits in a real database, cuts it off, and zeroes parts of it: what was acknowledged is read whole, or refused.

use std::env;
use std::fs;
use std::path::Path;

use super::open_with_segments;
use crate::conformance::crash;
use crate::error::StorageError;

pub(super) const SEGMENT_SIZE_BYTES: usize = 2 * 1024 * 1024;
/// Some of them lie in the index that a later open writes, the rest in the log behind it.
const ROUNDS_BEFORE: u64 = 60;
const ROUNDS_AFTER: u64 = 140;

/// splitmix64.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }
}

/// Copies the files of an open database, as a crash leaves them.
pub(super) fn copy_files(from: &Path, to: &Path) {
    drop(fs::remove_dir_all(to));
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// Damages the file and tells how.
fn damage(file: &mut Vec<u8>, draw: &mut Draw) -> String {
    let at = draw.below(file.len());
    match draw.below(6) {
        0 => {
            file.truncate(at);
            format!("cut at {at}")
        }
        1 => {
            let end = file.len().min(at + 1 + draw.below(8_192));
            file[at..end].fill(0);
            format!("zeros from {at} to {end}")
        }
        2 => {
            // A segment's header, or the first message behind it.
            let at = at / SEGMENT_SIZE_BYTES * SEGMENT_SIZE_BYTES + draw.below(60);
            file[at] ^= 1 << draw.below(8);
            format!("bit flipped near the head of a segment, at {at}")
        }
        _ => {
            file[at] ^= 1 << draw.below(8);
            format!("bit flipped at {at}")
        }
    }
}

/// Opens the database, reads everything, writes and reads again.
pub(super) fn read_and_go_on(path: &Path, acknowledged: u64) -> Result<(), StorageError> {
    let engine = open_with_segments(path, SEGMENT_SIZE_BYTES)?;
    let found = crash::check_survivor(&engine, acknowledged)?;
    for round in found + 1..found + 4 {
        crash::write_round(&engine, round)?;
    }
    crash::check_survivor(&engine, found + 3).map(|_| ())
}

#[test]
fn damaged_file_is_refused_or_reads_whole() {
    let n_cases = if env::var_os("RUN_SLOW_TESTS").is_some() {
        2_000
    } else {
        60
    };
    let folder = tempfile::tempdir().unwrap();
    let (database, crashed, left) = (
        folder.path().join("database"),
        folder.path().join("crashed"),
        folder.path().join("left"),
    );
    let engine = open_with_segments(&database, SEGMENT_SIZE_BYTES).unwrap();
    (1..=ROUNDS_BEFORE).for_each(|round| crash::write_round(&engine, round).unwrap());
    drop(engine);
    let engine = open_with_segments(&database, SEGMENT_SIZE_BYTES).unwrap();
    let acknowledged = ROUNDS_BEFORE + ROUNDS_AFTER;
    (ROUNDS_BEFORE + 1..=acknowledged)
        .for_each(|round| crash::write_round(&engine, round).unwrap());
    copy_files(&database, &crashed);
    copy_files(&crashed, &left);
    read_and_go_on(&left, acknowledged).unwrap();
    let whole = fs::read(crashed.join("db")).unwrap();
    let (mut n_refused, mut n_read) = (0, 0);
    for seed in 0..n_cases {
        copy_files(&crashed, &left);
        let mut file = whole.clone();
        let what = damage(&mut file, &mut Draw(seed));
        fs::write(left.join("db"), file).unwrap();
        // Shown when a check below panics.
        println!("seed {seed}: {what}");
        match read_and_go_on(&left, acknowledged) {
            Ok(()) => n_read += 1,
            Err(error) => {
                n_refused += 1;
                let message = error.to_string();
                println!("  {message}");
                assert!(message.contains("/left"), "{what}: {message}");
            }
        }
    }
    println!("{n_refused} refused, {n_read} read whole");
    assert!(
        n_refused > 0 && n_read > 0,
        "{n_refused} refused, {n_read} read"
    );
}
