//! `journeyctl simulate`: recorded events through journeys in virtual time, on the engine's own partition.
//!
//! Events go in by (`occurred_at`, line); time follows `occurred_at`; after the last event it runs on until no timer is
//! left, `--until`, or 400 days.

mod report;
mod sorted_events;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use journey_customer::{Ending, EventBody, IngestMode, Reply};
use journey_model::{Catalog, PublishedDocument, check};
use journey_partition::{Answer, FactObserver, SoloOptions, SoloPartition};
use journey_types::{CatalogRevision, ClusterKey, JourneyId, TimeSpan, Timestamp};

use crate::arguments::SimulateArguments;
use crate::event_files::{BadLine, LineFormat, ensure_readable, read_file};
use crate::output::Output;
use crate::sources;

use report::Finish;
use sorted_events::{EventSorter, PlacedEvent, SORT_SIZE_BYTES_MAX, SortedEvents};

/// How long time runs on after the last event: JOURNEYS section 11.
const RUN_ON_MAX: TimeSpan = TimeSpan::from_days(400);
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
    /// Of the rejected: they occurred after `--until`, which is no fault.
    n_after_until: u64,
    /// Of the accepted: they say that two ids are one customer.
    n_not_merged: u64,
}

impl Lines {
    fn reject(&mut self, bad: &BadLine) {
        self.n_rejected += 1;
        let n_faults = self.n_rejected - self.n_after_until;
        if n_faults <= FAULTS_PRINTED_MAX {
            eprintln!("journeyctl: {bad}");
        } else if n_faults == FAULTS_PRINTED_MAX + 1 {
            eprintln!("journeyctl: more faults are counted, not printed");
        }
    }

    const fn leave_out(&mut self) {
        self.n_rejected += 1;
        self.n_after_until += 1;
    }

    const fn has_faults(&self) -> bool {
        self.n_rejected > self.n_after_until
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
    ensure_readable(&arguments.events)?;
    let mut lines = Lines::default();
    let mut events = read_events(&arguments.events, &format, &mut lines)?.peekable();
    let durations = Arc::new(Mutex::new(Durations::default()));
    let start = match events.peek() {
        Some(Ok(placed)) => placed.event.occurred_at,
        // A run that cannot be read back is told by the replay.
        Some(Err(_)) | None => Timestamp::EPOCH,
    };
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
    let mut replay = Replay {
        partition: &mut partition,
        catalog: &catalog,
        files: &arguments.events,
        lines: &mut lines,
    };
    let last = replay.run(events, until)?;
    if lines.n_after_until > 0 {
        let n = lines.n_after_until;
        eprintln!(
            "journeyctl: {n} events occurred after --until and were left out (counted as rejected)"
        );
    }
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
    Ok(if lines.has_faults() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
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
    files: &[PathBuf],
    format: &LineFormat,
    lines: &mut Lines,
) -> anyhow::Result<SortedEvents> {
    let mut sorter = EventSorter::new(SORT_SIZE_BYTES_MAX);
    for (file_idx, file) in files.iter().enumerate() {
        read_file(file, format, |line, event| {
            lines.n_read += 1;
            match event {
                Ok(event) => sorter.push(PlacedEvent {
                    file_idx,
                    line,
                    event,
                })?,
                Err(bad) => lines.reject(&bad),
            }
            Ok(())
        })?;
    }
    sorter.finish()
}

/// The events on their way into the partition.
struct Replay<'a> {
    partition: &'a mut SoloPartition,
    catalog: &'a Catalog,
    files: &'a [PathBuf],
    lines: &'a mut Lines,
}

impl Replay<'_> {
    /// Gives the events in at their own time, up to and with `until`; returns the instant of the last.
    fn run(
        &mut self,
        events: impl Iterator<Item = anyhow::Result<PlacedEvent>>,
        until: Option<Timestamp>,
    ) -> anyhow::Result<Timestamp> {
        let mut last = self.partition.now();
        for placed in events {
            let placed = placed?;
            let at = placed.event.occurred_at;
            if until.is_some_and(|until| at > until) {
                self.lines.leave_out();
            } else if let Err((file_idx, line, reason)) = self.take(placed)? {
                self.lines.reject(&BadLine {
                    file: self.files[file_idx].clone(),
                    line,
                    reason,
                });
            } else {
                last = at;
            }
        }
        Ok(last)
    }

    /// Takes one event in, checked as a node checks it, or tells where it was read and why it is refused.
    fn take(&mut self, placed: PlacedEvent) -> anyhow::Result<Result<(), (usize, u64, String)>> {
        let PlacedEvent {
            file_idx,
            line,
            mut event,
        } = placed;
        let refused = |reason: String| Ok(Err((file_idx, line, reason)));
        let at = event.occurred_at;
        if let Err(fault) = event.validate(at) {
            return refused(fault.to_string());
        }
        if let Err(fault) = self.catalog.schemas.conform(&mut event) {
            return refused(fault.to_string());
        }
        let is_unmerged = event.other_identifier().is_some();
        self.partition.advance_to(at)?;
        match self.partition.ingest(event, IngestMode::Live)? {
            Answer::Done {
                reply: Reply::Duplicate,
                ..
            } => self.lines.n_duplicate += 1,
            Answer::Done { .. } => {
                self.lines.n_accepted += 1;
                self.lines.n_not_merged += u64::from(is_unmerged);
            }
            Answer::Rejected(rejection) => return refused(rejection.to_string()),
            Answer::Refused(refusal) => return refused(refusal.to_string()),
        }
        Ok(Ok(()))
    }
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
