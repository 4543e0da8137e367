//! Values in chunks: every length, every place at which a crash can cut, every damage.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::engine::Engine as _;
use crate::memory::{CrashPoint, MemoryEngine};

const ROW: usize = 20;
const KEY: &[u8] = b"d/customer";

fn engine() -> (MemoryEngine, Arc<dyn Tree>) {
    let engine = MemoryEngine::new(ROW);
    let tree = engine.tree("p1").unwrap();
    engine.flush_durable().unwrap();
    (engine, tree)
}

fn value(size_bytes: usize, first: u8) -> Vec<u8> {
    (first..=u8::MAX).cycle().take(size_bytes).collect()
}

fn write(tree: &Arc<dyn Tree>, value: &[u8]) {
    tree.put_ordered(&split(KEY, value, ROW).unwrap()).unwrap();
}

/// What every crash after the flush leaves of the value.
fn survivors(engine: &MemoryEngine) -> Vec<Result<Option<Vec<u8>>, StorageError>> {
    let survivor = |n_writes| {
        engine
            .survivor(CrashPoint::Writes(n_writes))
            .tree("p1")
            .unwrap()
    };
    let numbers = 0..=engine.n_unflushed();
    numbers
        .map(|n_writes| read(&*survivor(n_writes), KEY))
        .collect()
}

#[test]
fn every_length_reads_back_from_full_rows() {
    for size_bytes in 0..=200 {
        let (_, tree) = engine();
        let value = value(size_bytes, 0);
        write(&tree, &value);
        assert_eq!(read(&*tree, KEY).unwrap(), Some(value));
        let n_rows = Scan::prefix(&*tree, KEY).count();
        // The last chunk says six bytes more than the others do.
        assert_eq!(n_rows, (size_bytes + 6).div_ceil(ROW - 1));
    }
}

#[test]
fn value_that_was_never_written_is_none() {
    let (_, tree) = engine();
    assert_eq!(read(&*tree, KEY).unwrap(), None);
    assert_eq!(removals(&*tree, KEY).unwrap(), []);
}

#[test]
fn crash_while_writing_or_removing_leaves_all_or_nothing() {
    let (engine, tree) = engine();
    let value = value(100, 0);
    write(&tree, &value);
    let (whole, torn): (Vec<_>, Vec<_>) = survivors(&engine)
        .into_iter()
        .map(Result::unwrap)
        .partition(Option::is_some);
    assert_eq!(whole, [Some(value)]);
    assert_eq!(torn.len(), 6, "torn at each of its chunks but the last");
    engine.flush_durable().unwrap();
    tree.put_ordered(&removals(&*tree, KEY).unwrap()).unwrap();
    let left: Vec<bool> = survivors(&engine)
        .into_iter()
        .map(|left| left.unwrap().is_some())
        .collect();
    assert_eq!(left, [true, false, false, false, false, false, false]);
    assert_eq!(Scan::prefix(&*tree, KEY).count(), 0);
}

#[test]
fn longer_keys_in_between_belong_to_others() {
    let (_, tree) = engine();
    let value = value(100, 0);
    write(&tree, &value);
    let other = [KEY, &[0, 1, 7, 7]].concat();
    tree.put_ordered(&split(&other, &[9; 50], ROW).unwrap())
        .unwrap();
    assert_eq!(read(&*tree, KEY).unwrap(), Some(value));
    tree.put_ordered(&removals(&*tree, KEY).unwrap()).unwrap();
    assert_eq!(read(&*tree, &other).unwrap(), Some(vec![9; 50]));
}

#[test]
fn damage_is_told() {
    let told = |change: &dyn Fn(&dyn Tree)| {
        let (_, tree) = engine();
        write(&tree, &value(100, 0));
        change(&*tree);
        read(&*tree, KEY).unwrap_err().to_string()
    };
    let put = |tree: &dyn Tree, put: Put| tree.put_ordered(&[put]).unwrap();
    let missing = told(&|tree| put(tree, Put::remove(chunk_key(KEY, 2))));
    assert_eq!(
        missing,
        "stored value in tree p1 is damaged: 5 of 6 chunks were found"
    );
    let changed = told(&|tree| put(tree, Put::set(chunk_key(KEY, 2), [MORE, 1])));
    assert_eq!(
        changed,
        "stored value in tree p1 is damaged: the CRC of 6 chunks does not fit"
    );
    let strange = told(&|tree| put(tree, Put::set(chunk_key(KEY, 2), [7, 1])));
    assert_eq!(
        strange,
        "stored value in tree p1 is damaged: chunk 2 has no known form"
    );
    let empty = told(&|tree| put(tree, Put::set(chunk_key(KEY, 2), [])));
    assert_eq!(
        empty,
        "stored value in tree p1 is damaged: chunk 2 has no known form"
    );
    let cut = told(&|tree| put(tree, Put::set(chunk_key(KEY, 2), [LAST, 0, 3, 0])));
    assert_eq!(
        cut,
        "stored value in tree p1 is damaged: its last chunk is cut"
    );
}

#[test]
fn value_beyond_the_limit_is_refused() {
    let refused = |size_bytes, row| {
        let split = split(KEY, &vec![0; size_bytes], row);
        matches!(split, Err(StorageError::ChunkedValueTooLarge { .. }))
    };
    let max = CHUNKED_VALUE_SIZE_BYTES_MAX;
    assert!(!refused(max, crate::limits::STATE_VALUE_SIZE_BYTES_MAX));
    assert!(refused(max + 1, crate::limits::STATE_VALUE_SIZE_BYTES_MAX));
    assert!(refused(VALUE_CHUNKS_MAX * ROW, ROW), "too many chunks");
    assert!(
        refused(1, LAST_HEADER_SIZE_BYTES),
        "rows too short for any chunk"
    );
}

proptest! {
    #[test]
    fn value_written_again_is_old_gone_or_new_after_any_crash(
        sizes in vec(0_usize..120, 2),
    ) {
        let (engine, tree) = engine();
        let (old, new) = (value(sizes[0], 0), value(sizes[1], 100));
        write(&tree, &old);
        engine.flush_durable().unwrap();
        tree.put_ordered(&removals(&*tree, KEY).unwrap()).unwrap();
        write(&tree, &new);
        for left in survivors(&engine) {
            let left = left.unwrap();
            prop_assert!(left.is_none() || left.as_ref() == Some(&old) || left == Some(new.clone()));
        }
        prop_assert_eq!(read(&*tree, KEY).unwrap(), Some(new));
    }

    #[test]
    fn value_written_over_another_is_never_misread(sizes in vec(0_usize..120, 2)) {
        let (engine, tree) = engine();
        let (old, new) = (value(sizes[0], 0), value(sizes[1], 100));
        write(&tree, &old);
        engine.flush_durable().unwrap();
        write(&tree, &new);
        for left in survivors(&engine).into_iter().flatten().flatten() {
            prop_assert!(left == old || left == new);
        }
        prop_assert_eq!(read(&*tree, KEY).unwrap(), Some(new));
    }
}
