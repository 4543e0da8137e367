//! How much each workspace may send to this node: a token bucket per workspace, where a rate is configured.

use std::collections::BTreeMap;

use journey_types::WorkspaceId;
use parking_lot::Mutex;
use tokio::time::{Duration, Instant};

use crate::limits::WORKSPACE_BUCKETS_MAX;

/// Events per second that workspaces may send to this node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkspaceRates {
    /// Of a workspace that is not named; `None` for no limit.
    pub default: Option<u64>,
    /// Of those that are named.
    pub by_workspace: BTreeMap<WorkspaceId, u64>,
}

impl WorkspaceRates {
    fn of(&self, workspace: &WorkspaceId) -> Option<u64> {
        let named = self.by_workspace.get(workspace).copied();
        named.or(self.default)
    }

    fn are_unlimited(&self) -> bool {
        self.default.is_none() && self.by_workspace.is_empty()
    }
}

/// The buckets.
#[derive(Debug)]
pub(crate) struct RateLimit {
    rates: WorkspaceRates,
    buckets: Mutex<BTreeMap<WorkspaceId, Bucket>>,
}

/// A second's worth of events at most. A batch larger than what is left takes the bucket below zero, so that any batch
/// gets through in the end.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

/// Over its rate; when to try again.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct OverRate {
    pub(crate) per_second: u64,
    pub(crate) retry_after: Duration,
}

impl RateLimit {
    pub(crate) const fn new(rates: WorkspaceRates) -> Self {
        Self {
            rates,
            buckets: Mutex::new(BTreeMap::new()),
        }
    }

    pub(crate) fn is_off(&self) -> bool {
        self.rates.are_unlimited()
    }

    /// Takes that many events of a workspace in, or none.
    pub(crate) fn admit(
        &self,
        workspace: &WorkspaceId,
        n_events: usize,
        now: Instant,
    ) -> Result<(), OverRate> {
        let Some(per_second) = self.rates.of(workspace) else {
            return Ok(());
        };
        let rate = float(per_second);
        let mut buckets = self.buckets.lock();
        if !buckets.contains_key(workspace) && buckets.len() >= WORKSPACE_BUCKETS_MAX {
            // A full bucket says no more than none; workspaces are named by callers, so there may be any number.
            let rates = &self.rates;
            buckets.retain(|workspace, bucket| {
                let rate = rates.of(workspace).map_or(0.0, float);
                bucket.refilled(rate, now) < rate
            });
            if buckets.len() >= WORKSPACE_BUCKETS_MAX {
                return Err(OverRate {
                    per_second,
                    retry_after: Duration::from_secs(1),
                });
            }
        }
        let bucket = buckets.entry(workspace.clone()).or_insert(Bucket {
            tokens: rate,
            at: now,
        });
        let tokens = bucket.refilled(rate, now);
        if tokens < 1.0 {
            let retry_after = Duration::from_secs_f64((1.0 - tokens) / rate);
            return Err(OverRate {
                per_second,
                retry_after,
            });
        }
        *bucket = Bucket {
            tokens: tokens - float(n_events as u64),
            at: now,
        };
        Ok(())
    }
}

impl Bucket {
    fn refilled(&self, rate: f64, now: Instant) -> f64 {
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        elapsed.mul_add(rate, self.tokens).min(rate)
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "rates and batches are far below 2^53"
)]
const fn float(n: u64) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests;
