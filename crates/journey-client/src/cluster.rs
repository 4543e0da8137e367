//! A client of a cluster: knows who leads what and goes there, goes on elsewhere where a node fails, and sends again what
//! may be sent again.
//!
//! Events are safe to repeat: their ids make a repeat a `duplicate`. So each is sent until it has an answer that stands,
//! to its leader, or to whichever node answers, up to a bound; and the events of one customer stay in their order.
//!
//! ```text
//!   ClusterClient ─┬─ ingest, events ─► Dispatch ─► one request a leader ─┐
//!                  ├─ work ───────────► ClusterWorker ─► any node ────────┼─► Nodes (table, connections, suspects)
//!                  └─ client, leader ─────────────────────────────────────┘
//! ```

mod dispatch;
mod effects;
mod event_stream;
mod nodes;
mod table;

use std::future::Future;
use std::sync::Arc;

use journey_proto::v1 as wire;
use journey_wire::customer_of;
use tokio::time::{Duration, Instant, sleep};

use self::dispatch::{Dispatch, DispatchOptions};
pub use self::effects::ClusterWorker;
pub use self::event_stream::{EventAnswer, EventAnswers, EventSender};
use self::nodes::{Nodes, within};
use crate::client::Client;
use crate::error::ClientError;
use crate::limits::{
    ATTEMPT_MAX, CLUSTER_NODES_MAX, EVENTS_PER_BATCH_MAX, RETRIES_SPAN_MAX, RETRY_PAUSE_FIRST,
    RETRY_PAUSE_MAX,
};

/// A client of all nodes of a cluster. Cheap to clone: clones share connections and what is known of the nodes.
#[derive(Debug, Clone)]
pub struct ClusterClient {
    nodes: Arc<Nodes>,
    n_events_max: usize,
}

impl ClusterClient {
    /// A client of the cluster that the nodes at these addresses belong to: one is enough, the others are heard of.
    /// Connects when it is first needed.
    ///
    /// # Errors
    /// [`ClientError::Address`] where there is none.
    pub fn new(addresses: impl IntoIterator<Item = String>) -> Result<Self, ClientError> {
        let seeds: Vec<String> = addresses.into_iter().take(CLUSTER_NODES_MAX).collect();
        if seeds.is_empty() {
            let address = String::new();
            return Err(ClientError::Address { address });
        }
        Ok(Self {
            nodes: Arc::new(Nodes::new(seeds)),
            n_events_max: EVENTS_PER_BATCH_MAX,
        })
    }

    /// The same with at most so many events in one request, 1 to 1,000.
    #[must_use]
    pub fn with_events_per_request(mut self, n_events_max: usize) -> Self {
        self.n_events_max = n_events_max.clamp(1, EVENTS_PER_BATCH_MAX);
        self
    }

    const fn options(&self, mode: wire::IngestMode) -> DispatchOptions {
        DispatchOptions {
            mode,
            n_events_max: self.n_events_max,
            span: RETRIES_SPAN_MAX,
        }
    }

    /// A node that answers, connected.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] or [`ClientError::NoAnswer`] where nobody answers, after each was asked once.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn client(&self) -> Result<Client, ClientError> {
        let asked = self.nodes.any()?;
        if self.nodes.is_stale([]) {
            self.nodes.read_table().await;
        }
        let asked = self.nodes.any().unwrap_or(asked);
        Ok(asked.client)
    }

    /// The node that leads a customer's partition as far as is known, otherwise any: what is asked of it takes no hop.
    ///
    /// # Errors
    /// [`ClientError::Address`] where a node has told an address that is none.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn leader_of(
        &self,
        workspace: &str,
        customer_id: &str,
    ) -> Result<Client, ClientError> {
        if self.nodes.is_stale([]) {
            self.nodes.read_table().await;
        }
        let event = wire::CustomerEvent {
            workspace: workspace.to_owned(),
            customer_id: customer_id.to_owned(),
            ..Default::default()
        };
        let rule = self.nodes.rule();
        let customer = customer_of(&event).ok();
        let leader = rule.zip(customer).and_then(|(rule, customer)| {
            self.nodes.leader_of(rule.partition_of_customer(&customer))
        });
        let asked = match leader {
            Some(leader) => self.nodes.at(&leader)?,
            None => self.nodes.any()?,
        };
        Ok(asked.client)
    }

    /// Makes a call that is safe to repeat, at one node after another, until one answers it or half a minute is over: a
    /// read, or a write that carries ids of its own.
    ///
    /// # Errors
    /// What the last node said, or what no repeat can mend.
    ///
    /// # Cancel safety
    /// That of the call.
    pub async fn repeat<R, F>(&self, call: impl Fn(Client) -> F) -> Result<R, ClientError>
    where
        F: Future<Output = Result<R, ClientError>>,
    {
        let deadline = Instant::now() + RETRIES_SPAN_MAX;
        let mut pause = RETRY_PAUSE_FIRST;
        loop {
            let asked = self.nodes.any()?;
            let error = match within(ATTEMPT_MAX, call(asked.client)).await {
                Err(error) if error.is_retryable() => error,
                answered => return answered,
            };
            if !error.is_overload() {
                self.nodes.suspect(&asked.address);
            }
            let wait = error.retry_after().unwrap_or(Duration::ZERO).max(pause);
            if Instant::now() + wait >= deadline {
                return Err(error);
            }
            sleep(wait).await;
            pause = (pause * 2).min(RETRY_PAUSE_MAX);
        }
    }

    /// Sends events, each to the leader of its partition, and again with the same ids what failed for now, until each has
    /// an answer that stands or the time for it is up: then what failed last stays its result, with `retry` set. The
    /// results come in the order of the events; however many events there are, those of one customer stay in order.
    ///
    /// # Errors
    /// What no repeat can mend: an event that does not fit into a request, say. Others may have taken effect.
    ///
    /// # Cancel safety
    /// The events may have taken effect; send them again with the same ids.
    pub async fn ingest(
        &self,
        events: Vec<wire::CustomerEvent>,
        mode: wire::IngestMode,
    ) -> Result<Vec<wire::EventResult>, ClientError> {
        let nodes = Arc::clone(&self.nodes);
        let mut dispatch = Dispatch::begin(nodes, self.options(mode)).await;
        let mut results = vec![wire::EventResult::default(); events.len()];
        for (number, event) in (0..).zip(events) {
            dispatch.add(number, event);
        }
        loop {
            let done = dispatch.next().await?;
            if done.is_empty() {
                return Ok(results);
            }
            for (number, result) in done {
                let place = usize::try_from(number)
                    .ok()
                    .and_then(|at| results.get_mut(at));
                if let Some(place) = place {
                    *place = result;
                }
            }
        }
    }

    /// Opens a stream of events: they are batched on their way, go to the leaders of their partitions, and those of one
    /// customer take effect in the order of sending.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn events(&self, mode: wire::IngestMode) -> (EventSender, EventAnswers) {
        event_stream::open(Arc::clone(&self.nodes), self.options(mode))
    }

    /// Subscribes to effects, wherever the leaders are; connects when it is first read.
    #[must_use]
    pub fn work(&self, subscribe: wire::Subscribe) -> ClusterWorker {
        ClusterWorker::new(Arc::clone(&self.nodes), subscribe)
    }
}

#[cfg(test)]
mod tests;
