//! `journeyctl simulate`: recorded events through journeys in virtual time, on the engine's own partition.
//!
//! Events go in by (`occurred_at`, line); time follows `occurred_at`; after the last event it runs on until no timer is
//! left, `--until`, or 400 days.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use journey_codec::JourneyCounts;
use journey_customer::{Ending, EventBody, IngestMode, JournalEvent, Reply};
use journey_model::{Catalog, PublishedDocument, check};
use journey_partition::{Answer, SoloOptions, SoloPartition};
use journey_types::{
    CatalogRevision, ClusterKey, CustomerEvent, CustomerKey, JourneyId, TimeSpan, Timestamp,
};
use serde_json::{Map, Value, json};

use crate::arguments::SimulateArguments;
use crate::event_files::{LineFormat, read_file};
use crate::output::Output;
use crate::sources;

/// How long time runs on after the last event: JOURNEYS section 11.
const RUN_ON_MAX: TimeSpan = TimeSpan::from_days(400);
/// Events that are sorted in memory: about 4 GiB of small ones. Larger files are simulated in parts.
const EVENTS_MAX: usize = 20_000_000;
/// Customers the partition's core keeps in memory.
const HOSTED_CUSTOMERS_MAX: usize = 10_000;
/// Bytes of customers that wait to be written into the memory engine.
const DIRTY_SIZE_BYTES_MAX: usize = 256 * 1024 * 1024;
/// Faults printed; the rest is counted.
const FAULTS_PRINTED_MAX: u64 = 20;

#[derive(Debug, Default)]
struct Lines {
    n_read: u64,
    n_accepted: u64,
    n_duplicate: u64,
    n_rejected: u64,
}

impl Lines {
    fn reject(&mut self, what: &str) {
        self.n_rejected += 1;
        if self.n_rejected <= FAULTS_PRINTED_MAX {
            eprintln!("journeyctl: {what}");
        } else if self.n_rejected == FAULTS_PRINTED_MAX + 1 {
            eprintln!("journeyctl: more faults are counted, not printed");
        }
    }
}

/// Seconds that completed instances took, by journey.
type Durations = Arc<Mutex<BTreeMap<JourneyId, Vec<f64>>>>;

pub(crate) fn run(
    arguments: &SimulateArguments,
    workspace: &str,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let until = arguments.until.as_deref().map(read_instant).transpose()?;
    let format = LineFormat::new(arguments.map.as_deref(), workspace)?;
    let catalog = catalog(arguments)?;
    let mut lines = Lines::default();
    let events = read_events(arguments, &format, &mut lines)?;
    let durations = Durations::default();
    let start = events
        .first()
        .map_or(Timestamp::EPOCH, |(_, event)| event.occurred_at);
    let mut partition = SoloPartition::in_memory(SoloOptions {
        decide: journey_customer::decide,
        cluster_key: ClusterKey::new([0; 16]),
        start,
        catalog: Arc::new(catalog),
        hosted_customers_max: HOSTED_CUSTOMERS_MAX,
        dirty_size_bytes_max: DIRTY_SIZE_BYTES_MAX,
        delivers: true,
    })?;
    partition.observe(durations_observer(&durations));
    let last = replay(&mut partition, events, until, &mut lines)?;
    let end = until.unwrap_or_else(|| last.plus(RUN_ON_MAX));
    // A timer due at the very end still fires, in a turn stamped one millisecond later.
    let last_change = partition.run_out(end.plus(TimeSpan::from_ms(1)))?;
    let n_timers_left = partition.timers_left()?;
    let virtual_end = if n_timers_left > 0 {
        end
    } else {
        last_change.min(end)
    };
    let report = report(&partition, &lines, &durations, (virtual_end, n_timers_left));
    if output.is_json() {
        output.json(&report)?
    } else {
        print(&report, *output)?
    }
    Ok(ExitCode::SUCCESS)
}

fn read_instant(text: &str) -> anyhow::Result<Timestamp> {
    Timestamp::parse(text).with_context(|| {
        format!("--until: `{text}` is no RFC 3339 instant such as 2026-01-05T09:00:00Z")
    })
}

fn catalog(arguments: &SimulateArguments) -> anyhow::Result<Catalog> {
    let files = sources::for_model(&sources::read(&arguments.journeys)?);
    let report = check(&files, &Catalog::default());
    anyhow::ensure!(
        report.is_publishable(),
        "the journeys have mistakes:\n{}",
        report.render()
    );
    let documents: Vec<PublishedDocument> = report
        .documents
        .into_iter()
        .map(|document| document.published(1))
        .collect();
    Ok(Catalog::build(CatalogRevision::new(1), &documents)?)
}

/// Reads every file and sorts by (`occurred_at`, line), lines counted over all files.
fn read_events(
    arguments: &SimulateArguments,
    format: &LineFormat,
    lines: &mut Lines,
) -> anyhow::Result<Vec<(u64, CustomerEvent)>> {
    let mut events = Vec::new();
    for file in &arguments.events {
        read_file(file, format, |_, event| {
            lines.n_read += 1;
            match event {
                Ok(event) => {
                    anyhow::ensure!(
                        events.len() < EVENTS_MAX,
                        "more than {EVENTS_MAX} events; simulate the files in parts (by customer)"
                    );
                    events.push((lines.n_read, event));
                }
                Err(bad) => lines.reject(&format!(
                    "{}:{}: {}",
                    bad.file.display(),
                    bad.line,
                    bad.reason
                )),
            }
            Ok(())
        })?;
    }
    events.sort_by_key(|(line, event)| (event.occurred_at, *line));
    Ok(events)
}

/// Gives the events in at their own time, up to and with `until`; returns the instant of the last.
fn replay(
    partition: &mut SoloPartition,
    events: Vec<(u64, CustomerEvent)>,
    until: Option<Timestamp>,
    lines: &mut Lines,
) -> anyhow::Result<Timestamp> {
    let mut last = partition.now();
    for (line, event) in events {
        if until.is_some_and(|until| event.occurred_at > until) {
            lines.reject(&format!(
                "event {line}: after_until: it occurred after --until and was left out"
            ));
            continue;
        }
        last = event.occurred_at;
        if let Err(refused) = event.validate(event.occurred_at) {
            lines.reject(&format!("event {line}: {refused}"));
            continue;
        }
        partition.advance_to(event.occurred_at)?;
        match partition.ingest(event, IngestMode::Live)? {
            Answer::Done {
                reply: Reply::Duplicate,
                ..
            } => lines.n_duplicate += 1,
            Answer::Done { .. } => lines.n_accepted += 1,
            Answer::Rejected(rejection) => lines.reject(&format!("event {line}: {rejection}")),
            Answer::Refused(refusal) => lines.reject(&format!("event {line}: {refusal}")),
        }
    }
    Ok(last)
}

fn durations_observer(durations: &Durations) -> Box<dyn FnMut(&CustomerKey, &JournalEvent) + Send> {
    let durations = Arc::clone(durations);
    Box::new(move |_, fact| {
        if let EventBody::InstanceEnded {
            instance,
            entered_at,
            ending,
            ..
        } = &fact.body
            && matches!(ending, Ending::Completed | Ending::Goal(_))
        {
            #[expect(
                clippy::cast_precision_loss,
                reason = "milliseconds of a simulation fit a double"
            )]
            let seconds = fact.stamp.since(*entered_at).ms() as f64 / 1e3;
            let mut durations = durations.lock().unwrap_or_else(PoisonError::into_inner);
            durations
                .entry(instance.journey.clone())
                .or_default()
                .push(seconds);
        }
    })
}

fn report(
    partition: &SoloPartition,
    lines: &Lines,
    durations: &Durations,
    (virtual_end, n_timers_left): (Timestamp, u64),
) -> Value {
    let mut by_journey: BTreeMap<JourneyId, JourneyCounts> = BTreeMap::new();
    for ((journey, _), counts) in partition.replica().lock().counts() {
        by_journey.entry(journey.clone()).or_default().add(counts);
    }
    let mut durations = durations.lock().unwrap_or_else(PoisonError::into_inner);
    let journeys: Map<String, Value> = by_journey
        .iter()
        .map(|(journey, counts)| {
            let durations = durations.remove(journey).unwrap_or_default();
            (journey.to_string(), journey_report(counts, durations))
        })
        .collect();
    json!({
        "lines": {
            "read": lines.n_read,
            "accepted": lines.n_accepted,
            "duplicate": lines.n_duplicate,
            "rejected": lines.n_rejected,
        },
        "journeys": journeys,
        "virtual_end": virtual_end.to_string(),
        "timers_left": n_timers_left,
    })
}

fn journey_report(counts: &JourneyCounts, mut durations: Vec<f64>) -> Value {
    let mut refused = counts.refused.clone();
    for (reason, count) in &counts.entries_refused {
        *refused.entry(reason.clone()).or_insert(0) += count;
    }
    let steps: Map<String, Value> = counts
        .steps
        .iter()
        .map(|(id, step)| {
            (
                id.to_string(),
                json!({ "entered": step.entered, "left": step.left, "now": step.now() }),
            )
        })
        .collect();
    durations.sort_by(f64::total_cmp);
    let duration_s = if durations.is_empty() {
        json!({})
    } else {
        json!({ "completed": {
            "p50": nearest_rank(&durations, 50),
            "p90": nearest_rank(&durations, 90),
            "max": durations.last(),
        } })
    };
    json!({
        "entered": counts.entered,
        "active": counts.active(),
        "parked": counts.parked(),
        "completed": counts.completed,
        "held_out": counts.held_out,
        "exited": counts.exited,
        "steps": steps,
        "messages": by_name(&counts.messages),
        "refused": refused,
        "emitted": by_name(&counts.emitted),
        "goals": counts.goals,
        "timers_fired": counts.timers_fired,
        "duration_s": duration_s,
    })
}

fn by_name(counts: &BTreeMap<impl ToString, u64>) -> Map<String, Value> {
    counts
        .iter()
        .map(|(name, count)| (name.to_string(), json!(count)))
        .collect()
}

/// The smallest value that at least so many percent of the sorted values do not exceed.
fn nearest_rank(sorted: &[f64], percent: usize) -> Option<f64> {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied()
}

/// The same for people.
fn print(report: &Value, output: Output) -> anyhow::Result<()> {
    let lines = &report["lines"];
    output.text(&format!(
        "{} lines: {} accepted, {} duplicate, {} rejected; virtual time ended {}, {} timers left",
        lines["read"],
        lines["accepted"],
        lines["duplicate"],
        lines["rejected"],
        report["virtual_end"].as_str().unwrap_or_default(),
        report["timers_left"]
    ))?;
    let journeys = report["journeys"]
        .as_object()
        .context("the report has journeys")?;
    let mut rows = Vec::new();
    let mut details = Vec::new();
    for (journey, counts) in journeys {
        let numbers = ["entered", "active", "parked", "completed", "timers_fired"];
        let mut row = vec![journey.clone()];
        row.extend(numbers.iter().map(|name| counts[*name].to_string()));
        row.push(
            counts["duration_s"]["completed"]["p50"]
                .as_f64()
                .map_or_else(String::new, duration),
        );
        rows.push(row);
        for family in ["exited", "goals", "messages", "refused", "emitted"] {
            for (name, count) in counts[family].as_object().into_iter().flatten() {
                details.push(vec![
                    journey.clone(),
                    format!("{family} {name}"),
                    count.to_string(),
                ]);
            }
        }
    }
    let headings = [
        "journey",
        "entered",
        "active",
        "parked",
        "completed",
        "timers fired",
        "median duration",
    ];
    output.table(&headings, rows)?;
    if details.is_empty() {
        Ok(())
    } else {
        output.table(&["journey", "what", "count"], details)
    }
}

fn duration(seconds: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "seconds of a simulation, rounded for people"
    )]
    let span = TimeSpan::from_secs(seconds.round() as i64);
    span.to_string()
}
