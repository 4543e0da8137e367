//! Where a driver gets the time from.

use journey_types::Timestamp;

/// The node's one clock; it may step, the core makes monotonic stamps of it.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}
