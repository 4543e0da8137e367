//! Bounds that several floors share, each with its reason.

use crate::time::TimeSpan;

/// Bytes of a workspace, customer, source or event id: long enough for a URL or an e-mail address, short enough that
/// a key of two ids stays far below a storage key's limit.
pub const ID_SIZE_BYTES_MAX: usize = 256;
/// Bytes of an authored id (journey, step, content): JOURNEYS section 1.
pub const AUTHORED_ID_SIZE_BYTES_MAX: usize = 64;
/// Bytes of an event name: JOURNEYS section 1.
pub const EVENT_NAME_SIZE_BYTES_MAX: usize = 128;
/// Encoded bytes of one event's properties: JOURNEYS section 12.
pub const PROPERTIES_SIZE_BYTES_MAX: usize = 32 * 1024;
/// Nesting of a value: deep enough for any real payload, shallow enough that recursion over it cannot overflow.
pub const VALUE_DEPTH_MAX: usize = 32;
/// How far ahead of its arrival an event may claim to have occurred: JOURNEYS section 11.
pub const OCCURRED_AHEAD_MAX: TimeSpan = TimeSpan::from_hours(24);
/// The longest delay a journey may ask for: JOURNEYS section 3.
pub const DELAY_MAX: TimeSpan = TimeSpan::from_days(3_653);
/// How long an accepted event id is remembered, by stamp: DESIGN G2.
pub const DEDUPE_WINDOW: TimeSpan = TimeSpan::from_days(7);
/// Remembered ids of one customer: DESIGN G2; beyond it the customer is refused `HOT_CUSTOMER`.
pub const DEDUPE_IDS_MAX: usize = 65_536;
/// Concurrent instances of one customer: JOURNEYS section 3.
pub const INSTANCES_PER_CUSTOMER_MAX: usize = 1_000;
/// Bytes of one customer's state without its remembered ids: JOURNEYS section 3.
pub const CUSTOMER_STATE_SIZE_BYTES_MAX: usize = 1024 * 1024;
/// Bytes of one instance's `vars`: JOURNEYS section 3.
pub const VARS_SIZE_BYTES_MAX: usize = 16 * 1024;
/// Commands that wait in one customer's mailbox: DESIGN section 2; beyond it `HOT_CUSTOMER`.
pub const CUSTOMER_MAILBOX_MAX: usize = 64;
/// Bytes of one turn's journal events: DESIGN section 3 (what remains is continued at the same stamp).
pub const TURN_SIZE_BYTES_MAX: usize = 1024 * 1024;
/// Steps of one turn: DESIGN section 3.
pub const TURN_STEPS_MAX: usize = 4_096;
/// Steps of one instance in one turn: DESIGN section 3; it stops endless loops without a wait.
pub const INSTANCE_STEPS_PER_TURN_MAX: usize = 256;
/// How deep `emit` may raise events out of events: JOURNEYS section 3.
pub const EMIT_DEPTH_MAX: usize = 16;

const _: () = assert!(
    INSTANCE_STEPS_PER_TURN_MAX <= TURN_STEPS_MAX,
    "one instance fits in a turn"
);
