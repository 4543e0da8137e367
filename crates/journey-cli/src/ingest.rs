//! `journeyctl ingest`: events from files to a node, with what became of each.

mod batches;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use journey_client::limits::RETRIES_SPAN_MAX;
use journey_client::wire::event_result::Status;
use journey_client::{Client, ClusterClient, EventSender, wire};
use serde_json::json;
use tokio::sync::mpsc;

use crate::arguments::IngestArguments;
use crate::event_files::{BadLine, LineFormat, ensure_readable, total_bytes};
use crate::output::Output;

use batches::{Read, ReadEvent, read_batches};

/// Batches read ahead of the connection.
const READ_AHEAD_MAX: usize = 16;
/// Faults printed; the rest is counted.
const FAULTS_PRINTED_MAX: u64 = 20;
#[derive(Debug, Default)]
struct Totals {
    n_accepted: u64,
    n_duplicate: u64,
    n_rejected: u64,
    /// Of the accepted: they say that two ids are one customer.
    n_not_merged: u64,
    reasons: BTreeMap<String, u64>,
}

impl Totals {
    const fn n_read(&self) -> u64 {
        self.n_accepted + self.n_duplicate + self.n_rejected
    }

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
    // Says at once when nobody is there.
    Client::connect(address).await?;
    let addresses = address.split(',').map(|address| address.trim().to_owned());
    let cluster = ClusterClient::new(addresses)?.with_events_per_request(arguments.batch as usize);
    let bar = progress_bar(total_bytes(&arguments.files), output.is_json());
    let mode = if arguments.history {
        wire::IngestMode::History
    } else {
        wire::IngestMode::Live
    };
    let started = started_now();
    let (read, batches) = mpsc::channel(READ_AHEAD_MAX);
    let (files, batch) = (arguments.files, arguments.batch as usize);
    let reader = tokio::task::spawn_blocking(move || read_batches(&files, &format, batch, &read));
    let (sender, mut answers) = cluster.events(mode);
    let sent = Arc::new(Mutex::new(BTreeMap::new()));
    let (bad, mut bad_lines) = mpsc::channel(READ_AHEAD_MAX);
    let sending = tokio::spawn(send_all(batches, sender, Arc::clone(&sent), bad));
    let mut totals = Totals::default();
    let mut is_sending = true;
    loop {
        tokio::select! {
            bad = bad_lines.recv(), if is_sending => match bad {
                Some(bad) => totals.reject(bad.code(), &bad.to_string()),
                None => is_sending = false,
            },
            answer = answers.next() => {
                let Some(answer) = answer? else { break };
                let event = take(&sent, answer.number);
                settle(&event, &answer.result, &mut totals)?;
                bar.inc(1);
            }
        }
    }
    while let Some(bad) = bad_lines.recv().await {
        totals.reject(bad.code(), &bad.to_string());
    }
    sending.await.context("the sender of the events failed")?;
    reader.await.context("the reader of the files failed")??;
    bar.finish_and_clear();
    report(&totals, started.elapsed(), *output)?;
    Ok(if totals.n_rejected == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Where each event without an answer was read.
type SentEvents = Arc<Mutex<BTreeMap<u64, ReadEvent>>>;

/// Sends what is read until its end, or until nobody takes it any more: then the answers say why.
async fn send_all(
    mut batches: mpsc::Receiver<Read>,
    mut sender: EventSender,
    sent: SentEvents,
    bad_lines: mpsc::Sender<BadLine>,
) {
    let mut number = 0;
    while let Some(read) = batches.recv().await {
        let events = match read {
            Read::Bad(bad) => {
                if bad_lines.send(bad).await.is_err() {
                    return;
                }
                continue;
            }
            Read::Batch(events) => events,
        };
        for read in events {
            number += 1;
            let event = read.event.clone();
            // Before it is sent: its answer may be quick.
            lock(&sent).insert(number, read);
            if sender.send(event).await.is_err() {
                return;
            }
        }
    }
}

fn lock(sent: &SentEvents) -> MutexGuard<'_, BTreeMap<u64, ReadEvent>> {
    sent.lock()
        .expect("nothing panics while it holds this lock")
}

fn take(sent: &SentEvents, number: u64) -> ReadEvent {
    let event = lock(sent).remove(&number);
    event.expect("each event is answered once, after it was sent")
}

#[expect(clippy::disallowed_methods, reason = "a rate for people")]
fn started_now() -> Instant {
    Instant::now()
}

/// Counts the answer to an event.
fn settle(
    event: &ReadEvent,
    result: &wire::EventResult,
    totals: &mut Totals,
) -> anyhow::Result<()> {
    match result.status() {
        Status::Accepted => {
            totals.n_accepted += 1;
            totals.n_not_merged += u64::from(result.reason == "not_merged_yet");
        }
        Status::Duplicate => totals.n_duplicate += 1,
        Status::Rejected | Status::Unspecified if result.retry => anyhow::bail!(
            "{}; it was sent again for {} s, and what is behind it waits for it; nothing is lost, run the command again",
            event.refused(result),
            RETRIES_SPAN_MAX.as_secs()
        ),
        Status::Rejected | Status::Unspecified => {
            totals.reject(&result.reason, &event.refused(result));
        }
    }
    Ok(())
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
            "read": totals.n_read(),
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
        totals.n_read(),
        totals.n_accepted,
        totals.n_duplicate,
        totals.n_rejected
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
