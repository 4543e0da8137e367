//! Who is in a group, and the changes of it: one at a time, each safe to repeat.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use openraft::async_runtime::watch::WatchReceiver as _;
use openraft::errors::{ClientWriteError, RaftError};
use openraft::raft::ClientWriteResponse;
use openraft::{ChangeMembers, Instant as _, ServerState};
use tokio::time::timeout;

use super::running::{RaftGroup, Running};
use crate::limits::{
    HEARD_AGE_MAX, MEMBERSHIP_CHANGE_WAIT_MAX, TRANSFER_LAG_MAX, TRANSFER_WAIT_MAX,
};
use crate::raft_types::{Membership, Types};
use crate::{ConsensusError, GroupId, ReplicaId};

/// Who is in a group, as this replica's log says; it may be about to change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GroupMembership {
    /// Replicas that vote. While a change is under way, those before and those after it.
    pub voters: BTreeSet<ReplicaId>,
    /// Replicas that follow and do not vote.
    pub learners: BTreeSet<ReplicaId>,
    /// Whether a change of voters is under way: two sets must agree to everything.
    pub is_joint: bool,
}

/// A change of the membership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    AddLearner(ReplicaId),
    SetVoters(BTreeSet<ReplicaId>),
    RemoveLearner(ReplicaId),
}

type WriteResult = Result<ClientWriteResponse<Types>, RaftError<Types, ClientWriteError<Types>>>;

/// A change needs at most two steps of openraft; a third means that somebody else changes it too.
const STEPS_MAX: usize = 3;

impl Running {
    pub(super) fn membership_now(&self) -> GroupMembership {
        membership_of(&self.raft)
    }

    pub(super) fn lag(&self, replica: ReplicaId) -> Option<u64> {
        lag_of(&self.raft, replica)
    }

    pub(super) fn change_membership(
        &self,
        change: Change,
    ) -> BoxFuture<'static, Result<(), ConsensusError>> {
        let group = self.group;
        let Ok(turn) = Arc::clone(&self.changing).try_lock_owned() else {
            return std::future::ready(Err(ConsensusError::ChangeUnderWay { group })).boxed();
        };
        let raft = self.raft.clone();
        // On the runtime: a change once begun is finished whether or not its caller waits.
        let task = self.runtime.spawn(async move {
            let changed = timeout(MEMBERSHIP_CHANGE_WAIT_MAX, run(group, &raft, change)).await;
            drop(turn);
            changed.unwrap_or_else(|_| {
                Err(ConsensusError::TimedOut {
                    group,
                    attempt: "a change of its membership".to_owned(),
                })
            })
        });
        async move {
            task.await.unwrap_or_else(|error| {
                let reason = error.to_string();
                Err(ConsensusError::Stopped { group, reason })
            })
        }
        .boxed()
    }

    pub(super) fn transfer_to(
        &self,
        to: ReplicaId,
    ) -> BoxFuture<'static, Result<(), ConsensusError>> {
        let (group, raft) = (self.group, self.raft.clone());
        let task = self.runtime.spawn(transfer(group, raft, to));
        async move {
            task.await.unwrap_or_else(|error| {
                let reason = error.to_string();
                Err(ConsensusError::Stopped { group, reason })
            })
        }
        .boxed()
    }
}

async fn run(group: GroupId, raft: &RaftGroup, change: Change) -> Result<(), ConsensusError> {
    for _ in 0..STEPS_MAX {
        must_lead(group, raft)?;
        // Asked of the core itself: its metrics lag behind what it has just done.
        let now = raft
            .with_raft_state(|state| described(state.membership_state.effective().membership()))
            .await
            .map_err(|fatal| ConsensusError::Stopped {
                group,
                reason: fatal.to_string(),
            })?;
        let written = match &change {
            Change::AddLearner(replica) => {
                if now.voters.contains(replica) || now.learners.contains(replica) {
                    return Ok(());
                }
                raft.add_learner(replica.get(), (), false).await
            }
            Change::SetVoters(voters) => {
                if now.voters == *voters && !now.is_joint {
                    return Ok(());
                }
                let ids: BTreeSet<u64> = voters.iter().map(|voter| voter.get()).collect();
                // Whoever votes no more stays as a learner until it is removed by name.
                raft.change_membership(ids, true).await
            }
            Change::RemoveLearner(replica) => {
                if now.voters.contains(replica) {
                    return Err(ConsensusError::ChangeRefused {
                        group,
                        reason: format!("replica {replica} votes; take its vote away first"),
                    });
                }
                if !now.learners.contains(replica) {
                    return Ok(());
                }
                let removed = BTreeSet::from([replica.get()]);
                raft.change_membership(ChangeMembers::RemoveNodes(removed), true)
                    .await
            }
        };
        outcome_of(group, written)?;
    }
    Err(ConsensusError::ChangeRefused {
        group,
        reason: "its membership is changed from elsewhere too; read it and try again".to_owned(),
    })
}

fn outcome_of(group: GroupId, written: WriteResult) -> Result<(), ConsensusError> {
    match written {
        Ok(_) => Ok(()),
        Err(RaftError::APIError(ClientWriteError::ForwardToLeader(forward))) => {
            Err(ConsensusError::NotLeader {
                group,
                leader: forward.leader_id.map(ReplicaId::new),
            })
        }
        Err(RaftError::APIError(error)) => Err(ConsensusError::ChangeRefused {
            group,
            reason: error.to_string(),
        }),
        Err(RaftError::Fatal(fatal)) => Err(ConsensusError::Stopped {
            group,
            reason: fatal.to_string(),
        }),
    }
}

async fn transfer(group: GroupId, raft: RaftGroup, to: ReplicaId) -> Result<(), ConsensusError> {
    must_lead(group, &raft)?;
    if *raft.node_id() == to.get() {
        return Ok(());
    }
    let refused = |reason: String| Err(ConsensusError::ChangeRefused { group, reason });
    if !membership_of(&raft).voters.contains(&to) {
        return refused(format!("replica {to} does not vote, so it cannot lead"));
    }
    // A leader that hands over takes no proposals until somebody else leads: not to one that has far to go.
    if !was_heard_lately(&raft, to) {
        return refused(format!(
            "replica {to} has not answered for {HEARD_AGE_MAX:?}"
        ));
    }
    match lag_of(&raft, to) {
        Some(lag) if lag <= TRANSFER_LAG_MAX => {}
        Some(lag) => return refused(format!("replica {to} is {lag} entries behind")),
        None => return refused(format!("replica {to} has not been heard of")),
    }
    let triggered = raft.trigger().transfer_leader(to.get()).await;
    triggered.map_err(|fatal| ConsensusError::Stopped {
        group,
        reason: fatal.to_string(),
    })?;
    let wait = raft.wait(Some(TRANSFER_WAIT_MAX));
    let handed_over = wait.metrics(
        |metrics| metrics.current_leader == Some(to.get()),
        "leadership handed over",
    );
    match handed_over.await {
        Ok(_) => Ok(()),
        Err(_) => Err(ConsensusError::TimedOut {
            group,
            attempt: format!("handing its leadership to replica {to}"),
        }),
    }
}

fn must_lead(group: GroupId, raft: &RaftGroup) -> Result<(), ConsensusError> {
    let metrics = raft.server_metrics();
    let metrics = metrics.borrow_watched();
    if metrics.state == ServerState::Leader {
        return Ok(());
    }
    Err(ConsensusError::NotLeader {
        group,
        leader: metrics.current_leader.map(ReplicaId::new),
    })
}

fn membership_of(raft: &RaftGroup) -> GroupMembership {
    let metrics = raft.server_metrics();
    let metrics = metrics.borrow_watched();
    described(metrics.membership_config.membership())
}

fn described(membership: &Membership) -> GroupMembership {
    GroupMembership {
        voters: membership.voter_ids().map(ReplicaId::new).collect(),
        learners: membership.learner_ids().map(ReplicaId::new).collect(),
        is_joint: membership.get_joint_config().len() > 1,
    }
}

/// Whether it has answered its leader within a moment: one that is gone lacks nothing as long as nothing is written.
fn was_heard_lately(raft: &RaftGroup, replica: ReplicaId) -> bool {
    let metrics = raft.metrics();
    let metrics = metrics.borrow_watched();
    let heard = metrics.heartbeat.as_ref();
    let heard = heard.and_then(|heard| heard.get(&replica.get()).copied().flatten());
    heard.is_some_and(|heard| heard.elapsed() < HEARD_AGE_MAX)
}

/// How many entries a replica lacks, as its leader knows; `None` elsewhere, and for one that has not answered yet.
fn lag_of(raft: &RaftGroup, replica: ReplicaId) -> Option<u64> {
    let metrics = raft.metrics();
    let metrics = metrics.borrow_watched();
    let last = metrics.last_log_index?;
    if *raft.node_id() == replica.get() {
        return Some(0);
    }
    let matched = metrics.replication.as_ref()?.get(&replica.get())?;
    let matched = matched.as_ref()?.index();
    Some(last.saturating_sub(matched))
}
