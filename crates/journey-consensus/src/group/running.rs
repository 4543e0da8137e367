//! A running replica: calls from handles on one side, openraft on the other.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use journey_proto::internal::{
    SnapshotAnswer, SnapshotOpening, SnapshotPart, peer_answer, peer_request,
};
use openraft::async_runtime::watch::WatchReceiver as _;
use openraft::errors::{ClientWriteError, RaftError};
use openraft::raft::{ClientWriteResponse, ReadPolicy};
use openraft::{Instant as _, LogIdOptionExt as _, Raft};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tonic::Streaming;

use super::leadership::Silence;
use super::{Change, GroupCore, GroupMembership, GroupMetrics, Leadership, PurgeOutcome, purge};
use crate::adapter::{Adapter, Progress};
use crate::applier::WeakApplier;
use crate::limits::ENTRY_SIZE_BYTES_MAX;
use crate::log_storage::{GroupLog, LogStorage};
use crate::outcome::{Answer, InFlight};
use crate::peers::Peers;
use crate::raft_types::{Proposal, Reply, Types};
use crate::{
    ApplyOutcome, ConsensusError, GroupId, LeadershipProof, OnLeadershipProof, OnProposeOutcome,
    Payload, ProposalFault, ProposalFaults, ProposeOutcome, ReplicaId,
};

pub(super) type RaftGroup = Raft<Types, Adapter>;

type WriteResult = Result<ClientWriteResponse<Types>, ClientWriteError<Types>>;
type OnWriteResult = Box<dyn FnOnce(WriteResult) + Send>;

/// One replica and everything that belongs to it.
pub(super) struct Running {
    pub(super) group: GroupId,
    pub(super) replica: ReplicaId,
    pub(super) raft: RaftGroup,
    pub(super) silence: Arc<Silence>,
    pub(super) peers: Peers,
    /// Held while the membership is changed.
    pub(super) changing: Arc<tokio::sync::Mutex<()>>,
    /// For receiving snapshots, one at a time.
    pub(super) snapshots: WeakApplier,
    pub(super) receiving: Arc<Semaphore>,
    pub(super) log: Arc<GroupLog>,
    pub(super) storage: LogStorage,
    pub(super) progress: Arc<Progress>,
    pub(super) leadership: watch::Receiver<Leadership>,
    pub(super) applier_ended: watch::Receiver<bool>,
    pub(super) runtime: Handle,
    pub(super) in_flight: InFlight,
    pub(super) faults: Option<Arc<dyn ProposalFaults>>,
}

impl GroupCore for Running {
    fn propose(&self, payload: Payload, done: OnProposeOutcome) {
        let answer = match self.admit(&payload, done) {
            Ok(answer) => answer,
            Err((done, reason)) => return done(ProposeOutcome::Refused(reason)),
        };
        let fault = self.faults.as_ref();
        let fault = fault.map_or(ProposalFault::Pass, |faults| faults.on_propose(&payload));
        let reply: OnWriteResult = match fault {
            ProposalFault::Pass => Box::new(move |result| answer.give(outcome_of(result))),
            ProposalFault::Refuse => {
                let reason = "refused by an injected fault".to_owned();
                return answer.give(ProposeOutcome::Refused(reason));
            }
            ProposalFault::Lose => {
                drop(answer);
                Box::new(|_| {})
            }
        };
        let write = self
            .raft
            .client_write_ff(Proposal(payload), Some(Reply(reply)));
        // There is room for every admitted proposal, so the first poll sends it; `unconstrained`, since a caller that
        // has used up its budget of polls would see the queue as full. When it is not sent the reply is dropped, and
        // the caller hears that it is lost.
        match tokio::task::unconstrained(write).now_or_never() {
            Some(Ok(())) => {}
            Some(Err(_)) | None => {
                tracing::debug!(group_id = %self.group, "proposal did not reach its group");
            }
        }
    }

    fn confirm_leadership(&self, done: OnLeadershipProof) {
        let answer = Answer::to_proof(done);
        let raft = self.raft.clone();
        self.runtime.spawn(async move {
            let proof = prove_leadership(&raft).await;
            answer.give(proof);
        });
    }

    fn holds_lease(&self) -> bool {
        if !self.leadership.borrow().is_leader {
            return false;
        }
        let metrics = self.raft.metrics();
        let metrics = metrics.borrow_watched();
        let voters = metrics.membership_config.membership().voter_ids();
        let lease = Duration::from_millis(self.raft.config().election_timeout_min);
        // As of when the leader sent what was answered.
        let acked = metrics.last_quorum_acked;
        voters.eq([metrics.id]) || acked.is_some_and(|acked| acked.elapsed() < lease)
    }

    fn leadership(&self) -> watch::Receiver<Leadership> {
        self.leadership.clone()
    }

    fn beat(&self) {
        let leads_others = {
            let metrics = self.raft.metrics();
            let metrics = metrics.borrow_watched();
            let members = metrics.membership_config.membership();
            metrics.state.is_leader() && members.nodes().nth(1).is_some()
        };
        if !leads_others {
            return;
        }
        // Where there is no room requests of this group are on their way, which prove as much.
        let beat = tokio::task::unconstrained(async { self.raft.trigger().heartbeat().await });
        if let Some(Err(_)) = beat.now_or_never() {
            tracing::trace!(group_id = %self.group, "a stopped group has no heartbeat");
        }
    }

    fn metrics(&self) -> GroupMetrics {
        GroupMetrics {
            term: self.leadership.borrow().term,
            last_index: self.log.last().index().unwrap_or(0),
            durable_index: self.log.durable_index(),
            applied_index: self.progress.applied(),
            checkpoint_index: self.progress.floor().unwrap_or(0),
            purged_index: self.log.purged().index().unwrap_or(0),
            log_bytes: self.log.size_bytes(),
            n_proposals_in_flight: self.in_flight.n_proposals(),
        }
    }

    fn durable_index(&self) -> u64 {
        self.log.durable_index()
    }

    fn applied_index(&self) -> u64 {
        self.progress.applied()
    }

    fn purge_if_above(
        &self,
        log_bytes_max: u64,
    ) -> BoxFuture<'static, Result<PurgeOutcome, ConsensusError>> {
        let purge = purge::Purge {
            group: self.group,
            raft: self.raft.clone(),
            log: Arc::clone(&self.log),
            progress: Arc::clone(&self.progress),
        };
        // On the runtime, since openraft's timers need it and a caller may go away.
        let task = self.runtime.spawn(purge.run(log_bytes_max));
        let group = self.group;
        async move {
            task.await.unwrap_or_else(|error| {
                let reason = error.to_string();
                Err(ConsensusError::Stopped { group, reason })
            })
        }
        .boxed()
    }

    fn answer_peer(
        &self,
        body: peer_request::Body,
    ) -> BoxFuture<'static, Result<peer_answer::Body, String>> {
        self.answer(body)
    }

    fn take_snapshot(
        &self,
        opening: SnapshotOpening,
        parts: Streaming<SnapshotPart>,
    ) -> BoxFuture<'static, Result<SnapshotAnswer, String>> {
        self.receive_snapshot(opening, parts)
    }

    fn propose_anywhere(&self, payload: Payload) -> BoxFuture<'static, ProposeOutcome> {
        self.propose_to_leader(payload)
    }

    fn catch_up(&self) -> BoxFuture<'static, Result<u64, ConsensusError>> {
        self.catch_up_with_leader()
    }

    fn membership(&self) -> GroupMembership {
        self.membership_now()
    }

    fn lag_of(&self, replica: ReplicaId) -> Option<u64> {
        self.lag(replica)
    }

    fn change(&self, change: Change) -> BoxFuture<'static, Result<(), ConsensusError>> {
        self.change_membership(change)
    }

    fn transfer(&self, to: ReplicaId) -> BoxFuture<'static, Result<(), ConsensusError>> {
        self.transfer_to(to)
    }

    fn shutdown(&self) -> BoxFuture<'static, ()> {
        let raft = self.raft.clone();
        let mut applier_ended = self.applier_ended.clone();
        let storage = self.storage.clone();
        let log = Arc::clone(&self.log);
        let group = self.group;
        let task = self.runtime.spawn(async move {
            if raft.shutdown().await.is_err() {
                tracing::warn!(group_id = %group, "group ended by a panic");
            }
            // The sender is dropped only after it has sent.
            if applier_ended.wait_for(|ended| *ended).await.is_err() {
                tracing::warn!(group_id = %group, "applier thread ended by a panic");
            }
            storage.release_group(group, &log);
        });
        async move {
            if task.await.is_err() {
                tracing::warn!(group_id = %group, "shutdown was cut short");
            }
        }
        .boxed()
    }
}

impl Running {
    fn admit(
        &self,
        payload: &Payload,
        done: OnProposeOutcome,
    ) -> Result<Answer<ProposeOutcome>, (OnProposeOutcome, String)> {
        let size_bytes = payload.bytes.len();
        if size_bytes > ENTRY_SIZE_BYTES_MAX {
            let reason = format!(
                "the entry has {size_bytes} bytes, above the limit of {ENTRY_SIZE_BYTES_MAX}"
            );
            return Err((done, reason));
        }
        if let Some(stopped) = &self.leadership.borrow().stopped {
            return Err((done, format!("group {} has stopped: {stopped}", self.group)));
        }
        match self.in_flight.admit(size_bytes) {
            Ok(permit) => Ok(Answer::to_proposal(done, Some(permit))),
            Err(reason) => Err((done, reason)),
        }
    }
}

fn outcome_of(result: WriteResult) -> ProposeOutcome {
    match result {
        Ok(response) => {
            let index = response.log_id.index();
            match response.data {
                ApplyOutcome::Applied => ProposeOutcome::Applied { index },
                ApplyOutcome::Superseded => ProposeOutcome::Superseded { index },
            }
        }
        // Another leader may have taken the entry over before this one let go of it.
        Err(ClientWriteError::LogEntryDiscarded(_)) => ProposeOutcome::Lost,
        Err(ClientWriteError::ForwardToLeader(_)) => {
            ProposeOutcome::Refused("this replica is not the leader".to_owned())
        }
        Err(
            error @ (ClientWriteError::ChangeMembershipError(_)
            | ClientWriteError::PreconditionFailed(_)),
        ) => ProposeOutcome::Refused(error.to_string()),
    }
}

/// Proposes on this replica and waits; for a call that found the leader to be here after all.
pub(super) async fn propose_here(raft: &RaftGroup, payload: Payload) -> ProposeOutcome {
    match raft.client_write(Proposal(payload)).await {
        Ok(response) => outcome_of(Ok(response)),
        Err(RaftError::APIError(error)) => outcome_of(Err(error)),
        Err(RaftError::Fatal(_)) => ProposeOutcome::Lost,
    }
}

pub(super) async fn prove_leadership(raft: &RaftGroup) -> LeadershipProof {
    let linearizer = match raft.get_read_linearizer(ReadPolicy::ReadIndex).await {
        Ok(linearizer) => linearizer,
        Err(error) => return LeadershipProof::Refused(error.to_string()),
    };
    match linearizer.await_ready(raft).await {
        Ok(_) => {
            let applied = raft.metrics().borrow_watched().last_applied.index();
            let index = applied.unwrap_or(0);
            LeadershipProof::Confirmed { index }
        }
        Err(error) => LeadershipProof::Refused(error.to_string()),
    }
}
