//! All groups of one node, on a runtime of their own so that nothing else delays a heartbeat.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use journey_proto::internal::peer_server::PeerServer;
use parking_lot::Mutex;
use tokio::runtime::{Handle, Runtime};
use tokio::time::{Instant, MissedTickBehavior};

use crate::group::{Start, start};
use crate::peers::{Groups, NoPeers, PeerService, Peers, ReplicaDirectory, Waits};
use crate::{
    ConsensusError, ConsensusOptions, GroupHandle, GroupId, GroupOptions, LogStorage, ReplicaId,
    StateMachine,
};

/// Consensus of one node.
#[derive(Debug)]
pub struct Consensus {
    runtime: Option<Runtime>,
    config: Arc<openraft::Config>,
    storage: LogStorage,
    groups: Groups,
    directory: Arc<dyn ReplicaDirectory>,
    peers: Peers,
    waits: Waits,
    started: Instant,
    election_max: Duration,
    /// Groups that have run in this process, whether or not they run now.
    have_run: Mutex<BTreeSet<GroupId>>,
}

impl Consensus {
    /// Consensus of a node without peers: see [`Consensus::start_among`].
    ///
    /// # Errors
    /// As [`Consensus::start_among`].
    pub fn start(options: &ConsensusOptions, storage: LogStorage) -> Result<Self, ConsensusError> {
        Self::start_among(options, storage, Arc::new(NoPeers))
    }

    /// Checks the options and starts the runtime. No group runs yet. The directory says where replicas of other nodes
    /// are; they reach this one's at [`Consensus::peer_service`], once that is served.
    ///
    /// # Errors
    /// [`ConsensusError::Options`] with every problem of the options, or [`ConsensusError::Spawn`].
    pub fn start_among(
        options: &ConsensusOptions,
        storage: LogStorage,
        directory: Arc<dyn ReplicaDirectory>,
    ) -> Result<Self, ConsensusError> {
        options.validate()?;
        let config = options.raft_config().validate();
        let config = config.map_err(|error| ConsensusError::Options {
            problems: vec![error.to_string()],
        })?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(options.worker_threads)
            .thread_name("raft")
            .enable_all()
            .build()
            .map_err(|error| ConsensusError::Spawn {
                what: "consensus' runtime".to_owned(),
                reason: error.to_string(),
            })?;
        let peers = Peers::new(Arc::clone(&directory), runtime.handle().clone());
        let groups = Groups::default();
        runtime.spawn(pulse(Arc::downgrade(&groups), options.heartbeat));
        Ok(Self {
            runtime: Some(runtime),
            config: Arc::new(config),
            storage,
            groups,
            directory,
            peers,
            waits: Waits {
                control: options.election_max,
                backoff: options.heartbeat,
            },
            started: Instant::now(),
            election_max: options.election_max,
            have_run: Mutex::new(BTreeSet::new()),
        })
    }

    /// The service that this node's peers call, to be served at the address that their directories give for it: by a
    /// server on [`Consensus::runtime`], so that nothing else delays it.
    ///
    /// # Panics
    /// Never: the runtime ends only when this value does.
    #[must_use]
    pub fn peer_service(&self) -> PeerServer<PeerService> {
        let groups = Arc::clone(&self.groups);
        PeerService::server(groups, Arc::clone(&self.directory), self.runtime())
    }

    /// Consensus' own runtime: for what its peers wait for, and nothing else.
    ///
    /// # Panics
    /// Never: the runtime ends only when this value does.
    #[must_use]
    pub fn runtime(&self) -> Handle {
        let runtime = self.runtime.as_ref();
        runtime
            .expect("it is taken out only on drop")
            .handle()
            .clone()
    }

    /// Starts this node's replica of a group: a new group with this replica as its only voter when its log is empty,
    /// else where it left off. Entries above the state machine's floor are applied again once they are known to be
    /// committed. A replica with peers takes part one election timeout after its process began.
    ///
    /// # Errors
    /// What keeps the replica from running safely: a log of another replica, state and log that do not meet, damage,
    /// or that it runs already.
    ///
    /// # Cancel safety
    /// When dropped before it returns the group may be running; [`Consensus::shutdown`] stops it.
    pub async fn start_group(
        &self,
        group: GroupId,
        replica: ReplicaId,
        state_machine: Box<dyn StateMachine>,
    ) -> Result<GroupHandle, ConsensusError> {
        let options = GroupOptions::default();
        self.start_group_with((group, replica), options, state_machine)
            .await
    }

    /// [`Consensus::start_group`] with options: another [`crate::GroupStart`], above all.
    ///
    /// # Errors
    /// As [`Consensus::start_group`], and [`ConsensusError::NothingToResume`].
    ///
    /// # Cancel safety
    /// As [`Consensus::start_group`].
    pub async fn start_group_with(
        &self,
        (group, replica): (GroupId, ReplicaId),
        options: GroupOptions,
        state_machine: Box<dyn StateMachine>,
    ) -> Result<GroupHandle, ConsensusError> {
        let Some(runtime) = &self.runtime else {
            let reason = "consensus was shut down".to_owned();
            return Err(ConsensusError::Stopped { group, reason });
        };
        let starting = Start {
            group,
            replica,
            options,
            config: Arc::clone(&self.config),
            storage: self.storage.clone(),
            runtime: runtime.handle().clone(),
            peers: self.peers.clone(),
            waits: self.waits,
            quiet_until: self.quiet_until(group),
        };
        let started = runtime.spawn(start(starting, state_machine)).await;
        let handle = started.map_err(|error| ConsensusError::Stopped {
            group,
            reason: error.to_string(),
        })??;
        self.groups.lock().insert(group, handle.clone());
        Ok(handle)
    }

    /// One election timeout after the process began, or from now where the group ran in it already.
    fn quiet_until(&self, group: GroupId) -> Instant {
        let is_first = self.have_run.lock().insert(group);
        let since = if is_first {
            self.started
        } else {
            Instant::now()
        };
        since + self.election_max
    }

    /// The running replica of that group, if it was started here.
    #[must_use]
    pub fn group(&self, group: GroupId) -> Option<GroupHandle> {
        self.groups.lock().get(&group).cloned()
    }

    /// Every group that runs here, by id.
    #[must_use]
    pub fn groups(&self) -> Vec<GroupHandle> {
        self.groups.lock().values().cloned().collect()
    }

    /// Stops this node's replica of that group, if one runs; it can be started again.
    ///
    /// # Cancel safety
    /// The replica stops also when this is dropped before it returns.
    pub async fn stop_group(&self, group: GroupId) {
        let handle = self.groups.lock().remove(&group);
        if let Some(handle) = handle {
            handle.shutdown().await;
        }
    }

    /// Stops this node's replica of that group, if one runs, and deletes its log and its vote: it never comes back, and
    /// another replica of the group may be started here. Only for a replica that is no member of its group any more.
    ///
    /// # Errors
    /// When the log fails; calling again is safe.
    ///
    /// # Cancel safety
    /// When dropped before it returns part of the log may be gone; call again.
    pub async fn erase_group(&self, group: GroupId) -> Result<(), ConsensusError> {
        self.stop_group(group).await;
        self.storage.erase_group(group).await
    }

    /// Stops all groups, then closes the log.
    ///
    /// # Cancel safety
    /// Groups not reached yet go on when this is dropped; call it again.
    pub async fn shutdown(&self) {
        loop {
            let next = self
                .groups
                .lock()
                .first_key_value()
                .map(|(group, handle)| (*group, handle.clone()));
            let Some((group, handle)) = next else { break };
            handle.shutdown().await;
            self.groups.lock().remove(&group);
        }
        self.storage.close().await;
    }
}

/// Heartbeats of all groups at the same moment, so that those to one peer go in one message; ends with the groups.
async fn pulse(groups: Weak<Mutex<BTreeMap<GroupId, GroupHandle>>>, interval: Duration) {
    let mut beats = tokio::time::interval(interval);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        beats.tick().await;
        let Some(groups) = groups.upgrade() else {
            return;
        };
        let groups: Vec<GroupHandle> = groups.lock().values().cloned().collect();
        for group in &groups {
            group.beat();
        }
    }
}

impl Drop for Consensus {
    fn drop(&mut self) {
        // Dropping a runtime waits for it, which is not allowed where async code runs.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
