//! Bounds of the format, each with its reason.

use journey_types::limits::VALUE_DEPTH_MAX;

/// Lists and maps that may nest in a stored value. Events are held to [`VALUE_DEPTH_MAX`] at the door; traits and
/// variables are computed and may wrap an event's value a few times. Reading recurses once per level, so this also
/// bounds the stack that hostile bytes can take.
pub const STORED_VALUE_DEPTH_MAX: u8 = 64;

const _: () = assert!(
    VALUE_DEPTH_MAX < STORED_VALUE_DEPTH_MAX as usize,
    "every value that is let in can be stored"
);
