//! `journeyctl simulate`: exact counts, on purchases as they were made and on generated ones.
//!
//! What is expected is computed here from the columns of the file, with nothing of the engine: no parser, no clock, no
//! journey.

use std::collections::BTreeMap;

use rand::rngs::SmallRng;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Map, Value, json};
use tests::Ctl;

use crate::world::{programs, write_file};

/// Days without a purchase after which the journeys react.
const LAPSES_DAYS: [i64; 4] = [30, 60, 90, 180];
/// In an ordinary run every fifth customer of CDNOW is simulated: the whole file takes long without optimisation.
const CUSTOMERS_PER_SAMPLED: usize = 5;
/// How CDNOW is read: the document of JOURNEYS section 6.
const MAP: &str = r#"
map: cdnow
format: { delimiter: whitespace, header: true }
customer_id: { column: 1 }
occurred_at: { column: 2, format: "%Y%m%d", zone: UTC }
name: purchase
id: "cdnow-{line}"
properties: { quantity: { column: 3, type: int }, value: { column: 4, type: double } }
"#;

/// One line of the file.
struct Purchase<'f> {
    /// From 1, the header is 1.
    line: usize,
    customer: &'f str,
    /// `YYYYMMDD`.
    date: &'f str,
    quantity: &'f str,
    value: &'f str,
}

fn purchases(file: &str) -> Vec<Purchase<'_>> {
    let lines = file.lines().enumerate().skip(1);
    lines
        .map(|(line_idx, line)| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let [customer, date, quantity, value] = columns[..] else {
                panic!("line {} has not four columns: {line:?}", line_idx + 1);
            };
            let line = line_idx + 1;
            Purchase {
                line,
                customer,
                date,
                quantity,
                value,
            }
        })
        .collect()
}

/// Days before 1 March of that year, years beginning in March so that a leap day ends one.
fn days_before(year: i64) -> i64 {
    year * 365 + year / 4 - year / 100 + year / 400
}

/// The number of the day of a `YYYYMMDD`.
pub(crate) fn day(date: &str) -> i64 {
    let part = |range: std::ops::Range<usize>| date[range].parse::<i64>().expect("digits");
    let (year, month, day) = (part(0..4), part(4..6), part(6..8));
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    days_before(year) + (month * 153 + 2) / 5 + day - 1
}

/// Year, month and day of month of such a number.
pub(crate) fn date(day: i64) -> (i64, i64, i64) {
    let year = (1990..2100).rfind(|year| days_before(*year) <= day);
    let year = year.expect("a day of these years");
    let day = day - days_before(year);
    let month = (day * 5 + 2) / 153;
    let day_of_month = day - (month * 153 + 2) / 5 + 1;
    if month < 10 {
        (year, month + 3, day_of_month)
    } else {
        (year + 1, month - 9, day_of_month)
    }
}

/// The instant a millisecond into a day, as the report prints it.
fn just_after(day: i64) -> String {
    let (year, month, day_of_month) = date(day);
    format!("{year}-{month:02}-{day_of_month:02}T00:00:00.001Z")
}

/// The four journeys: a wait that every purchase starts anew.
fn lapse_journeys() -> String {
    let journeys = LAPSES_DAYS.map(|days| {
        format!(
            "journey: lapse_{days}
entry: [ {{ event: purchase }} ]
reentry: {{ concurrent: 1, on_conflict: restart }}
steps:
  wait: {{ delay: {days}d, next: tell }}
  tell: {{ emit: {{ event: lapsed_{days} }}, next: end }}
"
        )
    });
    journeys.join("---\n")
}

/// The whole report that the file must lead to.
fn expected_report(purchases: &[Purchase<'_>], n_duplicate: usize) -> Value {
    let mut days_by_customer: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for purchase in purchases {
        let days = days_by_customer.entry(purchase.customer).or_default();
        days.push(day(purchase.date));
    }
    for days in days_by_customer.values_mut() {
        days.sort_unstable();
    }
    let n = purchases.len();
    let mut journeys = Map::new();
    for lapse_days in LAPSES_DAYS {
        // A purchase on the very day on which the wait is over comes before the timer: only a longer gap lapses.
        let lapses_of = |days: &Vec<i64>| {
            let gaps = days
                .windows(2)
                .filter(|pair| pair[1] - pair[0] > lapse_days);
            gaps.count() + 1
        };
        let n_lapses: usize = days_by_customer.values().map(lapses_of).sum();
        // The timer fires in a turn stamped one millisecond after it is due.
        let seconds = (lapse_days * 86_400_000 + 1) as f64 / 1e3;
        let mut emitted = Map::new();
        emitted.insert(format!("lapsed_{lapse_days}"), json!(n_lapses));
        let journey = json!({
            "entered": n,
            "active": 0,
            "parked": 0,
            "completed": n_lapses,
            "held_out": 0,
            "exited": { "restarted": n - n_lapses },
            "steps": {
                "wait": { "entered": n, "left": n, "now": 0 },
                "tell": { "entered": n_lapses, "left": n_lapses, "now": 0 },
            },
            "messages": {},
            "refused": {},
            "emitted": emitted,
            "goals": {},
            "timers_fired": n_lapses,
            "duration_s": { "completed": { "p50": seconds, "p90": seconds, "max": seconds } },
        });
        journeys.insert(format!("lapse_{lapse_days}"), journey);
    }
    let last_day = days_by_customer
        .values()
        .flatten()
        .max()
        .copied()
        .expect("a file has purchases");
    let lines =
        json!({ "read": n + n_duplicate, "accepted": n, "duplicate": n_duplicate, "rejected": 0 });
    json!({
        "lines": lines,
        "journeys": journeys,
        "virtual_end": just_after(last_day + LAPSES_DAYS[3]),
        "timers_left": 0,
    })
}

/// Every event twice, days from the last to the first, the lines of a day in any order; ids are those of the lines.
fn shuffled_and_doubled(purchases: &[Purchase<'_>]) -> String {
    let mut by_day: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for purchase in purchases {
        let Purchase {
            line,
            customer,
            date,
            quantity,
            value,
        } = purchase;
        let instant = format!("{}-{}-{}T00:00:00Z", &date[..4], &date[4..6], &date[6..]);
        let event = format!(
            r#"{{"customer_id":"{customer}","id":"cdnow-{line}","name":"purchase","occurred_at":"{instant}","properties":{{"quantity":{quantity},"value":{value}}}}}"#
        );
        let of_day = by_day.entry(date).or_default();
        of_day.push(event.clone());
        of_day.push(event);
    }
    let mut random = SmallRng::seed_from_u64(7);
    let mut lines = Vec::new();
    for (_, mut of_day) in by_day.into_iter().rev() {
        of_day.shuffle(&mut random);
        lines.extend(of_day);
    }
    lines.join("\n")
}

/// A file like CDNOW: many customers with few purchases, some lines identical, gaps as long as the delays and around.
fn generated_file() -> String {
    const GAPS_DAYS: [i64; 12] = [0, 1, 29, 30, 31, 59, 60, 61, 90, 91, 180, 181];
    let mut random = SmallRng::seed_from_u64(11);
    let mut lines = vec![" customer_id  date number_of_cds  dollar_value".to_owned()];
    for customer in 1..=200 {
        let mut bought_on = day("19970101") + random.random_range(0..90);
        for _ in 0..random.random_range(1..=8) {
            let (year, month, day_of_month) = date(bought_on);
            let quantity = random.random_range(1..=3);
            lines.push(format!(
                " {customer:05} {year}{month:02}{day_of_month:02}  {quantity}   {}.00",
                quantity * 12
            ));
            if random.random_bool(0.1) {
                lines.extend(lines.last().cloned());
            }
            bought_on += GAPS_DAYS[random.random_range(0..GAPS_DAYS.len())];
        }
    }
    lines.join("\r\n")
}

/// The purchases of every so many customers, with the header.
fn sampled(file: &str, customers_per_sampled: usize) -> String {
    let is_sampled = |line: &&str| {
        let customer = line.split_whitespace().next().map(str::parse::<usize>);
        matches!(customer, Some(Ok(number)) if number.is_multiple_of(customers_per_sampled))
    };
    let (header, lines) = file.split_once('\n').expect("a file has a header");
    let lines = lines.lines().filter(is_sampled);
    std::iter::once(header)
        .chain(lines)
        .collect::<Vec<_>>()
        .join("\n")
}

/// CDNOW, whole or in part, else a generated file.
fn real_or_generated() -> anyhow::Result<String> {
    let Some(path) = tests::cdnow() else {
        return Ok(generated_file());
    };
    let file = std::fs::read_to_string(path)?;
    let is_whole = tests::slow_tests_wanted();
    Ok(if is_whole {
        file
    } else {
        sampled(&file, CUSTOMERS_PER_SAMPLED)
    })
}

/// Simulates the four journeys over a file: delimited with a map, else JSON Lines.
fn simulate(file: &str, is_delimited: bool) -> anyhow::Result<Value> {
    let folder = tempfile::tempdir()?;
    let write = |name: &str, text: &str| write_file(folder.path(), name, text);
    let journeys = write("lapses.yaml", &lapse_journeys())?;
    let events = write("events.txt", file)?;
    let map = write("map.yaml", MAP)?;
    let mut arguments = vec!["simulate", "--journeys", &journeys, "--events", &events];
    if is_delimited {
        arguments.extend(["--map", &map]);
    }
    // No node is needed: nothing listens there.
    Ctl::new(&programs(), "http://127.0.0.1:1").json(&arguments)
}

/// The file as it is, read through its map.
fn expect_exact(file: &str) -> anyhow::Result<()> {
    let purchases = purchases(file);
    assert_eq!(simulate(file, true)?, expected_report(&purchases, 0));
    Ok(())
}

/// The same purchases as JSON Lines, shuffled and doubled.
fn expect_exact_when_shuffled(file: &str) -> anyhow::Result<()> {
    let purchases = purchases(file);
    let report = simulate(&shuffled_and_doubled(&purchases), false)?;
    assert_eq!(report, expected_report(&purchases, purchases.len()));
    Ok(())
}

#[test]
fn days_are_counted_by_the_calendar() {
    for (earlier, later, n_days) in [
        ("19970131", "19970301", 29),
        ("19961231", "19970101", 1),
        ("19960228", "19960301", 2),
        ("20000228", "20000301", 2),
        ("19970101", "19980630", 545),
    ] {
        assert_eq!(day(later) - day(earlier), n_days, "{earlier} to {later}");
    }
    assert_eq!(date(day("19970501")), (1997, 5, 1));
    assert_eq!(date(day("19960229")), (1996, 2, 29));
    assert_eq!(date(day("19981227")), (1998, 12, 27));
}

#[test]
fn generated_lapses_are_exact() -> anyhow::Result<()> {
    let file = generated_file();
    expect_exact(&file)?;
    expect_exact_when_shuffled(&file)
}

#[test]
fn cdnow_lapses_are_exact() -> anyhow::Result<()> {
    expect_exact(&real_or_generated()?)
}

#[test]
fn shuffled_and_doubled_lines_change_nothing() -> anyhow::Result<()> {
    expect_exact_when_shuffled(&real_or_generated()?)
}

/// One of each: a message, a goal that ends, an exit, refused entries, a step that waits on, lines that are no events.
const SHOP: &str = "
journey: welcome
entry: [ { event: signed_up } ]
reentry: { again: never }
goals: [ { id: bought, event: purchase, exit: true } ]
exit: [ { event: left, reason: gone } ]
steps:
  say: { message: { content: hello, channels: [email] }, next: wait }
  wait: { delay: 10d, next: remind }
  remind: { message: { content: hello, channels: [email] }, next: end }
---
journey: unused
entry: [ { event: never_sent } ]
steps:
  only: { emit: { event: heard }, next: end }
---
content: hello
variants: [ { channel: email, subject: Hello, body: 'Hello {{ customer.id }}' } ]
";

fn line(id: u32, customer: &str, name: &str, at: &str) -> String {
    format!(
        r#"{{"customer_id":"{customer}","id":"{id}","name":"{name}","occurred_at":"2026-01-{at}Z"}}"#
    )
}

/// The arguments for the shop, with its files written into the folder.
fn shop_arguments(folder: &std::path::Path) -> anyhow::Result<Vec<String>> {
    let events = [
        line(1, "ann", "signed_up", "01T00:00:00"),
        line(2, "ben", "signed_up", "02T00:00:00"),
        line(3, "cy", "signed_up", "03T00:00:00"),
        line(4, "dee", "signed_up", "04T00:00:00"),
        line(5, "ann", "signed_up", "05T00:00:00"),
        "no event".to_owned(),
        line(6, "ben", "purchase", "03T12:00:00"),
        line(7, "cy", "left", "04T00:00:00"),
        line(7, "cy", "left", "04T00:00:00"),
    ];
    let journeys = write_file(folder, "shop.yaml", SHOP)?;
    let events = write_file(folder, "shop.jsonl", &events.join("\n"))?;
    let arguments = ["simulate", "--journeys", &journeys, "--events", &events];
    Ok(arguments.map(str::to_owned).to_vec())
}

/// The report of a run that rejects a line: it is whole, and the exit code tells of the line.
fn report_of(ctl: &Ctl, arguments: &[&str]) -> anyhow::Result<Value> {
    let output = ctl.run(&[arguments, &["-o", "json"]].concat())?;
    assert_eq!(output.code, 1, "{output:?}");
    Ok(serde_json::from_str(&output.stdout)?)
}

#[test]
fn a_simulation_counts_what_would_happen() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let ctl = Ctl::new(&programs(), "http://127.0.0.1:1");
    let shop = shop_arguments(folder.path())?;
    let mut arguments: Vec<&str> = shop.iter().map(String::as_str).collect();

    let people = ctl.run(&arguments)?;
    assert_eq!(people.code, 1, "a line is no event: {people:?}");
    for part in [
        "9 lines: 7 accepted, 1 duplicate, 1 rejected",
        "WELCOME",
        "exited gone",
        "messages hello",
    ] {
        let lower = people.stdout.to_lowercase();
        assert!(
            lower.contains(&part.to_lowercase()),
            "{part:?} is missing in {people:?}"
        );
    }
    assert!(
        people.stderr.contains("shop.jsonl:6: not_json"),
        "{people:?}"
    );

    // Ann and Dee come to the reminder, ten days after they signed up.
    let report = report_of(&ctl, &arguments)?;
    let welcome = json!({
        "entered": 4,
        "active": 0,
        "parked": 0,
        "completed": 3,
        "held_out": 0,
        "exited": { "gone": 1 },
        "steps": {
            "say": { "entered": 4, "left": 4, "now": 0 },
            "wait": { "entered": 4, "left": 4, "now": 0 },
            "remind": { "entered": 2, "left": 2, "now": 0 },
        },
        "messages": { "hello": 6 },
        "refused": { "reentry_never": 1 },
        "emitted": {},
        "goals": { "bought": 1 },
        "timers_fired": 2,
        "duration_s": { "completed": { "p50": 864_000.001, "p90": 864_000.001, "max": 864_000.001 } },
    });
    assert_eq!(report["journeys"]["welcome"], welcome);
    let unused = &report["journeys"]["unused"];
    assert_eq!(unused["entered"], 0);
    assert_eq!(
        unused["steps"]["only"],
        json!({ "entered": 0, "left": 0, "now": 0 })
    );
    assert_eq!(unused["duration_s"], json!({}));
    let lines = json!({ "read": 9, "accepted": 7, "duplicate": 1, "rejected": 1 });
    assert_eq!(report["lines"], lines);
    assert_eq!(report["virtual_end"], "2026-01-14T00:00:00.001Z");
    assert_eq!(report["timers_left"], 0);

    // Ann's timer is due at the very end and fires; Dee's is left.
    arguments.extend(["--until", "2026-01-11T00:00:00Z"]);
    let report = report_of(&ctl, &arguments)?;
    let welcome = &report["journeys"]["welcome"];
    assert_eq!(welcome["timers_fired"], 1);
    assert_eq!(welcome["active"], 1);
    assert_eq!(
        welcome["steps"]["wait"],
        json!({ "entered": 4, "left": 3, "now": 1 })
    );
    assert_eq!(report["virtual_end"], "2026-01-11T00:00:00Z");
    assert_eq!(report["timers_left"], 1);
    Ok(())
}

#[test]
fn what_occurred_after_the_end_is_left_out_without_failure() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let ctl = Ctl::new(&programs(), "http://127.0.0.1:1");
    let shop = shop_arguments(folder.path())?;
    let events = [
        line(1, "ann", "signed_up", "01T00:00:00"),
        line(2, "ben", "signed_up", "05T00:00:00"),
    ];
    write_file(folder.path(), "shop.jsonl", &events.join("\n"))?;
    let mut arguments: Vec<&str> = shop.iter().map(String::as_str).collect();
    arguments.extend(["--until", "2026-01-03T00:00:00Z", "-o", "json"]);
    let output = ctl.run(&arguments)?;
    assert_eq!(output.code, 0, "{output:?}");
    assert!(
        output.stderr.contains("1 events occurred after --until"),
        "{output:?}"
    );
    let report: Value = serde_json::from_str(&output.stdout)?;
    let lines = json!({ "read": 2, "accepted": 1, "duplicate": 0, "rejected": 1 });
    assert_eq!(report["lines"], lines);
    Ok(())
}

/// What a schema declares as time is an instant for conditions, as on a node.
#[test]
fn events_are_held_to_their_schema() -> anyhow::Result<()> {
    let journeys = "
journey: before
entry: [ { event: booked, where: 'event.properties.at > timestamp(\"2026-01-01T00:00:00Z\")' } ]
steps:
  only: { emit: { event: heard }, next: end }
---
schema: shop
events: { booked: { at: time } }
";
    let booked = |id: u32, properties: &str| {
        line(id, "ann", "booked", "01T00:00:00").replace("Z\"}", &format!("Z\",{properties}}}"))
    };
    let folder = tempfile::tempdir()?;
    let journeys = write_file(folder.path(), "journeys.yaml", journeys)?;
    let events = [
        booked(1, r#""properties":{"at":"2026-02-01T00:00:00Z"}"#),
        booked(2, r#""properties":{"at":"soon"}"#),
    ];
    let events = write_file(folder.path(), "events.jsonl", &events.join("\n"))?;
    let arguments = ["simulate", "--journeys", &journeys, "--events", &events];
    let ctl = Ctl::new(&programs(), "http://127.0.0.1:1");
    let report = report_of(&ctl, &arguments)?;
    assert_eq!(report["journeys"]["before"]["entered"], 1, "{report}");
    assert_eq!(report["lines"]["rejected"], 1, "{report}");
    let said = ctl.run(&arguments)?.stderr;
    assert!(said.contains("events.jsonl:2: bad_time: "), "{said}");
    Ok(())
}

#[test]
fn a_journey_with_mistakes_is_not_simulated() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let shop = shop_arguments(folder.path())?;
    write_file(
        folder.path(),
        "shop.yaml",
        &SHOP.replace("next: remind", "next: remid"),
    )?;
    let arguments: Vec<&str> = shop.iter().map(String::as_str).collect();
    let output = Ctl::new(&programs(), "http://127.0.0.1:1").run(&arguments)?;
    assert_eq!(output.code, 1, "{output:?}");
    for part in ["the journeys have mistakes", "shop.yaml:9", "remind"] {
        assert!(
            output.stderr.contains(part),
            "{part:?} is missing in {output:?}"
        );
    }
    assert!(output.stdout.is_empty(), "{output:?}");
    Ok(())
}
