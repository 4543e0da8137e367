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
/// Effects given back as too late whose result has not come: as many as a stream may have credit for, so that a node
/// which never answers costs no more than that.
pub const RETURNS_UNANSWERED_MAX: usize = 10_000;
/// Nodes that a client remembers: more than a cluster of 256 partitions has use for.
pub const CLUSTER_NODES_MAX: usize = 256;
/// How long a batch is sent again and again: an election takes a second, a restart some.
pub const RETRIES_SPAN_MAX: Duration = Duration::from_secs(30);
/// The first pause before something is sent again; doubles up to [`RETRY_PAUSE_MAX`].
pub const RETRY_PAUSE_FIRST: Duration = Duration::from_millis(10);
/// The longest of these pauses: short against an election.
pub const RETRY_PAUSE_MAX: Duration = Duration::from_millis(250);
/// How long one attempt may take: above what a node waits for another one.
pub const ATTEMPT_MAX: Duration = Duration::from_secs(12);
/// How long any call may take, unless its caller gives up sooner: a publish waits for every partition.
pub const CALL_MAX: Duration = Duration::from_secs(30);
/// How often a connection on which nothing comes is probed.
pub const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(1);
/// How long a probe may go unanswered before the connection is given up: a frozen node, a cut network.
pub const KEEPALIVE_ANSWER_MAX: Duration = Duration::from_secs(2);
/// How long somebody else is asked first after a node has not answered: an election and some more.
pub const SUSPECT_SPAN: Duration = Duration::from_secs(2);
/// How long a node may take to tell its table: it has it in memory.
pub const TABLE_ANSWER_MAX: Duration = Duration::from_secs(1);
/// The shortest pause between two readings of the table, while leaders are unknown.
pub const TABLE_PAUSE_MIN: Duration = Duration::from_millis(100);
/// How old a table may grow: redirects tell sooner of what changes, this finds nodes that joined.
pub const TABLE_REFRESH_INTERVAL: Duration = Duration::from_secs(30);
/// Bytes of the events of one request: with one more event of the largest size it stays below what a node takes (4 MiB).
pub const REQUEST_EVENTS_SIZE_BYTES_MAX: usize = 2 * 1024 * 1024;
/// Events of one stream that have no answer yet, or one that was not taken: some requests to each node of a small cluster.
pub const EVENTS_UNANSWERED_MAX: usize = 16 * EVENTS_PER_BATCH_MAX;
/// Outcomes of one message: the server's limit.
pub const OUTCOMES_PER_MESSAGE_MAX: usize = 1_000;
/// Requests with events that one dispatch has under way at a node: hides the commit's latency, bounds memory.
pub const REQUESTS_AT_ONCE_MAX: usize = 4;
/// How long a leader's answer is waited for before others are asked whether it still leads: an election's time, so that
/// whoever was frozen or cut off is left about when it is replaced.
pub const REPLACED_PATIENCE: Duration = Duration::from_millis(750);
