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
/// Nodes that a client remembers: more than a cluster of 256 partitions has use for.
pub const CLUSTER_NODES_MAX: usize = 256;
/// How long a batch is sent again and again: an election takes a second, a restart some.
pub const RETRIES_SPAN_MAX: Duration = Duration::from_secs(30);
/// The first pause before something is sent again; doubles up to [`RETRY_PAUSE_MAX`].
pub const RETRY_PAUSE_FIRST: Duration = Duration::from_millis(10);
/// The longest of these pauses: short against an election.
pub const RETRY_PAUSE_MAX: Duration = Duration::from_millis(250);
