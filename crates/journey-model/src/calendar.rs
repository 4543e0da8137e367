//! Local time: windows, times of day and weekdays in a zone (JOURNEYS section 11).

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

impl WeekdaySet {
    /// Every day.
    pub const ALL: Self = Self { bits: 0b111_1111 };
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
