//! The memory engine against the contract, power cuts and injected failures.

use super::*;
use crate::conformance::{self, Fixture, VALUE_SIZE_BYTES_MAX, crash};

struct MemoryFixture(MemoryEngine);

impl Fixture for MemoryFixture {
    fn open(&self) -> Result<Arc<dyn Engine>, StorageError> {
        Ok(Arc::new(self.0.clone()))
    }
}

fn put(tree: &Arc<dyn Tree>, key: &str, value: &str) {
    tree.put_ordered(&[Put::set(key, value)]).unwrap();
}

fn keys(engine: &MemoryEngine) -> Vec<String> {
    let tree = engine.tree("p1").unwrap();
    let rows = tree.range(Bound::Unbounded, Bound::Unbounded, 99).unwrap();
    let text = |key: Vec<u8>| String::from_utf8(key).unwrap();
    rows.into_iter().map(|(key, _)| text(key)).collect()
}

/// Row `a` flushed; then `b`, `c` and the atomic pair `d`, `e` not flushed.
fn half_flushed() -> MemoryEngine {
    let engine = MemoryEngine::new(VALUE_SIZE_BYTES_MAX);
    let tree = engine.tree("p1").unwrap();
    put(&tree, "a", "1");
    engine.flush_durable().unwrap();
    put(&tree, "b", "2");
    put(&tree, "c", "3");
    tree.apply_atomic(&[Put::set("d", "4"), Put::set("e", "5")])
        .unwrap();
    engine
}

#[test]
fn memory_holds_the_contract() {
    conformance::holds_the_contract(|| MemoryFixture(MemoryEngine::new(VALUE_SIZE_BYTES_MAX)));
}

#[test]
fn power_cut_leaves_what_was_flushed_and_a_prefix_of_the_rest() {
    let left = |point| keys(&half_flushed().crash(point));
    assert_eq!(left(CrashPoint::Flushed), ["a"]);
    assert_eq!(left(CrashPoint::Writes(1)), ["a", "b"]);
    assert_eq!(left(CrashPoint::Writes(2)), ["a", "b", "c"]);
    assert_eq!(left(CrashPoint::Writes(3)), ["a", "b", "c", "d", "e"]);
    assert_eq!(left(CrashPoint::Writes(99)), ["a", "b", "c", "d", "e"]);
    assert_eq!(left(CrashPoint::Written), ["a", "b", "c", "d", "e"]);
}

#[test]
fn seeded_power_cut_is_repeatable_and_reaches_every_prefix() {
    let engine = half_flushed();
    let left = |seed| keys(&engine.survivor(CrashPoint::Seeded(seed))).len();
    let sizes: std::collections::BTreeSet<usize> = (0..64).map(left).collect();
    assert_eq!(sizes.into_iter().collect::<Vec<_>>(), [1, 2, 3, 5]);
    assert!((0..64).all(|seed| left(seed) == left(seed)));
}

#[test]
fn handles_from_before_a_power_cut_fail() {
    let engine = half_flushed();
    let tree = engine.tree("p1").unwrap();
    let survivor = engine.crash(CrashPoint::Flushed);
    assert!(tree.get(b"a").is_err());
    assert!(tree.put_ordered(&[Put::set("f", "6")]).is_err());
    assert!(engine.flush_durable().is_err());
    assert_eq!(keys(&survivor), ["a"]);
}

#[test]
fn failed_flush_ends_all_writing_and_loses_what_it_covered() {
    let engine = half_flushed();
    engine.inject(Fault::NextFlush);
    let tree = engine.tree("p1").unwrap();
    assert!(engine.flush_durable().is_err());
    let is_refused = |result| matches!(result, Err(StorageError::FlushFailed { .. }));
    assert!(is_refused(engine.flush_durable()));
    assert!(is_refused(tree.put_ordered(&[Put::set("f", "6")])));
    assert!(is_refused(tree.apply_atomic(&[Put::set("f", "6")])));
    assert_eq!(tree.get(b"b").unwrap().as_deref(), Some(b"2".as_slice()));
    assert_eq!(keys(&engine.crash(CrashPoint::Flushed)), ["a"]);
}

#[test]
fn failed_put_leaves_a_prefix_and_the_next_one_works() {
    let engine = MemoryEngine::new(VALUE_SIZE_BYTES_MAX);
    let tree = engine.tree("p1").unwrap();
    engine.inject(Fault::NextPut { after: 1 });
    let puts = [Put::set("a", "1"), Put::set("b", "2")];
    assert!(tree.put_ordered(&puts).is_err());
    assert_eq!(keys(&engine), ["a"]);
    engine.inject(Fault::NextPut { after: 1 });
    assert!(tree.apply_atomic(&puts).is_err());
    assert_eq!(keys(&engine), ["a"]);
    tree.apply_atomic(&puts).unwrap();
    assert_eq!(keys(&engine), ["a", "b"]);
}

#[test]
fn crash_workload_survives_power_cuts_at_every_seed() {
    let mut engine = MemoryEngine::new(VALUE_SIZE_BYTES_MAX);
    let mut acknowledged = 0;
    for seed in 0..60 {
        for _ in 0..seed % 4 {
            crash::write_round(&engine, acknowledged + 1).unwrap();
            acknowledged += 1;
        }
        engine.inject(Fault::NextFlush);
        assert!(crash::write_round(&engine, acknowledged + 1).is_err());
        engine = engine.crash(CrashPoint::Seeded(seed));
        crash::check_survivor(&engine, acknowledged).unwrap();
    }
}

#[test]
fn memory_agrees_with_a_map() {
    conformance::model::agrees_with_a_map(&MemoryEngine::new(VALUE_SIZE_BYTES_MAX), 256);
}
