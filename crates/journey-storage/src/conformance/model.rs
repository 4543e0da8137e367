//! Random lists of calls, made on an engine and on a plain ordered map: both must answer the same.

use std::collections::BTreeMap;
use std::ops::Bound;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use crate::engine::{Engine, Put, Row, is_empty_range};

#[derive(Debug, Clone)]
enum Call {
    PutOrdered(Vec<Put>),
    ApplyAtomic(Vec<Put>),
    Get(Vec<u8>),
    Range(Bound<Vec<u8>>, Bound<Vec<u8>>, usize),
    LastAtOrBelow(Bound<Vec<u8>>),
    Flush,
}

/// Few enough different keys that calls meet, with the bytes at which engines go wrong.
fn key() -> impl Strategy<Value = Vec<u8>> {
    vec(
        prop_oneof![1 => Just(0_u8), 1 => Just(1), 1 => Just(0xfe), 4 => Just(0xff)],
        0..7,
    )
}

fn puts() -> impl Strategy<Value = Vec<Put>> {
    let value = prop_oneof![2 => Just(None), 3 => vec(any::<u8>(), 0..4).prop_map(Some)];
    vec(
        (key(), value).prop_map(|(key, value)| Put { key, value }),
        0..30,
    )
}

fn bound() -> impl Strategy<Value = Bound<Vec<u8>>> {
    prop_oneof![
        Just(Bound::Unbounded),
        key().prop_map(Bound::Included),
        key().prop_map(Bound::Excluded),
    ]
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        4 => puts().prop_map(Call::PutOrdered),
        2 => puts().prop_map(Call::ApplyAtomic),
        1 => key().prop_map(Call::Get),
        2 => (bound(), bound(), 0_usize..40).prop_map(|(from, to, max)| Call::Range(from, to, max)),
        4 => bound().prop_map(Call::LastAtOrBelow),
        1 => Just(Call::Flush),
    ]
}

/// Runs lists of calls, each on a tree of its own.
pub(crate) fn agrees_with_a_map(engine: &dyn Engine, n_cases: u32) {
    let config = Config {
        cases: n_cases,
        failure_persistence: None,
        ..Config::default()
    };
    let n_tree = std::cell::Cell::new(0_u32);
    let ran = TestRunner::new(config).run(&vec(call(), 1..40), |calls| {
        n_tree.set(n_tree.get() + 1);
        run(engine, &format!("case{}", n_tree.get()), &calls)
    });
    if let Err(failure) = ran {
        panic!("{failure}");
    }
}

fn run(engine: &dyn Engine, tree: &str, calls: &[Call]) -> Result<(), TestCaseError> {
    let tree = engine.tree(tree).unwrap();
    let mut map = BTreeMap::<Vec<u8>, Vec<u8>>::new();
    let row = |(key, value): (&Vec<u8>, &Vec<u8>)| -> Row { (key.clone(), value.clone()) };
    for call in calls {
        match call {
            Call::PutOrdered(puts) => {
                tree.put_ordered(puts).unwrap();
                change(&mut map, puts);
            }
            Call::ApplyAtomic(puts) => {
                tree.apply_atomic(puts).unwrap();
                change(&mut map, puts);
            }
            Call::Get(key) => {
                prop_assert_eq!(tree.get(key).unwrap(), map.get(key).cloned());
            }
            Call::Range(from, to, rows_max) => {
                let (from, to) = (slice(from), slice(to));
                let found = tree.range(from, to, *rows_max).unwrap();
                let expected: Vec<Row> = if is_empty_range(from, to) {
                    Vec::new()
                } else {
                    let rows = map.range::<[u8], _>((from, to));
                    rows.take(*rows_max).map(row).collect()
                };
                prop_assert_eq!(found, expected);
            }
            Call::LastAtOrBelow(to) => {
                let found = tree.last_at_or_below(slice(to)).unwrap();
                let bounds = (Bound::Unbounded, slice(to));
                prop_assert_eq!(found, map.range::<[u8], _>(bounds).next_back().map(row));
            }
            Call::Flush => engine.flush_durable().unwrap(),
        }
    }
    let rows = tree.range(Bound::Unbounded, Bound::Unbounded, usize::MAX);
    prop_assert_eq!(rows.unwrap(), map.iter().map(row).collect::<Vec<_>>());
    Ok(())
}

fn change(map: &mut BTreeMap<Vec<u8>, Vec<u8>>, puts: &[Put]) {
    for Put { key, value } in puts {
        match value {
            Some(value) => map.insert(key.clone(), value.clone()),
            None => map.remove(key),
        };
    }
}

fn slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    bound.as_ref().map(Vec::as_slice)
}
