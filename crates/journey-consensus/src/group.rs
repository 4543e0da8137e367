//! One running group on this node, and the handle others hold of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::BoxFuture;
use journey_proto::internal::{
    SnapshotAnswer, SnapshotOpening, SnapshotPart, peer_answer, peer_request,
};
use tokio::sync::watch;
use tonic::Streaming;

use crate::{
    ConsensusError, GroupId, OnLeadershipProof, OnProposeOutcome, Payload, ProposalFaults,
    ProposeOutcome, ReplicaId,
};

mod forward;
mod leadership;
mod members;
mod peer_calls;
mod purge;
mod receive;
mod running;
mod start;

use members::Change;
pub use members::GroupMembership;
pub(crate) use start::{Start, start};

/// What a caller may set per group.
#[derive(Debug, Clone, Default)]
pub struct GroupOptions {
    /// How this replica comes to its group.
    pub start: GroupStart,
    /// Lets tests refuse or lose proposals; `None` outside tests.
    pub faults: Option<Arc<dyn ProposalFaults>>,
}

/// How a replica comes to its group. What its log holds goes first: one that has been in a group goes on there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum GroupStart {
    /// Where its log is empty it founds the group, with itself as the only voter.
    #[default]
    Found,
    /// Where its log is empty it waits until the group's leader adds it.
    Join,
    /// Its log must know it: a replica whose disk was lost must not come back under its id.
    Resume,
}

/// Handle of one group's replica on this node. Cheap to clone; the group runs until it is shut down, whether or not
/// handles exist.
#[derive(Clone)]
pub struct GroupHandle {
    group: GroupId,
    replica: ReplicaId,
    core: Arc<dyn GroupCore>,
}

/// Who leads a group, as this replica sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leadership {
    /// Whether this replica is the leader. It may have lost that without knowing: proof is a proposal that is
    /// applied, or [`GroupHandle::confirm_leadership`].
    pub is_leader: bool,
    /// Raft's term; it rises with every election.
    pub term: u64,
    /// The leader, if one is known.
    pub leader: Option<ReplicaId>,
    /// Why this replica has stopped for good, if it has: storage failed, the state machine failed, or it was shut down.
    pub stopped: Option<Arc<str>>,
}

/// Figures of one group's replica, for reports; they move while they are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupMetrics {
    /// Raft's term.
    pub term: u64,
    /// Highest index in the log, durable or not.
    pub last_index: u64,
    /// Highest index durable in this replica's log.
    pub durable_index: u64,
    /// Highest index applied in memory.
    pub applied_index: u64,
    /// Highest index in the state machine's last durable checkpoint known here; 0 when there is none.
    pub checkpoint_index: u64,
    /// Highest index whose entry is purged; 0 when there is none.
    pub purged_index: u64,
    /// Bytes of the entries that are not purged.
    pub log_bytes: u64,
    /// Proposals of this replica without an outcome.
    pub n_proposals_in_flight: usize,
}

/// What a call to [`GroupHandle::purge_if_above`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PurgeOutcome {
    /// The log is not larger than allowed.
    NotNeeded {
        /// Its bytes.
        log_bytes: u64,
    },
    /// The log was purged up to the checkpoint.
    Purged {
        /// Bytes before.
        log_bytes_before: u64,
        /// Bytes now.
        log_bytes: u64,
        /// Entries up to and with this one are gone.
        purged_index: u64,
    },
    /// The checkpoint is not ahead of what was purged already: the log grows until more is applied.
    NothingToPurge {
        /// Its bytes.
        log_bytes: u64,
    },
}

/// What a handle reaches; behind a trait object so that openraft's generics are compiled in this crate only.
trait GroupCore: Send + Sync {
    fn propose(&self, payload: Payload, done: OnProposeOutcome);
    fn confirm_leadership(&self, done: OnLeadershipProof);
    fn holds_lease(&self) -> bool;
    fn leadership(&self) -> watch::Receiver<Leadership>;
    fn beat(&self);
    fn metrics(&self) -> GroupMetrics;
    fn durable_index(&self) -> u64;
    fn applied_index(&self) -> u64;
    fn purge_if_above(
        &self,
        log_bytes_max: u64,
    ) -> BoxFuture<'static, Result<PurgeOutcome, ConsensusError>>;
    fn answer_peer(
        &self,
        body: peer_request::Body,
    ) -> BoxFuture<'static, Result<peer_answer::Body, String>>;
    fn take_snapshot(
        &self,
        opening: SnapshotOpening,
        parts: Streaming<SnapshotPart>,
    ) -> BoxFuture<'static, Result<SnapshotAnswer, String>>;
    fn propose_anywhere(&self, payload: Payload) -> BoxFuture<'static, ProposeOutcome>;
    fn catch_up(&self) -> BoxFuture<'static, Result<u64, ConsensusError>>;
    fn membership(&self) -> GroupMembership;
    fn lag_of(&self, replica: ReplicaId) -> Option<u64>;
    fn change(&self, change: Change) -> BoxFuture<'static, Result<(), ConsensusError>>;
    fn transfer(&self, to: ReplicaId) -> BoxFuture<'static, Result<(), ConsensusError>>;
    fn shutdown(&self) -> BoxFuture<'static, ()>;
}

impl std::fmt::Debug for GroupHandle {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "GroupHandle(group {}, replica {})",
            self.group, self.replica
        )
    }
}

impl GroupHandle {
    /// Which group this is.
    #[must_use]
    pub fn group(&self) -> GroupId {
        self.group
    }

    /// Which replica of it runs here.
    #[must_use]
    pub fn replica(&self) -> ReplicaId {
        self.replica
    }

    /// Proposes an entry. Never waits and may be called from any thread; `done` runs exactly once, possibly before
    /// this returns.
    ///
    /// Entries of one caller enter the log in the order of the calls, but one may be refused and the next accepted.
    /// An entry larger than [`crate::limits::ENTRY_SIZE_BYTES_MAX`] is refused.
    pub fn propose(&self, payload: Payload, done: OnProposeOutcome) {
        self.core.propose(payload, done);
    }

    /// Proves, with one round to a quorum (`ReadIndex`), that this replica leads now. `done` runs exactly once, after
    /// everything committed before the proof is applied here.
    pub fn confirm_leadership(&self, done: OnLeadershipProof) {
        self.core.confirm_leadership(done);
    }

    /// Whether this replica leads and a quorum has answered it within the shortest election timeout: until then nobody else
    /// was elected, so what is applied here was all there is. Costs nothing; where it does not hold, a proof may.
    #[must_use]
    pub fn holds_lease(&self) -> bool {
        self.core.holds_lease()
    }

    /// Shows this replica's followers that it leads, if it does.
    pub(crate) fn beat(&self) {
        self.core.beat();
    }

    /// Who leads, now and at each change.
    #[must_use]
    pub fn leadership(&self) -> watch::Receiver<Leadership> {
        self.core.leadership()
    }

    /// Figures for reports.
    #[must_use]
    pub fn metrics(&self) -> GroupMetrics {
        self.core.metrics()
    }

    /// Highest index durable in this replica's log; entries are applied only up to here.
    #[must_use]
    pub fn durable_index(&self) -> u64 {
        self.core.durable_index()
    }

    /// Highest index applied in memory.
    #[must_use]
    pub fn applied_index(&self) -> u64 {
        self.core.applied_index()
    }

    /// If the log holds more than that many bytes: asks the state machine for a durable checkpoint and purges the log
    /// up to it.
    ///
    /// # Errors
    /// [`ConsensusError::TimedOut`] when a step took too long (call again), [`ConsensusError::Stopped`] when the group
    /// has stopped, which a failed checkpoint causes.
    ///
    /// # Cancel safety
    /// A checkpoint once begun is finished and the log purged, whether or not the caller still waits.
    pub async fn purge_if_above(&self, log_bytes_max: u64) -> Result<PurgeOutcome, ConsensusError> {
        self.core.purge_if_above(log_bytes_max).await
    }

    /// Proposes an entry to whoever leads, over the peer API where that is another node, and waits for the outcome;
    /// when it is applied, this replica has applied it as well. For what is rare: nothing is batched, and
    /// [`ProposeOutcome::Lost`] also says that the leader did not answer in time.
    ///
    /// # Cancel safety
    /// When dropped before it returns the entry may take effect.
    pub async fn propose_anywhere(&self, payload: Payload) -> ProposeOutcome {
        self.core.propose_anywhere(payload).await
    }

    /// Waits until this replica has applied everything that was committed before the call, which the leader proves,
    /// wherever it is; answers the index.
    ///
    /// # Errors
    /// [`ConsensusError::Unreached`] when no leader can prove it in time.
    ///
    /// # Cancel safety
    /// Changes nothing.
    pub async fn catch_up(&self) -> Result<u64, ConsensusError> {
        self.core.catch_up().await
    }

    /// Who is in the group, as this replica's log says.
    #[must_use]
    pub fn membership(&self) -> GroupMembership {
        self.core.membership()
    }

    /// How many entries that replica lacks. `None` where this replica does not lead, and for a replica that has not
    /// been heard of since it leads.
    #[must_use]
    pub fn lag_of(&self, replica: ReplicaId) -> Option<u64> {
        self.core.lag_of(replica)
    }

    /// Adds a replica that follows and does not vote. Does nothing when it is in the group already. Returns when the
    /// change is committed, not when the replica has caught up: see [`GroupHandle::lag_of`].
    ///
    /// # Errors
    /// [`ConsensusError::NotLeader`] elsewhere than on the leader; [`ConsensusError::ChangeUnderWay`] while another
    /// change is; [`ConsensusError::ChangeRefused`], [`ConsensusError::TimedOut`] and [`ConsensusError::Stopped`].
    /// Whether it took effect is then to be read from [`GroupHandle::membership`]; calling again is safe.
    ///
    /// # Cancel safety
    /// A change once begun is finished or times out, whether or not the caller waits.
    pub async fn add_learner(&self, replica: ReplicaId) -> Result<(), ConsensusError> {
        self.core.change(Change::AddLearner(replica)).await
    }

    /// Makes exactly these replicas the group's voters, and finishes a change of voters that was left half done.
    /// Each must be in the group; who votes no more stays as a learner. Does nothing when it is so already.
    ///
    /// # Errors
    /// As [`GroupHandle::add_learner`].
    ///
    /// # Cancel safety
    /// As [`GroupHandle::add_learner`].
    pub async fn change_voters(&self, voters: BTreeSet<ReplicaId>) -> Result<(), ConsensusError> {
        self.core.change(Change::SetVoters(voters)).await
    }

    /// Takes a replica that does not vote out of the group. Does nothing when it is not in it.
    ///
    /// # Errors
    /// As [`GroupHandle::add_learner`].
    ///
    /// # Cancel safety
    /// As [`GroupHandle::add_learner`].
    pub async fn remove_learner(&self, replica: ReplicaId) -> Result<(), ConsensusError> {
        self.core.change(Change::RemoveLearner(replica)).await
    }

    /// Hands the leadership to that voter and waits until it leads. Meanwhile no proposals are taken; if it fails the
    /// group elects a leader by itself.
    ///
    /// # Errors
    /// [`ConsensusError::NotLeader`], [`ConsensusError::ChangeRefused`] when it does not vote or is far behind,
    /// [`ConsensusError::TimedOut`] when it has not taken over in time, and [`ConsensusError::Stopped`].
    ///
    /// # Cancel safety
    /// Once begun it goes on, whether or not the caller waits.
    pub async fn transfer_leadership(&self, to: ReplicaId) -> Result<(), ConsensusError> {
        self.core.transfer(to).await
    }

    pub(crate) fn answer_peer(
        &self,
        body: peer_request::Body,
    ) -> BoxFuture<'static, Result<peer_answer::Body, String>> {
        self.core.answer_peer(body)
    }

    pub(crate) fn take_snapshot(
        &self,
        opening: SnapshotOpening,
        parts: Streaming<SnapshotPart>,
    ) -> BoxFuture<'static, Result<SnapshotAnswer, String>> {
        self.core.take_snapshot(opening, parts)
    }

    /// Stops the replica and waits until its state machine is dropped. Outcomes that are missing then are
    /// [`crate::ProposeOutcome::Lost`]. Does nothing the second time.
    ///
    /// # Cancel safety
    /// The replica stops also when this is dropped before it returns.
    pub async fn shutdown(&self) {
        self.core.shutdown().await;
    }
}

#[cfg(test)]
mod tests;
