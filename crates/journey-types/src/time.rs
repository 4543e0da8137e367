//! Instants and spans of time in whole milliseconds. Nothing here reads a clock.

use std::fmt;

/// An instant: milliseconds since 1970-01-01T00:00:00Z, leap seconds not counted. There is no `now()`: every function
/// that needs the time is given it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(i64);

/// The last instant that can be named: 9999-12-31T00:00:00Z.
const UNIX_MS_MAX: i64 = 253_402_214_400_000;

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);
    /// 9999-12-31T00:00:00Z, later than anything a journey can wait for.
    pub const MAX: Self = Self(UNIX_MS_MAX);

    /// Makes an instant; what lies outside 1970 to 9999 is clamped to the nearer end.
    #[must_use]
    pub const fn from_unix_ms(unix_ms: i64) -> Self {
        if unix_ms < 0 {
            Self(0)
        } else if unix_ms > UNIX_MS_MAX {
            Self(UNIX_MS_MAX)
        } else {
            Self(unix_ms)
        }
    }

    /// Milliseconds since 1970, 0 to 253,402,214,400,000.
    #[must_use]
    pub const fn unix_ms(self) -> i64 {
        self.0
    }

    /// This instant moved later by the span, clamped to the range.
    #[must_use]
    pub const fn plus(self, span: TimeSpan) -> Self {
        Self::from_unix_ms(self.0.saturating_add(span.0))
    }

    /// This instant moved earlier by the span, clamped to the range.
    #[must_use]
    pub const fn minus(self, span: TimeSpan) -> Self {
        Self::from_unix_ms(self.0.saturating_sub(span.0))
    }

    /// The span from `earlier` to this instant; negative when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> TimeSpan {
        TimeSpan(self.0 - earlier.0)
    }

    /// Reads RFC 3339 text such as `2026-01-05T09:00:00Z` or `2026-01-05T09:00:00.250+01:00`.
    ///
    /// Returns `None` when the text is not RFC 3339. Instants before 1970 are clamped to [`Timestamp::EPOCH`] minus
    /// nothing: check [`Timestamp::parse_unix_ms`] where that matters.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::parse_unix_ms(text).map(Self::from_unix_ms)
    }

    /// Milliseconds since 1970 of an RFC 3339 text, also before 1970 (negative).
    #[must_use]
    pub fn parse_unix_ms(text: &str) -> Option<i64> {
        text.parse::<jiff::Timestamp>()
            .ok()
            .map(jiff::Timestamp::as_millisecond)
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with milliseconds only where they are not zero: `2026-01-05T09:00:00.250Z`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(instant) => instant.fmt(formatter),
            Err(_) => write!(formatter, "{} ms", self.0),
        }
    }
}

/// A signed span of time in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TimeSpan(i64);

impl TimeSpan {
    /// No time.
    pub const ZERO: Self = Self(0);

    /// A span of that many milliseconds.
    #[must_use]
    pub const fn from_ms(ms: i64) -> Self {
        Self(ms)
    }

    /// A span of that many seconds.
    #[must_use]
    pub const fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1_000))
    }

    /// A span of that many hours.
    #[must_use]
    pub const fn from_hours(hours: i64) -> Self {
        Self::from_secs(hours.saturating_mul(3_600))
    }

    /// A span of that many days of 24 hours.
    #[must_use]
    pub const fn from_days(days: i64) -> Self {
        Self::from_hours(days.saturating_mul(24))
    }

    /// Its milliseconds.
    #[must_use]
    pub const fn ms(self) -> i64 {
        self.0
    }

    /// Whether it is below zero.
    #[must_use]
    pub const fn is_negative(self) -> bool {
        self.0 < 0
    }

    /// Reads a duration of the journey language: a number with an optional fraction and one unit of `ms`, `s`, `m`,
    /// `h`, `d`, `w`, such as `45s`, `1.5h`, `2d` (JOURNEYS section 11). No sign, no blanks, no second part.
    ///
    /// # Errors
    /// A text for people that says what is wrong and what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let unit_at = text
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(text.len());
        let (number, unit) = text.split_at(unit_at);
        let forms = "a duration is a number and a unit: ms, s, m, h, d or w, such as `45s`, `30m`, `1.5h`, `2d`, `1w`";
        let unit_ms: i128 = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            "" => return Err(format!("`{text}` has no unit; {forms}")),
            _ => {
                return Err(format!(
                    "`{text}` has the unknown unit `{}`; {forms}",
                    unit.trim()
                ));
            }
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
        let digits_max = 12;
        let is_number = |digits: &str| {
            !digits.is_empty()
                && digits.len() <= digits_max
                && digits.bytes().all(|byte| byte.is_ascii_digit())
        };
        if !is_number(whole) || !is_number(fraction) {
            return Err(format!("`{text}` does not start with a number; {forms}"));
        }
        let parse = |digits: &str| digits.parse::<i128>().expect("at most 12 digits fit");
        let scale = 10_i128.pow(u32::try_from(fraction.len()).expect("at most 12 digits"));
        let ms = (parse(whole) * scale + parse(fraction)) * unit_ms / scale;
        i64::try_from(ms)
            .map(Self)
            .map_err(|_| format!("`{text}` is too long; {forms}"))
    }
}

impl fmt::Display for TimeSpan {
    /// The shortest form of the journey language: the largest unit that divides it, such as `36h` or `1500ms`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(i64, &str); 5] = [
            (604_800_000, "w"),
            (86_400_000, "d"),
            (3_600_000, "h"),
            (60_000, "m"),
            (1_000, "s"),
        ];
        for (unit_ms, unit) in UNITS {
            if self.0 != 0 && self.0 % unit_ms == 0 {
                return write!(formatter, "{}{unit}", self.0 / unit_ms);
            }
        }
        if self.0 == 0 {
            formatter.write_str("0s")
        } else {
            write!(formatter, "{}ms", self.0)
        }
    }
}

#[cfg(test)]
mod tests;
