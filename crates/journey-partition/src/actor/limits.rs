//! Bounds of the drivers, each with its reason.

use journey_types::TimeSpan;

/// Failures of a partition's actor in [`ACTOR_FAILURES_SPAN`] after which it stays down: a fault that comes back at
/// once needs an operator, not a crash loop.
pub const ACTOR_FAILURES_MAX: usize = 3;

/// The time in which [`ACTOR_FAILURES_MAX`] are counted.
pub const ACTOR_FAILURES_SPAN: TimeSpan = TimeSpan::from_secs(60);
