//! Bounds of the drivers, each with its reason.

use journey_types::TimeSpan;

/// Failures of a partition's actor in [`ACTOR_FAILURES_SPAN`] after which it stays down: a fault that comes back at
/// once needs an operator, not a crash loop.
pub const ACTOR_FAILURES_MAX: usize = 3;

/// The time in which [`ACTOR_FAILURES_MAX`] are counted.
pub const ACTOR_FAILURES_SPAN: TimeSpan = TimeSpan::from_secs(60);

/// Requests of workers that may wait at once, beside those with events: outcomes free outboxes and credit, so that they
/// are taken in while events are refused. Each holds at most 1,000 outcomes.
pub const SETTLEMENTS_MAX: usize = 64;

/// Percent of the requests waiting with events that one workspace may have, so that a noisy one always leaves room for
/// another.
pub const WORKSPACE_SHARE_PERCENT: usize = 75;

/// Customers with something set aside that are looked at for the oldest dead letter: a scrape's worth of reads.
pub(super) const OLDEST_LOOKS_MAX: usize = 64;

/// Commands of requests with events that may wait at once at one partition: a fraction of a second of its work, and a few
/// tens of MiB with ordinary events. Requests alone bound neither: one holds 1 to 1,000.
pub const COMMANDS_WAITING_MAX: usize = 16_384;
