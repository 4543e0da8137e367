//! When a connection sends next: at once in a closed loop, at fixed times in an open one.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::ledger::{Window, phase_at};

/// Phases of one kind that follow one another without a pause.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) loop_kind: LoopKind,
    pub(crate) windows: Vec<Window>,
    /// Events that may still be made, where they are counted.
    pub(crate) n_left: Option<AtomicU64>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum LoopKind {
    Closed,
    /// Events per second, all connections together, by window.
    Open(Vec<f64>),
}

impl Segment {
    /// The end of the last window.
    pub(crate) fn end(&self) -> Option<Instant> {
        self.windows.last().map(|window| window.to)
    }

    /// Takes so many events from what may still be made, fewer where fewer are left.
    pub(crate) fn allot(&self, n_events: u32) -> u32 {
        let Some(n_left) = &self.n_left else {
            return n_events;
        };
        let take = |left: u64| Some(left.saturating_sub(u64::from(n_events)));
        let before = n_left
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
            .unwrap_or(0);
        u32::try_from(before).map_or(n_events, |before| before.min(n_events))
    }

    /// The phase that a batch counts for, by when it was to be sent and when it was answered.
    pub(crate) fn phase_of(&self, at: Instant, answered: Instant) -> Option<usize> {
        match self.loop_kind {
            LoopKind::Closed => phase_at(&self.windows, answered),
            LoopKind::Open(_) => phase_at(&self.windows, at),
        }
    }
}

/// The times of one connection.
#[derive(Debug)]
pub(crate) struct Pacer {
    segment: Arc<Segment>,
    /// Where this connection stands among all, 0 to 1: they take turns within an interval.
    share: f64,
    /// Events per second become batches of one connection by this.
    events_per_interval: f64,
    window_idx: usize,
    n_in_window: u32,
    is_over: bool,
}

impl Pacer {
    pub(crate) fn new(
        segment: Arc<Segment>,
        connection: u32,
        n_connections: u32,
        batch: u32,
    ) -> Self {
        Self {
            segment,
            share: f64::from(connection) / f64::from(n_connections),
            events_per_interval: f64::from(batch) * f64::from(n_connections),
            window_idx: 0,
            n_in_window: 0,
            is_over: false,
        }
    }

    /// When the next batch is to be sent; `None` when there is none any more.
    pub(crate) fn peek(&mut self, now: Instant) -> Option<Instant> {
        if self.is_over {
            return None;
        }
        let segment = Arc::clone(&self.segment);
        let LoopKind::Open(rates) = &segment.loop_kind else {
            return segment.end().filter(|end| now < *end).map(|_| now);
        };
        loop {
            let window = segment.windows.get(self.window_idx)?;
            let rate = rates.get(self.window_idx).copied().unwrap_or(0.0);
            if rate > 0.0 {
                let interval = self.events_per_interval / rate;
                let after = (f64::from(self.n_in_window) + self.share) * interval;
                let at = window.from + Duration::from_secs_f64(after);
                if at < window.to {
                    return Some(at);
                }
            }
            self.window_idx += 1;
            self.n_in_window = 0;
        }
    }

    /// The batch of the last [`Self::peek`] is being sent.
    pub(crate) const fn step(&mut self) {
        self.n_in_window += 1;
    }

    /// There is nothing more to send.
    pub(crate) const fn end(&mut self) {
        self.is_over = true;
    }
}

#[cfg(test)]
mod tests;
