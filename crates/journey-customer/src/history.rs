//! What a customer did, counted: totals for ever, single events as far back as some journey's window looks.

use std::collections::vec_deque;

use journey_types::{CustomerEvent, TimeSpan, Timestamp, Value};

use crate::event::Feed;
use crate::limits::WINDOW_EVENTS_MAX;
use crate::state::Aggregate;

impl Aggregate {
    /// Adds one event. The order of feeding does not matter, as long as no more than
    /// [`WINDOW_EVENTS_MAX`] lie in a window.
    pub(crate) fn feed(&mut self, occurred_at: Timestamp, feed: &Feed, stamp: Timestamp) {
        self.n_events += 1;
        self.first = Some(self.first.map_or(occurred_at, |at| at.min(occurred_at)));
        self.last = Some(self.last.map_or(occurred_at, |at| at.max(occurred_at)));
        self.sum_nanos = self.sum_nanos.saturating_add(feed.amount_nanos);
        let Some(window_max) = feed.window_max else {
            return;
        };
        let place = self.recent.partition_point(|(at, _)| *at <= occurred_at);
        self.recent.insert(place, (occurred_at, feed.amount_nanos));
        // Stamps never go back: what lies before every window now will never lie in one again.
        let has_left = |at: Timestamp| at.plus(window_max) <= stamp;
        while self.recent.len() > WINDOW_EVENTS_MAX
            || self.recent.front().is_some_and(|(at, _)| has_left(*at))
        {
            self.recent.pop_front();
        }
    }

    /// The single events in (now − window, now], oldest first.
    pub(crate) fn within(&self, window: TimeSpan, now: Timestamp) -> WindowEvents<'_> {
        let (left, entered) = self.bounds(window, now);
        self.recent.range(left..entered.max(left))
    }

    /// The next instant after `now` at which an event leaves the window, or one that claims to lie ahead comes in.
    pub(crate) fn next_change(&self, window: TimeSpan, now: Timestamp) -> Option<Timestamp> {
        let (left, entered) = self.bounds(window, now);
        let leaves = self.recent.get(left).map(|(at, _)| at.plus(window));
        let enters = self.recent.get(entered).map(|(at, _)| *at);
        [leaves, enters].into_iter().flatten().min()
    }

    /// How many single events have left the window, and how many have come in.
    fn bounds(&self, window: TimeSpan, now: Timestamp) -> (usize, usize) {
        let has_left = |(at, _): &(Timestamp, i128)| at.plus(window) <= now;
        let has_entered = |(at, _): &(Timestamp, i128)| *at <= now;
        let n_left = self.recent.partition_point(has_left);
        (n_left, self.recent.partition_point(has_entered))
    }
}

/// Single events with their amounts, by `occurred_at`.
pub(crate) type WindowEvents<'a> = vec_deque::Iter<'a, (Timestamp, i128)>;

/// The exact sum of amounts.
pub(crate) fn sum(amounts: impl Iterator<Item = i128>) -> i128 {
    amounts.fold(0, i128::saturating_add)
}

/// The number of a property in units of 10⁻⁹, 0 where there is none.
pub(crate) fn amount_nanos(event: &CustomerEvent, property: &str) -> i128 {
    let mut parts = property.split('.');
    let first = parts.next().and_then(|name| event.properties.get(name));
    let value = parts.fold(first, |value, name| value?.field(name));
    value.map_or(0, nanos)
}

/// Units of 10⁻⁹ of a number, by its shortest decimal text: 0.1 is exactly 100,000,000. Digits beyond the ninth are
/// cut; what is no number, or not below 10¹⁹ (twice the range of `int`), counts as 0.
fn nanos(value: &Value) -> i128 {
    const NANOS_PER_UNIT: i128 = 1_000_000_000;
    match value {
        Value::Int(number) => i128::from(*number) * NANOS_PER_UNIT,
        Value::Double(number) => decimal_nanos(&number.to_string()).unwrap_or(0),
        Value::Null
        | Value::Bool(_)
        | Value::Text(_)
        | Value::Time(_)
        | Value::List(_)
        | Value::Map(_) => 0,
    }
}

/// Reads `-12.5`; `Display` of a double never writes an exponent.
fn decimal_nanos(text: &str) -> Option<i128> {
    const N_DECIMALS: usize = 9;
    const WHOLE_DIGITS_MAX: usize = 19;
    let (is_negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.len() > WHOLE_DIGITS_MAX {
        return None;
    }
    let kept = &fraction[..fraction.len().min(N_DECIMALS)];
    let nanos: i128 = format!("{whole}{kept:0<N_DECIMALS$}").parse().ok()?;
    Some(if is_negative { -nanos } else { nanos })
}

#[cfg(test)]
mod tests;
