//! `journeyctl simulate` on the loan applications of BPI Challenge 2012: exact, also shuffled and doubled.
//!
//! What is expected is computed here by an interpreter of this one journey, with nothing of the engine: no parser, no
//! clock, no journey.

use std::collections::BTreeMap;
use std::io::Read as _;

use rand::rngs::SmallRng;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};
use tests::Ctl;

use crate::simulate::{date, day};
use crate::world::{programs, write_file};

/// In an ordinary run every twentieth case is simulated: the whole file takes long without optimisation.
const CASES_PER_SAMPLED: usize = 20;
const MS_PER_DAY: i64 = 86_400_000;
/// The first wait, and the one after the reminder.
const FIRST_WAIT_MS: i64 = 7 * MS_PER_DAY;
const SECOND_WAIT_MS: i64 = 23 * MS_PER_DAY;
const UNTIL: &str = "2012-07-01T00:00:00Z";
const HEADER: &str = "case_id,seq,activity,lifecycle,timestamp,resource,amount_req,reg_date";

const JOURNEY: &str = "
journey: offer_follow_up
entry: [ { event: O_SENT } ]
key: event.properties.case_id
reentry: { concurrent: 1, on_conflict: restart }
exit:
  - { event: A_CANCELLED, match_key: true, reason: cancelled }
  - { event: A_DECLINED, match_key: true, reason: declined }
goals: [ { id: accepted, event: O_ACCEPTED, match_key: true, exit: true } ]
steps:
  wait: { wait_until: [ { event: O_SENT_BACK, match_key: true, next: end }, { after: 7d, next: remind } ] }
  remind: { emit: { event: offer_reminder }, next: again }
  again: { wait_until: [ { event: O_SENT_BACK, match_key: true, next: end }, { after: 23d, next: end } ] }
";

const MAP: &str = r#"
map: bpic2012
format: { delimiter: ",", header: true }
customer_id: { column: case_id }
occurred_at: { column: timestamp }
name: { column: activity }
id: "{case_id}-{seq}"
properties: { case_id: { column: case_id }, lifecycle: { column: lifecycle }, amount_req: { column: amount_req, type: int } }
"#;

/// One line of the file.
#[derive(Debug, Clone, Copy)]
struct Step<'f> {
    case: &'f str,
    seq: &'f str,
    activity: &'f str,
    timestamp: &'f str,
    /// Milliseconds since 1970.
    at: i64,
}

fn steps(file: &str) -> Vec<Step<'_>> {
    let lines = file.lines().skip(1);
    lines
        .map(|line| {
            let columns: Vec<&str> = line.split(',').collect();
            let [case, seq, activity, _, timestamp, _, _, _] = columns[..] else {
                panic!("not eight columns: {line:?}");
            };
            let at = unix_ms(timestamp);
            Step {
                case,
                seq,
                activity,
                timestamp,
                at,
            }
        })
        .collect()
}

/// The instant of `2011-10-01T00:38:44.546+02:00`.
fn unix_ms(timestamp: &str) -> i64 {
    let number = |range: std::ops::Range<usize>| timestamp[range].parse::<i64>().expect("digits");
    let date: String = timestamp[..10].split('-').collect();
    let minutes = number(11..13) * 60 + number(14..16);
    let sign = if &timestamp[23..24] == "-" { -1 } else { 1 };
    let offset_minutes = sign * (number(24..26) * 60 + number(27..29));
    let days = day(&date) - day("19700101");
    days * MS_PER_DAY
        + (minutes - offset_minutes) * 60_000
        + number(17..19) * 1_000
        + number(20..23)
}

/// The instant as the report prints it: without trailing zeros.
fn rfc3339(unix_ms: i64) -> String {
    let (days, ms) = (
        unix_ms.div_euclid(MS_PER_DAY),
        unix_ms.rem_euclid(MS_PER_DAY),
    );
    let (year, month, day_of_month) = date(days + day("19700101"));
    let (hour, minute, second) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1_000 % 60);
    let fraction = format!(".{:03}", ms % 1_000);
    let fraction = fraction.trim_end_matches('0').trim_end_matches('.');
    format!("{year}-{month:02}-{day_of_month:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}

/// The follow-up of one offer.
#[derive(Debug, Clone, Copy)]
struct FollowUp {
    entered_at: i64,
    is_reminded: bool,
    /// When its wait is over.
    due_at: i64,
}

/// What the journey did.
#[derive(Debug, Default)]
struct Tally {
    n_entered: usize,
    exited: BTreeMap<&'static str, usize>,
    n_accepted: usize,
    n_reminders: usize,
    n_fired: usize,
    /// Left the first wait, the second.
    n_left: [usize; 2],
    /// Milliseconds from entry to completion.
    durations: Vec<i64>,
    last_change: i64,
}

impl Tally {
    /// Waits that are over before this instant, each in a turn one millisecond after it is over: an event at the very
    /// instant comes first.
    fn fire(&mut self, running: &mut Option<FollowUp>, before: i64) {
        while let Some(follow_up) = running.filter(|follow_up| follow_up.due_at < before) {
            let stamp = follow_up.due_at + 1;
            self.n_fired += 1;
            self.last_change = self.last_change.max(stamp);
            if follow_up.is_reminded {
                self.complete(running, stamp);
            } else {
                self.n_left[0] += 1;
                self.n_reminders += 1;
                *running = Some(FollowUp {
                    is_reminded: true,
                    due_at: stamp + SECOND_WAIT_MS,
                    ..follow_up
                });
            }
        }
    }

    fn complete(&mut self, running: &mut Option<FollowUp>, at: i64) {
        if let Some(follow_up) = self.leave(running) {
            self.durations.push(at - follow_up.entered_at);
        }
    }

    fn exit(&mut self, running: &mut Option<FollowUp>, reason: &'static str) {
        if self.leave(running).is_some() {
            *self.exited.entry(reason).or_default() += 1;
        }
    }

    fn leave(&mut self, running: &mut Option<FollowUp>) -> Option<FollowUp> {
        let follow_up = running.take()?;
        self.n_left[usize::from(follow_up.is_reminded)] += 1;
        Some(follow_up)
    }

    fn take(&mut self, running: &mut Option<FollowUp>, step: &Step<'_>) {
        self.fire(running, step.at);
        self.last_change = self.last_change.max(step.at);
        match step.activity {
            "A_CANCELLED" => self.exit(running, "cancelled"),
            "A_DECLINED" => self.exit(running, "declined"),
            "O_ACCEPTED" => {
                self.n_accepted += usize::from(running.is_some());
                self.complete(running, step.at);
            }
            "O_SENT_BACK" => self.complete(running, step.at),
            "O_SENT" => {
                self.exit(running, "restarted");
                self.n_entered += 1;
                *running = Some(FollowUp {
                    entered_at: step.at,
                    is_reminded: false,
                    due_at: step.at + FIRST_WAIT_MS,
                });
            }
            _ => {}
        }
    }
}

/// The smallest duration, in seconds, that at least so many percent do not exceed.
fn percentile(sorted: &[i64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted[rank - 1] as f64 / 1e3
}

/// The whole report that the file must lead to.
fn expected_report(steps: &[Step<'_>], n_duplicate: usize) -> Value {
    let mut by_case: BTreeMap<&str, Vec<&Step<'_>>> = BTreeMap::new();
    for step in steps {
        by_case.entry(step.case).or_default().push(step);
    }
    let mut tally = Tally::default();
    for steps in by_case.into_values() {
        let mut running = None;
        for step in steps {
            tally.take(&mut running, step);
        }
        // The file ends long before `UNTIL`: every wait comes to its end.
        tally.fire(&mut running, unix_ms("2012-07-01T00:00:00.000+00:00") + 1);
        assert!(running.is_none(), "{running:?}");
    }
    let mut durations = std::mem::take(&mut tally.durations);
    durations.sort_unstable();
    let n = steps.len();
    let [n_left_wait, n_left_again] = tally.n_left;
    json!({
        "lines": { "read": n + n_duplicate, "accepted": n, "duplicate": n_duplicate, "rejected": 0 },
        "journeys": { "offer_follow_up": {
            "entered": tally.n_entered,
            "active": 0,
            "parked": 0,
            "completed": durations.len(),
            "held_out": 0,
            "exited": tally.exited,
            "steps": {
                "wait": { "entered": tally.n_entered, "left": n_left_wait, "now": 0 },
                "remind": { "entered": tally.n_reminders, "left": tally.n_reminders, "now": 0 },
                "again": { "entered": tally.n_reminders, "left": n_left_again, "now": 0 },
            },
            "messages": {},
            "refused": {},
            "emitted": { "offer_reminder": tally.n_reminders },
            "goals": { "accepted": tally.n_accepted },
            "timers_fired": tally.n_fired,
            "duration_s": { "completed": {
                "p50": percentile(&durations, 50),
                "p90": percentile(&durations, 90),
                "max": percentile(&durations, 100),
            } },
        } },
        "virtual_end": rfc3339(tally.last_change),
        "timers_left": 0,
    })
}

/// Every event twice, instants from the last to the first; at one instant the cases in any order, each case's own
/// events in theirs, then all of them again in any order.
fn shuffled_and_doubled(steps: &[Step<'_>]) -> String {
    let mut by_instant: BTreeMap<i64, Vec<&Step<'_>>> = BTreeMap::new();
    for step in steps {
        by_instant.entry(step.at).or_default().push(step);
    }
    let mut random = SmallRng::seed_from_u64(13);
    let mut lines = Vec::new();
    for (_, steps) in by_instant.into_iter().rev() {
        let mut ranks: BTreeMap<&str, u32> = BTreeMap::new();
        let mut shuffled = steps.clone();
        shuffled.sort_by_key(|step| *ranks.entry(step.case).or_insert_with(|| random.random()));
        let mut again = steps;
        again.shuffle(&mut random);
        lines.extend(shuffled.into_iter().chain(again).map(json_line));
    }
    lines.join("\n")
}

fn json_line(step: &Step<'_>) -> String {
    let Step {
        case,
        seq,
        activity,
        timestamp,
        ..
    } = step;
    format!(
        r#"{{"customer_id":"{case}","id":"{case}-{seq}","name":"{activity}","occurred_at":"{timestamp}","properties":{{"case_id":"{case}"}}}}"#
    )
}

/// A file like the real one: gaps as long as the waits and around them, many cases at the same instants.
fn generated_file() -> String {
    const ACTIVITIES: [&str; 8] = [
        "O_SENT",
        "O_SENT",
        "O_SENT",
        "O_SENT_BACK",
        "O_ACCEPTED",
        "A_CANCELLED",
        "A_DECLINED",
        "W_Nabellen offertes",
    ];
    const GAPS_MS: [i64; 12] = [
        0,
        0,
        1,
        MS_PER_DAY,
        FIRST_WAIT_MS - 1,
        FIRST_WAIT_MS,
        FIRST_WAIT_MS + 1,
        FIRST_WAIT_MS + 1 + SECOND_WAIT_MS - 1,
        FIRST_WAIT_MS + 1 + SECOND_WAIT_MS,
        FIRST_WAIT_MS + 1 + SECOND_WAIT_MS + 1,
        FIRST_WAIT_MS + 1 + SECOND_WAIT_MS + 2,
        SECOND_WAIT_MS,
    ];
    let mut random = SmallRng::seed_from_u64(17);
    let mut lines = vec![HEADER.to_owned()];
    let first = unix_ms("2011-10-01T00:00:00.000+00:00");
    let last = unix_ms("2012-05-01T00:00:00.000+00:00");
    for case in 1..=300 {
        let mut at = first + random.random_range(0..10) * MS_PER_DAY;
        for seq in 0..random.random_range(1..=9) {
            if at > last {
                break;
            }
            let activity = ACTIVITIES[random.random_range(0..ACTIVITIES.len())];
            let printed = rfc3339(at + 2 * 3_600_000);
            let (seconds, fraction) = (&printed[..19], format!("{:03}", at.rem_euclid(1_000)));
            lines.push(format!(
                "{case},{seq},{activity},COMPLETE,{seconds}.{fraction}+02:00,112,5000,"
            ));
            at += GAPS_MS[random.random_range(0..GAPS_MS.len())];
        }
    }
    lines.join("\n")
}

/// The lines of every so many cases, with the header.
fn sampled(file: &str, cases_per_sampled: usize) -> String {
    let mut n_cases = 0;
    let mut case = "";
    let mut lines = vec![HEADER];
    for line in file.lines().skip(1) {
        let of = line.split(',').next().unwrap_or_default();
        if of != case {
            case = of;
            n_cases += 1;
        }
        if n_cases % cases_per_sampled == 0 {
            lines.push(line);
        }
    }
    lines.join("\n")
}

/// The real file, whole or in part, else a generated one.
fn real_or_generated() -> anyhow::Result<String> {
    let Some(path) = tests::bpic2012() else {
        return Ok(generated_file());
    };
    let mut file = String::new();
    flate2::read::MultiGzDecoder::new(std::fs::File::open(path)?).read_to_string(&mut file)?;
    anyhow::ensure!(file.starts_with(HEADER), "the file has other columns");
    Ok(if tests::slow_tests_wanted() {
        file
    } else {
        sampled(&file, CASES_PER_SAMPLED)
    })
}

/// Simulates the journey over a file: delimited with a map, else JSON Lines.
fn simulate(file: &str, is_delimited: bool) -> anyhow::Result<Value> {
    let folder = tempfile::tempdir()?;
    let write = |name: &str, text: &str| write_file(folder.path(), name, text);
    let journeys = write("offers.yaml", JOURNEY)?;
    let events = write("events.txt", file)?;
    let map = write("map.yaml", MAP)?;
    let mut arguments = vec!["simulate", "--journeys", &journeys, "--events", &events];
    arguments.extend(["--until", UNTIL]);
    if is_delimited {
        arguments.extend(["--map", &map]);
    }
    // No node is needed: nothing listens there.
    Ctl::new(&programs(), "http://127.0.0.1:1").json(&arguments)
}

fn expect_exact(file: &str) -> anyhow::Result<()> {
    assert_eq!(simulate(file, true)?, expected_report(&steps(file), 0));
    Ok(())
}

fn expect_exact_when_shuffled(file: &str) -> anyhow::Result<()> {
    let steps = steps(file);
    let report = simulate(&shuffled_and_doubled(&steps), false)?;
    assert_eq!(report, expected_report(&steps, steps.len()));
    Ok(())
}

#[test]
fn instants_are_read_and_printed_by_the_calendar() {
    for (text, printed) in [
        ("2011-10-01T00:38:44.546+02:00", "2011-09-30T22:38:44.546Z"),
        ("2012-02-29T23:59:59.100+01:00", "2012-02-29T22:59:59.1Z"),
        ("2012-01-01T00:00:00.000-01:30", "2012-01-01T01:30:00Z"),
    ] {
        assert_eq!(rfc3339(unix_ms(text)), printed);
    }
}

#[test]
fn generated_offers_are_exact() -> anyhow::Result<()> {
    let file = generated_file();
    let report = expected_report(&steps(&file), 0);
    for part in ["cancelled", "declined", "restarted"] {
        let count = &report["journeys"]["offer_follow_up"]["exited"][part];
        assert!(count.as_u64() > Some(10), "too few are {part}: {report}");
    }
    expect_exact(&file)?;
    expect_exact_when_shuffled(&file)
}

#[test]
fn loan_applications_are_exact() -> anyhow::Result<()> {
    expect_exact(&real_or_generated()?)
}

#[test]
fn shuffled_and_doubled_applications_change_nothing() -> anyhow::Result<()> {
    expect_exact_when_shuffled(&real_or_generated()?)
}
