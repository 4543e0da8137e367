//! What the log store takes for what Raft appends: without a disk, which is its own cost, and with one fsync for all appends
//! in flight, which is what an acknowledgement waits for.
//!
//! `cargo bench -p journey-consensus` measures; `cargo test` runs each once, to see that they work.

#![expect(
    clippy::unwrap_used,
    reason = "a bench stops where its fixture is wrong"
)]

use std::sync::Arc;

use bytes::Bytes;
use divan::Bencher;
use divan::counter::ItemsCount;
use journey_consensus::LogAppends;
use journey_storage::limits::{LOG_SEGMENT_SIZE_BYTES, LOG_VALUE_SIZE_BYTES_MAX};
use journey_storage::{Engine, MemoryEngine, SledEngine, SledOptions};

/// Appends in flight, and bytes of an entry.
const APPENDS: [(u64, usize); 5] = [
    (1, 256),
    (1, 10_000),
    (16, 1_000),
    (16, 10_000),
    (1, 200_000),
];
const CACHE_SIZE_BYTES: u64 = 64 * 1024 * 1024;

fn main() {
    divan::main();
}

/// Into memory: rows, checksums, the commit thread and back.
#[divan::bench(args = APPENDS, max_time = 3)]
fn append_without_disk(bencher: Bencher<'_, '_>, appends: (u64, usize)) {
    measure(
        bencher,
        appends,
        Arc::new(MemoryEngine::new(LOG_VALUE_SIZE_BYTES_MAX)),
    );
}

/// Onto the disk, flushed and synced.
#[divan::bench(args = APPENDS, max_time = 3)]
fn append_durably(bencher: Bencher<'_, '_>, appends: (u64, usize)) {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let engine = SledEngine::open(SledOptions {
        path: folder.path().to_owned(),
        segment_size_bytes: LOG_SEGMENT_SIZE_BYTES,
        value_size_bytes_max: LOG_VALUE_SIZE_BYTES_MAX,
        cache_capacity_bytes: CACHE_SIZE_BYTES,
    })
    .unwrap();
    measure(bencher, appends, Arc::new(engine));
}

fn measure(
    bencher: Bencher<'_, '_>,
    (n_appends, size_bytes): (u64, usize),
    engine: Arc<dyn Engine>,
) {
    let mut log = LogAppends::open(engine).unwrap();
    let payload = Bytes::from(vec![7; size_bytes]);
    bencher
        .counter(ItemsCount::new(n_appends))
        .bench_local(|| log.append(n_appends, &payload).unwrap());
    log.close();
}
