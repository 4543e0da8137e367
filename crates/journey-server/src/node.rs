//! The node as its services see it: partitions, documents, clock.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use journey_consensus::MetadataHandle;
use journey_customer::Command;
use journey_model::{Catalog, Surroundings};
use journey_partition::{
    Answer, Clock, Intake, PartitionHandle, Refusal, SubmissionOrder, SubmitError, WorkerId,
};
use journey_types::{
    ClusterKey, ConnectorId, CustomerKey, EffectOrigin, N_SLOTS, PartitionId, Timestamp,
    WorkspaceId, slot_of,
};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::admission::{RateLimit, WorkspaceRates};
use crate::api_metrics::ApiMetrics;
use crate::cluster::SurveySource;
use crate::error::ServerError;
use crate::gate::{Budget, IngestLimits};
use crate::hosted::{Handles, HostedPartitions};
use crate::limits::{ANSWER_MAX, RETRY_AFTER_DISK};
use crate::router::{HopChannels, Routes};

/// Commands of one partition's share of a request.
pub(crate) type Commands = Vec<(CustomerKey, Command)>;

/// What a [`Node`] is made of.
pub struct NodeParts {
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// The partitions of this node, and its catalog.
    pub hosted: HostedPartitions,
    /// How many partitions the cluster has, by id from 0 without gaps.
    pub n_partitions: u32,
    /// The metadata group.
    pub metadata: MetadataHandle,
    /// The cluster's key.
    pub cluster_key: ClusterKey,
    /// The cluster and its life, for effect ids.
    pub origin: EffectOrigin,
    /// Who leads what elsewhere.
    pub routes: Routes,
    /// What journeys may name of this node.
    pub surroundings: Surroundings,
    /// Where the services' tasks run.
    pub tasks: TaskTracker,
    /// What each workspace may send.
    pub rates: WorkspaceRates,
    /// What `Ingest` calls may hold at once.
    pub ingest_limits: IngestLimits,
    /// Where reports of replicas come from.
    pub survey_source: Arc<dyn SurveySource>,
}

impl fmt::Debug for NodeParts {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "NodeParts({:?})", self.hosted)
    }
}

/// The node as its services see it.
pub struct Node {
    parts: NodeParts,
    n_workers: AtomicU64,
    rate_limit: RateLimit,
    budget: Budget,
    metrics: ApiMetrics,
    channels: HopChannels,
    /// One publish at a time on this node; others are refused by the compare-and-set on the revision.
    pub(crate) publishing: tokio::sync::Mutex<()>,
}

impl fmt::Debug for Node {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Node({:?})", self.parts.hosted)
    }
}

impl Node {
    /// Puts a node together.
    #[must_use]
    pub fn new(parts: NodeParts) -> Self {
        let rate_limit = RateLimit::new(parts.rates.clone());
        Self {
            budget: Budget::new(parts.ingest_limits),
            parts,
            n_workers: AtomicU64::new(0),
            rate_limit,
            metrics: ApiMetrics::default(),
            channels: HopChannels::default(),
            publishing: tokio::sync::Mutex::new(()),
        }
    }

    /// What calls hold before they are decoded.
    pub(crate) const fn budget(&self) -> &Budget {
        &self.budget
    }

    /// What journeys may name of this node.
    pub(crate) const fn surroundings(&self) -> &Surroundings {
        &self.parts.surroundings
    }

    /// Connectors that published journeys call and this node does not have, with the journeys: their calls wait.
    #[must_use]
    pub fn missing_connectors(&self) -> BTreeMap<ConnectorId, Vec<String>> {
        let mut missing: BTreeMap<ConnectorId, Vec<String>> = BTreeMap::new();
        let Some(configured) = &self.parts.surroundings.connectors else {
            return missing;
        };
        for (journey, connector) in self.catalog().called_connectors() {
            if !configured.contains(&connector) {
                missing
                    .entry(connector)
                    .or_default()
                    .push(journey.to_string());
            }
        }
        missing
    }

    /// Now, by the node's clock.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.parts.clock.now()
    }

    /// The same moment on a clock that never steps.
    pub(crate) fn monotonic_now(&self) -> std::time::Instant {
        self.parts.clock.monotonic_now()
    }

    /// The newest catalog this node has compiled.
    #[must_use]
    pub fn catalog(&self) -> Arc<Catalog> {
        self.parts.hosted.catalog()
    }

    /// The metadata group.
    #[must_use]
    pub const fn metadata(&self) -> &MetadataHandle {
        &self.parts.metadata
    }

    /// The cluster and its life.
    #[must_use]
    pub const fn origin(&self) -> EffectOrigin {
        self.parts.origin
    }

    /// Where the services' tasks run.
    #[must_use]
    pub const fn tasks(&self) -> &TaskTracker {
        &self.parts.tasks
    }

    /// A name for a new worker stream, unique in this node.
    pub fn next_worker_id(&self) -> WorkerId {
        WorkerId(self.n_workers.fetch_add(1, Ordering::Relaxed))
    }

    /// The partitions of this node: a set that changes.
    #[must_use]
    pub const fn hosted(&self) -> &HostedPartitions {
        &self.parts.hosted
    }

    /// The partitions of this node now, in id order.
    #[must_use]
    pub fn partitions(&self) -> Handles {
        self.parts.hosted.all()
    }

    /// Every partition of the cluster, in id order.
    pub(crate) fn partition_ids(&self) -> impl Iterator<Item = PartitionId> + use<> {
        (0..self.parts.n_partitions).map(PartitionId::new)
    }

    /// The partition that a customer lies in: slots are spread evenly, in id order.
    #[must_use]
    pub fn partition_of(&self, customer: &CustomerKey) -> PartitionId {
        let slot = u32::from(slot_of(&self.parts.cluster_key, customer).get());
        PartitionId::new(slot * self.parts.n_partitions / u32::from(N_SLOTS))
    }

    /// The handle of a partition, where this node runs it.
    #[must_use]
    pub fn partition(&self, partition: PartitionId) -> Option<PartitionHandle> {
        self.parts.hosted.get(partition)
    }

    /// Who leads what elsewhere.
    pub(crate) const fn routes(&self) -> &Routes {
        &self.parts.routes
    }

    /// Where reports of replicas come from.
    pub(crate) fn survey_source(&self) -> &dyn SurveySource {
        self.parts.survey_source.as_ref()
    }

    /// How long a command waits for its partition.
    pub(crate) fn answer_max(&self) -> Option<Duration> {
        (!self.routes().is_alone()).then_some(ANSWER_MAX)
    }

    /// Connections to other nodes.
    pub(crate) const fn channels(&self) -> &HopChannels {
        &self.channels
    }

    /// What the API has counted.
    #[must_use]
    pub const fn metrics(&self) -> &ApiMetrics {
        &self.metrics
    }

    /// Refuses what would write documents while the disk is nearly full.
    pub(crate) fn admit_documents(&self) -> Result<(), ServerError> {
        let is_open = |partition: &PartitionHandle| partition.intake() == Intake::Open;
        if self.partitions().values().all(is_open) {
            return Ok(());
        }
        self.metrics.shed(Refusal::DiskLow.code(), 1);
        Err(ServerError::Overloaded {
            cause: Refusal::DiskLow.code(),
            subject: "disk".to_owned(),
            reason: Refusal::DiskLow.to_string(),
            retry_after: RETRY_AFTER_DISK,
        })
    }

    /// Sends commands to a partition without waiting; a full partition refuses all of them at once.
    pub(crate) fn submit(
        &self,
        partition: PartitionId,
        commands: Commands,
        order: Option<SubmissionOrder>,
    ) -> Submitted {
        let Some(handle) = self.partition(partition) else {
            if let Some(order) = &order {
                order.refused_at_the_door(&commands);
            }
            return Submitted::Refused(Refusal::NotLeader);
        };
        if let Err(refusal) = self.admit_rate(&commands) {
            if let Some(order) = &order {
                order.refused_at_the_door(&commands);
            }
            return Submitted::Refused(refusal);
        }
        match handle.submit(commands, order) {
            Ok(answers) => Submitted::Waiting(answers),
            Err(error) => Submitted::Refused(refusal_of(error)),
        }
    }

    /// Takes the events and enroll calls of each workspace out of its rate; one workspace over it refuses the whole share,
    /// since what comes later may not overtake.
    fn admit_rate(&self, commands: &Commands) -> Result<(), Refusal> {
        if self.rate_limit.is_off() {
            return Ok(());
        }
        let mut by_workspace: BTreeMap<&WorkspaceId, usize> = BTreeMap::new();
        for (customer, command) in commands {
            if matches!(command, Command::Ingest { .. } | Command::Enroll(_)) {
                *by_workspace.entry(&customer.workspace).or_default() += 1;
            }
        }
        let now = Instant::now();
        for (workspace, n_events) in by_workspace {
            self.rate_limit
                .admit(workspace, n_events, now)
                .map_err(|over| Refusal::WorkspaceRate {
                    per_second: over.per_second,
                    retry_after_ms: u64::try_from(over.retry_after.as_millis()).unwrap_or(u64::MAX),
                })?;
        }
        Ok(())
    }
}

fn refusal_of(error: SubmitError) -> Refusal {
    match error {
        SubmitError::Overloaded { n_waiting } => Refusal::PartitionBusy { n_waiting },
        SubmitError::WorkspaceBusy { n_waiting } => Refusal::WorkspaceBusy { n_waiting },
        SubmitError::DiskLow => Refusal::DiskLow,
        SubmitError::Closed => {
            let reason = "the partition is shutting down".to_owned();
            Refusal::NoSession { reason }
        }
    }
}

/// Waits, up to a bound where there is one.
pub(crate) async fn within<F: Future>(wait_max: Option<Duration>, future: F) -> Option<F::Output> {
    match wait_max {
        Some(wait_max) => tokio::time::timeout(wait_max, future).await.ok(),
        None => Some(future.await),
    }
}

/// Commands on their way.
#[derive(Debug)]
pub(crate) enum Submitted {
    /// Answers will come.
    Waiting(oneshot::Receiver<Vec<Answer>>),
    /// Refused at the door; nothing was done.
    Refused(Refusal),
}

impl Submitted {
    /// Waits for the answers, one for each of the commands.
    pub(crate) async fn answers(
        self,
        n_commands: usize,
        wait_max: Option<Duration>,
    ) -> Vec<Answer> {
        let refusal = match self {
            // A partition that goes away without answering may or may not have applied the commands.
            Self::Waiting(answers) => match within(wait_max, answers).await {
                Some(Ok(answers)) if answers.len() == n_commands => return answers,
                Some(_) | None => Refusal::OutcomeUnknown,
            },
            Self::Refused(refusal) => refusal,
        };
        vec![Answer::Refused(refusal); n_commands]
    }
}
