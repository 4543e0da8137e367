//! The claims, one function each. A claim panics where it does not hold and returns the error of a call that failed.

use std::ops::Bound;
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::sync::Arc;

use super::{Fixture, VALUE_SIZE_BYTES_MAX};
use crate::engine::{Engine, Put, Tree};
use crate::error::StorageError;
use crate::limits::{ATOMIC_BATCH_SIZE_BYTES_MAX, KEY_SIZE_BYTES_MAX};

type Claim = fn(&dyn Fixture) -> Result<(), StorageError>;

/// Every claim with its name.
pub(super) const ALL: &[(&str, Claim)] = &[
    (
        "a value reads back until it is replaced or removed",
        reads_back,
    ),
    ("keys and values may be empty", empty_keys_and_values),
    (
        "the last of several changes of a key wins",
        last_change_wins,
    ),
    ("trees do not share rows", trees_are_apart),
    ("a removed tree is gone", removed_tree_is_gone),
    ("a range gives the rows between its bounds in order", ranges),
    ("bounds that cross give nothing", crossed_bounds),
    ("the last row at or below a bound is found", last_rows),
    ("long runs of 0xff in keys do not confuse scans", runs_of_ff),
    (
        "sizes are refused before anything is written",
        sizes_are_refused,
    ),
    (
        "the longest keys and values go to no side file",
        longest_rows,
    ),
    (
        "deletions that merge pages go to no side file",
        merged_pages,
    ),
    ("what was flushed is there after a reopen", survives_reopen),
    ("threads write at the same time", threads_write_together),
];

fn key(number: u32) -> Vec<u8> {
    number.to_be_bytes().to_vec()
}

fn values_of(rows: &[(Vec<u8>, Vec<u8>)]) -> Vec<&[u8]> {
    rows.iter().map(|(_, value)| value.as_slice()).collect()
}

fn reads_back(fixture: &dyn Fixture) -> Result<(), StorageError> {
    let tree = fixture.open()?.tree("p1")?;
    assert_eq!(tree.get(b"a")?, None);
    tree.put_ordered(&[Put::set("a", "1"), Put::set("b", "2")])?;
    assert_eq!(tree.get(b"a")?.as_deref(), Some(b"1".as_slice()));
    tree.put_ordered(&[Put::set("a", "3"), Put::remove("b"), Put::remove("c")])?;
    assert_eq!(tree.get(b"a")?.as_deref(), Some(b"3".as_slice()));
    assert_eq!(tree.get(b"b")?, None);
    tree.apply_atomic(&[Put::set("b", "4"), Put::remove("a")])?;
    assert_eq!(tree.get(b"a")?, None);
    assert_eq!(tree.get(b"b")?.as_deref(), Some(b"4".as_slice()));
    Ok(())
}

fn empty_keys_and_values(fixture: &dyn Fixture) -> Result<(), StorageError> {
    let tree = fixture.open()?.tree("p1")?;
    tree.put_ordered(&[Put::set("", "x"), Put::set("a", "")])?;
    assert_eq!(tree.get(b"")?.as_deref(), Some(b"x".as_slice()));
    assert_eq!(tree.get(b"a")?.as_deref(), Some(b"".as_slice()));
    assert_eq!(
        values_of(&tree.range(Unbounded, Unbounded, 9)?),
        [b"x".as_slice(), b""]
    );
    Ok(())
}

fn last_change_wins(fixture: &dyn Fixture) -> Result<(), StorageError> {
    let tree = fixture.open()?.tree("p1")?;
    let puts = [
        Put::set("a", "1"),
        Put::set("b", "1"),
        Put::remove("a"),
        Put::set("b", "2"),
    ];
    tree.put_ordered(&puts)?;
    assert_eq!(values_of(&tree.range(Unbounded, Unbounded, 9)?), [b"2"]);
    tree.put_ordered(&[Put::set("a", "1"), Put::remove("b")])?;
    tree.apply_atomic(&puts)?;
    assert_eq!(values_of(&tree.range(Unbounded, Unbounded, 9)?), [b"2"]);
    Ok(())
}

fn trees_are_apart(fixture: &dyn Fixture) -> Result<(), StorageError> {
    let engine = fixture.open()?;
    assert_eq!(engine.tree_names(), Vec::<String>::new());
    let (one, two) = (engine.tree("p2")?, engine.tree("p1")?);
    one.put_ordered(&[Put::set("a", "1")])?;
    assert_eq!(two.get(b"a")?, None);
    assert_eq!(
        engine.tree("p2")?.get(b"a")?.as_deref(),
        Some(b"1".as_slice())
    );
    assert_eq!(engine.tree_names(), ["p1", "p2"]);
    Ok(())
}

fn removed_tree_is_gone(fixture: &dyn Fixture) -> Result<(), StorageError> {
    let engine = fixture.open()?;
    let (one, two) = (engine.tree("p1")?, engine.tree("p2")?);
    let rows: Vec<Put> = (0..200).map(|n| Put::set(key(n), "x")).collect();
    one.put_ordered(&rows)?;
    two.put_ordered(&rows)?;
    assert!(engine.remove_tree("p1")?);
    assert!(!engine.remove_tree("p1")?);
    assert_eq!(engine.tree_names(), ["p2"]);
    assert!(one.get(&key(1)).is_err());
    assert_eq!(engine.tree("p1")?.range(Unbounded, Unbounded, 9)?, []);
    assert_eq!(two.range(Unbounded, Unbounded, 999)?.len(), 200);
    Ok(())
}

fn ranges(fixture: &dyn Fixture) -> Result<(), StorageError> {
    let tree = fixture.open()?.tree("p1")?;
    // Backwards, so that the order is the engine's own.
    for n in (0..300).rev() {
        tree.put_ordered(&[Put::set(key(n * 2), n.to_string())])?;
    }
    let numbers = |from, to, rows_max| -> Result<Vec<u32>, StorageError> {
        let rows = tree.range(from, to, rows_max)?;
        let number = |key: &[u8]| u32::from_be_bytes(key.try_into().expect("keys of this claim"));
        Ok(rows.iter().map(|(key, _)| number(key)).collect())
    };
    let (nine, ten, thirteen, twenty) = (key(9), key(10), key(13), key(20));
    assert_eq!(
        numbers(Included(&ten), Included(&twenty), 99)?,
        [10, 12, 14, 16, 18, 20]
    );
    assert_eq!(
        numbers(Excluded(&ten), Excluded(&twenty), 99)?,
        [12, 14, 16, 18]
    );
    assert_eq!(numbers(Included(&nine), Excluded(&thirteen), 99)?, [10, 12]);
    assert_eq!(numbers(Excluded(&ten), Unbounded, 2)?, [12, 14]);
    assert_eq!(numbers(Unbounded, Excluded(&ten), 99)?, [0, 2, 4, 6, 8]);
    assert_eq!(numbers(Unbounded, Unbounded, 0)?, [0_u32; 0]);
    assert_eq!(
        numbers(Unbounded, Unbounded, 999)?,
        (0..300).map(|n| n * 2).collect::<Vec<_>>()
    );
    Ok(())
}

fn crossed_bounds(fixture: &dyn Fixture) -> Result<(), StorageError> {
    let tree = fixture.open()?.tree("p1")?;
    tree.put_ordered(&[Put::set("a", "1"), Put::set("b", "2")])?;
    assert_eq!(tree.range(Included(b"b"), Included(b"a"), 9)?, []);
    assert_eq!(tree.range(Excluded(b"a"), Excluded(b"a"), 9)?, []);
    assert_eq!(tree.range(Included(b"a"), Excluded(b"a"), 9)?, []);
    assert_eq!(
        values_of(&tree.range(Included(b"a"), Included(b"a"), 9)?),
        [b"1"]
    );
    Ok(())
}

fn last_rows(fixture: &dyn Fixture) -> Result<(), StorageError> {
    let tree = fixture.open()?.tree("p1")?;
    assert_eq!(tree.last_at_or_below(Unbounded)?, None);
    let rows: Vec<Put> = (1..200).map(|n| Put::set(key(n * 10), "x")).collect();
    tree.put_ordered(&rows)?;
    for n in 1..200 {
        let (this, above) = (key(n * 10), key(n * 10 + 9));
        let before = (n > 1).then(|| key(n * 10 - 10));
        let found = |to: Bound<&[u8]>| {
            Ok::<_, StorageError>(tree.last_at_or_below(to)?.map(|(key, _)| key))
        };
        assert_eq!(found(Included(&this))?.as_ref(), Some(&this));
        assert_eq!(found(Included(&above))?.as_ref(), Some(&this));
        assert_eq!(found(Excluded(&this))?, before);
    }
    assert_eq!(
        tree.last_at_or_below(Unbounded)?.map(|(key, _)| key),
        Some(key(1_990))
    );
    // Across pages that have become empty.
    let removals: Vec<Put> = (2..199).map(|n| Put::remove(key(n * 10))).collect();
    tree.put_ordered(&removals)?;
    let below = tree.last_at_or_below(Excluded(&key(1_990)))?;
    assert_eq!(below.map(|(key, _)| key), Some(key(10)));
    Ok(())
}

fn runs_of_ff(fixture: &dyn Fixture) -> Result<(), StorageError> {
    let engine = fixture.open()?;
    // Of so many sizes of a block that pages end where blocks end.
    for n_block in 10..26_u32 {
        let tree = engine.tree(&format!("p{n_block}"))?;
        let mut keys: Vec<Vec<u8>> = Vec::new();
        for (first, number) in (0..4_u8).flat_map(|first| (0..n_block).map(move |n| (first, n))) {
            let mut key = vec![b't', first];
            key.resize(2 + usize::from(first) * 4, 0xff);
            key.extend(number.to_be_bytes());
            key.resize(key.len() + usize::from(number % 2 == 0), 0xff);
            keys.push(key);
        }
        let puts: Vec<Put> = keys
            .iter()
            .map(|key| Put::set(key.as_slice(), "x"))
            .collect();
        tree.put_ordered(&puts)?;
        keys.sort();
        let found = tree.range(Unbounded, Unbounded, 999)?;
        assert!(
            found.iter().map(|(key, _)| key).eq(&keys),
            "a forward scan is out of order"
        );
        for pair in keys.windows(2) {
            let below = tree.last_at_or_below(Excluded(&pair[1]))?;
            assert_eq!(below.map(|(key, _)| key).as_ref(), Some(&pair[0]));
        }
    }
    Ok(())
}

fn sizes_are_refused(fixture: &dyn Fixture) -> Result<(), StorageError> {
    let tree = fixture.open()?.tree("p1")?;
    let long_value = [
        Put::set("a", "1"),
        Put::set("b", vec![0; VALUE_SIZE_BYTES_MAX + 1]),
    ];
    let long_key = [
        Put::set("a", "1"),
        Put::remove(vec![0; KEY_SIZE_BYTES_MAX + 1]),
    ];
    let is_value = |result| matches!(result, Err(StorageError::ValueTooLarge { .. }));
    let is_key = |result| matches!(result, Err(StorageError::KeyTooLarge { .. }));
    assert!(is_value(tree.put_ordered(&long_value)));
    assert!(is_value(tree.apply_atomic(&long_value)));
    assert!(is_key(tree.put_ordered(&long_key)));
    assert!(is_key(tree.apply_atomic(&long_key)));
    let n_rows = u32::try_from(ATOMIC_BATCH_SIZE_BYTES_MAX / VALUE_SIZE_BYTES_MAX);
    let row = |number| Put::set(key(number), vec![0; VALUE_SIZE_BYTES_MAX]);
    let large_batch: Vec<Put> = (0..n_rows.expect("some rows")).map(row).collect();
    let large_batch = tree.apply_atomic(&large_batch);
    assert!(matches!(
        large_batch,
        Err(StorageError::BatchTooLarge { .. })
    ));
    assert_eq!(tree.range(Unbounded, Unbounded, 9)?, []);
    Ok(())
}

/// Distinct keys of the longest size that share no long prefix, so that an engine cannot shorten them.
fn longest_key(number: u32) -> Vec<u8> {
    let mut key = number.reverse_bits().to_be_bytes().to_vec();
    key.resize(KEY_SIZE_BYTES_MAX, b'k');
    key
}

fn longest_rows(fixture: &dyn Fixture) -> Result<(), StorageError> {
    let engine = fixture.open()?;
    let tree = engine.tree("p1")?;
    for n in 0..3_000 {
        tree.put_ordered(&[Put::set(
            longest_key(n),
            vec![n.to_be_bytes()[3]; VALUE_SIZE_BYTES_MAX],
        )])?;
    }
    engine.flush_durable()?;
    engine.verify()?;
    let size_bytes = engine.size_bytes()?;
    assert!(
        size_bytes >= 3_000 * 5 * 1024,
        "{size_bytes} bytes are fewer than were written"
    );
    drop((tree, engine));
    let engine = fixture.open()?;
    assert_eq!(
        engine.tree("p1")?.range(Unbounded, Unbounded, 9_999)?.len(),
        3_000
    );
    engine.verify()
}

fn merged_pages(fixture: &dyn Fixture) -> Result<(), StorageError> {
    let engine = fixture.open()?;
    let tree = engine.tree("p1")?;
    let value = vec![7; VALUE_SIZE_BYTES_MAX];
    for n in 0..2_000 {
        tree.put_ordered(&[Put::set(key(n), value.as_slice())])?;
    }
    // Few rows left here and there: neighbours are merged without being looked at again.
    for n in (0..2_000).rev().filter(|n| n % 16 > 2) {
        tree.put_ordered(&[Put::remove(key(n))])?;
    }
    engine.flush_durable()?;
    engine.verify()?;
    let n_left = tree.range(Unbounded, Unbounded, 9_999)?.len();
    assert_eq!(n_left, 2_000 / 16 * 3);
    Ok(())
}

fn survives_reopen(fixture: &dyn Fixture) -> Result<(), StorageError> {
    let engine = fixture.open()?;
    let tree = engine.tree("p1")?;
    tree.put_ordered(&[Put::set("a", "1"), Put::set("b", "2")])?;
    tree.apply_atomic(&[Put::set("c", "3"), Put::remove("a")])?;
    engine.flush_durable()?;
    drop((tree, engine));
    for _ in 0..3 {
        let engine = fixture.open()?;
        assert_eq!(engine.tree_names(), ["p1"]);
        let rows = engine.tree("p1")?.range(Unbounded, Unbounded, 9)?;
        assert_eq!(values_of(&rows), [b"2", b"3"]);
        engine.flush_durable()?;
        engine.verify()?;
    }
    Ok(())
}

fn threads_write_together(fixture: &dyn Fixture) -> Result<(), StorageError> {
    const ROWS_PER_THREAD: u32 = 300;
    let engine = fixture.open()?;
    let write = |tree: Arc<dyn Tree>, first: u32, engine: Arc<dyn Engine>| {
        for n in 0..ROWS_PER_THREAD {
            tree.put_ordered(&[Put::set(key(first + n * 4), n.to_string())])?;
            if n % 50 == 0 {
                tree.apply_atomic(&[Put::set(key(first + n * 4), n.to_string())])?;
                engine.flush_durable()?;
            }
        }
        Ok(())
    };
    let tree = engine.tree("p1")?;
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|first| {
                let (tree, engine) = (Arc::clone(&tree), Arc::clone(&engine));
                scope.spawn(move || write(tree, first, engine))
            })
            .collect();
        writers
            .into_iter()
            .try_for_each(|writer| -> Result<(), StorageError> {
                writer.join().expect("a writer returns its error")
            })
    })?;
    let rows = tree.range(Unbounded, Unbounded, 9_999)?;
    assert!(
        rows.iter()
            .map(|(key, _)| key.clone())
            .eq((0..4 * ROWS_PER_THREAD).map(key))
    );
    Ok(())
}
