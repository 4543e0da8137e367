//! Calls on the metadata group.

mod changes;

use std::sync::Arc;

use journey_storage::Engine;
use tokio::sync::watch;

use super::command::Command;
use super::machine::MetadataMachine;
use super::nodes::{self, NewNode};
use super::publish::{self, NewDocument, PublishOutcome};
use super::state::{ClusterIdentity, MetadataState};
use crate::{
    Consensus, ConsensusError, GroupHandle, GroupId, GroupOptions, GroupStart, MetadataError,
    ProposeOutcome, ReplicaId,
};

/// Handle of this node's replica of the metadata group. Cheap to clone.
///
/// Every call works on every node: what needs the leader is forwarded to it, and waits a while for one to be there.
#[derive(Debug, Clone)]
pub struct MetadataHandle {
    group: GroupHandle,
    state: watch::Receiver<Arc<MetadataState>>,
    applied: watch::Receiver<u64>,
}

impl MetadataHandle {
    /// Starts this node's replica of group 0; its checkpoints go to the tree `metadata` of that database (the state
    /// database of the node).
    ///
    /// # Errors
    /// As [`Consensus::start_group_with`], or that the last checkpoint does not read back.
    ///
    /// # Cancel safety
    /// As [`Consensus::start_group`].
    pub async fn start(
        consensus: &Consensus,
        (replica, start): (ReplicaId, GroupStart),
        state_engine: Arc<dyn Engine>,
    ) -> Result<Self, ConsensusError> {
        let opened = tokio::task::spawn_blocking(move || MetadataMachine::open(state_engine)).await;
        let opened = opened.map_err(|error| ConsensusError::StateMachine {
            group: GroupId::METADATA,
            reason: error.to_string(),
        })?;
        let (machine, watched) = opened.map_err(|source| ConsensusError::Storage {
            attempt: "reading the metadata checkpoint".to_owned(),
            source,
        })?;
        let options = GroupOptions {
            start,
            ..GroupOptions::default()
        };
        let id = (GroupId::METADATA, replica);
        let group = consensus
            .start_group_with(id, options, Box::new(machine))
            .await?;
        Ok(Self {
            group,
            state: watched.state,
            applied: watched.applied,
        })
    }

    /// The group itself: leadership, figures, purge, shutdown.
    #[must_use]
    pub fn group(&self) -> &GroupHandle {
        &self.group
    }

    /// What this replica knows now; right after a start that is the last checkpoint.
    #[must_use]
    pub fn current(&self) -> Arc<MetadataState> {
        Arc::clone(&self.state.borrow())
    }

    /// What this replica knows, now and at each change. Ends when the group stops.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Arc<MetadataState>> {
        self.state.clone()
    }

    /// Everything committed before this call, proven with a round to a quorum. The call to make after a start.
    ///
    /// # Errors
    /// [`MetadataError::Refused`] when no leader can prove it in time.
    ///
    /// # Cancel safety
    /// Changes nothing.
    pub async fn latest(&self) -> Result<Arc<MetadataState>, MetadataError> {
        let caught_up = self.group.catch_up().await;
        let index = caught_up.map_err(|error| MetadataError::Refused {
            reason: error.to_string(),
        })?;
        self.applied(index).await?;
        Ok(self.current())
    }

    /// Founds the cluster with that identity and that first node unless it is founded already, and returns the identity
    /// it has. The first node holds the only voter of every partition.
    ///
    /// # Errors
    /// [`MetadataError::Refused`] or [`MetadataError::OutcomeUnknown`]; calling again is safe.
    ///
    /// # Cancel safety
    /// When dropped before it returns the cluster may be founded with this identity.
    pub async fn bootstrap_if_empty(
        &self,
        identity: ClusterIdentity,
        founder: NewNode,
    ) -> Result<ClusterIdentity, MetadataError> {
        nodes::check_place(&founder.place)?;
        let latest = self.latest().await?;
        if let Some(identity) = latest.identity() {
            return Ok(*identity);
        }
        match self
            .propose(Command::Bootstrap { identity, founder })
            .await?
        {
            Applied::TookEffect(_) | Applied::Void => {
                let current = self.current();
                current
                    .identity()
                    .copied()
                    .ok_or(MetadataError::OutcomeUnknown)
            }
        }
    }

    /// Publishes the documents on top of that revision: each whose hash differs from its newest version becomes the
    /// next version, all of them under one new revision; when none differs nothing changes.
    ///
    /// # Errors
    /// [`MetadataError::RevisionConflict`] when the catalog is at another revision: read it and retry. Others name
    /// the document and the limit, or say that the outcome is unknown: then read the catalog; when the documents are
    /// in it the publish took effect.
    ///
    /// # Cancel safety
    /// When dropped before it returns the publish may take effect.
    pub async fn publish(
        &self,
        expected_revision: u64,
        documents: Vec<NewDocument>,
        at_ms: i64,
    ) -> Result<PublishOutcome, MetadataError> {
        let publish_bytes = publish::check(&documents)?;
        let latest = self.latest().await?;
        if latest.identity().is_none() {
            return Err(MetadataError::NotBootstrapped);
        }
        self.check_revision(expected_revision)?;
        publish::check_room(&latest, publish_bytes)?;
        let command = Command::Publish {
            expected_revision,
            at_ms,
            documents: documents.clone(),
        };
        match self.propose(command).await? {
            Applied::TookEffect(_) => {
                let current = self.current();
                Ok(publish::outcome(&current, expected_revision, &documents))
            }
            Applied::Void => {
                self.check_revision(expected_revision)?;
                Err(MetadataError::OutcomeUnknown)
            }
        }
    }

    /// A number nobody else has got or will get in this cluster: the place of an entry in group 0's log. For replica
    /// and node ids.
    ///
    /// # Errors
    /// [`MetadataError::Refused`] or [`MetadataError::OutcomeUnknown`]; calling again is safe and gives another number.
    ///
    /// # Cancel safety
    /// When dropped before it returns a number may be used up.
    pub async fn allocate_id(&self) -> Result<u64, MetadataError> {
        match self.propose(Command::AllocateId).await? {
            Applied::TookEffect(index) => Ok(index),
            Applied::Void => Err(MetadataError::OutcomeUnknown),
        }
    }

    fn check_revision(&self, expected: u64) -> Result<(), MetadataError> {
        let current = self.current().revision();
        if current == expected {
            Ok(())
        } else {
            Err(MetadataError::RevisionConflict { expected, current })
        }
    }

    async fn propose(&self, command: Command) -> Result<Applied, MetadataError> {
        let outcome = self.group.propose_anywhere(command.into_payload()).await;
        let (index, applied) = match outcome {
            ProposeOutcome::Applied { index } => (index, Applied::TookEffect(index)),
            ProposeOutcome::Superseded { index } => (index, Applied::Void),
            ProposeOutcome::Refused(reason) => return Err(MetadataError::Refused { reason }),
            ProposeOutcome::Lost => return Err(MetadataError::OutcomeUnknown),
        };
        // Whoever changed something sees it in this node's own copy when the call returns.
        self.applied(index).await?;
        Ok(applied)
    }

    /// Waits until this node's copy holds that entry.
    async fn applied(&self, index: u64) -> Result<(), MetadataError> {
        let mut seen = self.applied.clone();
        let waited = seen.wait_for(|applied| *applied >= index).await;
        waited
            .map(|_| ())
            .map_err(|_| MetadataError::OutcomeUnknown)
    }
}

/// What applying a command said.
enum Applied {
    /// It took effect, at that place of the log.
    TookEffect(u64),
    /// It changed nothing.
    Void,
}
