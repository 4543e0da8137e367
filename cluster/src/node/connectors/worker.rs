//! The loop of one connector: credit out, hand-overs in, attempts under way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use journey_delivery::{
    AttemptClass, BreakerOptions, BreakerState, Flow, FlowOptions, Health, Webhook,
};
use journey_partition::{Destinations, HandOver, Subscription, WorkerCredit};
use journey_server::{Node, NodeSubscription, Unsent};
use journey_types::{InvalidId, WorkspaceId};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::attempt::{Ended, carry_out};
use super::status::SharedStatus;
use super::{DRAIN_MAX, destinations, span};
use crate::clock::monotonic_now;
use crate::config::ConnectorConfig;

/// From the end of a request until its outcome must be applied: the hand-over may take 2 s, the rest is for a busy
/// partition. A claim holds for the request's timeout and this.
const SETTLE_SPAN_MS: u64 = 5_000;
/// After so long without any sign, credit that lies neither here nor there is taken for lost with a partition's actor
/// that failed.
const CREDIT_LOST_AFTER: Duration = Duration::from_secs(60);

/// One connector at work.
pub(super) struct ConnectorWorker {
    name: String,
    node: Arc<Node>,
    webhook: Arc<Webhook>,
    /// None once the worker winds up.
    subscription: Option<NodeSubscription>,
    credit: WorkerCredit,
    flow: Flow,
    started: Instant,
    status: SharedStatus,
    was_open: bool,
    /// When something last arrived or ended.
    last_sign: Instant,
}

impl ConnectorWorker {
    /// Subscribes at every partition, without credit yet.
    pub(super) fn subscribe(
        (name, config): (&str, &ConnectorConfig),
        webhook: Webhook,
        node: &Arc<Node>,
        status: SharedStatus,
    ) -> Result<(Self, mpsc::Receiver<HandOver>), InvalidId> {
        let workspace = WorkspaceId::new(&config.workspace)?;
        let destinations = Destinations::only(destinations(name, config)?);
        let flow = Flow::new(FlowOptions {
            concurrency: config.concurrency,
            rate: config.rate.map(crate::config::ConnectorRate::get),
            breaker: BreakerOptions {
                failures: config.breaker.failures,
                window: config.breaker.window.duration(),
                open_for: config.breaker.open_for.duration(),
            },
        });
        let credit = WorkerCredit::new();
        // Room for all credit, and for as much again that was taken for lost and turns up.
        let n_room = usize::try_from(config.concurrency).unwrap_or(1).max(1) * 2;
        let (sender, hand_overs) = mpsc::channel(n_room);
        let subscription = Subscription {
            worker: node.next_worker_id(),
            workspace,
            name: format!("webhook:{name}"),
            destinations,
            credit: credit.clone(),
            claim_span: span(config.timeout.get() + SETTLE_SPAN_MS),
        };
        let subscription = NodeSubscription::open(node.hosted(), subscription, sender);
        let worker = Self {
            name: name.to_owned(),
            node: Arc::clone(node),
            webhook: Arc::new(webhook),
            subscription: Some(subscription),
            credit,
            flow,
            started: monotonic_now(),
            status,
            was_open: false,
            last_sign: monotonic_now(),
        };
        Ok((worker, hand_overs))
    }

    /// Works until told to stop.
    pub(super) async fn run(
        mut self,
        mut hand_overs: mpsc::Receiver<HandOver>,
        stop: CancellationToken,
    ) {
        let mut attempts = JoinSet::new();
        loop {
            self.adjust_credit();
            let look = self.next_look();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                // Ends first: they free what the next hand-over takes.
                Some(ended) = attempts.join_next() => {
                    self.ended(ended);
                    while let Some(ended) = attempts.try_join_next() {
                        self.ended(ended);
                    }
                }
                hand_over = hand_overs.recv() => match hand_over {
                    Some(hand_over) => self.begin(hand_over, &mut attempts),
                    None => break,
                },
                () = follow(&mut self.subscription) => {}
                () = sleep_until(look) => self.find_lost_credit(),
            }
        }
        self.wind_up(attempts).await;
    }

    fn begin(&mut self, hand_over: HandOver, attempts: &mut JoinSet<Ended>) {
        let now = self.now();
        self.last_sign = monotonic_now();
        self.flow.begun(now);
        if monotonic_now() > hand_over.hand_over_by {
            drop(Unsent::of_hand_over(&self.node, &hand_over));
            self.flow.ended(now, Health::Unknown);
            self.status.update(|status| status.n_late += 1);
            return;
        }
        let (node, webhook) = (Arc::clone(&self.node), Arc::clone(&self.webhook));
        attempts.spawn(carry_out(node, webhook, hand_over));
    }

    fn ended(&mut self, ended: Result<Ended, JoinError>) {
        let now = self.now();
        self.last_sign = monotonic_now();
        let ended = match ended {
            Ok(ended) => ended,
            Err(error) => {
                tracing::error!(connector = self.name, %error, "a delivery panicked");
                self.flow.ended(now, Health::Unknown);
                return;
            }
        };
        self.flow.ended(now, ended.class.health());
        self.status.update(|status| {
            *status.n_attempts.entry(ended.class).or_default() += 1;
            status.n_unsettled += u64::from(!ended.is_settled);
        });
        self.note_breaker(now, ended.class);
    }

    /// Says once that the endpoint is left alone, and once that it works again.
    fn note_breaker(&mut self, now: Duration, class: AttemptClass) {
        match (self.flow.breaker(now), self.was_open) {
            (BreakerState::Open, false) => {
                self.was_open = true;
                let name = &self.name;
                tracing::warn!(
                    connector = name,
                    class = class.name(),
                    "breaker opened, effects wait in their outboxes"
                );
            }
            (BreakerState::Closed, true) => {
                self.was_open = false;
                tracing::info!(connector = self.name, "breaker closed");
            }
            (BreakerState::Open | BreakerState::HalfOpen, _) | (BreakerState::Closed, false) => {}
        }
    }

    /// Lays as much credit out as the flow allows now, and takes back what is too much.
    fn adjust_credit(&mut self) {
        let now = self.now();
        let target = self.flow.target(now);
        if target < self.flow.n_with_partitions() {
            self.flow.withdrawn(self.credit.withdraw());
        }
        let n_more = target.saturating_sub(self.flow.n_with_partitions());
        if n_more > 0 {
            self.flow.granted(n_more);
            self.credit.add(n_more);
            if let Some(subscription) = &self.subscription {
                subscription.credit_added();
            }
        }
        let flow = &self.flow;
        self.status.update(|status| {
            status.n_in_flight = flow.n_in_flight();
            status.n_credit = flow.n_with_partitions();
            status.breaker = flow.breaker(now);
            status.n_breaker_opened = flow.n_breaker_opened();
        });
    }

    /// When the credit may change by time alone.
    fn next_look(&mut self) -> Instant {
        let now = self.now();
        let next = self.flow.next_look(now);
        let next = next.map_or(CREDIT_LOST_AFTER, |next| next.saturating_sub(now));
        monotonic_now() + next.min(CREDIT_LOST_AFTER)
    }

    /// After a long silence: credit that is with no partition any more is given anew.
    fn find_lost_credit(&mut self) {
        let n_on_their_way = self
            .flow
            .n_with_partitions()
            .saturating_sub(self.credit.left());
        let silence = monotonic_now().saturating_duration_since(self.last_sign);
        let is_silent = silence >= CREDIT_LOST_AFTER;
        if is_silent && n_on_their_way > 0 && self.flow.n_in_flight() == 0 {
            let name = &self.name;
            tracing::warn!(
                connector = name,
                n_on_their_way,
                "credit was lost and is given anew"
            );
            self.flow.withdrawn(n_on_their_way);
        }
    }

    /// Takes no more, lets what is under way end, up to a bound.
    async fn wind_up(mut self, mut attempts: JoinSet<Ended>) {
        self.flow.withdrawn(self.credit.withdraw());
        drop(self.subscription.take());
        let drained = async {
            while let Some(ended) = attempts.join_next().await {
                self.ended(ended);
            }
        };
        if tokio::time::timeout(DRAIN_MAX, drained).await.is_err() {
            attempts.shutdown().await;
        }
    }

    fn now(&self) -> Duration {
        monotonic_now().saturating_duration_since(self.started)
    }
}

async fn follow(subscription: &mut Option<NodeSubscription>) {
    match subscription {
        Some(subscription) => subscription.follow().await,
        None => std::future::pending().await,
    }
}

async fn sleep_until(instant: Instant) {
    tokio::time::sleep_until(instant.into()).await;
}
