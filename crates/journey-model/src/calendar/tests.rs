//! Windows and local times across daylight saving, midnight and odd zones.

use journey_types::{TimeSpan, Timestamp};
use proptest::prelude::*;

use super::{
    DailyTime, WeekdaySet, Window, ZoneChoice, days_around, find_zone, instant_of, resolve_zone,
    until_local,
};

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn time(text: &str) -> DailyTime {
    DailyTime::parse(text).unwrap()
}

fn days(items: &str) -> WeekdaySet {
    items.split(',').fold(WeekdaySet::NONE, |set, item| {
        set.union(WeekdaySet::parse_item(item).unwrap())
    })
}

fn window(items: &str, hours: &str) -> Window {
    let (from, to) = hours.split_once('-').unwrap();
    Window {
        zone: ZoneChoice::Customer,
        days: days(items),
        from: time(from),
        to: time(to),
    }
}

/// Checks the first instant of a window: `days hours zone`, due, expected.
#[track_caller]
fn opens(items: &str, hours: &str, zone: &str, due: &str, expected: &str) {
    let first = window(items, hours).first_instant_at_or_after(at(due), zone);
    assert_eq!(first.to_string(), expected);
}

#[track_caller]
fn local(now: &str, daily: &str, items: &str, zone: &str, expected: &str) {
    let until = until_local(at(now), time(daily), days(items), zone);
    assert_eq!(until.to_string(), expected);
}

#[test]
fn an_instant_inside_the_window_is_taken_at_once() {
    opens(
        "mon-fri",
        "09:00-18:00",
        "UTC",
        "2026-01-05T12:34:56.789Z",
        "2026-01-05T12:34:56.789Z",
    );
}

#[test]
fn the_first_minute_is_inside_and_the_last_is_not() {
    opens(
        "mon-fri",
        "09:00-18:00",
        "UTC",
        "2026-01-05T09:00:00Z",
        "2026-01-05T09:00:00Z",
    );
    opens(
        "mon-fri",
        "09:00-18:00",
        "UTC",
        "2026-01-05T18:00:00Z",
        "2026-01-06T09:00:00Z",
    );
    opens(
        "mon-fri",
        "09:00-18:00",
        "UTC",
        "2026-01-05T17:59:59.999Z",
        "2026-01-05T17:59:59.999Z",
    );
}

#[test]
fn a_weekend_is_passed_over() {
    opens(
        "mon-fri",
        "09:00-18:00",
        "Europe/London",
        "2026-07-03T18:00:00Z",
        "2026-07-06T08:00:00Z",
    );
}

#[test]
fn a_window_past_midnight_belongs_to_the_day_it_starts_on() {
    // Friday 22:00 to Saturday 06:00; early on Monday nothing is open that started on a Sunday.
    opens(
        "fri",
        "22:00-06:00",
        "UTC",
        "2026-01-10T05:00:00Z",
        "2026-01-10T05:00:00Z",
    );
    opens(
        "fri",
        "22:00-06:00",
        "UTC",
        "2026-01-10T06:00:00Z",
        "2026-01-16T22:00:00Z",
    );
    opens(
        "mon",
        "22:00-06:00",
        "UTC",
        "2026-01-05T05:00:00Z",
        "2026-01-05T22:00:00Z",
    );
}

#[test]
fn midnight_ends_a_day_as_24_00() {
    opens(
        "sun",
        "20:00-24:00",
        "UTC",
        "2026-01-04T23:59:00Z",
        "2026-01-04T23:59:00Z",
    );
    opens(
        "sun",
        "00:00-24:00",
        "UTC",
        "2026-01-05T00:00:00Z",
        "2026-01-11T00:00:00Z",
    );
}

#[test]
fn a_skipped_opening_starts_after_the_gap() {
    // London skips 01:00 to 02:00 on 2026-03-29; Berlin 02:00 to 03:00, both at 01:00 UTC.
    opens(
        "mon-sun",
        "01:30-05:00",
        "Europe/London",
        "2026-03-28T06:00:00Z",
        "2026-03-29T01:00:00Z",
    );
    opens(
        "mon-sun",
        "02:30-05:00",
        "Europe/Berlin",
        "2026-03-28T06:00:00Z",
        "2026-03-29T01:00:00Z",
    );
}

#[test]
fn an_opening_skipped_altogether_does_not_happen() {
    opens(
        "mon-sun",
        "02:10-02:50",
        "Europe/Berlin",
        "2026-03-28T06:00:00Z",
        "2026-03-30T00:10:00Z",
    );
    opens(
        "sun",
        "02:10-02:50",
        "Europe/Berlin",
        "2026-03-28T06:00:00Z",
        "2026-04-05T00:10:00Z",
    );
}

#[test]
fn a_doubled_hour_opens_the_first_time() {
    // Berlin has 02:00 to 03:00 twice on 2026-10-25: at 00:00 UTC and at 01:00 UTC.
    opens(
        "mon-sun",
        "02:15-02:45",
        "Europe/Berlin",
        "2026-10-24T23:00:00Z",
        "2026-10-25T00:15:00Z",
    );
    opens(
        "mon-sun",
        "02:15-02:45",
        "Europe/Berlin",
        "2026-10-25T01:20:00Z",
        "2026-10-26T01:15:00Z",
    );
    // A window that ends after the doubled hour is open through both.
    opens(
        "mon-sun",
        "02:15-03:15",
        "Europe/Berlin",
        "2026-10-25T01:20:00Z",
        "2026-10-25T01:20:00Z",
    );
}

#[test]
fn nine_in_the_morning_stays_nine_across_daylight_saving() {
    local(
        "2026-03-28T10:00:00Z",
        "09:00",
        "mon-sun",
        "Europe/London",
        "2026-03-29T08:00:00Z",
    );
    local(
        "2026-10-24T10:00:00Z",
        "09:00",
        "mon-sun",
        "Europe/London",
        "2026-10-25T09:00:00Z",
    );
    local(
        "2026-03-07T15:00:00Z",
        "09:00",
        "mon-sun",
        "America/New_York",
        "2026-03-08T13:00:00Z",
    );
}

#[test]
fn now_counts_only_at_the_start_of_the_minute() {
    local(
        "2026-01-05T09:00:00Z",
        "09:00",
        "mon-sun",
        "UTC",
        "2026-01-05T09:00:00Z",
    );
    local(
        "2026-01-05T09:00:00.001Z",
        "09:00",
        "mon-sun",
        "UTC",
        "2026-01-06T09:00:00Z",
    );
    local(
        "2026-01-05T09:00:00Z",
        "09:00",
        "tue,thu",
        "UTC",
        "2026-01-06T09:00:00Z",
    );
}

#[test]
fn a_skipped_or_doubled_local_time_has_one_instant() {
    local(
        "2026-03-28T12:00:00Z",
        "02:30",
        "mon-sun",
        "Europe/Berlin",
        "2026-03-29T01:00:00Z",
    );
    local(
        "2026-10-24T12:00:00Z",
        "02:30",
        "mon-sun",
        "Europe/Berlin",
        "2026-10-25T00:30:00Z",
    );
    // Between the two readings of 02:30 the next is tomorrow's.
    local(
        "2026-10-25T01:00:00Z",
        "02:30",
        "mon-sun",
        "Europe/Berlin",
        "2026-10-26T01:30:00Z",
    );
    // Troll skips two hours, Lord Howe half of one.
    local(
        "2026-10-03T10:00:00Z",
        "02:15",
        "mon-sun",
        "Australia/Lord_Howe",
        "2026-10-03T15:30:00Z",
    );
}

#[test]
fn a_day_that_a_zone_skipped_falls_on_the_first_instant_after() {
    // Samoa had no 2011-12-30 (a Friday).
    local(
        "2011-12-29T20:00:00Z",
        "09:00",
        "fri",
        "Pacific/Apia",
        "2011-12-30T10:00:00Z",
    );
    opens(
        "fri",
        "09:00-18:00",
        "Pacific/Apia",
        "2011-12-29T20:00:00Z",
        "2012-01-05T19:00:00Z",
    );
}

#[test]
fn the_first_valid_zone_is_in_force() {
    assert_eq!(
        resolve_zone(Some("Asia/Tokyo"), Some("Europe/London"), None),
        "Asia/Tokyo"
    );
    assert_eq!(
        resolve_zone(Some("Mars/Base"), Some("Europe/London"), None),
        "Europe/London"
    );
    assert_eq!(
        resolve_zone(Some(""), Some("+01:00"), Some("Asia/Tokyo")),
        "Asia/Tokyo"
    );
    assert_eq!(resolve_zone(None, None, None), "UTC");
}

#[test]
fn daily_times_and_weekdays_are_read_strictly() {
    assert_eq!(time("9:05").to_string(), "09:05");
    assert!(time("24:00").is_end_of_day());
    for bad in [
        "24:01", "9", "09:60", "09:5", "-1:00", "009:00", "09:00:00", "",
    ] {
        assert_eq!(DailyTime::parse(bad), None, "{bad}");
    }
    assert_eq!(days("sat-mon").names(), ["mon", "sat", "sun"]);
    assert_eq!(WeekdaySet::parse_item("monday"), None);
}

const ZONES: [&str; 7] = [
    "UTC",
    "Europe/London",
    "America/New_York",
    "Australia/Lord_Howe",
    "Asia/Kathmandu",
    "Antarctica/Troll",
    "Pacific/Apia",
];

/// An opening of a window, computed in another way: minute by minute on the local clock.
fn shows_inside(window: &Window, instant: Timestamp, zone: &str) -> bool {
    let zone = find_zone(zone).unwrap();
    let local = zone.to_datetime(jiff::Timestamp::from_millisecond(instant.unix_ms()).unwrap());
    let minute = u16::try_from(i32::from(local.hour()) * 60 + i32::from(local.minute())).unwrap();
    let (from, to) = (window.from.minute_of_day, window.to.minute_of_day);
    let today = window.days.contains(local.date());
    let yesterday = window.days.contains(local.date().yesterday().unwrap());
    if from < to {
        today && (from..to).contains(&minute)
    } else {
        (today && minute >= from) || (yesterday && minute < to)
    }
}

proptest! {
    #[test]
    fn a_window_never_opens_early_and_always_shows_inside(
        due_s in 0_i64..4_000_000_000,
        from in 0_u16..1_440,
        len in 1_u16..1_440,
        bits in 1_u8..128,
        zone_idx in 0..ZONES.len(),
    ) {
        let zone = ZONES[zone_idx];
        let window = Window {
            zone: ZoneChoice::Customer,
            days: WeekdaySet { bits },
            from: DailyTime { minute_of_day: from },
            to: DailyTime { minute_of_day: (from + len) % 1_440 },
        };
        let due = Timestamp::from_unix_ms(due_s * 1_000);
        let first = window.first_instant_at_or_after(due, zone);
        prop_assert!(first >= due);
        prop_assert!(first.since(due) <= TimeSpan::from_days(15));
        prop_assert_eq!(window.first_instant_at_or_after(first, zone), first, "idempotent");
        // A window that closes inside a doubled stretch shows open once more afterwards, so only one direction holds
        // without exception: around zone changes the shown time may lie outside when the opening was skipped.
        let day_ms = 86_400_000;
        let offset_at = |instant: Timestamp| {
            find_zone(zone).unwrap().to_offset(jiff::Timestamp::from_millisecond(instant.unix_ms()).unwrap())
        };
        let far = |n: i64| Timestamp::from_unix_ms(first.unix_ms() + n * day_ms);
        if offset_at(far(-2)) == offset_at(far(2)) {
            prop_assert!(shows_inside(&window, first, zone), "{} in {}", first, zone);
        }
    }

    #[test]
    fn until_local_is_the_nearest_reading_of_the_clock(
        now_ms in 0_i64..4_000_000_000_000,
        minute_of_day in 0_u16..1_440,
        bits in 1_u8..128,
        zone_idx in 0..ZONES.len(),
    ) {
        let zone = ZONES[zone_idx];
        let now = Timestamp::from_unix_ms(now_ms);
        let (time, days) = (DailyTime { minute_of_day }, WeekdaySet { bits });
        let until = until_local(now, time, days, zone);
        prop_assert!(until >= now);
        prop_assert_eq!(until_local(until, time, days, zone), until, "idempotent");
        let found = find_zone(zone).unwrap();
        let readings = days_around(now, &found)
            .filter(|day| days.contains(*day))
            .filter_map(|day| instant_of(time.on(day)?, &found))
            .filter(|reading| *reading >= now)
            .min();
        prop_assert_eq!(readings, Some(until));
    }
}
