//! Looks at the run once a second: throughput, latencies, CPU, memory, disk, backlog, timers.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

use crate::ledger::Ledger;
use crate::limits::SAMPLES_MAX;
use crate::node::{ProcessFigures, Scrape, disk_bytes, own_cpu_seconds, scrape_all};
use crate::report::Latency;

/// The finest spacing of samples.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

/// One look. What is not known is absent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// Seconds since the phases began.
    pub(crate) at_s: f64,
    /// Index of the phase.
    pub(crate) phase: usize,
    pub(crate) events_per_second: f64,
    pub(crate) refused_per_second: f64,
    /// Of what was acknowledged in this interval.
    pub(crate) ack_latency_ms: Option<Latency>,
    /// Of the nodes together: 100 is one core.
    pub(crate) cpu_percent: Option<f64>,
    /// Of the harness.
    pub(crate) harness_cpu_percent: Option<f64>,
    pub(crate) resident_bytes: Option<u64>,
    pub(crate) disk_bytes: Option<u64>,
    /// Of it, the log, and rows of customers.
    #[serde(default)]
    pub(crate) log_bytes: Option<u64>,
    #[serde(default)]
    pub(crate) state_bytes: Option<u64>,
    /// Bytes that the nodes had the disk write since they started.
    #[serde(default)]
    pub(crate) written_bytes: Option<u64>,
    /// Bytes that the disk took in this interval for each acknowledged event.
    pub(crate) disk_bytes_per_event: Option<f64>,
    /// Commands that wait in mailboxes, and requests that wait at the door.
    pub(crate) backlog: Option<f64>,
    /// Of the timers that fired in this interval, 99 % were late by at most so much.
    pub(crate) timer_lateness_p99_ms: Option<f64>,
}

/// What a sampler looks at.
#[derive(Debug, Clone)]
pub(crate) struct Watched {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) process_ids: Arc<Mutex<Vec<u32>>>,
    pub(crate) phase: Arc<AtomicUsize>,
    pub(crate) https: Vec<String>,
    pub(crate) data_dirs: Vec<PathBuf>,
    /// How long the run may take, as far as it is known: it sets the interval.
    pub(crate) seconds: f64,
    /// Told after each look, for people.
    pub(crate) progress: crate::progress::Progress,
}

/// The running sampler.
#[derive(Debug)]
pub(crate) struct Sampler {
    samples: Arc<Mutex<Vec<Sample>>>,
    task: JoinHandle<()>,
}

/// What the last look saw.
#[derive(Default)]
struct Last {
    at_s: f64,
    process_ids: Vec<u32>,
    cpu_seconds: Option<f64>,
    harness_cpu_seconds: Option<f64>,
    disk_bytes: Option<u64>,
    scrape: Option<Scrape>,
}

impl Sampler {
    pub(crate) fn start(watched: Watched) -> Self {
        let samples = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn(sample(watched, Arc::clone(&samples)));
        Self { samples, task }
    }

    /// Ends it and gives what it saw.
    pub(crate) fn end(self) -> Vec<Sample> {
        self.task.abort();
        std::mem::take(&mut self.samples.lock())
    }
}

async fn sample(watched: Watched, samples: Arc<Mutex<Vec<Sample>>>) {
    let spacing = watched.seconds / SAMPLES_MAX as f64;
    let interval = SAMPLE_INTERVAL.max(Duration::from_secs_f64(spacing));
    let began = cluster::monotonic_now();
    let mut ticks = tokio::time::interval(interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut last = Last::default();
    // The first look is the start of the first interval.
    ticks.tick().await;
    watched.look(&mut last, 0.0).await;
    loop {
        ticks.tick().await;
        let sample = watched.look(&mut last, began.elapsed().as_secs_f64()).await;
        watched.progress.tell(&sample);
        let mut samples = samples.lock();
        if samples.len() < SAMPLES_MAX {
            samples.push(sample);
        }
    }
}

impl Watched {
    async fn look(&self, last: &mut Last, at_s: f64) -> Sample {
        let second = self.ledger.take_second();
        let seconds = (at_s - last.at_s).max(1e-3);
        let process_ids = self.process_ids.lock().clone();
        let processes = together(&process_ids);
        if process_ids != last.process_ids {
            last.cpu_seconds = None;
        }
        let percent = |now: Option<f64>, before: Option<f64>| {
            let used = now? - before?;
            Some(used / seconds * 100.0)
        };
        let cpu_seconds = processes.map(|processes| processes.cpu_seconds);
        let harness_cpu_seconds = own_cpu_seconds();
        let disk_bytes = self.disk_bytes().await;
        let n_accepted = second.n_accepted as f64;
        let grown = disk_bytes.zip(last.disk_bytes);
        let grown = grown.map(|(now, before)| now.saturating_sub(before) as f64);
        let now = if self.https.is_empty() {
            None
        } else {
            scrape_all(&self.https).await.ok()
        };
        let lateness = now.as_ref().zip(last.scrape.as_ref());
        let lateness = lateness.and_then(|(now, before)| {
            now.quantile_since(before, "journey_timer_lateness_seconds", 0.99)
        });
        let sample = Sample {
            at_s,
            phase: self.phase.load(Ordering::Relaxed),
            events_per_second: n_accepted / seconds,
            refused_per_second: second.n_refused as f64 / seconds,
            ack_latency_ms: (n_accepted > 0.0).then(|| Latency::of(&second.latency_us)),
            cpu_percent: percent(cpu_seconds, last.cpu_seconds),
            harness_cpu_percent: percent(harness_cpu_seconds, last.harness_cpu_seconds),
            resident_bytes: processes.map(|processes| processes.resident_bytes),
            disk_bytes,
            log_bytes: now.as_ref().and_then(|now| now.tree_bytes("log")),
            state_bytes: now.as_ref().and_then(|now| now.tree_bytes("state")),
            written_bytes: processes.map(|processes| processes.written_bytes),
            disk_bytes_per_event: grown.filter(|_| n_accepted > 0.0).map(|n| n / n_accepted),
            backlog: now.as_ref().map(backlog),
            timer_lateness_p99_ms: lateness.map(|seconds| seconds * 1e3),
        };
        *last = Last {
            at_s,
            process_ids,
            cpu_seconds,
            harness_cpu_seconds,
            disk_bytes,
            scrape: now,
        };
        sample
    }

    /// Walks the data folder on a thread where waiting is no harm.
    async fn disk_bytes(&self) -> Option<u64> {
        if self.data_dirs.is_empty() {
            return None;
        }
        let data_dirs = self.data_dirs.clone();
        let walk = move || data_dirs.iter().map(|dir| disk_bytes(dir)).sum();
        tokio::task::spawn_blocking(walk).await.ok()
    }
}

/// Figures of several processes added up; `None` where one does not tell.
fn together(ids: &[u32]) -> Option<ProcessFigures> {
    let all = ids.iter().map(|id| ProcessFigures::of(*id));
    all.reduce(|sum, one| {
        let (sum, one) = (sum?, one?);
        Some(ProcessFigures {
            cpu_seconds: sum.cpu_seconds + one.cpu_seconds,
            resident_bytes: sum.resident_bytes + one.resident_bytes,
            written_bytes: sum.written_bytes + one.written_bytes,
        })
    })
    .flatten()
}

fn backlog(scrape: &Scrape) -> f64 {
    let of = |name| scrape.value(name).unwrap_or(0.0);
    of("journey_mailbox_commands") + of("journey_inflight")
}
