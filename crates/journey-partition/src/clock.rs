//! Where a driver gets the time from.

use std::time::Instant;

use journey_types::Timestamp;

/// The node's one clock; it may step, the core makes monotonic stamps of it.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;

    /// The same moment on a clock that never steps: for measuring spans, never for stamps.
    fn monotonic_now(&self) -> Instant;
}
