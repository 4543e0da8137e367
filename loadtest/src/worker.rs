//! The harness's own worker: takes every effect, tells each by its id, settles it, and counts.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use hdrhistogram::Histogram;
use journey_client::wire::outcome::Result as Outcome;
use journey_client::wire::outcome_result::Status;
use journey_client::{Client, WorkerMessage, WorkerSession, wire};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::ledger::{histogram, micros};
use crate::limits::{EFFECTS_MAX, OUTCOMES_MAX};
use crate::nodes::NodesUnderTest;
use crate::scenario::WorkerSettings;
use crate::traffic::Run;

/// Pause before a worker whose stream ended subscribes again.
const AGAIN_PAUSE: Duration = Duration::from_millis(100);

/// What the worker saw.
#[derive(Debug)]
pub(crate) struct Effects {
    inner: Mutex<Seen>,
}

/// The counts.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    /// Hashes of the ids seen; the ids themselves would take ten times as much.
    ids: HashSet<u128>,
    /// Distinct effects by content.
    pub(crate) by_content: BTreeMap<String, u64>,
    /// Hand-overs of effects that had been handed over before.
    pub(crate) n_again: u64,
    /// Outcomes that the node recorded.
    pub(crate) n_recorded: u64,
    /// Outcomes that the node had already.
    pub(crate) n_settled: u64,
    /// Outcomes that it refused.
    pub(crate) n_refused: u64,
    /// From the time the event was to be sent until its effect is at the worker.
    pub(crate) latency_us: Histogram<u64>,
}

impl Effects {
    fn new() -> Self {
        let seen = Seen {
            ids: HashSet::new(),
            by_content: BTreeMap::new(),
            n_again: 0,
            n_recorded: 0,
            n_settled: 0,
            n_refused: 0,
            latency_us: histogram(3),
        };
        Self {
            inner: Mutex::new(seen),
        }
    }

    /// Counts without the ids.
    pub(crate) fn seen(&self) -> Seen {
        let inner = self.inner.lock();
        Seen {
            ids: HashSet::new(),
            by_content: inner.by_content.clone(),
            latency_us: inner.latency_us.clone(),
            ..*inner
        }
    }

    fn take(&self, effect: &wire::Effect, run: &Run) -> anyhow::Result<()> {
        let mut seen = self.inner.lock();
        if !seen.ids.insert(hash(&effect.effect_id)) {
            seen.n_again += 1;
            return Ok(());
        }
        anyhow::ensure!(
            seen.ids.len() <= EFFECTS_MAX,
            "more than {EFFECTS_MAX} effects: run for a shorter time"
        );
        let content = if effect.content.is_empty() {
            &effect.step
        } else {
            &effect.content
        };
        *seen.by_content.entry(content.clone()).or_default() += 1;
        // A body that is a number is the microsecond at which the event behind it was to be sent.
        let body = effect.rendered.get("body");
        let sent_us = body.and_then(|body| body.parse().ok());
        if let Some(sent_us) = sent_us.filter(|sent_us| run.times_effect_of(*sent_us)) {
            let now_us = run.micros(cluster::monotonic_now());
            let latency = Duration::from_micros(now_us.saturating_sub(sent_us));
            seen.latency_us.saturating_record(micros(latency));
        }
        Ok(())
    }

    fn results(&self, results: &[wire::OutcomeResult]) {
        let mut seen = self.inner.lock();
        for result in results {
            match result.status() {
                Status::Recorded => seen.n_recorded += 1,
                Status::Settled => seen.n_settled += 1,
                Status::Rejected | Status::Unspecified => seen.n_refused += 1,
            }
        }
    }
}

fn hash(id: &str) -> u128 {
    xxhash_rust::xxh3::xxh3_128(id.as_bytes())
}

/// The running worker.
#[derive(Debug)]
pub(crate) struct Worker {
    effects: Arc<Effects>,
    stop: watch::Sender<bool>,
    streams: Vec<JoinHandle<anyhow::Result<()>>>,
}

impl Worker {
    /// Subscribes to every channel of messages.
    pub(crate) async fn start(
        nodes: &NodesUnderTest,
        settings: &WorkerSettings,
        run: &Arc<Run>,
    ) -> anyhow::Result<Self> {
        let effects = Arc::new(Effects::new());
        let (stop, stopped) = watch::channel(false);
        let mut streams = Vec::new();
        for number in 0..settings.streams {
            let stream = Stream {
                client: Client::connect(nodes.address_of(number)).await?,
                subscribe: wire::Subscribe {
                    worker: format!("loadtest-{number}"),
                    credit: settings.credit,
                    ..Default::default()
                },
                run: Arc::clone(run),
                effects: Arc::clone(&effects),
            };
            streams.push(tokio::spawn(stream.run(stopped.clone())));
        }
        Ok(Self {
            effects,
            stop,
            streams,
        })
    }

    pub(crate) fn seen(&self) -> Seen {
        self.effects.seen()
    }

    /// Ends the streams.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.stop.send_replace(true);
        for stream in self.streams {
            stream.await??;
        }
        Ok(())
    }
}

struct Stream {
    client: Client,
    subscribe: wire::Subscribe,
    run: Arc<Run>,
    effects: Arc<Effects>,
}

impl Stream {
    /// Works until it is told to stop; subscribes again when the node went away, as any worker does.
    async fn run(self, mut stopped: watch::Receiver<bool>) -> anyhow::Result<()> {
        loop {
            let session = self.client.work(self.subscribe.clone()).await;
            if let Ok(mut session) = session {
                tokio::select! {
                    biased;
                    stopping = stopped.wait_for(|stop| *stop) => return Ok(stopping.map(|_| ())?),
                    worked = self.work(&mut session) => worked?,
                }
            }
            tokio::select! {
                biased;
                stopping = stopped.wait_for(|stop| *stop) => return Ok(stopping.map(|_| ())?),
                () = tokio::time::sleep(AGAIN_PAUSE) => {}
            }
        }
    }

    /// Takes and settles until the stream ends.
    async fn work(&self, session: &mut WorkerSession) -> anyhow::Result<()> {
        let mut outcomes = Vec::new();
        loop {
            let message = match session.next().now_or_never() {
                Some(message) => message,
                // Nothing more at hand: what was taken is settled before the next wait.
                None => {
                    if !outcomes.is_empty()
                        && session.settle(std::mem::take(&mut outcomes)).await.is_err()
                    {
                        return Ok(());
                    }
                    session.next().await
                }
            };
            match message {
                Ok(WorkerMessage::Effect(effect)) => {
                    self.effects.take(&effect, &self.run)?;
                    outcomes.push(wire::Outcome {
                        effect_id: effect.effect_id,
                        attempt: effect.attempt,
                        result: Outcome::Delivered.into(),
                        ..Default::default()
                    });
                }
                Ok(WorkerMessage::Results(results)) => self.effects.results(&results),
                Err(_) => return Ok(()),
            }
            if outcomes.len() >= OUTCOMES_MAX
                && session.settle(std::mem::take(&mut outcomes)).await.is_err()
            {
                return Ok(());
            }
        }
    }
}
