//! The header `Retry-After`: seconds or an HTTP date.

use std::time::UNIX_EPOCH;

use journey_types::{TimeSpan, Timestamp};

use crate::limits::RETRY_AFTER_MAX;

/// The span to wait; `None` when the value is neither form. A date that has passed is no wait.
#[must_use]
pub fn parse_retry_after(value: &str, now: Timestamp) -> Option<TimeSpan> {
    let value = value.trim();
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let span = if is_number {
        // More digits than a number holds is a long wait too.
        value
            .parse::<i64>()
            .map_or(RETRY_AFTER_MAX, TimeSpan::from_secs)
    } else {
        let date = httpdate::parse_http_date(value).ok()?;
        let since_epoch = date.duration_since(UNIX_EPOCH).unwrap_or_default();
        let unix_ms = i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_unix_ms(unix_ms).since(now)
    };
    Some(span.clamp(TimeSpan::ZERO, RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests;
