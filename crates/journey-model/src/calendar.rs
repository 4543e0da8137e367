//! Local time: windows, times of day and weekdays in a zone (JOURNEYS section 11).
//!
//! Everything here is computed on real instants: a local time that a zone skips becomes the first instant after the
//! gap, one that it has twice the first of the two. Zones come from the database compiled in, so that two nodes of one
//! build never disagree.

use std::fmt;

use jiff::civil;
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use journey_types::Timestamp;

use crate::expression::nearest;

/// The zone where nobody names a valid one.
pub const DEFAULT_ZONE: &str = "UTC";

/// A minute of the day, 00:00 to 23:59.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DailyTime {
    /// Minutes since local midnight, 0 to 1,439 (1,440 only as the exclusive end of a window, written `24:00`).
    pub minute_of_day: u16,
}

/// A set of weekdays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WeekdaySet {
    /// Bit 0 is Monday, bit 6 Sunday.
    pub bits: u8,
}

/// Whose clock a local time is read on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ZoneChoice {
    /// `traits.zone`, else the journey's zone, else the workspace's, else UTC.
    Customer,
    /// This IANA zone.
    Named(String),
}

/// Days and hours inside which something may happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Whose clock.
    pub zone: ZoneChoice,
    /// On which days it may start.
    pub days: WeekdaySet,
    /// From this minute on.
    pub from: DailyTime,
    /// Up to, not including, this minute; `from` > `to` passes midnight and belongs to the day it starts on.
    pub to: DailyTime,
}

/// Days looked at before giving up: a weekday comes every seven, and a zone change can swallow one opening of it.
const DAYS_LOOKED_AT_MAX: i64 = 22;
/// Minutes of a day, written `24:00`.
const MINUTES_PER_DAY: u16 = 1_440;
const WEEKDAY_NAMES: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl DailyTime {
    /// Reads `09:00` or `9:00`, 00:00 to 23:59, and `24:00`, which only the end of a window may be.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (hour, minute) = text.trim().split_once(':')?;
        let digits = |part: &str, len_min: usize| -> Option<u16> {
            let is_number = part.bytes().all(|byte| byte.is_ascii_digit());
            ((len_min..=2).contains(&part.len()) && is_number).then(|| part.parse().ok())?
        };
        let (hour, minute) = (digits(hour, 1)?, digits(minute, 2)?);
        let minute_of_day = hour * 60 + minute;
        (minute < 60 && minute_of_day <= MINUTES_PER_DAY).then_some(Self { minute_of_day })
    }

    /// Whether this is `24:00`, which is no minute of the day but the end of it.
    #[must_use]
    pub const fn is_end_of_day(self) -> bool {
        self.minute_of_day >= MINUTES_PER_DAY
    }

    fn on(self, day: civil::Date) -> Option<civil::DateTime> {
        let day = if self.is_end_of_day() {
            day.tomorrow().ok()?
        } else {
            day
        };
        let minute_of_day = self.minute_of_day % MINUTES_PER_DAY;
        let hour = i8::try_from(minute_of_day / 60).ok()?;
        let minute = i8::try_from(minute_of_day % 60).ok()?;
        Some(day.at(hour, minute, 0, 0))
    }
}

impl fmt::Display for DailyTime {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hour, minute) = (self.minute_of_day / 60, self.minute_of_day % 60);
        write!(formatter, "{hour:02}:{minute:02}")
    }
}

impl WeekdaySet {
    /// Every day.
    pub const ALL: Self = Self { bits: 0b111_1111 };
    /// No day.
    pub const NONE: Self = Self { bits: 0 };

    /// Reads one item of `days`: `mon`, or a range such as `mon-fri` or `sat-mon`.
    #[must_use]
    pub fn parse_item(text: &str) -> Option<Self> {
        let day_idx = |name: &str| WEEKDAY_NAMES.iter().position(|known| *known == name.trim());
        let (first, last) = match text.split_once('-') {
            Some((first, last)) => (day_idx(first)?, day_idx(last)?),
            None => (day_idx(text)?, day_idx(text)?),
        };
        let n_days = (last + 7 - first) % 7 + 1;
        let bits = (0..n_days).fold(0, |bits, offset| bits | (1 << ((first + offset) % 7)));
        Some(Self { bits })
    }

    /// The days of both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self {
            bits: self.bits | other.bits,
        }
    }

    /// The names of its days from Monday on.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        let is_in = |day_idx: &usize| self.bits & (1 << day_idx) != 0;
        (0..7)
            .filter(is_in)
            .map(|day_idx| WEEKDAY_NAMES[day_idx])
            .collect()
    }

    fn contains(self, day: civil::Date) -> bool {
        let day_idx = day.weekday().to_monday_zero_offset();
        self.bits & (1 << day_idx) != 0
    }
}

impl Window {
    /// The first instant at or after `due` inside the window, read on the clock of `zone`.
    ///
    /// An opening whose minutes a zone change skips altogether does not happen. Returns `due` itself where no opening
    /// lies ahead: for an empty window, which `check` refuses, and at the end of time.
    #[must_use]
    pub fn first_instant_at_or_after(&self, due: Timestamp, zone: &str) -> Timestamp {
        let zone = zone_or_utc(zone);
        let passes_midnight = self.from >= self.to;
        let opening = |day: civil::Date| {
            let closing_day = if passes_midnight {
                day.tomorrow().ok()?
            } else {
                day
            };
            let opens_at = instant_of(self.from.on(day)?, &zone)?;
            let closes_at = instant_of(self.to.on(closing_day)?, &zone)?;
            let first = opens_at.max(due);
            (first < closes_at).then_some(first)
        };
        days_around(due, &zone)
            .filter(|day| self.days.contains(*day))
            .find_map(opening)
            .unwrap_or(due)
    }
}

/// The next instant at which clocks in `zone` show `time` on one of `days`: `now` itself if it is exactly the start of
/// that minute.
///
/// Returns `now` where there is none: for an empty set of days, which `check` refuses, and at the end of time.
#[must_use]
pub fn until_local(now: Timestamp, time: DailyTime, days: WeekdaySet, zone: &str) -> Timestamp {
    let zone = zone_or_utc(zone);
    days_around(now, &zone)
        .filter(|day| days.contains(*day))
        .filter_map(|day| instant_of(time.on(day)?, &zone))
        .find(|instant| *instant >= now)
        .unwrap_or(now)
}

/// The zone in force: the first of trait, journey and workspace that is an IANA zone, else `UTC`.
#[must_use]
pub fn resolve_zone<'a>(
    trait_zone: Option<&'a str>,
    journey_zone: Option<&'a str>,
    workspace_zone: Option<&'a str>,
) -> &'a str {
    [trait_zone, journey_zone, workspace_zone]
        .into_iter()
        .flatten()
        .find(|zone| is_zone(zone))
        .unwrap_or(DEFAULT_ZONE)
}

/// Whether this names a zone of the IANA database.
#[must_use]
pub fn is_zone(zone: &str) -> bool {
    find_zone(zone).is_some()
}

/// The name of a zone that a misspelt one probably means.
pub(crate) fn nearest_zone(zone: &str) -> Option<String> {
    let database = TimeZoneDatabase::bundled();
    let names: Vec<String> = database.available().map(|name| name.to_string()).collect();
    let city = |name: &str| name.rsplit('/').next().map(str::to_owned);
    let near = nearest(zone, names.iter().map(String::as_str)).map(str::to_owned);
    // `London` alone, or `Europa/London`.
    near.or_else(|| {
        let wanted = city(&zone.replace(' ', "_"))?;
        let is_same = |name: &&String| city(name).is_some_and(|c| c.eq_ignore_ascii_case(&wanted));
        names.iter().find(is_same).cloned()
    })
}

/// The IANA zone of that name, from the database compiled in.
pub(crate) fn find_zone(zone: &str) -> Option<TimeZone> {
    TimeZoneDatabase::bundled()
        .get(zone)
        .ok()
        .filter(|zone| !zone.is_unknown())
}

fn zone_or_utc(zone: &str) -> TimeZone {
    find_zone(zone).unwrap_or(TimeZone::UTC)
}

/// The local days from the day before `instant` on: yesterday's window may still be open past midnight.
fn days_around(instant: Timestamp, zone: &TimeZone) -> impl Iterator<Item = civil::Date> + use<> {
    let today = jiff::Timestamp::from_millisecond(instant.unix_ms())
        .ok()
        .map(|instant| zone.to_datetime(instant).date());
    (-2..DAYS_LOOKED_AT_MAX).filter_map(move |n_days| {
        let offset = jiff::Span::new().try_days(n_days).ok()?;
        today?.checked_add(offset).ok()
    })
}

/// The instant of a local time: the first after the gap where it is skipped, the first of two where it is doubled.
pub(crate) fn instant_of(local: civil::DateTime, zone: &TimeZone) -> Option<Timestamp> {
    let instant = match zone.to_ambiguous_timestamp(local).offset() {
        AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(local).ok()?,
        AmbiguousOffset::Fold { before, .. } => before.to_timestamp(local).ok()?,
        AmbiguousOffset::Gap { after, .. } => {
            // Read with the offset that holds after the gap, a skipped time lies before the change.
            let before_change = after.to_timestamp(local).ok()?;
            zone.following(before_change).next()?.timestamp()
        }
    };
    // Whole seconds of offset and minutes of time: nothing is cut here.
    Some(Timestamp::from_unix_ms(instant.as_millisecond()))
}

#[cfg(test)]
mod tests;
