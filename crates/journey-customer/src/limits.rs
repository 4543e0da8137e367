//! Bounds of one customer that only this crate uses, each with its reason.

/// Timeline entries kept: enough to answer "why did this happen" for the last days, small enough to stay in a row.
pub const TIMELINE_ENTRIES_MAX: usize = 32;
/// Bytes of one timeline text: a line or two on a screen.
pub const TIMELINE_TEXT_SIZE_BYTES_MAX: usize = 240;
/// Single events kept for windows: JOURNEYS section 5 (exact up to 1,000, then saturated).
pub const WINDOW_EVENTS_MAX: usize = 1_000;
/// Event ids in the head row: DESIGN section 5.
pub const DEDUPE_OPEN_IDS_MAX: usize = 16;
/// Event ids in a chunk row: DESIGN section 5.
pub const DEDUPE_CHUNK_IDS_MAX: usize = 128;
/// Entries that wait for a place per key: JOURNEYS section 2.
pub const QUEUED_ENTRIES_MAX: usize = 10;
/// Bytes of a key: JOURNEYS section 2.
pub const KEY_SIZE_BYTES_MAX: usize = 256;
/// Bytes of a worker's reason that are kept: a line for people, not a stack trace.
pub const REASON_SIZE_BYTES_MAX: usize = 512;

const _: () = assert!(
    DEDUPE_OPEN_IDS_MAX <= DEDUPE_CHUNK_IDS_MAX,
    "an open chunk fits into a closed one"
);
