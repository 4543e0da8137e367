//! `journeyctl ingest`: events from files to a node, with what became of each.

mod batches;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use journey_client::wire::event_result::Status;
use journey_client::{Client, ClientError, IngestSession, wire};
use serde_json::json;
use tokio::sync::mpsc;

use crate::arguments::IngestArguments;
use crate::event_files::{LineFormat, ensure_readable, total_bytes};
use crate::output::Output;

use batches::{Read, ReadEvent, read_batches};

/// Batches unanswered at once.
const IN_FLIGHT_MAX: usize = 8;
/// Batches read ahead of the connection.
const READ_AHEAD_MAX: usize = 16;
/// Faults printed; the rest is counted.
const FAULTS_PRINTED_MAX: u64 = 20;
/// Times one batch is sent again while the node asks for it.
const RETRIES_MAX: u32 = 30;
/// Pause before a batch is sent again.
const RETRY_PAUSE: Duration = Duration::from_millis(200);

#[derive(Debug, Default)]
struct Totals {
    n_read: u64,
    n_accepted: u64,
    n_duplicate: u64,
    n_rejected: u64,
    /// Of the accepted: they say that two ids are one customer.
    n_not_merged: u64,
    reasons: BTreeMap<String, u64>,
}

impl Totals {
    fn reject(&mut self, reason: &str, what: &str) {
        self.n_rejected += 1;
        if self.n_rejected <= FAULTS_PRINTED_MAX {
            eprintln!("journeyctl: {what}");
        } else if self.n_rejected == FAULTS_PRINTED_MAX + 1 {
            eprintln!("journeyctl: more faults are counted, not printed");
        }
        *self.reasons.entry(reason.to_owned()).or_insert(0) += 1;
    }
}

pub(crate) async fn run(
    arguments: IngestArguments,
    address: &str,
    workspace: &str,
    output: &Output,
) -> anyhow::Result<ExitCode> {
    let format = LineFormat::new(arguments.map.as_deref(), workspace)?;
    ensure_readable(&arguments.files)?;
    let client = Client::connect(address).await?;
    let bar = progress_bar(total_bytes(&arguments.files), output.is_json());
    let mode = if arguments.history {
        wire::IngestMode::History
    } else {
        wire::IngestMode::Live
    };
    let started = started_now();
    let (read, mut batches) = mpsc::channel(READ_AHEAD_MAX);
    let (files, batch) = (arguments.files, arguments.batch as usize);
    let reader = tokio::task::spawn_blocking(move || read_batches(&files, &format, batch, &read));

    let mut totals = Totals::default();
    let mut session = client.ingest_stream().await?;
    let mut in_flight = std::collections::VecDeque::new();
    let mut is_reading = true;
    while is_reading || !in_flight.is_empty() {
        if is_reading && in_flight.len() < IN_FLIGHT_MAX {
            match batches.recv().await {
                None => is_reading = false,
                Some(Read::Bad(bad)) => {
                    totals.n_read += 1;
                    totals.reject(bad.code(), &bad.to_string());
                }
                Some(Read::Batch(events)) => {
                    totals.n_read += events.len() as u64;
                    session.send(wire_events(&events), mode).await?;
                    in_flight.push_back(events);
                }
            }
            continue;
        }
        if let Some(sent) = in_flight.pop_front() {
            let results = session.next_ack().await?.results;
            let again = settle(&sent, &results, &mut totals);
            bar.inc(sent.len() as u64);
            if !again.is_empty() {
                // In order: what is in flight behind these events is answered first, then they are sent again alone.
                drain(
                    &mut session,
                    &mut in_flight,
                    &mut totals,
                    again,
                    (&client, mode),
                )
                .await?;
            }
        }
    }
    reader.await.context("the reader of the files failed")??;
    bar.finish_and_clear();
    report(&totals, started.elapsed(), *output)?;
    Ok(if totals.n_rejected == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

#[expect(clippy::disallowed_methods, reason = "a rate for people")]
fn started_now() -> Instant {
    Instant::now()
}

fn wire_events(events: &[ReadEvent]) -> Vec<wire::CustomerEvent> {
    events.iter().map(|read| read.event.clone()).collect()
}

/// Counts the answers of a batch and returns the events that may be sent again, in order.
fn settle(
    sent: &[ReadEvent],
    results: &[wire::EventResult],
    totals: &mut Totals,
) -> Vec<ReadEvent> {
    let mut again = Vec::new();
    for (event, result) in sent.iter().zip(results) {
        match result.status() {
            Status::Accepted => {
                totals.n_accepted += 1;
                totals.n_not_merged += u64::from(result.reason == "not_merged_yet");
            }
            Status::Duplicate => totals.n_duplicate += 1,
            Status::Rejected | Status::Unspecified if result.retry => again.push(event.clone()),
            Status::Rejected | Status::Unspecified => {
                totals.reject(&result.reason, &event.refused(result));
            }
        }
    }
    again
}

/// Waits for everything in flight, then sends what the node asked for again until it is taken.
async fn drain(
    session: &mut IngestSession,
    in_flight: &mut std::collections::VecDeque<Vec<ReadEvent>>,
    totals: &mut Totals,
    mut again: Vec<ReadEvent>,
    (client, mode): (&Client, wire::IngestMode),
) -> anyhow::Result<()> {
    while let Some(sent) = in_flight.pop_front() {
        let results = session.next_ack().await?.results;
        again.extend(settle(&sent, &results, totals));
    }
    for _ in 0..RETRIES_MAX {
        tokio::time::sleep(RETRY_PAUSE).await;
        let mut left = Vec::new();
        for events in again.chunks(journey_client::limits::EVENTS_PER_BATCH_MAX) {
            let request = wire::IngestRequest {
                events: wire_events(events),
                mode: mode.into(),
            };
            match client.ingest(request).await {
                Ok(response) => {
                    left.extend(settle(events, &response.results, totals));
                }
                Err(error) if error.is_retryable() => left.extend(events.iter().cloned()),
                Err(error) => return Err(error.into()),
            }
        }
        if left.is_empty() {
            // A fresh stream: the old one keeps refusing what came after the failure.
            *session = client.ingest_stream().await?;
            return Ok(());
        }
        again = left;
    }
    Err(ClientError::StreamEnded).with_context(|| {
        format!(
            "{} events were refused {RETRIES_MAX} times; nothing is lost, run the command again",
            again.len()
        )
    })
}

fn progress_bar(total_bytes: u64, is_json: bool) -> ProgressBar {
    if is_json || total_bytes == 0 {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {pos} events  {per_sec}  {elapsed}")
        .unwrap_or_else(|_| ProgressStyle::default_spinner());
    ProgressBar::new_spinner().with_style(style)
}

fn report(totals: &Totals, elapsed: Duration, output: Output) -> anyhow::Result<()> {
    let n_answered = totals.n_accepted + totals.n_duplicate;
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let events_per_second = n_answered as f64 / elapsed.as_secs_f64().max(0.001);
    if output.is_json() {
        return output.json(&json!({
            "read": totals.n_read,
            "accepted": totals.n_accepted,
            "duplicate": totals.n_duplicate,
            "rejected": totals.n_rejected,
            "rejected_by_reason": totals.reasons,
            "accepted_not_merged_yet": totals.n_not_merged,
            "seconds": elapsed.as_secs_f64(),
            "events_per_second": events_per_second,
        }));
    }
    output.text(&format!(
        "{} lines read: {} accepted, {} duplicate, {} rejected; {events_per_second:.0} events/s",
        totals.n_read, totals.n_accepted, totals.n_duplicate, totals.n_rejected
    ))?;
    if totals.n_not_merged > 0 {
        let n = totals.n_not_merged;
        output.text(&format!(
            "  {n} accepted, not merged yet (they name two ids of one customer)"
        ))?;
    }
    for (reason, count) in &totals.reasons {
        output.text(&format!("  {count} {reason}"))?;
    }
    Ok(())
}
