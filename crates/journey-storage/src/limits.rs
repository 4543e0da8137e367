//! Bounds of the storage layer, each with its reason; the relations between them are checked by the compiler.

/// Keys hold a workspace and a customer id (256 bytes each at most) and some numbers; the rest is room.
pub const KEY_SIZE_BYTES_MAX: usize = 1_024;

/// The log database holds Raft entries in pieces this long: few rows for an entry of 48 KiB, and a leaf of them still
/// fits a quarter of a segment.
pub const LOG_VALUE_SIZE_BYTES_MAX: usize = 64 * 1024;

/// The state database holds rows of customers, most of them far shorter; a rewritten row costs its leaf.
pub const STATE_VALUE_SIZE_BYTES_MAX: usize = 4 * 1024;

/// Segment of the log database: [`leaf_fits`] needs more than 6 MiB for its values.
pub const LOG_SEGMENT_SIZE_BYTES: usize = 8 * 1024 * 1024;

/// Segment of the state database: 2 MiB would do for its pages (an index page of [`INDEX_KEYS_MAX`] longest keys is the
/// largest), but every half segment costs an fsync.
pub const STATE_SEGMENT_SIZE_BYTES: usize = 8 * 1024 * 1024;

/// Changes of one atomic batch together: sled makes them without an fsync in between, and writes several times as
/// much, which must stay well below half a segment.
pub const ATOMIC_BATCH_SIZE_BYTES_MAX: usize = 512 * 1024;

/// The largest value that is stored in chunks: a log entry of 2 MiB, or a customer of 1 MiB, with room.
pub const CHUNKED_VALUE_SIZE_BYTES_MAX: usize = 3 * 1024 * 1024;

/// Chunks of one value, so that a reader's work is bounded whatever it finds.
pub const VALUE_CHUNKS_MAX: usize = 1_024;

/// Rows that a scan reads at a time: enough to forget the cost of a seek, few enough to hold no reader up.
pub const SCAN_PAGE_ROWS: usize = 256;

/// Rows that a leaf page of sled can hold: it splits above 16 when next visited, so one insert and two merges with
/// emptied neighbours (3 rows each) may come before.
const LEAF_ROWS_MAX: usize = 16 + 1 + 2 * 3;

/// Keys that an index page of sled can hold: it splits above 256, with the same slack.
const INDEX_KEYS_MAX: usize = 256 + 1 + 63;

/// A key as sled is given it: a byte is added to every third 0xff (see `sled/key.rs`).
const STORED_KEY_SIZE_BYTES_MAX: usize = KEY_SIZE_BYTES_MAX + KEY_SIZE_BYTES_MAX / 3;

/// sled's own bytes around a page and around each of its rows, generously.
const PAGE_OVERHEAD_BYTES: usize = 4 * 1024;
const ROW_OVERHEAD_BYTES: usize = 32;

/// Whether sled keeps every page of such rows inside its log, in `segment_size / 4`, and out of its side files, which
/// it never syncs.
#[must_use]
pub const fn leaf_fits(segment_size_bytes: usize, value_size_bytes_max: usize) -> bool {
    let page_size_bytes_max = segment_size_bytes / 4;
    let key_size_bytes_max = STORED_KEY_SIZE_BYTES_MAX + ROW_OVERHEAD_BYTES;
    let leaf = LEAF_ROWS_MAX * (key_size_bytes_max + value_size_bytes_max);
    let index = INDEX_KEYS_MAX * key_size_bytes_max;
    leaf + PAGE_OVERHEAD_BYTES < page_size_bytes_max
        && index + PAGE_OVERHEAD_BYTES < page_size_bytes_max
}

const _: () = assert!(
    leaf_fits(LOG_SEGMENT_SIZE_BYTES, LOG_VALUE_SIZE_BYTES_MAX),
    "a leaf of the log database would be written to a side file that is never synced"
);
const _: () = assert!(
    leaf_fits(STATE_SEGMENT_SIZE_BYTES, STATE_VALUE_SIZE_BYTES_MAX),
    "a leaf of the state database would be written to a side file that is never synced"
);
const _: () = assert!(
    ATOMIC_BATCH_SIZE_BYTES_MAX * 8 <= STATE_SEGMENT_SIZE_BYTES
        && ATOMIC_BATCH_SIZE_BYTES_MAX * 8 <= LOG_SEGMENT_SIZE_BYTES,
    "an atomic batch would outrun the fsync that guards freed segments"
);
const _: () = assert!(
    17 * (KEY_SIZE_BYTES_MAX + LOG_VALUE_SIZE_BYTES_MAX) < LOG_SEGMENT_SIZE_BYTES / 4
        && 17 * (KEY_SIZE_BYTES_MAX + STATE_VALUE_SIZE_BYTES_MAX) < STATE_SEGMENT_SIZE_BYTES / 4,
    "the rule of DESIGN section 7 is weaker than ours"
);
const _: () = assert!(
    CHUNKED_VALUE_SIZE_BYTES_MAX / (STATE_VALUE_SIZE_BYTES_MAX - 64) < VALUE_CHUNKS_MAX,
    "the longest value must fit its chunks in the database with the shorter rows"
);
