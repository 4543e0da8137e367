//! Runs the phases of a scenario, one after the other, and says what each took.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use journey_client::{Client, wire};

use crate::drive::{Connection, ConnectionSettings, Source};
use crate::ledger::{Answered, Ledger, Window};
use crate::limits::{FIRST_ACK_MAX, START_MAX};
use crate::node::NodeUnderTest;
use crate::scenario::{Ending, Extent, PhaseKind, Rate, Scenario};
use crate::schedule::{LoopKind, Segment};
use crate::traffic::{Maker, Run};

/// Pause between two tries of a first event after a restart.
const TRY_PAUSE: Duration = Duration::from_millis(2);
/// Pause between two looks at a storm.
const STORM_LOOK_PAUSE: Duration = Duration::from_millis(100);
/// How long a storm may stand still before the run fails.
const STORM_STILL_MAX: Duration = Duration::from_secs(60);

/// What a phase took.
#[derive(Debug, Clone, Default)]
pub(crate) struct PhaseSpan {
    pub(crate) seconds: f64,
    /// Events per second that were to be sent, in an open loop.
    pub(crate) offered_per_second: Option<f64>,
    /// From the start of a process to its first acknowledgement.
    pub(crate) first_ack: Option<Duration>,
    /// How long the node took to end.
    pub(crate) ending: Option<Duration>,
    /// Timers that fired in a storm.
    pub(crate) n_fired: Option<u64>,
}

/// Everything the phases work with.
pub(crate) struct Stage<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) run: Arc<Run>,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) node: &'a mut NodeUnderTest,
    /// The process that is sampled; another one after a restart.
    pub(crate) process_id: Arc<AtomicU32>,
    /// The phase that runs, for the samples.
    pub(crate) phase: Arc<AtomicUsize>,
    /// Journeys whose timers a storm waits for.
    pub(crate) journeys: Vec<String>,
    /// Timers of theirs that had fired before the run.
    pub(crate) n_fired_before: u64,
    connections: Vec<Connection>,
    n_started: Arc<AtomicU32>,
    spans: Vec<PhaseSpan>,
}

impl<'a> Stage<'a> {
    /// Connects.
    pub(crate) async fn open(
        scenario: &'a Scenario,
        run: Arc<Run>,
        ledger: Arc<Ledger>,
        node: &'a mut NodeUnderTest,
    ) -> anyhow::Result<Self> {
        let traffic = &scenario.traffic;
        let mut connections = Vec::new();
        for number in 0..traffic.connections {
            connections.push(Connection {
                client: Client::connect(node.address()).await?,
                run: Arc::clone(&run),
                ledger: Arc::clone(&ledger),
                maker: Maker::new(Arc::clone(&run), scenario, number),
                number,
                settings: ConnectionSettings {
                    form: traffic.form,
                    n_connections: traffic.connections,
                    batch: traffic.batch,
                    in_flight: traffic.in_flight,
                    gives_up: traffic.refusals_allowed,
                },
            });
        }
        Ok(Self {
            scenario,
            run,
            ledger,
            process_id: Arc::new(AtomicU32::new(node.id().unwrap_or(0))),
            node,
            phase: Arc::new(AtomicUsize::new(0)),
            journeys: Vec::new(),
            n_fired_before: 0,
            connections,
            n_started: Arc::new(AtomicU32::new(0)),
            spans: vec![PhaseSpan::default(); scenario.phases.len()],
        })
    }

    /// Runs every phase.
    pub(crate) async fn play(mut self) -> anyhow::Result<Vec<PhaseSpan>> {
        let mut idx = 0;
        while idx < self.scenario.phases.len() {
            self.phase.store(idx, Ordering::Relaxed);
            let phase = &self.scenario.phases[idx];
            let n_phases = match &phase.kind {
                PhaseKind::Start { share } => self.start(idx, *share).await.map(|()| 1),
                PhaseKind::Closed {
                    extent: Extent::Events(n),
                } => self.closed_events(idx, *n).await.map(|()| 1),
                PhaseKind::Closed { .. } => self.closed(idx).await,
                PhaseKind::Open { .. } => self.open_loop(idx).await,
                PhaseKind::Restart { how } => self.restart(idx, *how).await.map(|()| 1),
                PhaseKind::Storm => self.storm(idx).await.map(|()| 1),
            };
            idx += n_phases.with_context(|| format!("phase {}", phase.name))?;
        }
        Ok(self.spans)
    }

    /// Sends the start events of customers up to that share of all.
    async fn start(&mut self, idx: usize, share: f64) -> anyhow::Result<()> {
        let to = share_of(self.scenario.customers.count, share);
        let source = Source::Start {
            next: Arc::clone(&self.n_started),
            to,
        };
        self.counted(idx, None, source).await?;
        // Connections may have reached beyond the end.
        self.n_started.fetch_min(to, Ordering::Relaxed);
        Ok(())
    }

    async fn closed_events(&mut self, idx: usize, n_events: u64) -> anyhow::Result<()> {
        let n_left = Some(AtomicU64::new(n_events));
        self.counted(idx, n_left, Source::Traffic).await
    }

    /// A closed loop that ends when its events are used up.
    async fn counted(
        &mut self,
        idx: usize,
        n_left: Option<AtomicU64>,
        source: Source,
    ) -> anyhow::Result<()> {
        let from = cluster::monotonic_now();
        let window = Window {
            phase: idx,
            from,
            to: from + START_MAX,
        };
        let segment = Segment {
            loop_kind: LoopKind::Closed,
            windows: vec![window],
            n_left,
        };
        self.drive(segment, source).await?;
        self.spans[idx].seconds = from.elapsed().as_secs_f64();
        Ok(())
    }

    /// Closed phases from here on that are bounded by time, as one segment.
    async fn closed(&mut self, first: usize) -> anyhow::Result<usize> {
        let mut windows = Vec::new();
        let mut from = cluster::monotonic_now();
        for (idx, phase) in self.scenario.phases.iter().enumerate().skip(first) {
            let PhaseKind::Closed {
                extent: Extent::Seconds(seconds),
            } = phase.kind
            else {
                break;
            };
            let to = from + Duration::from_secs(u64::from(seconds));
            windows.push(Window {
                phase: idx,
                from,
                to,
            });
            self.spans[idx].seconds = f64::from(seconds);
            from = to;
        }
        let n_phases = windows.len();
        let segment = Segment {
            loop_kind: LoopKind::Closed,
            windows,
            n_left: None,
        };
        self.drive(segment, Source::Traffic).await?;
        Ok(n_phases)
    }

    /// Open phases from here on, as one segment: what one leaves behind weighs on the next.
    async fn open_loop(&mut self, first: usize) -> anyhow::Result<usize> {
        let maximum = self.maximum();
        let (mut windows, mut rates) = (Vec::new(), Vec::new());
        let mut from = cluster::monotonic_now();
        for (idx, phase) in self.scenario.phases.iter().enumerate().skip(first) {
            let PhaseKind::Open { seconds, rate } = phase.kind else {
                break;
            };
            if phase.is_measured {
                self.run.time_effects_from(from);
            }
            let rate = match rate {
                Rate::PerSecond(rate) => rate,
                Rate::OfMaximum(share) => share * maximum.context("no maximum was measured")?,
            };
            let to = from + Duration::from_secs(u64::from(seconds));
            windows.push(Window {
                phase: idx,
                from,
                to,
            });
            rates.push(rate);
            self.spans[idx].seconds = f64::from(seconds);
            self.spans[idx].offered_per_second = Some(rate);
            from = to;
        }
        let n_phases = windows.len();
        let segment = Segment {
            loop_kind: LoopKind::Open(rates),
            windows,
            n_left: None,
        };
        self.drive(segment, Source::Traffic).await?;
        Ok(n_phases)
    }

    /// Events per second of the first measured closed phase.
    fn maximum(&self) -> Option<f64> {
        let is_it = |phase: &crate::scenario::Phase| {
            phase.is_measured && matches!(phase.kind, PhaseKind::Closed { .. })
        };
        let idx = self.scenario.phases.iter().position(is_it)?;
        let seconds = self.spans[idx].seconds;
        (seconds > 0.0).then(|| self.ledger.n_in_time(idx) as f64 / seconds)
    }

    async fn drive(&mut self, segment: Segment, source: Source) -> anyhow::Result<()> {
        let windows = segment.windows.clone();
        let telling = tokio::spawn(tell_phase(Arc::clone(&self.phase), windows));
        let segment = Arc::new(segment);
        let connections = std::mem::take(&mut self.connections).into_iter();
        let tasks: Vec<_> = connections
            .map(|connection| tokio::spawn(connection.drive(Arc::clone(&segment), source.clone())))
            .collect();
        for task in tasks {
            self.connections.push(task.await??);
        }
        telling.abort();
        Ok(())
    }

    /// Ends the node, starts it again, and waits for the first acknowledgement.
    async fn restart(&mut self, idx: usize, how: Ending) -> anyhow::Result<()> {
        let began = cluster::monotonic_now();
        tokio::task::block_in_place(|| self.node.end(how))?;
        let ended = cluster::monotonic_now();
        tokio::task::block_in_place(|| self.node.start_again())?;
        self.process_id
            .store(self.node.id().unwrap_or(0), Ordering::Relaxed);
        let deadline = ended + FIRST_ACK_MAX;
        let client = loop {
            match Client::connect(self.node.address()).await {
                Ok(client) => break client,
                Err(error) if cluster::monotonic_now() > deadline => return Err(error.into()),
                Err(_) => tokio::time::sleep(TRY_PAUSE).await,
            }
        };
        self.first_ack(&client, deadline).await?;
        for connection in &mut self.connections {
            connection.client = Client::connect(self.node.address()).await?;
        }
        let now = cluster::monotonic_now();
        let span = &mut self.spans[idx];
        span.seconds = now.duration_since(began).as_secs_f64();
        span.first_ack = Some(now.duration_since(ended));
        span.ending = Some(ended.duration_since(began));
        Ok(())
    }

    /// Sends one event until it is acknowledged.
    async fn first_ack(&mut self, client: &Client, deadline: Instant) -> anyhow::Result<()> {
        let at = cluster::monotonic_now();
        let connection = self.connections.first_mut().context("no connection")?;
        let mut events = connection.maker.batch(1, self.run.micros(at));
        // Only customers that have started have something to move.
        let n_started = self.n_started.load(Ordering::Relaxed);
        for event in &mut events {
            event.customer %= n_started.max(1);
        }
        self.ledger.sent(&events);
        while !events.is_empty() {
            let request = wire::IngestRequest {
                events: events.iter().map(|event| self.run.wire_of(event)).collect(),
                mode: 0,
            };
            match client.ingest(request).await {
                Ok(response) => {
                    let now = cluster::monotonic_now();
                    let answered = Answered {
                        events: &events,
                        results: &response.results,
                        latency: now.duration_since(at),
                        phase: None,
                        answered_in: None,
                    };
                    events = self.ledger.answered(&answered);
                }
                Err(error) => {
                    let is_late = cluster::monotonic_now() > deadline;
                    anyhow::ensure!(!is_late && error.is_retryable(), "no first answer: {error}");
                    // It may have taken effect.
                    events
                        .iter_mut()
                        .for_each(|event| event.is_uncertain = true);
                }
            }
            tokio::time::sleep(TRY_PAUSE).await;
        }
        Ok(())
    }

    /// Waits until the timers of all started customers have fired.
    async fn storm(&mut self, idx: usize) -> anyhow::Result<()> {
        use journey_partition::Clock as _;
        let client = Client::connect(self.node.address()).await?;
        let n_timers = u64::from(self.n_started.load(Ordering::Relaxed));
        let wait = self.run.due.since(cluster::SystemClock.now());
        let wait = Duration::from_millis(u64::try_from(wait.ms()).unwrap_or(0));
        let due = cluster::monotonic_now() + wait;
        let n_before = self.n_fired(&client).await?;
        let (mut n_fired, mut moved) = (n_before, due);
        while n_fired < n_timers {
            let now = cluster::monotonic_now();
            anyhow::ensure!(
                now.saturating_duration_since(moved) < STORM_STILL_MAX,
                "{n_fired} of {n_timers} timers fired, then none for {} s",
                STORM_STILL_MAX.as_secs()
            );
            tokio::time::sleep(STORM_LOOK_PAUSE).await;
            let n_now = self.n_fired(&client).await?;
            if n_now > n_fired {
                (n_fired, moved) = (n_now, cluster::monotonic_now());
            }
        }
        let span = &mut self.spans[idx];
        span.seconds = moved.saturating_duration_since(due).as_secs_f64();
        span.n_fired = Some(n_fired - n_before);
        Ok(())
    }

    async fn n_fired(&self, client: &Client) -> anyhow::Result<u64> {
        let mut n_fired = 0;
        for id in &self.journeys {
            let counts = crate::figures::counts_of(client, id).await?;
            n_fired += counts.timers_fired;
        }
        Ok(n_fired.saturating_sub(self.n_fired_before))
    }
}

fn share_of(count: u32, share: f64) -> u32 {
    let share = (f64::from(count) * share)
        .ceil()
        .clamp(0.0, f64::from(count));
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it lies between 0 and a u32"
    )]
    let n = share as u32;
    n
}

/// Says which phase runs, as time passes.
async fn tell_phase(phase: Arc<AtomicUsize>, windows: Vec<Window>) {
    for window in windows {
        tokio::time::sleep_until(tokio::time::Instant::from_std(window.from)).await;
        phase.store(window.phase, Ordering::Relaxed);
    }
}
