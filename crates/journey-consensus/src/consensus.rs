//! All groups of one node, on a runtime of their own so that nothing else delays a heartbeat.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::runtime::Runtime;

use crate::group::{Start, start};
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
    groups: Mutex<BTreeMap<GroupId, GroupHandle>>,
}

impl Consensus {
    /// Checks the options and starts the runtime. No group runs yet.
    ///
    /// # Errors
    /// [`ConsensusError::Options`] with every problem of the options, or [`ConsensusError::Spawn`].
    pub fn start(options: &ConsensusOptions, storage: LogStorage) -> Result<Self, ConsensusError> {
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
        Ok(Self {
            runtime: Some(runtime),
            config: Arc::new(config),
            storage,
            groups: Mutex::new(BTreeMap::new()),
        })
    }

    /// Starts this node's replica of a group: a new group with this replica as its only voter when its log is empty,
    /// else where it left off. Entries above the state machine's floor are applied again once it leads.
    ///
    /// # Errors
    /// What keeps the replica from running safely: a log of another replica, state and log that do not meet, damage,
    /// a group with more than one voter (`not available yet`), or that it runs already.
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

    /// [`Consensus::start_group`] with options.
    ///
    /// # Errors
    /// As [`Consensus::start_group`].
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
        };
        let started = runtime.spawn(start(starting, state_machine)).await;
        let handle = started.map_err(|error| ConsensusError::Stopped {
            group,
            reason: error.to_string(),
        })??;
        self.groups.lock().insert(group, handle.clone());
        Ok(handle)
    }

    /// The running replica of that group, if it was started here.
    #[must_use]
    pub fn group(&self, group: GroupId) -> Option<GroupHandle> {
        self.groups.lock().get(&group).cloned()
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

impl Drop for Consensus {
    fn drop(&mut self) {
        // Dropping a runtime waits for it, which is not allowed where async code runs.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
