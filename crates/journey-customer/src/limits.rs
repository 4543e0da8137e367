//! Bounds of one customer that only this crate uses, each with its reason.

use journey_types::TimeSpan;
use journey_types::limits::{
    CUSTOMER_STATE_SIZE_BYTES_MAX, PROPERTIES_SIZE_BYTES_MAX, TURN_SIZE_BYTES_MAX,
};

/// Timeline entries kept: enough to answer "why did this happen" for the last days, small enough to stay in a row.
pub const TIMELINE_ENTRIES_MAX: usize = 32;
/// Bytes of one timeline text: a line or two on a screen.
pub const TIMELINE_TEXT_SIZE_BYTES_MAX: usize = 240;
/// Single events kept for windows: JOURNEYS section 5 (exact up to 1,000, then saturated).
pub const WINDOW_EVENTS_MAX: usize = 1_000;
/// Event ids in the head row: DESIGN section 5.
pub const DEDUPE_OPEN_IDS_MAX: usize = 16;
/// Event ids of a chunk: DESIGN section 5. They lie in segments of as many as there may be in the head row.
pub const DEDUPE_CHUNK_IDS_MAX: usize = 128;
/// Entries that wait for a place per key: JOURNEYS section 2.
pub const QUEUED_ENTRIES_MAX: usize = 10;
/// Raised events that wait to be taken in: an `emit` beyond it fails, so that no turn grows without end.
pub const RAISED_EVENTS_MAX: usize = 256;
/// Bytes of raised events that wait: a paused turn journals them in one fact, which must stay far below a turn's size.
pub const RAISED_EVENTS_SIZE_BYTES_MAX: usize = 256 * 1024;
/// Other identifiers of one customer that are remembered: far more than a person has devices, far below its bound.
pub const IDENTIFIERS_MAX: usize = 100;
/// Times a turn is continued before an instance that still uses up its 256 steps is parked as an endless loop: 4,096
/// steps without any rest are more than the longest journey of 1,000 steps needs.
pub const TURN_ROUNDS_MAX: u32 = 16;
/// Bytes of one rendered message: far above any real template, far below the customer's own bound.
pub const RENDERED_SIZE_BYTES_MAX: usize = 128 * 1024;
/// Bytes of what a call or task is given: as much as the properties of an event.
pub const INPUT_SIZE_BYTES_MAX: usize = 32 * 1024;
/// Bytes of a key: JOURNEYS section 2.
pub const KEY_SIZE_BYTES_MAX: usize = 256;
/// Bytes of a worker's reason that are kept: a line for people, not a stack trace.
pub const REASON_SIZE_BYTES_MAX: usize = 512;

/// Handings over of an effect where its destination has no budget of its own: with doubling pauses about six hours, so
/// that a channel may be down for a night shift.
pub const ATTEMPTS_MAX_DEFAULT: u32 = 20;
/// The pause after an effect's first failure; it doubles with every attempt.
pub const RETRY_PAUSE_FIRST_DEFAULT: TimeSpan = TimeSpan::from_secs(1);
/// The longest pause between two attempts, before jitter: a channel that comes back is used within the hour.
pub const RETRY_PAUSE_MAX_DEFAULT: TimeSpan = TimeSpan::from_secs(30 * 60);
/// Attempts of an effect that are kept from the beginning: how it failed when it was fresh.
pub const ATTEMPTS_KEPT_FIRST: usize = 3;
/// Attempts of an effect that are kept up to now: with the first ones all of a default budget.
pub const ATTEMPTS_KEPT_LAST: usize = 17;
/// How long dead letters and quarantined commands are kept: DESIGN section 6.
pub const SET_ASIDE_SPAN: TimeSpan = TimeSpan::from_days(14);
/// Dead letters of one customer: they count towards its size; beyond it effects stay in their queues, tried seldom.
pub const DEAD_LETTERS_MAX: usize = 64;
/// Quarantined commands of one customer: a command holds at most one event of 32 KiB, and a customer whose commands
/// panic over and over is parked long before.
pub const QUARANTINED_COMMANDS_MAX: usize = 8;
/// Bytes of a worker's name that are kept with each attempt.
pub const WORKER_NAME_SIZE_BYTES_MAX: usize = 64;

const _: () = assert!(
    RAISED_EVENTS_SIZE_BYTES_MAX * 2 <= TURN_SIZE_BYTES_MAX,
    "a pause fits into a turn"
);
const _: () = assert!(
    QUARANTINED_COMMANDS_MAX * 4 * PROPERTIES_SIZE_BYTES_MAX <= CUSTOMER_STATE_SIZE_BYTES_MAX,
    "a customer has room for more than its quarantine"
);
const _: () = assert!(
    DEDUPE_CHUNK_IDS_MAX.is_multiple_of(DEDUPE_OPEN_IDS_MAX),
    "a chunk is made of full segments"
);
