//! `journeyctl simulate`: recorded events through journeys in virtual time, on the engine's own partition.
//!
//! Events go in by (`occurred_at`, line); time follows `occurred_at`; after the last event it runs on until no timer is
//! left, `--until`, or 400 days.

mod report;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use journey_customer::{Ending, EventBody, IngestMode, Reply};
use journey_model::{Catalog, PublishedDocument, check};
use journey_partition::{Answer, FactObserver, SoloOptions, SoloPartition};
use journey_types::{CatalogRevision, ClusterKey, CustomerEvent, JourneyId, TimeSpan, Timestamp};

use crate::arguments::SimulateArguments;
use crate::event_files::{BadLine, LineFormat, read_file};
use crate::output::Output;
use crate::sources;

use report::Finish;

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
    fn reject(&mut self, bad: &BadLine) {
        self.n_rejected += 1;
        if self.n_rejected <= FAULTS_PRINTED_MAX {
            eprintln!(
                "journeyctl: {}:{}: {}",
                bad.file.display(),
                bad.line,
                bad.reason
            );
        } else if self.n_rejected == FAULTS_PRINTED_MAX + 1 {
            eprintln!("journeyctl: more faults are counted, not printed");
        }
    }
}

/// Where an event was read.
struct Place {
    file: Arc<Path>,
    line: u64,
}

impl Place {
    fn bad(&self, reason: impl ToString) -> BadLine {
        BadLine {
            file: self.file.to_path_buf(),
            line: self.line,
            reason: reason.to_string(),
        }
    }
}

/// Seconds that completed instances took, by journey.
type Durations = BTreeMap<JourneyId, Vec<f64>>;

pub(crate) fn run(
    arguments: &SimulateArguments,
    workspace: &str,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let until = arguments.until.as_deref().map(read_instant).transpose()?;
    let format = LineFormat::new(arguments.map.as_deref(), workspace)?;
    let catalog = Arc::new(catalog(arguments)?);
    let mut lines = Lines::default();
    let events = read_events(arguments, &format, &mut lines)?;
    let durations = Arc::new(Mutex::new(Durations::default()));
    let start = events
        .first()
        .map_or(Timestamp::EPOCH, |(_, event)| event.occurred_at);
    let mut partition = SoloPartition::in_memory(SoloOptions {
        decide: journey_customer::decide,
        cluster_key: ClusterKey::new([0; 16]),
        start,
        catalog: Arc::clone(&catalog),
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
    let durations = std::mem::take(&mut *durations.lock().unwrap_or_else(PoisonError::into_inner));
    let finish = Finish {
        virtual_end,
        n_timers_left,
    };
    let report = report::report(&partition, &catalog, &lines, durations, finish);
    if output.is_json() {
        output.json(&report)?
    } else {
        report::print(&report, *output)?
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

/// Reads every file and sorts by (`occurred_at`, line), files in the order they were named.
fn read_events(
    arguments: &SimulateArguments,
    format: &LineFormat,
    lines: &mut Lines,
) -> anyhow::Result<Vec<(Place, CustomerEvent)>> {
    let mut events = Vec::new();
    for file in &arguments.events {
        let path: Arc<Path> = Arc::from(file.as_path());
        read_file(file, format, |line, event| {
            lines.n_read += 1;
            match event {
                Ok(event) => {
                    anyhow::ensure!(
                        events.len() < EVENTS_MAX,
                        "more than {EVENTS_MAX} events; simulate the files in parts (by customer)"
                    );
                    let file = Arc::clone(&path);
                    events.push((Place { file, line }, event));
                }
                Err(bad) => lines.reject(&bad),
            }
            Ok(())
        })?;
    }
    // Stable: what occurred at one instant stays in the order it was read.
    events.sort_by_key(|(_, event)| event.occurred_at);
    Ok(events)
}

/// Gives the events in at their own time, up to and with `until`; returns the instant of the last.
fn replay(
    partition: &mut SoloPartition,
    events: Vec<(Place, CustomerEvent)>,
    until: Option<Timestamp>,
    lines: &mut Lines,
) -> anyhow::Result<Timestamp> {
    let mut last = partition.now();
    for (place, event) in events {
        let at = event.occurred_at;
        if until.is_some_and(|until| at > until) {
            let reason = "after_until: it occurred after --until and was left out";
            lines.reject(&place.bad(reason));
            continue;
        }
        if let Err(refused) = event.validate(at) {
            lines.reject(&place.bad(refused));
            continue;
        }
        last = at;
        partition.advance_to(at)?;
        match partition.ingest(event, IngestMode::Live)? {
            Answer::Done {
                reply: Reply::Duplicate,
                ..
            } => lines.n_duplicate += 1,
            Answer::Done { .. } => lines.n_accepted += 1,
            Answer::Rejected(rejection) => lines.reject(&place.bad(rejection)),
            Answer::Refused(refusal) => lines.reject(&place.bad(refusal)),
        }
    }
    Ok(last)
}

fn durations_observer(durations: &Arc<Mutex<Durations>>) -> FactObserver {
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
