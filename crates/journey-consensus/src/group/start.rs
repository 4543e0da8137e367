//! Starts one replica: log and state are checked against each other before anything runs.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use openraft::{Config, LogIdOptionExt as _, Raft};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, sleep_until};

use super::leadership::Silence;
use super::running::{RaftGroup, Running};
use super::{GroupHandle, GroupOptions, GroupStart, leadership};
use crate::adapter::{Adapter, position_of};
use crate::applier::Applier;
use crate::limits::{SILENCE_ELECTIONS, SILENCE_MIN};
use crate::log_storage::{GroupLog, LogPlace, LogStorage, RaftLog};
use crate::outcome::InFlight;
use crate::peers::{Connections, Peers, Waits};
use crate::record::Position;
use crate::{ConsensusError, GroupId, ReplicaId, StateMachine};

/// Everything a replica is started from.
pub(crate) struct Start {
    pub(crate) group: GroupId,
    pub(crate) replica: ReplicaId,
    pub(crate) options: GroupOptions,
    pub(crate) config: Arc<Config>,
    pub(crate) storage: LogStorage,
    pub(crate) runtime: Handle,
    pub(crate) peers: Peers,
    pub(crate) waits: Waits,
    /// From when on a replica with peers may take part.
    pub(crate) quiet_until: Instant,
}

/// Starts the replica; runs on consensus' own runtime.
pub(crate) async fn start(
    start: Start,
    state_machine: Box<dyn StateMachine>,
) -> Result<GroupHandle, ConsensusError> {
    let (group, replica) = (start.group, start.replica);
    let log = match start.options.start {
        GroupStart::Resume => start.storage.reopen_group(group, replica).await?,
        GroupStart::Found | GroupStart::Join => start.storage.open_group(group, replica).await?,
    };
    let started = start_on(&start, &log, state_machine).await;
    if started.is_err() {
        start.storage.release_group(group, &log);
    }
    Ok(GroupHandle {
        group,
        replica,
        core: Arc::new(started?),
    })
}

async fn start_on(
    start: &Start,
    log: &Arc<GroupLog>,
    state_machine: Box<dyn StateMachine>,
) -> Result<Running, ConsensusError> {
    let group = start.group;
    let (applier, applier_ended) = Applier::spawn(group, state_machine)?;
    let floor = applier.floor().await;
    let position = floor
        .and_then(position_of)
        .map_err(|reason| ConsensusError::StateMachine { group, reason })?;
    check_state_meets_log(&position, log)?;
    check_vote_meets_log(log)?;
    let snapshots = applier.downgrade();
    let is_pristine = log.last().is_none() && log.vote().is_none();
    wait_for_silence(start, log, &position).await;

    let adapter = Adapter::new(applier, Arc::clone(log), position);
    let progress = adapter.progress();
    let raft: RaftGroup = Raft::new(
        start.replica.get(),
        Arc::clone(&start.config),
        Connections {
            group,
            peers: start.peers.clone(),
            waits: start.waits,
        },
        RaftLog(Arc::clone(log)),
        adapter,
    )
    .await
    .map_err(|fatal| stopped(group, &fatal))?;
    progress.has_started();
    // The node's one pulse beats for all its groups.
    raft.runtime_config().heartbeat(false);
    if let Err(error) = take_part(&raft, start, is_pristine).await {
        if raft.shutdown().await.is_err() {
            tracing::warn!(group_id = %group, "group ended by a panic");
        }
        return Err(error);
    }

    let (tell, leadership) = watch::channel(leadership::unknown());
    let failure = start.storage.watch_failure();
    let election_max = Duration::from_millis(start.config.election_timeout_max);
    let silence_max = (election_max * SILENCE_ELECTIONS).max(SILENCE_MIN);
    let silence = Arc::new(Silence::at_most(silence_max));
    let followed = leadership::follow(raft.clone(), Arc::clone(&silence), failure, tell);
    start.runtime.spawn(followed);
    Ok(Running {
        group,
        replica: start.replica,
        raft,
        silence,
        peers: start.peers.clone(),
        changing: Arc::default(),
        snapshots,
        receiving: Arc::new(Semaphore::new(1)),
        log: Arc::clone(log),
        storage: start.storage.clone(),
        progress,
        leadership,
        applier_ended,
        runtime: start.runtime.clone(),
        in_flight: InFlight::default(),
        faults: start.options.faults.clone(),
    })
}

/// A replica with peers may have promised a leader, just before it ended, to vote for nobody else for an election
/// timeout; it has forgotten that, so it keeps still as long.
async fn wait_for_silence(start: &Start, log: &GroupLog, position: &Position) {
    let logged = log.recovered_voters();
    let voters = logged.cloned().unwrap_or_else(|| {
        let membership = position.membership.membership();
        membership.voter_ids().collect()
    });
    let own = BTreeSet::from([start.replica.get()]);
    if !voters.is_empty() && voters != own {
        sleep_until(start.quiet_until).await;
    }
}

/// Makes the group's first replica its only voter, or lets a replica that comes back take its part.
async fn take_part(
    raft: &RaftGroup,
    start: &Start,
    is_pristine: bool,
) -> Result<(), ConsensusError> {
    let group = start.group;
    let replica = start.replica.get();
    if is_pristine {
        if start.options.start != GroupStart::Found {
            // The group's leader finds it and brings it up to date.
            return Ok(());
        }
        let voters = BTreeSet::from([replica]);
        return raft
            .initialize(voters)
            .await
            .map_err(|error| stopped(group, &error));
    }
    // Asked of the core itself: its metrics are empty until it has run for the first time.
    let voters = raft.with_raft_state(|state| {
        let membership = state.membership_state.effective();
        membership.membership().voter_ids().collect::<Vec<u64>>()
    });
    let voters = voters.await.map_err(|fatal| stopped(group, &fatal))?;
    if voters != [replica] {
        // A leader is heard of, or an election is due, all by itself.
        return Ok(());
    }
    // The only voter needs nobody's silence to stand for election.
    let elected = raft.trigger().elect(false).await;
    elected.map_err(|fatal| stopped(group, &fatal))
}

/// State may lag behind the log, since entries above its floor are applied again; everything else is a lost disk.
fn check_state_meets_log(position: &Position, log: &GroupLog) -> Result<(), ConsensusError> {
    let LogPlace { log: path, group } = log.place().clone();
    let floor = position.applied.index();
    let last = log.last().index();
    // A crash between installing a snapshot and purging the log behind it; openraft purges what is left of it.
    let was_installed =
        position.applied.is_some() && position.applied == log.recovered_installing();
    if floor > last && !was_installed {
        return Err(ConsensusError::LogMissing {
            log: path.to_string(),
            group,
            floor: floor.unwrap_or(0),
            last: last.map_or_else(|| "is empty".to_owned(), |last| format!("ends at {last}")),
        });
    }
    let purged = log.purged().index();
    if purged > floor {
        return Err(ConsensusError::StateBehindLog {
            log: path.to_string(),
            group,
            floor: floor.unwrap_or(0),
            purged: purged.unwrap_or(0),
        });
    }
    Ok(())
}

/// An entry of a term is written only after a vote for that term was saved.
fn check_vote_meets_log(log: &GroupLog) -> Result<(), ConsensusError> {
    let Some(last) = log.last() else {
        return Ok(());
    };
    let vote_term = log.vote().map_or(0, |vote| vote.leader_id.term);
    let entry_term = last.committed_leader_id().term;
    if vote_term >= entry_term {
        return Ok(());
    }
    let place = log.place();
    Err(ConsensusError::VoteBehindLog {
        log: place.log.to_string(),
        group: place.group,
        vote_term,
        entry_term,
        index: last.index(),
    })
}

fn stopped(group: GroupId, error: &dyn std::error::Error) -> ConsensusError {
    ConsensusError::Stopped {
        group,
        reason: error.to_string(),
    }
}
