//! Runs the phases of a scenario, one after the other, and says what each took.

mod restart;
mod storm;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use journey_client::Client;
use parking_lot::Mutex;

use crate::drive::{Connection, ConnectionSettings, Source};
use crate::ledger::{Ledger, Window};
use crate::limits::START_MAX;
use crate::nodes::NodesUnderTest;
use crate::scenario::{Extent, PhaseKind, Rate, Scenario};
use crate::schedule::{LoopKind, Segment};
use crate::traffic::{Maker, Run};

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
    pub(crate) nodes: &'a mut NodesUnderTest,
    /// The processes that are sampled; others after a restart.
    pub(crate) process_ids: Arc<Mutex<Vec<u32>>>,
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
        nodes: &'a mut NodesUnderTest,
    ) -> anyhow::Result<Self> {
        let traffic = &scenario.traffic;
        let mut connections = Vec::new();
        for number in 0..traffic.connections {
            connections.push(Connection {
                client: Client::connect(nodes.address_of(number)).await?,
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
            process_ids: Arc::new(Mutex::new(nodes.ids())),
            nodes,
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
