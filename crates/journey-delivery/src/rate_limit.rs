//! The rate limit of a connector: a token bucket with a small burst.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::limits::BURST_SHARE;

/// So many requests in a span, written `50/s`, `600/m`, `1000/h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    n: u32,
    per: Duration,
}

/// Requests of one span at most: far above what one connector sends.
const N_MAX: u32 = 100_000;

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let forms = "write a whole number from 1 to 100000 and `/s`, `/m` or `/h`, such as `50/s`";
        let parsed = text.split_once('/').and_then(|(number, unit)| {
            let secs = match unit {
                "s" => 1,
                "m" => 60,
                "h" => 3_600,
                _ => return None,
            };
            Some((number.parse().ok()?, Duration::from_secs(secs)))
        });
        match parsed {
            Some((n, per)) if (1..=N_MAX).contains(&n) => Ok(Self { n, per }),
            Some(_) | None => Err(format!("`{text}` is no rate; {forms}")),
        }
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.per.as_secs() {
            1 => "s",
            60 => "m",
            _ => "h",
        };
        write!(formatter, "{}/{unit}", self.n)
    }
}

/// A token bucket. Every instant is the span since one start that the caller chose; one that goes back adds nothing.
#[derive(Debug, Clone)]
pub struct RateLimit {
    /// What one token takes to come.
    interval_ns: u64,
    /// The most that is saved.
    capacity_ns: u64,
    saved_ns: u64,
    seen: Duration,
}

impl RateLimit {
    /// A full bucket: a tenth of a second's worth, at least one token.
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        // Rounded up, so that the rate is never exceeded.
        let interval_ns = nanos(rate.per).div_ceil(u64::from(rate.n)).max(1);
        let n_burst = (nanos(Duration::from_secs(1)) / interval_ns / BURST_SHARE).max(1);
        let capacity_ns = interval_ns.saturating_mul(n_burst);
        Self {
            interval_ns,
            capacity_ns,
            saved_ns: capacity_ns,
            seen: Duration::ZERO,
        }
    }

    /// Tokens there are.
    pub fn available(&mut self, now: Duration) -> u32 {
        let passed = now.saturating_sub(self.seen);
        self.seen = self.seen.max(now);
        self.saved_ns = self
            .saved_ns
            .saturating_add(nanos(passed))
            .min(self.capacity_ns);
        u32::try_from(self.saved_ns / self.interval_ns).unwrap_or(u32::MAX)
    }

    /// Takes one token; where there is none, the bucket is empty afterwards.
    pub fn take(&mut self, now: Duration) {
        self.available(now);
        self.saved_ns = self.saved_ns.saturating_sub(self.interval_ns);
    }

    /// When there will be one token more than now; `None` when the bucket is full.
    pub fn more_at(&mut self, now: Duration) -> Option<Duration> {
        self.available(now);
        let missing_ns = self.interval_ns - self.saved_ns % self.interval_ns;
        (self.saved_ns < self.capacity_ns).then(|| now + Duration::from_nanos(missing_ns))
    }
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
