//! Bounds of the storage layer, each with its reason.

/// Keys hold a workspace and a customer id (256 bytes each at most) and some numbers.
pub const KEY_SIZE_BYTES_MAX: usize = 1_024;
