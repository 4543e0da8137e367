//! Marked rows: short and long values, crashes between their writes.

use journey_storage::limits::STATE_VALUE_SIZE_BYTES_MAX;
use journey_storage::{CrashPoint, Engine as _, MemoryEngine};

use super::*;

const KEY: &[u8] = b"mfloor\0";

fn marked(mark: u64, size_bytes: usize) -> Marked {
    Marked {
        mark: Lsn::new(mark),
        value: vec![u8::try_from(mark).unwrap(); size_bytes],
    }
}

fn put(engine: &MemoryEngine, marked: &Marked) {
    let tree = engine.tree("p").unwrap();
    let puts = write(tree.as_ref(), KEY, marked, STATE_VALUE_SIZE_BYTES_MAX).unwrap();
    tree.put_ordered(&puts).unwrap();
}

fn get(engine: &MemoryEngine) -> Option<Marked> {
    read(engine.tree("p").unwrap().as_ref(), KEY).unwrap()
}

#[test]
fn rows_read_back_whatever_their_length() {
    let engine = MemoryEngine::new(STATE_VALUE_SIZE_BYTES_MAX);
    assert_eq!(get(&engine), None);
    for (mark, size_bytes) in [
        (1, 10),
        (2, 9_000),
        (3, 20_000),
        (4, 4_086),
        (5, 4_087),
        (6, 0),
    ] {
        let marked = marked(mark, size_bytes);
        put(&engine, &marked);
        assert_eq!(get(&engine), Some(marked));
    }
    let tree = engine.tree("p").unwrap();
    let rows = tree.range(Bound::Unbounded, Bound::Unbounded, 100).unwrap();
    assert_eq!(rows.len(), 1, "old values are gone");
}

#[test]
fn row_of_the_same_mark_is_left_alone() {
    let engine = MemoryEngine::new(STATE_VALUE_SIZE_BYTES_MAX);
    put(&engine, &marked(7, 9_000));
    let tree = engine.tree("p").unwrap();
    let puts = write(
        tree.as_ref(),
        KEY,
        &marked(7, 9_000),
        STATE_VALUE_SIZE_BYTES_MAX,
    )
    .unwrap();
    assert_eq!(puts, Vec::new());
}

#[test]
fn crash_at_any_write_leaves_the_old_value_or_the_new() {
    for (old_size, new_size) in [(9_000, 20_000), (20_000, 9_000), (9_000, 5), (5, 9_000)] {
        let (old, new) = (marked(1, old_size), marked(2, new_size));
        let engine = MemoryEngine::new(STATE_VALUE_SIZE_BYTES_MAX);
        put(&engine, &old);
        engine.flush_durable().unwrap();
        put(&engine, &new);
        for n_writes in 0..=engine.n_unflushed() {
            let survivor = engine.survivor(CrashPoint::Writes(n_writes));
            let found = get(&survivor).unwrap();
            assert!(
                found == old || found == new,
                "{n_writes} writes left neither"
            );
            // Whatever the crash left over is no obstacle, and goes.
            let last = marked(3, 9_000);
            put(&survivor, &last);
            assert_eq!(get(&survivor), Some(last));
            let tree = survivor.tree("p").unwrap();
            let rows = tree.range(Bound::Unbounded, Bound::Unbounded, 100).unwrap();
            assert_eq!(rows.len(), 1 + 3, "the row and three chunks");
        }
    }
}

#[test]
fn foreign_rows_are_refused() {
    let engine = MemoryEngine::new(STATE_VALUE_SIZE_BYTES_MAX);
    let tree = engine.tree("p").unwrap();
    for row in [
        b"".as_slice(),
        b"\x01\0\0\0\0\0\0\0\x01",
        b"\x02\0\0\0\0\0\0\0\x01\0",
        b"\x01\0\0\0\0\0\0\0\x01\x02",
        b"\x01\0\0\0\0\0\0\0\x01\x01",
    ] {
        tree.put_ordered(&[Put::set(KEY, row)]).unwrap();
        assert!(read(tree.as_ref(), KEY).is_err(), "{row:?}");
    }
}
