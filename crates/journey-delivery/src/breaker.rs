//! The circuit breaker: an endpoint that fails is left alone for a while, then tried with one request.
//!
//! ```text
//!   closed ── enough failures in the window, half of all ──► open ── open_for ──► half-open
//!      ▲                                                      ▲                     │ │
//!      └────────────────────────── the one request went well ─┼─────────────────────┘ │
//!                                                             └── it failed ──────────┘
//! ```

use std::collections::VecDeque;
use std::time::Duration;

use crate::limits::BREAKER_WINDOW_PARTS;
use crate::verdict::Health;

/// When it opens and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerOptions {
    /// Failures within the window that open it, if they are at least half of all results there; at least 1.
    pub failures: u32,
    /// The span that results count for.
    pub window: Duration,
    /// How long it stays open before one request tries the endpoint again.
    pub open_for: Duration,
}

/// Where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Requests go out.
    Closed,
    /// None does.
    Open,
    /// One may, at a time.
    HalfOpen,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Closed,
    /// Until an instant; after it, half-open.
    Open {
        until: Duration,
    },
}

/// Results of one part of the window.
#[derive(Debug, Clone, Copy)]
struct Part {
    number: u128,
    n_fine: u32,
    n_failing: u32,
}

/// A breaker. Every instant is the span since one start that the caller chose, and never goes back.
#[derive(Debug, Clone)]
pub struct Breaker {
    options: BreakerOptions,
    stage: Stage,
    parts: VecDeque<Part>,
    n_opened: u64,
}

impl Breaker {
    /// A closed breaker.
    #[must_use]
    pub const fn new(options: BreakerOptions) -> Self {
        Self {
            options,
            stage: Stage::Closed,
            parts: VecDeque::new(),
            n_opened: 0,
        }
    }

    /// Where it stands.
    #[must_use]
    pub fn state(&self, now: Duration) -> BreakerState {
        match self.stage {
            Stage::Closed => BreakerState::Closed,
            Stage::Open { until } if now < until => BreakerState::Open,
            Stage::Open { .. } => BreakerState::HalfOpen,
        }
    }

    /// When it becomes half-open, while it is open.
    #[must_use]
    pub fn half_open_at(&self, now: Duration) -> Option<Duration> {
        match self.stage {
            Stage::Open { until } if now < until => Some(until),
            Stage::Open { .. } | Stage::Closed => None,
        }
    }

    /// How often it opened.
    #[must_use]
    pub const fn n_opened(&self) -> u64 {
        self.n_opened
    }

    /// Takes a result into account. While open, results are of requests that were under way already and say nothing new.
    pub fn record(&mut self, now: Duration, health: Health) {
        match (self.state(now), health) {
            (_, Health::Unknown) | (BreakerState::Open, _) => {}
            (BreakerState::HalfOpen, Health::Fine) => {
                self.stage = Stage::Closed;
                self.parts.clear();
            }
            (BreakerState::HalfOpen, Health::Failing) => self.open(now),
            (BreakerState::Closed, Health::Fine | Health::Failing) => {
                self.count(now, health);
                let (n_fine, n_failing) = self.in_window();
                let is_many = n_failing >= self.options.failures.max(1) && n_failing >= n_fine;
                if health == Health::Failing && is_many {
                    self.open(now);
                }
            }
        }
    }

    fn open(&mut self, now: Duration) {
        self.stage = Stage::Open {
            until: now.saturating_add(self.options.open_for),
        };
        self.parts.clear();
        self.n_opened += 1;
    }

    fn count(&mut self, now: Duration, health: Health) {
        let part_ns = (self.options.window / BREAKER_WINDOW_PARTS)
            .as_nanos()
            .max(1);
        let number = now.as_nanos() / part_ns;
        while let Some(oldest) = self.parts.front() {
            if oldest.number + u128::from(BREAKER_WINDOW_PARTS) > number {
                break;
            }
            self.parts.pop_front();
        }
        if self.parts.back().is_none_or(|part| part.number < number) {
            self.parts.push_back(Part {
                number,
                n_fine: 0,
                n_failing: 0,
            });
        }
        if let Some(part) = self.parts.back_mut() {
            match health {
                Health::Fine => part.n_fine = part.n_fine.saturating_add(1),
                Health::Failing => part.n_failing = part.n_failing.saturating_add(1),
                Health::Unknown => {}
            }
        }
    }

    fn in_window(&self) -> (u32, u32) {
        let sum = |(fine, failing): (u32, u32), part: &Part| {
            (
                fine.saturating_add(part.n_fine),
                failing.saturating_add(part.n_failing),
            )
        };
        self.parts.iter().fold((0, 0), sum)
    }
}

#[cfg(test)]
mod tests;
