//! Bounds of consensus, each with its reason.

use std::time::Duration;

/// Largest entry of a log: a decision too large for a batch travels alone up to here (DESIGN section 3, sizes).
pub const ENTRY_SIZE_BYTES_MAX: usize = 2 * 1_024 * 1_024;

/// Largest value in one row of the log tree; longer entries lie in several rows. sled moves leaves (up to 17 rows)
/// above a quarter of its 8 MiB segments to files it never syncs.
pub const LOG_VALUE_SIZE_BYTES_MAX: usize = 60 * 1_024;

/// sled's segment size of the log database and the rows a leaf may hold before it splits.
const LOG_SEGMENT_SIZE_BYTES: usize = 8 * 1_024 * 1_024;
const ROWS_PER_LEAF_MAX: usize = 17;
const LOG_KEY_SIZE_BYTES_MAX: usize = 15;
const _: () = assert!(
    ROWS_PER_LEAF_MAX * (LOG_KEY_SIZE_BYTES_MAX + LOG_VALUE_SIZE_BYTES_MAX)
        < LOG_SEGMENT_SIZE_BYTES / 4,
    "a leaf of the log tree must stay inside the synced file"
);
const _: () = assert!(
    ENTRY_SIZE_BYTES_MAX / LOG_VALUE_SIZE_BYTES_MAX < u16::MAX as usize,
    "the chunks of an entry are numbered by u16"
);

/// What one read of the log returns at most (but always at least one entry): a message to a follower must fit gRPC's
/// limit of 4 MiB together with one largest entry.
pub const LOG_READ_SIZE_BYTES_MAX: usize = 1_024 * 1_024;
const _: () = assert!(
    LOG_READ_SIZE_BYTES_MAX + ENTRY_SIZE_BYTES_MAX < 4 * 1_024 * 1_024,
    "an append request must fit gRPC's default message limit"
);

/// Applied entries of one group that stay in memory where it has followers: what the slower one asks for next was applied
/// a moment ago, since the faster one made a quorum. Twice what goes in one message.
pub(crate) const LOG_TAIL_KEPT_BYTES_MAX: u64 = 2 * LOG_READ_SIZE_BYTES_MAX as u64;

/// Rows read from the log tree at a time: 32 of the largest are 2 MiB.
pub(crate) const LOG_SCAN_ROWS_MAX: usize = 32;

/// Writes waiting for the commit thread. A group waits for room, which slows its own proposals down, not its peers.
pub(crate) const COMMIT_QUEUE_WRITES_MAX: usize = 1_024;

/// Bytes written between two fsyncs: bounds how long the first of a batch waits for the last.
pub(crate) const COMMIT_BATCH_BYTES_MAX: usize = 8 * 1_024 * 1_024;

/// Rows of purged entries removed between two commits: about 1 ms in sled, so that a purge never stalls acks.
pub(crate) const PURGE_SLICE_ROWS_MAX: usize = 64;

/// Proposals of one group that wait for their outcome. A partition keeps one or two batches in flight; this stops a
/// caller that does not.
pub const PROPOSALS_IN_FLIGHT_MAX: usize = 1_024;

/// Bytes of one group's proposals that wait for their outcome, since they lie in memory until applied.
pub const PROPOSALS_IN_FLIGHT_BYTES_MAX: usize = 32 * 1_024 * 1_024;

/// Room in a group's request queue: every proposal in flight plus reads, triggers and membership changes.
pub(crate) const RAFT_REQUESTS_MAX: u64 = 4_096;
const _: () = assert!(
    (PROPOSALS_IN_FLIGHT_MAX as u64) < RAFT_REQUESTS_MAX,
    "an admitted proposal must find room, since propose never waits"
);

/// Entries and bytes handed to a state machine in one call: keeps checkpoints and reads from waiting long.
pub(crate) const APPLY_BATCH_ENTRIES_MAX: usize = 256;
/// See [`APPLY_BATCH_ENTRIES_MAX`].
pub(crate) const APPLY_BATCH_BYTES_MAX: usize = 1_024 * 1_024;

/// Calls that wait for a group's applier thread: one batch, one checkpoint, one query.
pub(crate) const APPLIER_QUEUE_JOBS_MAX: usize = 4;

/// Connections to peers held at a time: two for each of 256 nodes, and some whose address has changed.
pub(crate) const PEER_LINKS_MAX: usize = 768;

/// Requests to one peer that wait for its connection: a heartbeat interval's worth of 256 groups. Beyond it they fail
/// at once, and Raft tries again.
pub(crate) const PEER_REQUESTS_QUEUED_MAX: usize = 256;

/// Requests of one connection whose answers are awaited; beyond it nothing is sent, and nothing read.
pub(crate) const PEER_REQUESTS_IN_FLIGHT_MAX: usize = 1_024;

/// What is put into one message, unless one request alone is larger: small enough that it is sent in a few ms.
pub(crate) const PEER_REQUESTS_SIZE_BYTES: usize = 1_024 * 1_024;

/// Messages made and not yet taken by the connection: one on its way and one ready; what comes meanwhile goes together.
pub(crate) const PEER_MESSAGES_BUFFERED_MAX: usize = 2;

/// Largest message between peers: what was gathered, and one append of the largest size on top of it.
pub(crate) const PEER_MESSAGE_SIZE_BYTES_MAX: usize = 16 * 1_024 * 1_024;
const _: () = assert!(
    PEER_REQUESTS_SIZE_BYTES + LOG_READ_SIZE_BYTES_MAX + ENTRY_SIZE_BYTES_MAX
        < PEER_MESSAGE_SIZE_BYTES_MAX,
    "an append must fit a message between peers"
);

/// HTTP/2's window between peers: an append of the largest size goes without waiting for the other side.
pub(crate) const PEER_WINDOW_SIZE_BYTES: u32 = 4 * 1_024 * 1_024;

/// Longest wait for a connection to a peer.
pub(crate) const PEER_CONNECT_WAIT_MAX: Duration = Duration::from_secs(1);

/// How long a peer that could not be reached is left alone; short against an election.
pub(crate) const PEER_RECONNECT_PAUSE: Duration = Duration::from_millis(50);

/// How long a peer may leave everything unanswered before its connection is opened anew: what was lost on the way comes
/// back only after TCP's ever longer pauses.
pub(crate) const PEER_SILENCE_MAX_CONTROL: Duration = Duration::from_secs(1);
/// The same where entries go, which a slow disk may hold up.
pub(crate) const PEER_SILENCE_MAX_DATA: Duration = Duration::from_secs(5);

/// Longest wait until a peer has entries on its disk.
pub(crate) const PEER_APPEND_WAIT_MAX: Duration = Duration::from_secs(5);

/// Appends of one group on their way to one replica: a partition proposes its next batch while the last is on its way, and
/// a few more hide a slow network. Each holds up to [`LOG_READ_SIZE_BYTES_MAX`].
pub(crate) const PEER_APPENDS_IN_FLIGHT_MAX: usize = 4;

/// How long a commit index waits for entries that take it along: followers apply that much later, and nobody waits for
/// them. Without traffic it is the only thing sent, so it must be short against whoever watches a follower.
pub(crate) const PEER_COMMIT_PAUSE: Duration = Duration::from_millis(10);

/// How long the first heartbeat of a pulse waits for those of the other groups: far below a heartbeat's interval.
pub(crate) const PEER_PULSE_PAUSE: Duration = Duration::from_millis(1);

/// Longest wait for the outcome of a proposal that another replica makes in this one's name.
pub(crate) const PEER_PROPOSAL_WAIT_MAX: Duration = Duration::from_secs(10);

/// Longest wait until a group has a leader, before a call that needs one is refused.
pub(crate) const LEADER_WAIT_MAX: Duration = Duration::from_secs(5);

/// For how many of the longest election timeouts a leader may hear of no quorum, or a follower of no leader, before that
/// leader counts as none: by then others have elected another one, if they can.
pub(crate) const SILENCE_ELECTIONS: u32 = 2;

/// The shortest such silence: a machine that is busy for a moment ends nobody's session.
pub(crate) const SILENCE_MIN: Duration = Duration::from_secs(1);

/// Longest wait for one change of a group's membership.
pub(crate) const MEMBERSHIP_CHANGE_WAIT_MAX: Duration = Duration::from_secs(10);

/// Longest wait until another replica has taken over.
pub(crate) const TRANSFER_WAIT_MAX: Duration = Duration::from_secs(3);

/// How long ago a replica may have answered to be handed the leadership: several heartbeats.
pub(crate) const HEARD_AGE_MAX: Duration = Duration::from_secs(1);

/// How far a replica may be behind and still be handed the leadership: it takes none before it has everything.
pub const TRANSFER_LAG_MAX: u64 = 256;

/// Longest piece of a snapshot that a state machine hands out.
pub const SNAPSHOT_PIECE_SIZE_BYTES_MAX: usize = 1_024 * 1_024;
const _: () = assert!(
    SNAPSHOT_PIECE_SIZE_BYTES_MAX < PEER_MESSAGE_SIZE_BYTES_MAX,
    "a piece must fit a message between peers"
);

/// Snapshots that one node sends at a time; others wait, and are opened only when it is their turn.
pub(crate) const SNAPSHOTS_SENT_MAX: usize = 2;

/// How fast one snapshot is sent: a third of a gigabit link, so that entries and clients have the rest.
pub(crate) const SNAPSHOT_BYTES_PER_SECOND_MAX: u32 = 40 * 1_024 * 1_024;

/// Pieces read and not yet sent.
pub(crate) const SNAPSHOT_PIECES_BUFFERED_MAX: usize = 4;

/// How long a snapshot may stand still, at either end, before it is given up.
pub(crate) const SNAPSHOT_STALL_MAX: Duration = Duration::from_secs(30);

/// Longest wait until a snapshot that was sent is checked and installed: a state of many GiB is read once.
pub(crate) const SNAPSHOT_INSTALL_WAIT_MAX: Duration = Duration::from_secs(600);

/// How much longer than asked for the log may grow while a replica that is heard of still needs it: beyond, that
/// replica gets a snapshot.
pub(crate) const STRAGGLER_LOG_FACTOR: u64 = 4;

/// Longest wait for a checkpoint before a purge gives up and leaves the log for the next attempt.
pub(crate) const CHECKPOINT_WAIT_MAX: Duration = Duration::from_secs(60);

/// How often a checkpoint is asked for again while none ends: openraft ignores a request that comes while it has not
/// yet heard that the last one ended. Asking during one that goes on costs a message and starts no second one.
pub(crate) const CHECKPOINT_ASK_INTERVAL: Duration = Duration::from_millis(20);

/// Longest wait until openraft has taken over a finished checkpoint and purged up to it.
pub(crate) const PURGE_WAIT_MAX: Duration = Duration::from_secs(10);

/// Largest text of one document: a journey of a few hundred steps is 30 KiB.
pub const DOCUMENT_SOURCE_SIZE_BYTES_MAX: usize = 256 * 1_024;

/// Longest kind, id, hash and source name of a document.
pub const DOCUMENT_NAME_SIZE_BYTES_MAX: usize = 512;

/// Documents of one publish; they travel in one entry together with their texts.
pub const PUBLISH_DOCUMENTS_MAX: usize = 1_024;

/// Bytes of one publish, documents and names: leaves room in an entry for its framing.
pub const PUBLISH_SIZE_BYTES_MAX: usize = ENTRY_SIZE_BYTES_MAX - 64 * 1_024;

/// Bytes of all versions of all documents: every node keeps them in memory.
pub const METADATA_SIZE_BYTES_MAX: usize = 128 * 1_024 * 1_024;

/// Nodes of a cluster that are not removed: the design is for 64, and every node keeps a connection to each other one.
pub const CLUSTER_NODES_MAX: usize = 128;

/// Longest `host:port`: a host name has at most 253 bytes.
pub const ADDRESS_SIZE_BYTES_MAX: usize = 260;

/// Longest name of a zone, as of any authored id.
pub const ZONE_SIZE_BYTES_MAX: usize = 128;

/// Largest weight of a node: a thousand to one is beyond any mix of machines.
pub const NODE_WEIGHT_MAX: u32 = 1_000;

/// Quotas and gates of a cluster: every node keeps them in memory and writes them with each checkpoint.
pub const SETTINGS_MAX: usize = 1_024;

/// Longest name of a quota or gate.
pub const SETTING_NAME_SIZE_BYTES_MAX: usize = 256;

/// Longest value of a quota or gate: a number or a few words.
pub const SETTING_VALUE_SIZE_BYTES_MAX: usize = 1_024;
const _: () = assert!(
    SETTINGS_MAX * (SETTING_NAME_SIZE_BYTES_MAX + SETTING_VALUE_SIZE_BYTES_MAX + 32)
        + CLUSTER_NODES_MAX * (2 * ADDRESS_SIZE_BYTES_MAX + ZONE_SIZE_BYTES_MAX + 128)
        < journey_storage::limits::CHUNKED_VALUE_SIZE_BYTES_MAX,
    "the map of the cluster is one value of the checkpoint"
);

/// Replicas that one node receives at once: each is a snapshot over its network and onto its disk, beside its traffic.
pub const NODE_MOVES_MAX: usize = 2;

/// Replicas that move at once in the whole cluster: a leader gives each of its partitions' snapshots at the same time.
pub const PARTITIONS_MOVING_MAX: usize = 16;
