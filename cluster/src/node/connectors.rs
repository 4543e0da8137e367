//! The connectors of a node: one in-process worker each, which takes effects as a worker stream does.
//!
//! Nothing bypasses claims: a connector subscribes at every partition, gets hand-overs of applied claims, and settles
//! each by a command. What it may not send now, by rate or breaker, it gives no credit for: the effect stays in its
//! outbox.
//!
//! ```text
//!   Flow ─ credit ─► partitions ─ HandOver ─► ConnectorWorker ─► attempt: deliver, settle ─► Ended ─► Flow
//! ```

mod attempt;
mod parcel;
mod status;
mod worker;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use journey_delivery::Webhook;
use journey_model::Surroundings;
use journey_partition::{DeliverySettings, RetryBudget};
use journey_server::Node;
use journey_types::{Channel, ConnectorId, Destination, InvalidId, TimeSpan};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub use self::status::ConnectorStatus;

use self::status::SharedStatus;
use self::worker::ConnectorWorker;
use crate::config::{Config, ConnectorConfig, ConnectorConfigs, RetryConfig};
use crate::node::error::NodeError;

/// How long deliveries under way may go on after a stop was asked for; then they are cut, and their effects come again
/// with the same ids.
const DRAIN_MAX: Duration = Duration::from_secs(2);

/// Reads the figures of every connector.
pub(crate) type ConnectorReader = Box<dyn Fn() -> Vec<ConnectorStatus> + Send + Sync>;

/// The running connectors.
#[derive(Debug)]
pub(crate) struct Connectors {
    running: Vec<(SharedStatus, JoinHandle<()>)>,
    stop: CancellationToken,
}

impl Connectors {
    /// Starts a worker for each connector.
    pub(crate) fn start(configs: &ConnectorConfigs, node: &Arc<Node>) -> Result<Self, NodeError> {
        for (connector, journeys) in node.missing_connectors() {
            tracing::warn!(
                %connector,
                ?journeys,
                "published journeys call a connector that is not configured: their calls wait"
            );
        }
        let stop = CancellationToken::new();
        let mut running = Vec::new();
        for (name, config) in configs {
            let unusable = |reason: String| NodeError::Connector {
                name: name.clone(),
                reason,
            };
            let options = config
                .webhook_options()
                .map_err(|unread| unusable(unread.join("; ")))?;
            let webhook = Webhook::new(options).map_err(|error| unusable(error.to_string()))?;
            let status = SharedStatus::new(name);
            let (worker, hand_overs) =
                ConnectorWorker::subscribe((name, config), webhook, node, status.clone())
                    .map_err(|error| unusable(error.to_string()))?;
            tracing::info!(connector = name, channels = ?config.channels, "connector started");
            let task = node.tasks().spawn(worker.run(hand_overs, stop.clone()));
            running.push((status, task));
        }
        Ok(Self { running, stop })
    }

    /// Figures of each connector, by name.
    pub(crate) fn status(&self) -> Vec<ConnectorStatus> {
        self.running
            .iter()
            .map(|(status, _)| status.read())
            .collect()
    }

    /// Reads the same at any time.
    pub(crate) fn reader(&self) -> ConnectorReader {
        let statuses: Vec<SharedStatus> = self
            .running
            .iter()
            .map(|(status, _)| status.clone())
            .collect();
        Box::new(move || statuses.iter().map(SharedStatus::read).collect())
    }

    /// Takes no more effects, lets those under way end, up to a bound.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        for (status, task) in self.running {
            if let Err(error) = task.await {
                tracing::error!(connector = status.read().name, %error, "connector failed");
            }
        }
    }
}

/// Where the effects of a connector are bound for: the calls that name it, and its channels.
fn destinations(name: &str, config: &ConnectorConfig) -> Result<Vec<Destination>, InvalidId> {
    let mut destinations = vec![Destination::Connector(ConnectorId::new(name)?)];
    for channel in &config.channels {
        destinations.push(Destination::Channel(Channel::new(channel)?));
    }
    Ok(destinations)
}

/// What journeys may name: a `call` to a connector that this node does not have is refused when it is published.
pub(crate) fn surroundings(configs: &ConnectorConfigs) -> Result<Surroundings, NodeError> {
    let mut connectors = BTreeSet::new();
    for name in configs.keys() {
        let connector = ConnectorId::new(name).map_err(|error| NodeError::Connector {
            name: name.clone(),
            reason: error.to_string(),
        })?;
        connectors.insert(connector);
    }
    Ok(Surroundings {
        connectors: Some(connectors),
    })
}

/// The retry budgets of channels and connectors, for the partitions; a connector's own counts for what it delivers.
pub(crate) fn delivery_settings(config: &Config) -> Result<DeliverySettings, NodeError> {
    let mut by_destination = BTreeMap::new();
    for (name, channel) in &config.channels {
        let destination = name.parse().map_err(|error| NodeError::Connector {
            name: name.clone(),
            reason: format!("it names no channel: {error}"),
        })?;
        by_destination.insert(destination, budget(channel.retry));
    }
    for (name, config) in &config.connectors {
        let budget = budget(config.retry);
        let destinations = destinations(name, config).map_err(|error| NodeError::Connector {
            name: name.clone(),
            reason: error.to_string(),
        })?;
        by_destination.extend(destinations.into_iter().map(|to| (to, budget)));
    }
    Ok(DeliverySettings {
        by_destination,
        ..DeliverySettings::default()
    })
}

fn budget(retry: RetryConfig) -> RetryBudget {
    RetryBudget {
        attempts_max: retry.attempts_max,
        pause_first: span(retry.pause_first.get()),
        pause_max: span(retry.pause_max.get()),
    }
}

fn span(ms: u64) -> TimeSpan {
    TimeSpan::from_ms(i64::try_from(ms).unwrap_or(i64::MAX))
}
