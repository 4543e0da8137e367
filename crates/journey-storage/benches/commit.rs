//! Durable commits per second of the log database: batches of the size of a Raft entry, each flushed and synced.
//!
//! `cargo bench -p journey-storage` measures; `cargo test` runs three commits of each kind, to see that they work.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench prints what it measures by the clock"
)]

use std::error::Error;
use std::time::{Duration, Instant};

use journey_storage::limits::{LOG_SEGMENT_SIZE_BYTES, LOG_VALUE_SIZE_BYTES_MAX};
use journey_storage::{Engine as _, Put, SledEngine, SledOptions};

/// Rows in a batch, and bytes in a row.
const BATCHES: [(u64, usize); 5] = [(1, 256), (1, 10_000), (10, 1_000), (2, 50_000), (25, 4_000)];

fn main() -> Result<(), Box<dyn Error>> {
    let measures = std::env::args().any(|argument| argument == "--bench");
    for (n_rows, row_size_bytes) in BATCHES {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let engine = SledEngine::open(SledOptions {
            path: folder.path().to_owned(),
            segment_size_bytes: LOG_SEGMENT_SIZE_BYTES,
            value_size_bytes_max: LOG_VALUE_SIZE_BYTES_MAX,
            cache_capacity_bytes: 64 * 1024 * 1024,
        })?;
        let tree = engine.tree("raft")?;
        let (mut n_commits, mut worst) = (0_u64, Duration::ZERO);
        let mut row = vec![0xa5; row_size_bytes];
        let started = Instant::now();
        while if measures {
            started.elapsed() < Duration::from_secs(3)
        } else {
            n_commits < 3
        } {
            let begun = Instant::now();
            let puts: Vec<Put> = (n_commits * n_rows..(n_commits + 1) * n_rows)
                .map(|index| {
                    row[..8].copy_from_slice(&index.to_be_bytes());
                    Put::set(index.to_be_bytes(), row.as_slice())
                })
                .collect();
            tree.put_ordered(&puts)?;
            engine.flush_durable()?;
            n_commits += 1;
            worst = worst.max(begun.elapsed());
        }
        let seconds = started.elapsed().as_secs_f64();
        engine.verify()?;
        let per_second = f64::from(u32::try_from(n_commits)?) / seconds;
        println!(
            "{n_rows:3} x {row_size_bytes:6} B: {per_second:6.0} commits/s, worst {worst:.1?}, {} MB on disk",
            engine.size_bytes()? / 1_000_000
        );
    }
    Ok(())
}
