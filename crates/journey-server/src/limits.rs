//! Bounds of the API, each with its reason.

use std::time::Duration;

use journey_types::TimeSpan;

/// Events of one batch: a batch of small events stays near a hundred KiB, so that its latency stays even.
pub const EVENTS_PER_BATCH_MAX: usize = 1_000;
/// Customers of one enroll call: as many as events of a batch.
pub const ENROLLMENTS_PER_CALL_MAX: usize = EVENTS_PER_BATCH_MAX;
/// Bytes of one request: 1,000 events of 4 KiB, or a few with full properties.
pub const REQUEST_SIZE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Batches of one stream that are being decided at once: hides the commit's latency, bounds memory.
pub const STREAM_BATCHES_IN_FLIGHT_MAX: usize = 16;
/// Files of one check or publish.
pub const FILES_PER_PUBLISH_MAX: usize = 1_000;
/// Items of a page.
pub const PAGE_SIZE_MAX: usize = 1_000;
/// Items of a page where none is asked for.
pub const PAGE_SIZE_DEFAULT: usize = 100;
/// Unanswered effects of one worker.
pub const WORKER_CREDIT_MAX: u32 = 10_000;
/// Unanswered effects of a worker that names no number.
pub const WORKER_CREDIT_DEFAULT: u32 = 100;
/// After so long without a hand-over, credit that no partition holds is taken for lost and given anew: longer than a claim
/// waits in a mailbox.
pub const CREDIT_LOST_AFTER: TimeSpan = TimeSpan::from_secs(60);
/// Outcomes of one message of a worker.
pub const OUTCOMES_PER_MESSAGE_MAX: usize = 1_000;
/// Outcomes of one worker stream without a result: one for each effect that it may hold. Beyond it its messages wait.
pub const OUTCOMES_HELD_MAX: usize = WORKER_CREDIT_MAX as usize;
/// Messages to one worker that wait to be written; the claims behind them are bounded by its credit.
pub const WORKER_MESSAGES_QUEUED_MAX: usize = 1_024;
/// Things set aside that one call replays or discards: some batches of work, and an answer of some hundred KiB.
pub const SET_ASIDE_PER_CALL_MAX: usize = 1_000;
/// Customers with something set aside that are read at once.
pub const SET_ASIDE_CUSTOMERS_AT_ONCE: usize = 64;
/// Retry advice where nothing better is known: a few commits, or one election.
pub const RETRY_AFTER_DEFAULT: Duration = Duration::from_millis(200);
/// How long a publish waits for every partition to adopt it before it answers with what is missing.
pub const ADOPTION_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a worker may work on an effect before it is offered again: longer than any provider call, short enough
/// that a dead worker's effects come back while they are still wanted.
pub const CLAIM_SPAN: TimeSpan = TimeSpan::from_secs(30);
/// Calls under way on one connection.
pub const CONNECTION_STREAMS_MAX: u32 = 1_024;
/// Workspaces whose rate is counted at once: a bucket that is full again is forgotten, so this is how many may send within
/// one second.
pub const WORKSPACE_BUCKETS_MAX: usize = 1_024;
/// Retry advice for what waits for other requests to end: a few commits.
pub const RETRY_AFTER_BUSY: Duration = Duration::from_millis(100);
/// Retry advice while the disk is nearly full: somebody has to make room.
pub const RETRY_AFTER_DISK: Duration = Duration::from_secs(5);
/// Connections to other nodes: more nodes than a cluster of 256 partitions has use for.
pub const HOP_CHANNELS_MAX: usize = 256;
/// How long a connection to another node may take to stand: on one network it is there at once or not at all.
pub const HOP_CONNECT_MAX: Duration = Duration::from_millis(500);
/// How long another node may take to answer what was sent on to it: a busy partition's queue. Whoever waits for a leader
/// that is frozen or cut off hears sooner, when it is replaced.
pub const HOP_ANSWER_MAX: Duration = Duration::from_secs(10);
/// How long a read is asked again while leadership moves: several elections, and no longer than a write waits.
pub const READ_MAX: Duration = HOP_ANSWER_MAX;
/// The longest pause before a read is asked again; it ends early when the routes change.
pub const READ_PAUSE: Duration = Duration::from_millis(50);
/// How often a connection to another node is probed.
pub const HOP_KEEPALIVE_INTERVAL: Duration = Duration::from_secs(1);
/// How long a probe may go unanswered before the connection is given up.
pub const HOP_KEEPALIVE_ANSWER_MAX: Duration = Duration::from_secs(2);
/// How long an answer is waited for from a leader that was replaced meanwhile: one that handed over answers at once.
pub const HOP_REPLACED_GRACE: Duration = Duration::from_millis(500);
/// Shares on one lane: every batch in flight on a client's stream, and as many again that were given up.
pub const LANE_BATCHES_MAX: usize = 2 * STREAM_BATCHES_IN_FLIGHT_MAX;
/// How long a command may wait for its partition's answer where other nodes replicate it: without a majority it would wait
/// for ever. On a single node it waits for the disk, as long as that takes.
pub const ANSWER_MAX: Duration = Duration::from_secs(10);
/// Largest answer of another node that is read: a page of 1,000 customers of a few KiB each.
pub const HOP_ANSWER_SIZE_BYTES_MAX: usize = 16 * 1024 * 1024;
/// Pause between two looks at how a worker's credit lies with several nodes, and half of the one before a stream that
/// broke is opened again.
pub const HOP_STREAM_PAUSE: Duration = Duration::from_millis(250);
/// How long a stream to another node is read after its worker has gone: that node settles what it was told.
pub const HOP_WIND_UP_MAX: Duration = Duration::from_secs(2);
/// Events of `Ingest` calls that are being decided at once: some batches for each partition, a fraction of a second of work,
/// so that what is let in is answered soon and what is not is refused at once.
pub const EVENTS_IN_FLIGHT_DEFAULT: usize = 16_384;
/// Bytes of those calls: a few kilobytes for each event.
pub const INGEST_SIZE_BYTES_DEFAULT: usize = 64 * 1024 * 1024;
/// Percent of those events that one workspace may have, so that a noisy one always leaves room for another.
pub const WORKSPACE_SHARE_PERCENT: usize = 75;
/// Bytes of a call that are looked at before it is let in or refused: an event with small properties, whose workspace stands
/// first.
pub const PEEK_SIZE_BYTES_MAX: usize = 4 * 1024;
/// How long a survey of the cluster waits for one node: two seconds for a report, one for the connection.
pub const SURVEY_ANSWER_MAX: Duration = Duration::from_secs(3);
/// Attempts to write what an operator wants while the row that it is about changes.
pub const WRITE_ATTEMPTS_MAX: u32 = 5;
/// How long a leadership that could not be handed over may take to be seen where it was to go: it was under way already.
pub const TRANSFER_SEEN_MAX: Duration = Duration::from_secs(1);
