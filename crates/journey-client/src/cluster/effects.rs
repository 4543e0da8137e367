//! A worker that goes on: at another node where one fails, with outcomes sent again until they have a result.

use std::collections::BTreeMap;
use std::sync::Arc;

use journey_proto::v1 as wire;
use tokio::time::{Duration, Instant, sleep};

use super::nodes::{Nodes, within};
use crate::error::ClientError;
use crate::limits::{ATTEMPT_MAX, OUTCOMES_PER_MESSAGE_MAX, RETRY_PAUSE_FIRST, RETRY_PAUSE_MAX};
use crate::worker::{WorkerMessage, WorkerSession};

/// One attempt of one effect.
type AttemptName = (String, u32);

/// A worker's stream over whichever node can be reached. It sees the effects of all partitions, wherever their leaders
/// are, and survives the loss of the node that it is connected to: what was in flight comes again, with the same effect
/// id and a later attempt.
#[derive(Debug)]
pub struct ClusterWorker {
    nodes: Arc<Nodes>,
    subscribe: wire::Subscribe,
    session: Option<(String, WorkerSession)>,
    /// Outcomes without a result, each until when it is worth sending.
    unsettled: BTreeMap<AttemptName, wire::Outcome>,
    /// When outcomes that were refused for now are sent again.
    settle_again_at: Option<Instant>,
    pause: Duration,
    n_too_late: u64,
    n_sessions: u64,
}

impl ClusterWorker {
    pub(super) const fn new(nodes: Arc<Nodes>, subscribe: wire::Subscribe) -> Self {
        Self {
            nodes,
            subscribe,
            session: None,
            unsettled: BTreeMap::new(),
            settle_again_at: None,
            pause: RETRY_PAUSE_FIRST,
            n_too_late: 0,
            n_sessions: 0,
        }
    }

    /// Subscribes, over as many connections as it takes, unless it has; [`ClusterWorker::next`] does so by itself. Answers
    /// which partitions had no leader then: nothing comes from them until they have one.
    ///
    /// # Errors
    /// As [`ClusterWorker::next`].
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn subscribed(&mut self) -> Result<&[u32], ClientError> {
        while self.session.is_none() {
            self.open().await?;
        }
        let session = self.session.as_ref();
        Ok(session.map_or(&[], |(_, session)| session.partitions_without_leader()))
    }

    /// Waits for the next message, over as many connections as it takes. A result with `retry` is not given out: its
    /// outcome is sent again.
    ///
    /// # Errors
    /// What no other node can mend: a subscription that is refused.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn next(&mut self) -> Result<WorkerMessage, ClientError> {
        loop {
            let Some((address, session)) = &mut self.session else {
                self.open().await?;
                continue;
            };
            let again_at = self.settle_again_at;
            let message = tokio::select! {
                biased;
                message = session.next() => message,
                () = tokio::time::sleep_until(again_at.unwrap_or_else(Instant::now)), if again_at.is_some() => {
                    self.settle_again().await;
                    continue;
                }
            };
            match message {
                Ok(WorkerMessage::Effect(effect)) => {
                    self.pause = RETRY_PAUSE_FIRST;
                    return Ok(WorkerMessage::Effect(effect));
                }
                Ok(WorkerMessage::Results(results)) => {
                    let final_ones = self.settled(results);
                    if !final_ones.is_empty() {
                        return Ok(WorkerMessage::Results(final_ones));
                    }
                }
                Err(error) if error.is_retryable() => {
                    let address = address.clone();
                    self.leave(&address);
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Sends outcomes, at most 1,000 at a time. Their results come with [`ClusterWorker::next`], once they stand; until
    /// then they are sent again, over whichever node.
    ///
    /// # Cancel safety
    /// Not safe: the outcomes may or may not have been sent.
    pub async fn settle(&mut self, outcomes: Vec<wire::Outcome>) {
        for outcome in &outcomes {
            let name = (outcome.effect_id.clone(), outcome.attempt);
            self.unsettled.insert(name, outcome.clone());
        }
        if let Some((address, session)) = &self.session
            && session.settle(outcomes).await.is_err()
        {
            let address = address.clone();
            self.leave(&address);
        }
    }

    /// Asks whether a hand-over still stands, for a worker that must be sure before it acts.
    ///
    /// # Errors
    /// What the last node said.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn confirm(
        &self,
        effect: &wire::Effect,
    ) -> Result<wire::ConfirmResponse, ClientError> {
        let request = wire::ConfirmRequest {
            effect_id: effect.effect_id.clone(),
            attempt: effect.attempt,
        };
        let asked = self.nodes.any()?;
        within(ATTEMPT_MAX, asked.client.confirm(request)).await
    }

    /// The node that it is connected to.
    #[must_use]
    pub fn address(&self) -> Option<&str> {
        self.session.as_ref().map(|(address, _)| address.as_str())
    }

    /// How many connections it has taken so far.
    #[must_use]
    pub const fn n_sessions(&self) -> u64 {
        self.n_sessions
    }

    /// Effects that came too late to be acted on, and were given back.
    #[must_use]
    pub fn n_too_late(&self) -> u64 {
        let now = self
            .session
            .as_ref()
            .map_or(0, |(_, session)| session.n_too_late());
        self.n_too_late + now
    }

    async fn open(&mut self) -> Result<(), ClientError> {
        let asked = self.nodes.any()?;
        let opened = within(ATTEMPT_MAX, asked.client.work(self.subscribe.clone())).await;
        match opened {
            Ok(session) => {
                self.n_sessions += 1;
                self.session = Some((asked.address, session));
                self.settle_again().await;
                Ok(())
            }
            Err(error) if error.is_retryable() => {
                self.nodes.suspect(&asked.address);
                sleep(self.pause).await;
                self.pause = (self.pause * 2).min(RETRY_PAUSE_MAX);
                // Nodes that joined since are known by the table.
                if self.nodes.is_stale([]) {
                    self.nodes.read_table().await;
                }
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    fn leave(&mut self, address: &str) {
        self.nodes.suspect(address);
        if let Some((_, session)) = self.session.take() {
            self.n_too_late += session.n_too_late();
        }
    }

    /// Sends everything without a result once more.
    async fn settle_again(&mut self) {
        self.settle_again_at = None;
        let all: Vec<wire::Outcome> = self.unsettled.values().cloned().collect();
        for part in all.chunks(OUTCOMES_PER_MESSAGE_MAX) {
            let Some((address, session)) = &self.session else {
                return;
            };
            if session.settle(part.to_vec()).await.is_err() {
                let address = address.clone();
                self.leave(&address);
            }
        }
    }

    /// Keeps what is to be sent again, and returns what stands.
    fn settled(&mut self, results: Vec<wire::OutcomeResult>) -> Vec<wire::OutcomeResult> {
        let (again, stand): (Vec<_>, Vec<_>) = results.into_iter().partition(|result| result.retry);
        if !again.is_empty() && self.settle_again_at.is_none() {
            self.settle_again_at = Some(Instant::now() + RETRY_PAUSE_MAX);
        }
        for result in &stand {
            let name = (result.effect_id.clone(), result.attempt);
            self.unsettled.remove(&name);
        }
        stand
    }
}
