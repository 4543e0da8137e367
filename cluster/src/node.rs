//! The composition of one node: storage, consensus, partitions, server, and the order in which they start and stop.
//!
//! ```text
//!   DataFolder ─ log ──► LogStorage ─► Consensus ─┬─ group 0 ─► MetadataHandle ─► catalog
//!       └────── state ─► Replica per partition ◄──┴─ group p ◄─ PartitionSupervisor
//!                              ▲ checkpoints, purges              ▲ gRPC
//! ```

mod api;
#[cfg(test)]
mod bed;
mod cluster_clock;
mod connectors;
mod directory;
mod disk;
mod error;
mod exposition;
mod health;
mod http;
mod journal;
mod local_partitions;
mod machine;
mod member_calls;
mod members;
mod membership;
mod metrics;
mod observer;
mod parts;
mod probe;
mod progress;
mod reconciler;
mod routes;
mod state_hashes;
mod steward;
mod survey_source;
mod upkeep;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use journey_consensus::Consensus;
use journey_partition::{Clock as _, PartitionHandle};
use journey_server::{
    IngestLimits, Node, NodeParts, Routes, WorkspaceRates, bind, follow_documents,
};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

pub use self::connectors::ConnectorStatus;
pub use self::error::NodeError;

use crate::clock::SystemClock;
use crate::config::Config;
use crate::node::api::Api;
use crate::node::connectors::Connectors;
use crate::node::health::{Health, Phase};
use crate::node::local_partitions::LocalPartitions;
use crate::node::observer::{Observer, UpkeepPulse, Watched};
use crate::node::parts::{Foundation, Listening};
use crate::node::upkeep::{Kept, UpkeepWatch};
use crate::seams::Seams;

/// How long streams may go on after a stop was asked for; then they are cut. What was acknowledged is durable.
const DRAIN_MAX: Duration = Duration::from_secs(2);
/// Timers due that are counted for the figures of one partition.
const TIMERS_COUNTED_MAX: usize = 10_000;

/// A running node.
#[derive(Debug)]
pub struct RunningNode {
    address: SocketAddr,
    partitions: Arc<LocalPartitions>,
    consensus: Arc<Consensus>,
    connectors: Connectors,
    upkeep: JoinHandle<()>,
    api: Api,
    failure: watch::Receiver<Option<Arc<NodeError>>>,
    tasks: TaskTracker,
    health: Arc<Health>,
    observer: Observer,
}

/// Figures of a node at a glance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeStats {
    /// Customers ever heard of.
    pub n_customers: u64,
    /// Customers whose earliest timer is due and has not fired.
    pub n_timers_due: usize,
}

impl RunningNode {
    /// Starts a node and returns when it serves.
    ///
    /// # Errors
    /// [`NodeError`] naming what could not start: the data folder, the address, a group.
    ///
    /// # Cancel safety
    /// Not safe: parts of the node may go on until the process ends.
    pub async fn start(config: &Config) -> Result<Self, NodeError> {
        Self::start_with(config, &Seams::default()).await
    }

    /// [`Self::start`] with what a test puts between the parts.
    ///
    /// # Errors
    /// As [`Self::start`].
    ///
    /// # Cancel safety
    /// As [`Self::start`].
    pub async fn start_with(config: &Config, seams: &Seams) -> Result<Self, NodeError> {
        // The address first: a port in use is found before anything is written.
        let listener = bind(config.listen).await?;
        let address = listener.local_addr().map_err(NodeError::LocalAddress)?;
        let listening = Listening::beside(address, config)?;
        let (failed, failure) = watch::channel(None);
        let health = Arc::new(Health::new(failure.clone()));
        let observer = Observer::spawn(config, Arc::clone(&health))?;
        let tasks = TaskTracker::new();
        let foundation = Foundation::lay(config, listening, Arc::clone(&health), seams).await?;
        let decide = seams.decide.unwrap_or(journey_customer::decide);
        let partitions = LocalPartitions::new(config, &foundation, (&tasks, &failed), decide)?;
        let partitions = Arc::new(partitions);
        let known = Arc::downgrade(&partitions);
        foundation.own_side.partitions.get_or_init(|| known);
        open_partitions(&partitions, &foundation, &failure).await?;
        reconciler::spawn(&tasks, &partitions, &foundation);
        let node = compose(config, &foundation, &partitions, &tasks)?;
        tasks.spawn(follow_documents(Arc::clone(&node)));
        steward::spawn(config, &foundation.metadata, foundation.node);
        let (clock, metadata) = (&foundation.clock, &foundation.metadata);
        cluster_clock::follow(&tasks, clock, metadata, foundation.node);
        let connectors = Connectors::start(&config.connectors, &node)?;
        let pulse = Arc::new(UpkeepPulse::default());
        let upkeep_watch = UpkeepWatch {
            pulse: Arc::clone(&pulse),
            health: Arc::clone(&health),
        };
        let metadata = foundation.metadata.group().clone();
        let kept = Kept::new(&partitions, &metadata);
        let upkeep = upkeep::spawn(config, kept, failed.clone(), upkeep_watch);
        observer.watch(Watched {
            node: Arc::clone(&node),
            partitions: Arc::clone(&partitions),
            metadata,
            log: foundation.log.clone(),
            proposal_us: Arc::clone(&foundation.proposal_us),
            upkeep: pulse,
            connectors: connectors.reader(),
            runtime: tokio::runtime::Handle::current().metrics(),
        });
        health.set_phase(Phase::Serving);
        let serving = health.serving();
        let api = Api::start(node, listener, serving, move |error| {
            failed.send_replace(Some(Arc::new(NodeError::Serve(error))));
        })?;
        Ok(Self {
            address,
            partitions,
            consensus: foundation.consensus,
            connectors,
            upkeep,
            api,
            failure,
            tasks,
            health,
            observer,
        })
    }

    /// Where the API listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where health and metrics are answered over HTTP, unless that is off.
    #[must_use]
    pub const fn http_address(&self) -> Option<SocketAddr> {
        self.observer.address()
    }

    /// Figures at a glance.
    #[must_use]
    pub fn stats(&self) -> NodeStats {
        let now = SystemClock.now();
        let partitions = self.partitions.all();
        let handles = || partitions.values().map(|local| &local.handle);
        let due = |partition: &PartitionHandle| {
            partition.n_timers_due(now, TIMERS_COUNTED_MAX).unwrap_or(0)
        };
        NodeStats {
            n_customers: handles()
                .map(|partition| partition.replica_stats().n_customers)
                .sum(),
            n_timers_due: handles().map(due).sum(),
        }
    }

    /// Figures of the connectors, by name.
    #[must_use]
    pub fn connectors(&self) -> Vec<ConnectorStatus> {
        self.connectors.status()
    }

    /// Completes when a part of the node has failed for good.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn failed(&self) -> Arc<NodeError> {
        failure_of(&self.failure).await
    }

    /// Stops in order: no new calls, streams end, partitions stop, state is written, consensus closes its log.
    ///
    /// # Errors
    /// When the last checkpoint fails; what was acknowledged lies in the log all the same.
    ///
    /// # Cancel safety
    /// Not safe: call it again is not possible; the process should end.
    pub async fn stop(mut self) -> Result<(), NodeError> {
        self.health.set_phase(Phase::Draining);
        self.api.stop().await;
        self.connectors.stop().await;
        self.upkeep.abort();
        self.observer.watch_nothing();
        for local in self.partitions.all().values() {
            local.handle.stop().await;
        }
        self.tasks.close();
        let replicas = self.partitions.replicas();
        let written = tokio::task::spawn_blocking(move || upkeep::checkpoint_all(&replicas)).await;
        self.consensus.shutdown().await;
        written.map_err(|error| NodeError::Task(error.to_string()))?
    }
}

/// The node as its services see it.
fn compose(
    config: &Config,
    foundation: &Foundation,
    partitions: &Arc<LocalPartitions>,
    tasks: &TaskTracker,
) -> Result<Arc<Node>, NodeError> {
    let routes = routes::spawn(tasks, partitions, foundation);
    Ok(Arc::new(Node::new(NodeParts {
        clock: Arc::new(SystemClock),
        hosted: partitions.hosted().clone(),
        n_partitions: foundation.identity.n_partitions,
        metadata: foundation.metadata.clone(),
        cluster_key: foundation.identity.key,
        origin: foundation.identity.origin,
        routes: Routes::following(routes),
        surroundings: connectors::surroundings(&config.connectors)?,
        tasks: tasks.clone(),
        rates: rates_of(config),
        ingest_limits: IngestLimits {
            events: config.limits.events_in_flight as usize,
            ..IngestLimits::default()
        },
        survey_source: Arc::clone(&foundation.own_side) as Arc<_>,
    })))
}

/// Opens the partitions, and returns when each that is here alone can decide.
async fn open_partitions(
    partitions: &LocalPartitions,
    foundation: &Foundation,
    failure: &watch::Receiver<Option<Arc<NodeError>>>,
) -> Result<(), NodeError> {
    parts::open_placed(partitions, foundation).await?;
    // What is here alone leads in a moment; the API opens when all of it does.
    tokio::select! {
        biased;
        // A partition that stops while it replays never leads.
        reason = failure_of(failure) => return Err(NodeError::Part(reason)),
        led = parts::wait_for_leaders(partitions, foundation) => led?,
    }
    parts::check_rows_against_log(partitions, foundation)
}

/// Completes when something has failed.
async fn failure_of(failure: &watch::Receiver<Option<Arc<NodeError>>>) -> Arc<NodeError> {
    let mut failure = failure.clone();
    let failed = failure.wait_for(Option::is_some).await;
    match failed.ok().and_then(|failed| failed.clone()) {
        Some(failed) => failed,
        None => std::future::pending().await,
    }
}

/// What the configuration lets each workspace send.
fn rates_of(config: &Config) -> WorkspaceRates {
    let general = config.limits.workspace_events_per_second;
    WorkspaceRates {
        default: (general > 0).then_some(general),
        by_workspace: config.limits.workspaces.by_workspace().clone(),
    }
}
