//! Calls that need the leader, made on whichever replica there is.

use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt as _, TryFutureExt as _};
use journey_proto::internal as wire;
use openraft::{LogIdOptionExt as _, async_runtime::watch::WatchReceiver as _};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;
use wire::{peer_answer, peer_request, proposal_answer, read_index_answer};

use super::running::{RaftGroup, Running};
use super::{GroupCore as _, Leadership, running};
use crate::limits::{LEADER_WAIT_MAX, PEER_PROPOSAL_WAIT_MAX};
use crate::peers::{Lane, PeerFault, Peers};
use crate::{ConsensusError, GroupId, LeadershipProof, Payload, ProposeOutcome, ReplicaId};

/// What a call needs that outlives its caller.
struct Forward {
    group: GroupId,
    own: ReplicaId,
    raft: RaftGroup,
    peers: Peers,
    leadership: watch::Receiver<Leadership>,
}

/// Who is to be asked.
enum Leader {
    Here,
    At(ReplicaId),
}

impl Running {
    pub(super) fn propose_to_leader(&self, payload: Payload) -> BoxFuture<'static, ProposeOutcome> {
        let leads = self.leadership.borrow().is_leader;
        let here = leads.then(|| {
            let (tell, outcome) = oneshot::channel();
            let done = Box::new(move |outcome| {
                if tell.send(outcome).is_err() {
                    tracing::trace!("the proposer has gone");
                }
            });
            self.propose(payload.clone(), done);
            outcome
        });
        let forward = self.forward();
        let raft = self.raft.clone();
        let task = self.runtime.spawn(async move {
            if let Some(outcome) = here {
                return outcome.await.unwrap_or(ProposeOutcome::Lost);
            }
            match forward.leader().await {
                Ok(Leader::At(leader)) => forward.propose(leader, payload).await,
                Ok(Leader::Here) => running::propose_here(&raft, payload).await,
                Err(reason) => ProposeOutcome::Refused(reason),
            }
        });
        task.unwrap_or_else(|_| ProposeOutcome::Lost).boxed()
    }

    pub(super) fn catch_up_with_leader(&self) -> BoxFuture<'static, Result<u64, ConsensusError>> {
        let forward = self.forward();
        let group = self.group;
        let task = self.runtime.spawn(async move { forward.catch_up().await });
        async move {
            let outcome = task.await.unwrap_or_else(|error| Err(error.to_string()));
            outcome.map_err(|reason| ConsensusError::Unreached { group, reason })
        }
        .boxed()
    }

    fn forward(&self) -> Forward {
        Forward {
            group: self.group,
            own: self.replica,
            raft: self.raft.clone(),
            peers: self.peers.clone(),
            leadership: self.leadership.clone(),
        }
    }
}

impl Forward {
    /// Waits until somebody leads.
    async fn leader(&self) -> Result<Leader, String> {
        let mut leadership = self.leadership.clone();
        let settled = leadership.wait_for(|now| {
            now.is_leader
                || now.stopped.is_some()
                || now.leader.is_some_and(|leader| leader != self.own)
        });
        let described = self.group.described();
        let settled = timeout(LEADER_WAIT_MAX, settled).await;
        let Ok(settled) = settled else {
            return Err(format!("{described} has no leader"));
        };
        let now = settled.map_err(|_| format!("{described} has stopped"))?;
        match (&now.stopped, now.leader) {
            (Some(reason), _) => Err(format!("{described} has stopped: {reason}")),
            (None, _) if now.is_leader => Ok(Leader::Here),
            (None, Some(leader)) => Ok(Leader::At(leader)),
            (None, None) => Err(format!("{described} has no leader")),
        }
    }

    async fn propose(&self, leader: ReplicaId, payload: Payload) -> ProposeOutcome {
        use proposal_answer::Outcome;
        let body = peer_request::Body::Propose(wire::Proposal {
            payload: payload.bytes,
        });
        let to = (self.group, leader);
        let asked = self
            .peers
            .ask(to, Lane::Data, body, PEER_PROPOSAL_WAIT_MAX)
            .await;
        let outcome = match asked {
            Ok(peer_answer::Body::Propose(answer)) => answer.outcome,
            Ok(_) => None,
            Err(PeerFault::NotSent(reason) | PeerFault::Refused(reason)) => {
                return ProposeOutcome::Refused(format!("leader {leader}: {reason}"));
            }
            Err(PeerFault::Unanswered(reason)) => {
                tracing::debug!(group_id = %self.group, %leader, %reason, "a forwarded proposal has no outcome");
                return ProposeOutcome::Lost;
            }
        };
        match outcome {
            // The caller reads this replica's state next: what took effect must be in it.
            Some(Outcome::Applied(index)) if self.applied_through(index).await => {
                ProposeOutcome::Applied { index }
            }
            Some(Outcome::Superseded(index)) if self.applied_through(index).await => {
                ProposeOutcome::Superseded { index }
            }
            Some(Outcome::Refused(reason)) => ProposeOutcome::Refused(reason),
            Some(Outcome::Applied(_) | Outcome::Superseded(_) | Outcome::Lost(_)) | None => {
                ProposeOutcome::Lost
            }
        }
    }

    async fn catch_up(&self) -> Result<u64, String> {
        use read_index_answer::Outcome;
        let leader = match self.leader().await? {
            Leader::Here => return proven(running::prove_leadership(&self.raft).await),
            Leader::At(leader) => leader,
        };
        let body = peer_request::Body::ReadIndex(wire::ReadIndex {});
        let to = (self.group, leader);
        let asked = self
            .peers
            .ask(to, Lane::Control, body, LEADER_WAIT_MAX)
            .await;
        let outcome = match asked {
            Ok(peer_answer::Body::ReadIndex(answer)) => answer.outcome,
            Ok(_) => None,
            Err(fault) => return Err(format!("leader {leader}: {fault}")),
        };
        match outcome {
            Some(Outcome::Index(index)) if self.applied_through(index).await => Ok(index),
            Some(Outcome::Index(index)) => Err(format!(
                "this replica has not applied entry {index} in {LEADER_WAIT_MAX:?}"
            )),
            Some(Outcome::Refused(reason)) => Err(format!("leader {leader}: {reason}")),
            None => Err(format!("leader {leader} gave an answer of another release")),
        }
    }

    async fn applied_through(&self, index: u64) -> bool {
        applied_through(&self.raft, index, LEADER_WAIT_MAX).await
    }
}

async fn applied_through(raft: &RaftGroup, index: u64, wait_max: Duration) -> bool {
    let mut metrics = raft.data_metrics();
    let applied = async {
        while metrics.borrow_watched().last_applied.index() < Some(index) {
            if metrics.changed().await.is_err() {
                return false;
            }
        }
        true
    };
    timeout(wait_max, applied).await == Ok(true)
}

fn proven(proof: LeadershipProof) -> Result<u64, String> {
    match proof {
        LeadershipProof::Confirmed { index } => Ok(index),
        LeadershipProof::Refused(reason) => Err(reason),
        LeadershipProof::Lost => Err("the group has stopped".to_owned()),
    }
}
