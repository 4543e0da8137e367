//! sled against the contract, and each of its known traps.

mod damaged;
mod killed;
// It preloads a library that stands in front of the C library's calls.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod power_cut;

use std::fs;
use std::path::Path;

use super::*;
use crate::conformance::{self, Fixture, VALUE_SIZE_BYTES_MAX, crash};
use crate::engine::Put;
use crate::limits::STATE_SEGMENT_SIZE_BYTES;

fn options(path: &Path) -> SledOptions {
    SledOptions {
        path: path.to_owned(),
        segment_size_bytes: STATE_SEGMENT_SIZE_BYTES,
        value_size_bytes_max: VALUE_SIZE_BYTES_MAX,
        cache_capacity_bytes: 64 * 1024 * 1024,
    }
}

fn open(path: &Path) -> Result<SledEngine, StorageError> {
    SledEngine::open(options(path))
}

fn open_with_segments(path: &Path, segment_size_bytes: usize) -> Result<SledEngine, StorageError> {
    SledEngine::open(SledOptions {
        segment_size_bytes,
        ..options(path)
    })
}

/// A database that holds one flushed row and is closed again.
fn with_one_row() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path()).unwrap();
    let tree = engine.tree("p1").unwrap();
    tree.put_ordered(&[Put::set("a", "1")]).unwrap();
    engine.flush_durable().unwrap();
    folder
}

struct SledFixture(tempfile::TempDir);

impl Fixture for SledFixture {
    fn open(&self) -> Result<Arc<dyn Engine>, StorageError> {
        Ok(Arc::new(open(self.0.path())?))
    }
}

#[test]
fn sled_holds_the_contract() {
    conformance::holds_the_contract(|| SledFixture(tempfile::tempdir().unwrap()));
}

#[test]
fn sled_agrees_with_a_map() {
    let folder = tempfile::tempdir().unwrap();
    conformance::model::agrees_with_a_map(&open(folder.path()).unwrap(), 128);
}

#[test]
fn half_written_index_of_an_earlier_open_does_not_block_this_one() {
    let folder = with_one_row();
    // The name of a later index, as sled gives it, so that it is taken for the newest.
    let trap = folder.path().join("snap.00000000FFFFFFFF.generating");
    fs::write(&trap, b"half an ind").unwrap();
    let engine = open(folder.path()).unwrap();
    let value = engine.tree("p1").unwrap().get(b"a").unwrap();
    assert_eq!(value.as_deref(), Some(b"1".as_slice()));
    assert!(!trap.exists());
}

#[test]
fn folder_in_use_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let engine = open(folder.path()).unwrap();
    let tree = engine.tree("p1").unwrap();
    let is_in_use = || match open(folder.path()) {
        Err(error @ StorageError::InUse { .. }) => error
            .to_string()
            .contains(&*folder.path().to_string_lossy()),
        Ok(_) | Err(_) => false,
    };
    assert!(is_in_use());
    drop(engine);
    assert!(is_in_use(), "a tree still uses the folder");
    drop(tree);
    open(folder.path()).unwrap();
}

#[test]
fn side_files_are_refused_while_open_and_at_open() {
    let folder = with_one_row();
    let engine = open(folder.path()).unwrap();
    engine.verify().unwrap();
    fs::write(folder.path().join("blobs").join("1"), b"").unwrap();
    let is_refused = |result| matches!(result, Err(StorageError::UnsyncedBlobs { n_files: 1, .. }));
    assert!(is_refused(engine.verify()));
    drop(engine);
    assert!(is_refused(open(folder.path()).map(|_| ())));
}

#[test]
fn sizes_that_would_make_side_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(folder.path());
    options.segment_size_bytes = 1024 * 1024;
    let opened = SledEngine::open(options);
    assert!(matches!(opened, Err(StorageError::UnsafeSizes { .. })));
}

/// What sled made at its last open.
fn indexes(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .filter(|path| path.to_string_lossy().contains("snap."))
        .collect()
}

#[test]
fn damaged_index_is_refused_by_its_name_with_what_to_do() {
    let folder = with_one_row();
    drop(open(folder.path()).unwrap());
    let index = indexes(folder.path()).pop().unwrap();
    let whole = fs::read(&index).unwrap();
    let mut flipped = whole.clone();
    flipped[3] ^= 1;
    for damaged in [
        b"not an index of sled".as_slice(),
        b"",
        &flipped,
        &whole[..whole.len() - 1],
    ] {
        fs::write(&index, damaged).unwrap();
        let message = open(folder.path()).unwrap_err().to_string();
        let name = index.to_string_lossy();
        assert!(message.starts_with(&*name), "{message}");
        assert!(message.contains("move the file away"), "{message}");
    }
    // As it is told.
    fs::remove_file(&index).unwrap();
    let engine = open(folder.path()).unwrap();
    let value = engine.tree("p1").unwrap().get(b"a").unwrap();
    assert_eq!(value.as_deref(), Some(b"1".as_slice()));
}

/// The advice for a damaged index holds for databases that were opened, written and cleaned many times, after a stop
/// and after a crash.
#[test]
fn index_is_made_anew_from_the_log() {
    const ROUNDS: u64 = 120;
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("database");
    let mut last = 0;
    for opened in 0..6 {
        let engine = open_with_segments(&database, damaged::SEGMENT_SIZE_BYTES).unwrap();
        for round in last + 1..=last + ROUNDS {
            crash::write_round(&engine, round).unwrap();
        }
        last += ROUNDS;
        let crashed = folder.path().join("crashed");
        damaged::copy_files(&database, &crashed);
        drop(engine);
        let stopped = folder.path().join("stopped");
        damaged::copy_files(&database, &stopped);
        for left in [crashed, stopped] {
            let removed = indexes(&left);
            assert_eq!(removed.is_empty(), opened == 0, "{}", left.display());
            removed
                .iter()
                .for_each(|path| fs::remove_file(path).unwrap());
            damaged::read_and_go_on(&left, last).unwrap_or_else(|error| {
                panic!("opened {opened} times, {}: {error}", left.display())
            });
        }
    }
}
