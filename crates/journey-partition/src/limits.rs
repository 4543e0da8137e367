//! Bounds of a partition, each with its reason.

use journey_types::TimeSpan;

/// Customers that the checkpointer writes between two looks at the replica: rows of about a millisecond's writing, so
/// that a pass can be paced finely and a stop is never far.
pub const CHECKPOINT_CUSTOMERS_MAX: usize = 64;

/// Bytes of customers that the checkpointer writes between two looks at the replica: one customer of the largest size.
pub const CHECKPOINT_SIZE_BYTES_MAX: usize = 1024 * 1024;

/// How far below the limit of a row, in percent of it, a customer must shrink before it goes back into one row from
/// several: a customer that is just about as long as a row does not change its form with every write.
pub const INLINE_AGAIN_PERCENT: usize = 75;

/// Stale index rows remembered for the checkpointer to remove. There should be none: a reader that meets more will
/// meet the rest again.
pub const STALE_ROWS_MAX: usize = 256;

/// A timer's row moves with the timer where it lies nearer ahead than this; further ahead it stays when the timer moves
/// further. As far as the leader keeps timers in memory, so that it finds few that are to be filed anew.
pub const TIMER_ROWS_MOVE_WITHIN: TimeSpan = TimeSpan::from_hours(8 * 24);

/// Timer rows put where their timers are due in one go, while the replica is locked: some milliseconds of writing.
pub const TIMERS_FILED_AT_ONCE: usize = 64;

/// What a customer takes in memory beyond its state or its packed row: its place in the replica's table, its address,
/// and its entries in the indexes of dirty customers.
pub const RESIDENT_OVERHEAD_BYTES: usize = 448;

/// A customer in memory is measured after so many changes: measuring walks over the whole state, and one change adds
/// little.
pub const CHANGES_BETWEEN_MEASURES: u8 = 4;

/// Of the memory that customers may take, one part in so many is kept for states, however many others press: those in
/// hand must not be packed and unpacked at every step.
pub const LIVE_PART_OF_MEMORY: usize = 8;

/// Of the memory that customers may take, one part in so many is kept for those whose rows are up to date, however many
/// others press: what a turn reads must still be there when its facts are applied, a few batches later.
pub const CLEAN_PART_OF_MEMORY: usize = 8;

/// Of the states that a replica takes over from its own leader, one in so many is held against its facts (in debug
/// builds every one): a decision that is not what its facts make stops the partition instead of spreading unseen.
pub const ADOPTIONS_PER_CHECK: u64 = 1_024;
/// Bytes of one chunk of a snapshot: a few milliseconds of a link, far below a message's limit.
pub const SNAPSHOT_CHUNK_SIZE_BYTES_MAX: usize = 256 * 1024;

/// Customers that a snapshot reads at a time, since the replica is locked meanwhile: about a millisecond.
pub const SNAPSHOT_PAGE_CUSTOMERS_MAX: usize = 64;

/// The longest record of a snapshot: a customer of the largest size with all its remembered event ids, with room.
pub const SNAPSHOT_RECORD_SIZE_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Rows that a receiver of a snapshot keeps before it writes them.
pub const SNAPSHOT_ROWS_MAX: usize = 512;

/// Snapshots read from one replica at a time: one for a replica that is being made, one for another.
pub const SNAPSHOT_STREAMS_MAX: usize = 2;

/// What one stream may keep of customers that change before it has read them: old states, which are copies as soon as
/// the applier goes on with them.
pub const SNAPSHOT_SIDE_TABLE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// What an entry of the side table takes beside the state.
pub const SNAPSHOT_SAVED_OVERHEAD_BYTES: usize = 512;

const _: () = assert!(
    CHECKPOINT_CUSTOMERS_MAX >= 1 && CHECKPOINT_SIZE_BYTES_MAX >= 1,
    "a step of the checkpointer makes progress"
);
