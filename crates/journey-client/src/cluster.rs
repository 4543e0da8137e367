//! A client of a cluster: goes on at another node where one fails, and sends again what may be sent again.
//!
//! Events are safe to repeat: their ids make a repeat a `duplicate`. So a batch is sent until each of its events has an
//! answer that stands, at this node or the next, up to a bound.

use std::time::Duration;

use journey_proto::v1 as wire;
use tonic_types::StatusExt as _;

use crate::client::Client;
use crate::error::ClientError;
use crate::limits::{CLUSTER_NODES_MAX, RETRIES_SPAN_MAX, RETRY_PAUSE_FIRST, RETRY_PAUSE_MAX};

/// The nodes of a cluster that this client knows, one of which it talks to.
#[derive(Debug)]
pub struct ClusterClient {
    addresses: Vec<String>,
    at: usize,
    client: Option<Client>,
}

impl ClusterClient {
    /// A client of the nodes at these addresses; connects when it is first needed.
    ///
    /// # Errors
    /// [`ClientError::Address`] where there is none.
    pub fn new(addresses: impl IntoIterator<Item = String>) -> Result<Self, ClientError> {
        let addresses: Vec<String> = addresses.into_iter().take(CLUSTER_NODES_MAX).collect();
        if addresses.is_empty() {
            let address = String::new();
            return Err(ClientError::Address { address });
        }
        Ok(Self {
            addresses,
            at: 0,
            client: None,
        })
    }

    /// The node that it talks to now, connected.
    ///
    /// # Errors
    /// [`ClientError::Unreachable`] where nobody answers there; the next call tries another node.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn client(&mut self) -> Result<Client, ClientError> {
        if let Some(client) = &self.client {
            return Ok(client.clone());
        }
        match Client::connect(&self.addresses[self.at]).await {
            Ok(client) => {
                self.client = Some(client.clone());
                Ok(client)
            }
            Err(error) => {
                self.leave(None);
                Err(error)
            }
        }
    }

    /// Sends a batch, and again with the same ids what failed for now, until each event has an answer that stands or the
    /// time for it is up: then what failed last stays its result.
    ///
    /// # Errors
    /// What the last node said of the whole call, where no answer came at all in that time, or what no repeat can mend.
    ///
    /// # Cancel safety
    /// The events may have taken effect; send them again with the same ids.
    pub async fn ingest(
        &mut self,
        events: Vec<wire::CustomerEvent>,
        mode: wire::IngestMode,
    ) -> Result<Vec<wire::EventResult>, ClientError> {
        let deadline = tokio::time::Instant::now() + RETRIES_SPAN_MAX;
        let mut results: Vec<Option<wire::EventResult>> = vec![None; events.len()];
        let mut pause = RETRY_PAUSE_FIRST;
        loop {
            let open: Vec<usize> = (0..events.len())
                .filter(|at| results[*at].as_ref().is_none_or(|result| result.retry))
                .collect();
            if open.is_empty() {
                return Ok(results.into_iter().flatten().collect());
            }
            let request = wire::IngestRequest {
                events: open.iter().map(|at| events[*at].clone()).collect(),
                mode: mode.into(),
            };
            let failure = match self.try_ingest(request).await {
                Ok(answered) => {
                    for (at, result) in open.into_iter().zip(answered) {
                        results[at] = Some(result);
                    }
                    None
                }
                Err(error) if !error.is_retryable() => return Err(error),
                Err(error) => Some(error),
            };
            if tokio::time::Instant::now() + pause >= deadline {
                let is_whole = results.iter().all(Option::is_some);
                return match failure {
                    Some(error) if !is_whole => Err(error),
                    Some(_) | None => Ok(results.into_iter().flatten().collect()),
                };
            }
            let is_open = results
                .iter()
                .any(|result| result.as_ref().is_none_or(|result| result.retry));
            if is_open {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(RETRY_PAUSE_MAX);
            }
        }
    }

    async fn try_ingest(
        &mut self,
        request: wire::IngestRequest,
    ) -> Result<Vec<wire::EventResult>, ClientError> {
        let client = self.client().await?;
        let answered = tokio::time::timeout(ATTEMPT_MAX, client.ingest(request)).await;
        match answered {
            Ok(Ok(answered)) => Ok(answered.results),
            Ok(Err(error)) => {
                if error.is_retryable() {
                    self.leave(hint_of(&error));
                }
                Err(error)
            }
            Err(_) => {
                self.leave(None);
                Err(ClientError::StreamEnded)
            }
        }
    }

    /// Goes on at the node that was named, or at the next one.
    fn leave(&mut self, named: Option<String>) {
        self.client = None;
        let known = named.map(|named| {
            let known = self
                .addresses
                .iter()
                .position(|known| known.contains(&named));
            known.unwrap_or_else(|| {
                if self.addresses.len() < CLUSTER_NODES_MAX {
                    self.addresses.push(named);
                }
                self.addresses.len() - 1
            })
        });
        self.at = known.unwrap_or((self.at + 1) % self.addresses.len());
    }
}

/// How long one attempt may take: above what a node waits for another one.
const ATTEMPT_MAX: Duration = Duration::from_secs(12);

/// The leader's address that a refusal names.
fn hint_of(error: &ClientError) -> Option<String> {
    let ClientError::Refused { status } = error else {
        return None;
    };
    let info = status.get_details_error_info()?;
    info.metadata.get("leader_address").cloned()
}
