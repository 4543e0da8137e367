//! The one place where the node reads a clock.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use journey_partition::Clock;
use journey_types::Timestamp;

/// The machine's clock. It may step; partitions make monotonic stamps of it.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the node's clock")]
    fn now(&self) -> Timestamp {
        let since_epoch = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp::from_unix_ms(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
    }

    fn monotonic_now(&self) -> Instant {
        monotonic_now()
    }
}

/// The monotonic clock, for measuring spans; never for stamps.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "this is the node's clock")]
pub fn monotonic_now() -> Instant {
    Instant::now()
}
