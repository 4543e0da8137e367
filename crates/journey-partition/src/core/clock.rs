//! Turns the driver's clock into stamps: never back, and with timers held after a jump that nobody has accepted.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use journey_types::{TimeSpan, Timestamp};

use crate::core::limits::STAMP_LAG_MAX;

/// A forward step of the clock that holds the timers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClockHeld {
    /// The last instant that was believed.
    pub from: Timestamp,
    /// What the clock said next.
    pub to: Timestamp,
}

/// Makes stamps.
///
/// # Invariants
/// No stamp is before an earlier one.
#[derive(Debug)]
pub(crate) struct StampClock {
    last_stamp: Timestamp,
    last_now: Option<Timestamp>,
    /// `None`: any step is believed, as where other nodes bound the clock, or where time is virtual.
    step_max: Option<TimeSpan>,
    held: Option<ClockHeld>,
}

impl StampClock {
    pub(crate) const fn new(step_max: Option<TimeSpan>) -> Self {
        Self {
            last_stamp: Timestamp::EPOCH,
            last_now: None,
            step_max,
            held: None,
        }
    }

    /// Looks at the driver's clock, once per call of the core. Answers whether it went back.
    pub(crate) fn look(&mut self, now: Timestamp) -> bool {
        let before = self.last_now.replace(now).unwrap_or(now);
        self.hold_if_jumped(before, now);
        now < before
    }

    /// A session begins whose partition was last stamped so.
    pub(crate) fn begin(&mut self, committed_stamp: Timestamp, now: Timestamp) {
        if committed_stamp > Timestamp::EPOCH {
            self.hold_if_jumped(committed_stamp, now);
        }
        self.last_stamp = self.last_stamp.max(committed_stamp);
    }

    /// The stamp of a turn now.
    pub(crate) fn stamp(&mut self, now: Timestamp) -> Timestamp {
        self.last_stamp = self.last_stamp.max(now);
        self.last_stamp
    }

    /// What a turn now would be stamped.
    pub(crate) fn peek(&self, now: Timestamp) -> Timestamp {
        self.last_stamp.max(now)
    }

    pub(crate) const fn accept(&mut self) {
        self.held = None;
    }

    pub(crate) const fn held(&self) -> Option<ClockHeld> {
        self.held
    }

    /// Whether the clock has to be looked at from time to time.
    pub(crate) const fn is_watched(&self) -> bool {
        self.step_max.is_some()
    }

    /// Whether the journal's last stamp lags so far that a restart would be taken for a jump.
    pub(crate) fn lags(&self, now: Timestamp) -> bool {
        self.is_watched() && self.held.is_none() && now.since(self.last_stamp) > STAMP_LAG_MAX
    }

    fn hold_if_jumped(&mut self, before: Timestamp, now: Timestamp) {
        let Some(step_max) = self.step_max else {
            return;
        };
        if now.since(before) > step_max && self.held.is_none() {
            let (from, to) = (before, now);
            self.held = Some(ClockHeld { from, to });
        }
    }
}

/// What a monotonic clock says that goes as a virtual one does. Only spans between such instants mean anything.
#[expect(
    clippy::disallowed_methods,
    reason = "any instant will do to count from, and no span depends on which"
)]
pub(crate) fn virtual_instant(now: Timestamp) -> Instant {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    let since_epoch = Duration::from_millis(now.unix_ms().unsigned_abs());
    *ORIGIN.get_or_init(Instant::now) + since_epoch
}

#[cfg(test)]
mod tests;
