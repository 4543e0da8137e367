//! Bounds of the harness, each with its reason.

use std::time::Duration;

/// Customers of a run: their ids are made from numbers, so only the node's disk limits them.
pub(crate) const CUSTOMERS_MAX: i64 = 10_000_000;
/// Events of a batch: the node's limit.
pub(crate) const BATCH_MAX: i64 = 1_000;
/// Connections: more than a backend's pool opens.
pub(crate) const CONNECTIONS_MAX: i64 = 256;
/// Batches unanswered on a stream: what the client queues.
pub(crate) const STREAM_IN_FLIGHT_MAX: usize = 64;
/// Calls under way on a connection: the node's limit of streams.
pub(crate) const CALLS_IN_FLIGHT_MAX: usize = 1_024;
/// Seconds of one phase: a day of soaking.
pub(crate) const PHASE_SECONDS_MAX: i64 = 86_400;
/// Events that one phase may count: a day at a hundred thousand a second.
pub(crate) const PHASE_EVENTS_MAX: i64 = 10_000_000_000;
/// Phases of a scenario.
pub(crate) const PHASES_MAX: usize = 64;
/// Customers that are looked at one by one at the end: a few seconds of reading.
pub(crate) const SAMPLE_MAX: i64 = 10_000;
/// Latencies above this are counted as this.
pub(crate) const LATENCY_MAX_US: u64 = 120_000_000;
/// Reasons of refusals that are told apart; further ones are counted as `other`.
pub(crate) const REASONS_MAX: usize = 32;
/// Messages of unexpected refusals that are kept, for a failed run.
pub(crate) const FAILURES_KEPT_MAX: usize = 5;
/// Acknowledged events of a connection that may be sent again as duplicates.
pub(crate) const DUPLICATE_RING_MAX: usize = 1_024;
/// Events that wait to be sent again on one connection; beyond it the connection sends nothing new.
pub(crate) const AGAIN_MAX: usize = 100_000;
/// Pause before a refused call is made again: the node's advice for what is busy.
pub(crate) const AGAIN_PAUSE: Duration = Duration::from_millis(100);
/// How long unanswered events are waited for after a phase.
pub(crate) const DRAIN_MAX: Duration = Duration::from_secs(120);
/// How long a run may take to settle after its last phase, while something still moves.
pub(crate) const SETTLE_MAX: Duration = Duration::from_secs(1_800);
/// How long the start of all customers may take.
pub(crate) const START_MAX: Duration = Duration::from_secs(3_600);
/// Samples of a run: a report of this many points is still drawn at once.
pub(crate) const SAMPLES_MAX: usize = 3_600;
/// Effects told apart by id: 16 bytes each and some room, about 2 GiB.
pub(crate) const EFFECTS_MAX: usize = 50_000_000;
/// Outcomes of one message of the worker: the node's limit.
pub(crate) const OUTCOMES_MAX: usize = 1_000;
/// Bytes of one scrape that are read.
pub(crate) const SCRAPE_SIZE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// How long a scrape may take before the sample goes without it.
pub(crate) const SCRAPE_MAX: Duration = Duration::from_secs(5);
/// How long a node may take from its start to its first answer: it replays its log in that time.
pub(crate) const FIRST_ACK_MAX: Duration = Duration::from_secs(600);
/// Lines of the node's log that are read while waiting for its address.
pub(crate) const START_LINES_MAX: usize = 1_000;
/// Appends that wait for the floor's file.
pub(crate) const FLOOR_QUEUE_MAX: usize = 4_096;
/// Batches of one stream that wait for the floor's file: as the node.
pub(crate) const FLOOR_STREAM_MAX: usize = 16;
/// One event in so many stays out of the hot customer, who may send 65,536 ids in 7 days (G2): the next one takes over
/// before that.
pub(crate) const HOT_EVENTS_MAX: u64 = 50_000;
/// Nodes that the harness starts for one run: each is a process with its own disk, on one machine.
pub(crate) const NODES_MAX: i64 = 7;
/// Replicas of a partition where there are as many nodes: the node's default.
pub(crate) const CLUSTER_REPLICAS: usize = 3;
/// How long a cluster may take until each partition has all its replicas: some seconds, more on a busy machine.
pub(crate) const CLUSTER_WAIT_MAX: Duration = Duration::from_secs(180);
