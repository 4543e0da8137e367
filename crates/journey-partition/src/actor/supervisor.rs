//! Starts a partition's actor anew when it fails, and gives up, visibly, when it keeps failing.

use std::fmt;
use std::sync::Arc;

use journey_customer::DeliverySettings;
use journey_types::{ClusterKey, PartitionId, TimeSpan, Timestamp};
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SupervisionEvent};
use tokio::sync::watch;

use super::handle::{PartitionHandle, Shared};
use super::limits::{ACTOR_FAILURES_MAX, ACTOR_FAILURES_SPAN};
use super::partition_actor::PartitionActor;
use crate::clock::Clock;
use crate::core::{Decide, MemoryBounds};
use crate::error::PartitionError;
use crate::journal::Journal;
use crate::replica::SharedReplica;

/// What a partition is run with.
#[derive(Clone)]
pub struct PartitionOptions {
    /// Which.
    pub partition: PartitionId,
    /// The cluster's key.
    pub cluster_key: ClusterKey,
    /// Where it proposes.
    pub journal: Arc<dyn Journal>,
    /// What it reads.
    pub replica: SharedReplica,
    /// How far the replica has applied, from its [`crate::Applier`].
    pub applied: watch::Receiver<journey_types::Lsn>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Where its timer runs.
    pub runtime: tokio::runtime::Handle,
    /// Customers kept hosted, at least 1.
    pub hosted_customers_max: usize,
    /// What they may take in memory, and how fast they may come there.
    pub memory: MemoryBounds,
    /// Requests that may wait at once; beyond it `PARTITION_BUSY`.
    pub requests_max: usize,
    /// A random number, new for every start of the process.
    pub opener_seed: u64,
    /// Steps of the clock above this hold the timers.
    pub clock_step_max: Option<TimeSpan>,
    /// How often and how fast effects are tried before they become dead letters.
    pub delivery: DeliverySettings,
    /// How commands are decided: `journey_customer::decide`, unless a test of the whole node puts a fault around it.
    pub decide: Decide,
}

impl fmt::Debug for PartitionOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PartitionOptions({})", self.partition)
    }
}

/// The supervisor of one partition.
#[derive(Debug)]
pub(super) struct PartitionSupervisor;

/// What the supervisor knows.
#[derive(Debug)]
pub(super) struct Supervision {
    shared: Arc<Shared>,
    failures: Vec<Timestamp>,
}

impl PartitionHandle {
    /// Starts a partition: its supervisor and, below it, its actor.
    ///
    /// # Errors
    /// When the actor cannot start.
    ///
    /// # Cancel safety
    /// Not safe: an actor may be left running.
    pub async fn start(options: PartitionOptions) -> Result<Self, PartitionError> {
        let partition = options.partition;
        let shared = Arc::new(Shared::new(options));
        let (supervisor, _joined) = Actor::spawn(None, PartitionSupervisor, Arc::clone(&shared))
            .await
            .map_err(|error| PartitionError::NotStarted {
                partition,
                reason: error.to_string(),
            })?;
        Ok(Self::new(shared, supervisor.get_cell()))
    }
}

async fn spawn_actor(
    shared: &Arc<Shared>,
    supervisor: ActorCell,
) -> Result<(), ActorProcessingErr> {
    let (actor, _joined) =
        PartitionActor::spawn_linked(None, PartitionActor, Arc::clone(shared), supervisor).await?;
    shared.set_actor(actor);
    Ok(())
}

impl Actor for PartitionSupervisor {
    type Msg = ();
    type State = Supervision;
    type Arguments = Arc<Shared>;

    async fn pre_start(
        &self,
        myself: ActorRef<()>,
        shared: Arc<Shared>,
    ) -> Result<Supervision, ActorProcessingErr> {
        spawn_actor(&shared, myself.get_cell()).await?;
        Ok(Supervision {
            shared,
            failures: Vec::new(),
        })
    }

    /// Overridden: by default a supervisor stops when any child ends.
    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<()>,
        event: SupervisionEvent,
        supervision: &mut Supervision,
    ) -> Result<(), ActorProcessingErr> {
        let SupervisionEvent::ActorFailed(_, error) = event else {
            // A child ends without failing only when the node stops.
            return Ok(());
        };
        let mut reason = error.to_string();
        let partition_id = supervision.shared.partition().get();
        supervision.shared.count_failure();
        while !supervision.keeps_failing() {
            tracing::error!(
                partition_id,
                reason,
                "partition actor failed and is started anew"
            );
            match spawn_actor(&supervision.shared, myself.get_cell()).await {
                Ok(()) => return Ok(()),
                // It failed again while it took up its work: one more failure, not one of the supervisor.
                Err(error) => reason = error.to_string(),
            }
        }
        tracing::error!(
            partition_id,
            reason,
            "partition actor keeps failing and stays down"
        );
        let reason = format!("its actor keeps failing: {reason}");
        supervision.shared.set_stopped(reason);
        Ok(())
    }
}

impl Supervision {
    /// Notes a failure; whether there were too many in a short time.
    fn keeps_failing(&mut self) -> bool {
        let now = self.shared.options.clock.now();
        self.failures
            .retain(|at| now.since(*at) < ACTOR_FAILURES_SPAN);
        self.failures.push(now);
        self.failures.len() > ACTOR_FAILURES_MAX
    }
}
