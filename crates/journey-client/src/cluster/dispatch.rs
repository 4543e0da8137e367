//! Sends events to the leaders of their partitions, each until it has an answer that stands, in order per partition.
//!
//! ```text
//!   add ──► open (by partition, in order) ──► one request a node, of partitions that are not under way ──► answers
//!              ▲                                                                                            │
//!              └── failed for now: back to the front, after a pause, perhaps to another leader ◄────────────┤
//!                                                                                            stands: given out
//! ```
//!
//! A partition is under way at most once, so nothing overtakes what failed: what is behind it waits here. When an event
//! has failed for too long, it and all behind it in its partition are given out as failed, and what follows is refused
//! `RETRY_IN_ORDER` until its producer sends that event again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt as _};
use futures::stream::{FuturesUnordered, StreamExt as _};
use journey_proto::v1 as wire;
use prost::Message as _;
use tokio::time::{Duration, Instant, sleep_until};

use super::nodes::{Asked, Nodes, within};
use super::table::{PartitionNumber, Rule};
use crate::error::ClientError;
use crate::limits::{
    ATTEMPT_MAX, REQUEST_EVENTS_SIZE_BYTES_MAX, REQUESTS_AT_ONCE_MAX, RETRY_PAUSE_FIRST,
    RETRY_PAUSE_MAX,
};

/// Names an event among those of one dispatch.
pub(super) type EventNumber = u64;

/// How events are sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct DispatchOptions {
    pub(super) mode: wire::IngestMode,
    /// Events of one request.
    pub(super) n_events_max: usize,
    /// How long an event is sent again.
    pub(super) span: Duration,
}

/// Events on their way.
pub(super) struct Dispatch {
    nodes: Arc<Nodes>,
    rule: Option<Rule>,
    options: DispatchOptions,
    lines: BTreeMap<PartitionNumber, Line>,
    under_way: FuturesUnordered<BoxFuture<'static, Sent>>,
    n_events: usize,
    /// Where the next request begins to gather, so that no partition comes first for ever.
    first: PartitionNumber,
    done: Vec<(EventNumber, wire::EventResult)>,
}

/// The events of one partition.
#[derive(Default)]
struct Line {
    open: VecDeque<Open>,
    is_under_way: bool,
    not_before: Option<Instant>,
    pause: Option<Duration>,
    /// The event that was given up: it has to come again before anything else.
    broken_at: Option<EventName>,
}

/// What a producer knows an event by: workspace, both ids of the customer, source and id.
type EventName = [String; 5];

struct Open {
    number: EventNumber,
    event: wire::CustomerEvent,
    give_up_at: Instant,
    failed: Option<wire::EventResult>,
}

/// A request that has come back.
struct Sent {
    address: String,
    shares: Vec<(PartitionNumber, Vec<Open>)>,
    answered: Result<Vec<wire::EventResult>, ClientError>,
}

impl Dispatch {
    /// Reads the table where that is worth it, and begins with nothing on the way.
    pub(super) async fn begin(nodes: Arc<Nodes>, options: DispatchOptions) -> Self {
        if nodes.is_stale([]) {
            nodes.read_table().await;
        }
        let rule = nodes.rule();
        Self {
            nodes,
            rule,
            options,
            lines: BTreeMap::new(),
            under_way: FuturesUnordered::new(),
            n_events: 0,
            first: 0,
            done: Vec::new(),
        }
    }

    /// Takes an event on; it is sent by [`Dispatch::next`].
    pub(super) fn add(&mut self, number: EventNumber, event: wire::CustomerEvent) {
        let partition = self.rule.map_or(0, |rule| rule.partition_of(&event));
        let line = self.lines.entry(partition).or_default();
        if let Some(broken_at) = &line.broken_at {
            if *broken_at != name_of(&event) {
                self.done.push((number, in_order()));
                return;
            }
            line.broken_at = None;
        }
        line.open.push_back(Open {
            number,
            event,
            give_up_at: Instant::now() + self.options.span,
            failed: None,
        });
        self.n_events += 1;
    }

    /// Waits for events that are done; none when nothing is on its way.
    ///
    /// # Errors
    /// What no repeat can mend: the call itself does not fit.
    ///
    /// # Cancel safety
    /// Safe.
    pub(super) async fn next(
        &mut self,
    ) -> Result<Vec<(EventNumber, wire::EventResult)>, ClientError> {
        while self.done.is_empty() && self.n_events > 0 {
            let partitions = self.lines.iter().filter(|(_, line)| !line.open.is_empty());
            if self.rule.is_some()
                && self
                    .nodes
                    .is_stale(partitions.map(|(partition, _)| *partition))
            {
                self.nodes.read_table().await;
            }
            self.launch()?;
            let wake_at = self.next_start();
            tokio::select! {
                biased;
                Some(sent) = self.under_way.next(), if !self.under_way.is_empty() => self.take(sent)?,
                () = sleep_until(wake_at.unwrap_or_else(Instant::now)), if wake_at.is_some() => {}
            }
        }
        Ok(std::mem::take(&mut self.done))
    }

    /// When the first of the lines that pause goes on.
    fn next_start(&self) -> Option<Instant> {
        let lines = self.lines.values();
        let waiting = lines.filter(|line| !line.is_under_way && !line.open.is_empty());
        waiting.filter_map(|line| line.not_before).min()
    }

    /// Sends what may be sent now: for each node one request over all its partitions that are ready.
    fn launch(&mut self) -> Result<(), ClientError> {
        let now = Instant::now();
        let is_ready = |line: &Line| {
            !line.is_under_way
                && !line.open.is_empty()
                && line.not_before.is_none_or(|start| start <= now)
        };
        let ready = self.lines.iter().filter(|(_, line)| is_ready(line));
        let ready: BTreeSet<PartitionNumber> = ready.map(|(partition, _)| *partition).collect();
        let (before, after): (Vec<_>, Vec<_>) = ready.into_iter().partition(|p| *p < self.first);
        let mut by_leader: BTreeMap<Option<String>, Vec<PartitionNumber>> = BTreeMap::new();
        for partition in after.into_iter().chain(before) {
            let leader = self
                .nodes
                .leader_of(partition)
                .filter(|_| self.rule.is_some());
            by_leader.entry(leader).or_default().push(partition);
        }
        for (leader, partitions) in by_leader {
            let is_direct = leader.is_some();
            let asked = match leader {
                Some(leader) => self.nodes.at(&leader)?,
                // Nobody is known to lead: any node finds out.
                None => self.nodes.any()?,
            };
            // Several requests to one node only where there is enough for each.
            let n_open: usize = partitions
                .iter()
                .map(|partition| self.n_open(*partition))
                .sum();
            let n_requests = (n_open / self.options.n_events_max).clamp(1, REQUESTS_AT_ONCE_MAX);
            for part in partitions.chunks(partitions.len().div_ceil(n_requests)) {
                let shares = self.gather(part);
                let nodes = is_direct.then(|| Arc::clone(&self.nodes));
                let sent = send(asked.clone(), shares, self.options.mode, nodes);
                self.under_way.push(sent.boxed());
            }
        }
        Ok(())
    }

    fn n_open(&self, partition: PartitionNumber) -> usize {
        self.lines.get(&partition).map_or(0, |line| line.open.len())
    }

    /// Takes events of these partitions for one request, each its part.
    fn gather(&mut self, partitions: &[PartitionNumber]) -> Vec<(PartitionNumber, Vec<Open>)> {
        let mut shares = Vec::with_capacity(partitions.len());
        let n_events_max = self.options.n_events_max;
        let n_each = n_events_max.div_ceil(partitions.len().max(1));
        let (mut n_left, mut bytes_left) = (n_events_max, REQUEST_EVENTS_SIZE_BYTES_MAX);
        for partition in partitions {
            let Some(line) = self.lines.get_mut(partition) else {
                continue;
            };
            let mut share = Vec::new();
            while share.len() < n_each.min(n_left) {
                let Some(size_bytes) = line.open.front().map(|open| open.event.encoded_len())
                else {
                    break;
                };
                let is_first = shares.is_empty() && share.is_empty();
                if size_bytes > bytes_left && !is_first {
                    break;
                }
                bytes_left = bytes_left.saturating_sub(size_bytes);
                share.extend(line.open.pop_front());
            }
            if share.is_empty() {
                self.first = *partition;
                break;
            }
            n_left -= share.len();
            line.is_under_way = true;
            shares.push((*partition, share));
        }
        shares
    }

    /// Takes a request's answers in.
    fn take(&mut self, sent: Sent) -> Result<(), ClientError> {
        let Sent {
            address,
            shares,
            answered,
        } = sent;
        match answered {
            Ok(results) => {
                let mut results = results.into_iter();
                for (partition, share) in shares {
                    let answers = results.by_ref().take(share.len()).collect();
                    self.take_share(partition, share, answers, &address);
                }
                Ok(())
            }
            Err(error) if !error.is_retryable() => Err(error),
            Err(error) => {
                if !error.is_overload() {
                    self.nodes.suspect(&address);
                }
                let failed = error.as_result();
                for (partition, share) in shares {
                    let answers = vec![failed.clone(); share.len()];
                    self.take_share(partition, share, answers, &address);
                }
                Ok(())
            }
        }
    }

    fn take_share(
        &mut self,
        partition: PartitionNumber,
        share: Vec<Open>,
        answers: Vec<wire::EventResult>,
        address: &str,
    ) {
        let Some(line) = self.lines.get_mut(&partition) else {
            return;
        };
        line.is_under_way = false;
        let mut answers = answers.into_iter();
        let mut again = Vec::new();
        let mut advice = Duration::ZERO;
        for mut open in share {
            // Fewer answers than events: the rest has none.
            let result = answers.next().unwrap_or_else(in_order);
            if !result.retry {
                self.n_events -= 1;
                self.done.push((open.number, result));
                continue;
            }
            if result.reason == NOT_LEADER {
                self.nodes
                    .redirected(partition, address, &result.leader_address);
            }
            advice = advice.max(Duration::from_millis(u64::from(result.retry_after_ms)));
            open.failed = Some(result);
            again.push(open);
        }
        let Some(first) = again.first() else {
            (line.pause, line.not_before) = (None, None);
            return;
        };
        let now = Instant::now();
        if first.give_up_at <= now {
            line.broken_at = Some(name_of(&first.event));
            let given_up = again.into_iter().chain(line.open.drain(..));
            for open in given_up {
                self.n_events -= 1;
                let result = open.failed.unwrap_or_else(in_order);
                self.done.push((open.number, result));
            }
            return;
        }
        let pause = line
            .pause
            .map_or(RETRY_PAUSE_FIRST, |pause| (pause * 2).min(RETRY_PAUSE_MAX));
        line.pause = Some(pause);
        let is_redirect = first
            .failed
            .as_ref()
            .is_some_and(|failed| !failed.leader_address.is_empty());
        // A redirect is followed at once, the first time.
        let wait = if is_redirect && pause == RETRY_PAUSE_FIRST {
            Duration::ZERO
        } else {
            pause.max(advice)
        };
        line.not_before = Some((now + wait).min(first.give_up_at));
        for open in again.into_iter().rev() {
            line.open.push_front(open);
        }
    }
}

/// The reason of an answer that names the leader.
const NOT_LEADER: &str = "NOT_LEADER";

/// Sends one request; of a leader that was replaced meanwhile no answer is waited for.
async fn send(
    asked: Asked,
    shares: Vec<(PartitionNumber, Vec<Open>)>,
    mode: wire::IngestMode,
    directly: Option<Arc<Nodes>>,
) -> Sent {
    let events = shares.iter().flat_map(|(_, share)| share);
    let request = wire::IngestRequest {
        events: events.map(|open| open.event.clone()).collect(),
        mode: mode.into(),
    };
    let n_events = request.events.len();
    let call = asked.client.ingest_at(request, directly.is_some());
    let replaced = async {
        let Some(nodes) = directly else {
            return std::future::pending().await;
        };
        let partitions: Vec<PartitionNumber> = shares.iter().map(|share| share.0).collect();
        nodes.replaced(&asked.address, &partitions).await
    };
    let answered = tokio::select! {
        answered = within(ATTEMPT_MAX, call) => answered,
        within = replaced => Err(ClientError::NoAnswer { within }),
    };
    let answered = answered.and_then(|answered| {
        let is_whole = answered.results.len() == n_events;
        is_whole
            .then_some(answered.results)
            .ok_or(ClientError::StreamEnded)
    });
    Sent {
        address: asked.address,
        shares,
        answered,
    }
}

fn name_of(event: &wire::CustomerEvent) -> EventName {
    [
        event.workspace.clone(),
        event.customer_id.clone(),
        event.anonymous_id.clone(),
        event.source.clone(),
        event.id.clone(),
    ]
}

/// Behind an event that failed.
fn in_order() -> wire::EventResult {
    wire::EventResult {
        status: wire::event_result::Status::Rejected.into(),
        reason: "RETRY_IN_ORDER".to_owned(),
        message: "an earlier event of its partition failed; send that one again first".to_owned(),
        retry: true,
        ..Default::default()
    }
}
