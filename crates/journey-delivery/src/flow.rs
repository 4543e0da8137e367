//! How much a connector takes: the credit that may be out, bounded by concurrency, rate and breaker.
//!
//! What is held back is *credit*, so an effect that may not go out now stays unclaimed in its customer's outbox, where a
//! directive or a withdrawn consent still reaches it.
//!
//! ```text
//!   granted ──► with the partitions (left, or a claim on its way) ──► begun ──► ended
//!      ▲                    └─ withdrawn, when the breaker opens          │
//!      └───────────────── target(now): how much may lie with them ◄───────┘
//! ```

use std::time::Duration;

use crate::breaker::{Breaker, BreakerOptions, BreakerState};
use crate::rate_limit::{Rate, RateLimit};
use crate::verdict::Health;

/// Bounds of the flow.
#[derive(Debug, Clone, Copy)]
pub struct FlowOptions {
    /// Deliveries under way at once, at least 1.
    pub concurrency: u32,
    /// Deliveries begun in a span, if bounded.
    pub rate: Option<Rate>,
    /// When the endpoint is left alone.
    pub breaker: BreakerOptions,
}

/// The account of credit. Every instant is the span since one start that the caller chose, and never goes back.
///
/// # Invariants
/// `n_in_flight <= n_granted`.
#[derive(Debug, Clone)]
pub struct Flow {
    concurrency: u32,
    rate: Option<RateLimit>,
    breaker: Breaker,
    /// Credit given and not yet ended or withdrawn.
    n_granted: u32,
    n_in_flight: u32,
}

impl Flow {
    /// An account without credit.
    #[must_use]
    pub fn new(options: FlowOptions) -> Self {
        Self {
            concurrency: options.concurrency.max(1),
            rate: options.rate.map(RateLimit::new),
            breaker: Breaker::new(options.breaker),
            n_granted: 0,
            n_in_flight: 0,
        }
    }

    /// How much credit may lie with the partitions at this instant.
    pub fn target(&mut self, now: Duration) -> u32 {
        let by_breaker = match self.breaker.state(now) {
            BreakerState::Closed => u32::MAX,
            BreakerState::Open => 0,
            BreakerState::HalfOpen => 1_u32.saturating_sub(self.n_in_flight),
        };
        let by_rate = self
            .rate
            .as_mut()
            .map_or(u32::MAX, |rate| rate.available(now));
        let by_concurrency = self.concurrency.saturating_sub(self.n_in_flight);
        by_breaker.min(by_rate).min(by_concurrency)
    }

    /// Credit that lies with the partitions: left, or taken by claims on their way.
    #[must_use]
    pub const fn n_with_partitions(&self) -> u32 {
        self.n_granted - self.n_in_flight
    }

    /// Deliveries under way.
    #[must_use]
    pub const fn n_in_flight(&self) -> u32 {
        self.n_in_flight
    }

    /// Credit was given.
    pub const fn granted(&mut self, n: u32) {
        self.n_granted += n;
    }

    /// Credit was taken back before anyone used it, or is known to be lost.
    pub fn withdrawn(&mut self, n: u32) {
        self.n_granted -= n.min(self.n_with_partitions());
    }

    /// An effect arrived and is being delivered.
    pub fn begun(&mut self, now: Duration) {
        self.n_in_flight += 1;
        // Credit that was taken for lost and turns up after all is counted again.
        self.n_granted = self.n_granted.max(self.n_in_flight);
        if let Some(rate) = &mut self.rate {
            rate.take(now);
        }
    }

    /// A delivery ended, with what it says about the endpoint.
    pub fn ended(&mut self, now: Duration, health: Health) {
        assert!(
            self.n_in_flight > 0,
            "a delivery ends once, after it has begun"
        );
        self.n_in_flight -= 1;
        self.n_granted -= 1;
        self.breaker.record(now, health);
    }

    /// When [`Flow::target`] may grow by time alone.
    pub fn next_look(&mut self, now: Duration) -> Option<Duration> {
        if let Some(half_open_at) = self.breaker.half_open_at(now) {
            return Some(half_open_at);
        }
        let n_free = self.concurrency.saturating_sub(self.n_in_flight);
        let rate = self.rate.as_mut()?;
        if rate.available(now) >= n_free {
            return None;
        }
        rate.more_at(now)
    }

    /// The breaker's state.
    #[must_use]
    pub fn breaker(&self, now: Duration) -> BreakerState {
        self.breaker.state(now)
    }

    /// How often the breaker opened.
    #[must_use]
    pub const fn n_breaker_opened(&self) -> u64 {
        self.breaker.n_opened()
    }
}

#[cfg(test)]
mod tests;
