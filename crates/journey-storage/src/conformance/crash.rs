//! A workload of numbered rounds, of which every state that a crash may leave can be recognised.
//!
//! Round after round rewrites the same few hundred rows: plain puts in two trees, then an atomic batch in a third, then
//! a flush, then the acknowledgement. What is found later must be the state after some prefix of all these writes,
//! at least up to the last acknowledged round.

use std::collections::BTreeMap;
use std::ops::Bound::Unbounded;

use crate::engine::{Engine, Put};
use crate::error::StorageError;

/// Plain puts of a round.
const N_PUTS: u64 = 24;
/// Rows that the atomic batch of a round writes.
const N_BATCH: u64 = 8;
/// Writes of a round that survive or are lost on their own: each put, and the batch as one.
const N_WRITES: u64 = N_PUTS + 1;
/// After so many rounds the same rows are written again.
const N_GENERATIONS: u64 = 16;

const BATCH_TREE: &str = "batch";
const TREES: [&str; 3] = ["even", "odd", BATCH_TREE];

type State = BTreeMap<(&'static str, Vec<u8>), Vec<u8>>;

/// Writes one round and flushes it. When this returns, the round is acknowledged.
///
/// # Errors
/// What the engine says.
pub fn write_round(engine: &dyn Engine, round: u64) -> Result<(), StorageError> {
    write_unflushed_round(engine, round)?;
    engine.flush_durable()
}

/// Writes one round, of which any prefix may be lost until a flush.
///
/// # Errors
/// What the engine says.
pub fn write_unflushed_round(engine: &dyn Engine, round: u64) -> Result<(), StorageError> {
    for write in 0..N_WRITES {
        let (tree, puts) = write_of(round, write);
        let tree = engine.tree(tree)?;
        if write < N_PUTS {
            tree.put_ordered(&puts)?;
        } else {
            tree.apply_atomic(&puts)?;
        }
    }
    Ok(())
}

/// Checks what a crash has left, and gives the last round of which anything survived: the next must be above it.
///
/// # Errors
/// What the engine says.
///
/// # Panics
/// When a round up to `acknowledged` is not whole, or the state is not that of a prefix of all writes.
pub fn check_survivor(engine: &dyn Engine, acknowledged: u64) -> Result<u64, StorageError> {
    engine.verify()?;
    let mut found = State::new();
    for name in TREES {
        for (key, value) in engine.tree(name)?.range(Unbounded, Unbounded, usize::MAX)? {
            found.insert((name, key), value);
        }
    }
    let last_round = found
        .values()
        .map(|value| round_of(value))
        .max()
        .unwrap_or(0);
    assert!(
        last_round >= acknowledged,
        "round {acknowledged} was acknowledged, and nothing is found above round {last_round}"
    );
    let at_least = last_round.saturating_sub(1).max(acknowledged) * N_WRITES;
    // A round may have begun with removals, which leave nothing that names it.
    let at_most = (last_round + 1) * N_WRITES;
    let mut written = state_after(at_least);
    let is_prefix = (at_least..at_most).any(|n_writes| {
        let is_found = found == written;
        write(&mut written, n_writes);
        is_found
    });
    assert!(
        is_prefix,
        "round {last_round} is the last found, {acknowledged} the last acknowledged; what is found is no prefix of the writes"
    );
    Ok(last_round)
}

fn write_of(round: u64, write: u64) -> (&'static str, Vec<Put>) {
    let put = |number: u64| {
        let key = [round % N_GENERATIONS, number]
            .map(u64::to_be_bytes)
            .concat();
        // A put in seven removes its row, in changing places.
        let removes = number < N_PUTS && (round + number).is_multiple_of(7);
        let value = (!removes).then(|| value_of(round, number));
        Put { key, value }
    };
    if write < N_PUTS {
        let tree = TREES[usize::from(write % 2 == 1)];
        (tree, vec![put(write)])
    } else {
        (BATCH_TREE, (N_PUTS..N_PUTS + N_BATCH).map(put).collect())
    }
}

fn value_of(round: u64, number: u64) -> Vec<u8> {
    let mut value = round.to_be_bytes().to_vec();
    let size_bytes = 8 + (round * 37 + number * 101) % 3_000;
    let filler = number.to_be_bytes()[7];
    value.resize(usize::try_from(size_bytes).expect("below 3,008"), filler);
    value
}

fn round_of(value: &[u8]) -> u64 {
    let first = value.first_chunk().expect("values begin with the round");
    u64::from_be_bytes(*first)
}

fn state_after(n_writes: u64) -> State {
    let mut state = State::new();
    // What is older than a generation has been written again.
    let oldest = n_writes.saturating_sub((N_GENERATIONS + 1) * N_WRITES);
    for number in oldest..n_writes {
        write(&mut state, number);
    }
    state
}

/// Does one of all writes, counted from 0, to a state.
fn write(state: &mut State, number: u64) {
    let (tree, puts) = write_of(number / N_WRITES + 1, number % N_WRITES);
    for put in puts {
        match put.value {
            Some(value) => state.insert((tree, put.key), value),
            None => state.remove(&(tree, put.key)),
        };
    }
}
