//! How often and how fast the effects of a destination are tried before they become dead letters.

use std::collections::BTreeMap;

use journey_types::{Destination, TimeSpan};

use crate::limits::{ATTEMPTS_MAX_DEFAULT, RETRY_PAUSE_FIRST_DEFAULT, RETRY_PAUSE_MAX_DEFAULT};

/// Retry budgets by destination.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeliverySettings {
    /// Destinations with a budget of their own.
    pub by_destination: BTreeMap<Destination, RetryBudget>,
    /// The budget of all others.
    pub default: RetryBudget,
}

impl DeliverySettings {
    /// The budget of a destination.
    #[must_use]
    pub fn budget(&self, destination: &Destination) -> RetryBudget {
        let own = self.by_destination.get(destination);
        own.copied().unwrap_or(self.default)
    }
}

/// What is tried before an effect becomes a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryBudget {
    /// Handings over that may fail for now or stay without an answer, at least 1; default 20.
    pub attempts_max: u32,
    /// The pause after the first failure; it doubles with every attempt; default 1 s.
    pub pause_first: TimeSpan,
    /// The longest pause between two attempts, before jitter; default 30 min.
    pub pause_max: TimeSpan,
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self {
            attempts_max: ATTEMPTS_MAX_DEFAULT,
            pause_first: RETRY_PAUSE_FIRST_DEFAULT,
            pause_max: RETRY_PAUSE_MAX_DEFAULT,
        }
    }
}

impl RetryBudget {
    /// Whether an effect that was tried so often may be tried again.
    #[must_use]
    pub fn allows_another(&self, n_attempts: u32) -> bool {
        n_attempts < self.attempts_max.max(1)
    }
}
