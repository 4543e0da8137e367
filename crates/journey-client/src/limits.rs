//! Bounds of the client, each with its reason.

use std::time::Duration;

/// Batches in flight on one ingest stream: enough to hide a commit's latency, few enough to bound memory.
pub const INGEST_BATCHES_IN_FLIGHT_MAX: usize = 64;
/// Events of one batch: the server's limit.
pub const EVENTS_PER_BATCH_MAX: usize = 1_000;
/// How long a connection attempt may take before the address is called unreachable.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Largest answer that is decoded: a page of 1,000 customers of a few KiB each.
pub const DECODED_SIZE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Outcomes that wait to be written to a worker stream.
pub const OUTCOMES_QUEUED_MAX: usize = 1_024;
