//! What the log's database takes: appending the rows of a Raft entry, and committing them, flushed and synced.
//!
//! `cargo bench -p journey-storage` measures; `cargo test` runs each once, to see that they work.

#![expect(
    clippy::unwrap_used,
    reason = "a bench stops where its fixture is wrong"
)]

use divan::Bencher;
use divan::counter::BytesCount;
use journey_storage::limits::{LOG_SEGMENT_SIZE_BYTES, LOG_VALUE_SIZE_BYTES_MAX};
use journey_storage::{Engine as _, Put, SledEngine, SledOptions, Tree};

/// Rows in a batch, and bytes in a row.
const BATCHES: [(u64, usize); 5] = [(1, 256), (1, 10_000), (10, 1_000), (2, 50_000), (25, 4_000)];
const CACHE_SIZE_BYTES: u64 = 64 * 1024 * 1024;

fn main() {
    divan::main();
}

/// Written, not synced: what an entry costs beside the fsync that it shares.
#[divan::bench(args = BATCHES, max_time = 3)]
fn append(bencher: Bencher<'_, '_>, batch: (u64, usize)) {
    let log = Log::open();
    let mut n_batches = 0;
    bencher
        .counter(size_of_batch(batch))
        .with_inputs(|| {
            n_batches += 1;
            rows(batch, n_batches)
        })
        .bench_local_refs(|puts| log.tree.put_ordered(puts).unwrap());
    log.engine.verify().unwrap();
}

/// Written, flushed and synced: what one acknowledgement waits for at least.
#[divan::bench(args = BATCHES, max_time = 3)]
fn commit(bencher: Bencher<'_, '_>, batch: (u64, usize)) {
    let log = Log::open();
    let mut n_batches = 0;
    bencher
        .counter(size_of_batch(batch))
        .with_inputs(|| {
            n_batches += 1;
            rows(batch, n_batches)
        })
        .bench_local_refs(|puts| {
            log.tree.put_ordered(puts).unwrap();
            log.engine.flush_durable().unwrap();
        });
    log.engine.verify().unwrap();
}

struct Log {
    engine: SledEngine,
    tree: std::sync::Arc<dyn Tree>,
    _folder: tempfile::TempDir,
}

impl Log {
    fn open() -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let engine = SledEngine::open(SledOptions {
            path: folder.path().to_owned(),
            segment_size_bytes: LOG_SEGMENT_SIZE_BYTES,
            value_size_bytes_max: LOG_VALUE_SIZE_BYTES_MAX,
            cache_capacity_bytes: CACHE_SIZE_BYTES,
        })
        .unwrap();
        Self {
            tree: engine.tree("raft").unwrap(),
            engine,
            _folder: folder,
        }
    }
}

fn size_of_batch((n_rows, row_size_bytes): (u64, usize)) -> BytesCount {
    BytesCount::new(n_rows * row_size_bytes as u64)
}

/// The rows of the next batch, behind those of the batches before.
fn rows((n_rows, row_size_bytes): (u64, usize), n_batches: u64) -> Vec<Put> {
    let mut row = vec![0xa5; row_size_bytes];
    let indexes = (n_batches - 1) * n_rows..n_batches * n_rows;
    indexes
        .map(|index| {
            row[..8].copy_from_slice(&index.to_be_bytes());
            Put::set(index.to_be_bytes(), row.as_slice())
        })
        .collect()
}
