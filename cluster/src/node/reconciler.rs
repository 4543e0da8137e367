//! Makes what this node runs match the partition table, and brings the groups that it leads there.
//!
//! ```text
//!   table ─► here: opens replicas that it names, erases those that it names no more
//!         └► where this node leads: learner ─► caught up ─► votes ─► the leaving one goes ─► table (compare-and-set)
//! ```
//!
//! Nothing is remembered between two rounds: each step follows from the table and the group's membership, is safe to
//! repeat, and whoever leads after a crash goes on.

mod step;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use journey_consensus::{
    ConsensusError, GroupStart, MetadataError, MetadataHandle, MetadataState, PlacedReplica,
    ReplicaId,
};
use journey_types::{NodeId, PartitionId};
use tokio_util::task::TaskTracker;

use self::step::{Step, View};
use crate::clock::monotonic_now;
use crate::node::error::NodeError;
use crate::node::local_partitions::{LocalPartition, LocalPartitions};
use crate::node::parts::Foundation;

/// Pause between two rounds while nothing changes: what a learner lacks is looked at so often.
const ROUND_INTERVAL: Duration = Duration::from_millis(250);
/// After a step that failed its partition is left alone for so long.
const FAILED_PAUSE: Duration = Duration::from_secs(2);
/// After the leadership could not be handed over, or was, it stays where it is for so long.
const HAND_OVER_PAUSE: Duration = Duration::from_secs(10);

/// What the reconciler works on.
struct Reconciler {
    node: NodeId,
    partitions: Arc<LocalPartitions>,
    metadata: MetadataHandle,
    /// Partitions that are left alone until then.
    paused: BTreeMap<PartitionId, Instant>,
    hand_overs: HandOvers,
}

/// When leaderships may be handed over: while one is nobody decides, so it happens seldom, and never in a time in which
/// leaders come and go.
#[derive(Debug, Default)]
struct HandOvers {
    /// Leaderships that stay where they are until then.
    settled: BTreeMap<PartitionId, Instant>,
    /// In which term this node leads which partition.
    led: BTreeMap<PartitionId, u64>,
}

impl HandOvers {
    /// Takes note of who is led here: a leadership that has just come stays for a while.
    fn lead(&mut self, partition: PartitionId, term: u64, now: Instant) {
        let before = self.led.insert(partition, term);
        if before.is_some_and(|before| before != term) {
            self.settled.insert(partition, now + HAND_OVER_PAUSE);
        }
    }

    /// At most one attempt in a while.
    fn may_begin(&mut self, partition: PartitionId, now: Instant) -> bool {
        self.settled.retain(|_, until| *until > now);
        let may = !self.settled.contains_key(&partition);
        if may {
            self.settled.insert(partition, now + HAND_OVER_PAUSE);
        }
        may
    }
}

/// Runs until the tasks are closed or the metadata group stops.
pub(crate) fn spawn(
    tasks: &TaskTracker,
    partitions: &Arc<LocalPartitions>,
    foundation: &Foundation,
) {
    let mut reconciler = Reconciler {
        node: foundation.node,
        partitions: Arc::clone(partitions),
        metadata: foundation.metadata.clone(),
        paused: BTreeMap::new(),
        hand_overs: HandOvers::default(),
    };
    let tracker = tasks.clone();
    tasks.spawn(async move {
        let mut known = reconciler.metadata.watch();
        let mut leaders = reconciler.partitions.watch_leaders();
        while !tracker.is_closed() {
            let metadata = Arc::clone(&known.borrow_and_update());
            leaders.borrow_and_update();
            reconciler.match_replicas(&metadata).await;
            reconciler.lead_on(&metadata).await;
            tokio::select! {
                changed = known.changed() => if changed.is_err() { return },
                changed = leaders.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(ROUND_INTERVAL) => {}
            }
        }
    });
}

impl Reconciler {
    /// Opens what the table places here, and erases what it does not.
    async fn match_replicas(&mut self, metadata: &MetadataState) {
        let placed: BTreeMap<PartitionId, PlacedReplica> =
            metadata.table().replicas_of(self.node).collect();
        let running = self.partitions.all();
        let known_through = ReplicaId::new(metadata.table().version);
        for (partition, local) in running.iter() {
            let own = local.group.replica();
            let is_named = placed
                .get(partition)
                .is_some_and(|placed| placed.replica == own);
            // A replica that is younger than the table was opened by a later one.
            if is_named || own > known_through || self.is_paused(*partition) {
                continue;
            }
            let erased = self.partitions.erase(*partition).await;
            self.note(*partition, "erasing a replica", erased);
        }
        for (partition, placed) in placed {
            let runs = self.partitions.all().contains_key(&partition);
            if runs || self.is_paused(partition) {
                continue;
            }
            let opened = self.open(partition, placed.replica).await;
            self.note(partition, "opening a replica", opened);
        }
    }

    /// Opens a replica; what an older one of its group has left here is erased first.
    async fn open(&self, partition: PartitionId, replica: ReplicaId) -> Result<(), NodeError> {
        let start = start_of(replica);
        match self.partitions.open(partition, replica, start).await {
            Err(NodeError::Consensus(ConsensusError::ForeignLog { found, .. }))
                if found < replica =>
            {
                // Ids only rise: the table has let go of that one, and this node was stopped before it had erased it.
                self.partitions.erase(partition).await?;
                self.partitions.open(partition, replica, start).await
            }
            opened => opened,
        }
    }

    /// Takes the next step of each partition that this node leads.
    async fn lead_on(&mut self, metadata: &MetadataState) {
        for (partition, local) in self.partitions.all().iter() {
            let leadership = local.group.leadership().borrow().clone();
            if !leadership.is_leader {
                continue;
            }
            let now = monotonic_now();
            self.hand_overs.lead(*partition, leadership.term, now);
            if self.is_paused(*partition) {
                continue;
            }
            let Some(step) = next_step(local, metadata) else {
                continue;
            };
            if matches!(step, Step::HandOver(_)) && !self.hand_overs.may_begin(*partition, now) {
                continue;
            }
            tracing::debug!(
                partition_id = partition.get(),
                ?step,
                "next step of a partition"
            );
            let taken = self.take(local, metadata, step).await;
            self.note(*partition, "a step of its placement", taken);
        }
    }

    async fn take(
        &self,
        local: &LocalPartition,
        metadata: &MetadataState,
        step: Step,
    ) -> Result<(), NodeError> {
        let partition = local.id();
        match step {
            Step::AddLearner(replica) => local.group.add_learner(replica).await?,
            Step::SetVoters(voters) => local.group.change_voters(voters).await?,
            Step::RemoveLearner(replica) => local.group.remove_learner(replica).await?,
            Step::HandOver(replica) => local.group.transfer_leadership(replica).await?,
            Step::Table(change) => {
                let Some(row) = metadata.placement(partition) else {
                    return Ok(());
                };
                let changed = self
                    .metadata
                    .change_placement(partition, row.version, change)
                    .await;
                match changed {
                    // Somebody else came first: the next round sees it.
                    Ok(_) | Err(MetadataError::Conflict { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }

    fn is_paused(&mut self, partition: PartitionId) -> bool {
        let now = monotonic_now();
        self.paused.retain(|_, until| *until > now);
        self.paused.contains_key(&partition)
    }

    fn note(&mut self, partition: PartitionId, attempt: &str, outcome: Result<(), NodeError>) {
        if let Err(error) = outcome {
            tracing::warn!(partition_id = partition.get(), %error, "{attempt} failed; it is tried again");
            self.paused
                .insert(partition, monotonic_now() + FAILED_PAUSE);
        }
    }
}

/// How a replica comes to its group: only the founder's founds it.
pub(crate) fn start_of(replica: ReplicaId) -> GroupStart {
    if replica == ReplicaId::FIRST {
        GroupStart::Found
    } else {
        GroupStart::Join
    }
}

fn next_step(local: &LocalPartition, metadata: &MetadataState) -> Option<Step> {
    let membership = local.group.membership();
    let view = View {
        own: local.group.replica(),
        row: metadata.placement(local.id())?,
        known_through: ReplicaId::new(metadata.table().version),
        membership: &membership,
    };
    step::next(&view, |replica| local.group.lag_of(replica))
}

#[cfg(test)]
mod tests;
