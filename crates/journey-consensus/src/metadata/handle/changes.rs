//! Changes of nodes, table and settings. Each names the version of what it changes, and is void when that has moved on.

use journey_types::{NodeId, PartitionId};

use super::{Applied, MetadataHandle};
use crate::MetadataError;
use crate::metadata::cluster::ClusterChange;
use crate::metadata::command::Command;
use crate::metadata::nodes::{self, NewNode, NodePlace, NodeRecord, NodeState};
use crate::metadata::settings::{self, SettingKind};
use crate::metadata::table::PlacementChange;

impl MetadataHandle {
    /// Lets a node join, and returns its record; a node that asks again gets the record that it has.
    ///
    /// # Errors
    /// [`MetadataError::NodePlace`] when what it says of itself does not fit, [`MetadataError::Conflict`] when there is
    /// no room for another node or no cluster yet, or as [`MetadataHandle::publish`].
    ///
    /// # Cancel safety
    /// When dropped before it returns the node may be a member; asking again with the same key is safe.
    pub async fn join(&self, node: NewNode) -> Result<NodeRecord, MetadataError> {
        nodes::check_place(&node.place)?;
        let key = node.join_key;
        if let Some(known) = self.current().node_by_key(&key) {
            return Ok(known.clone());
        }
        self.propose_change(ClusterChange::Join(node)).await?;
        // Void or not: what counts is whether a node with this key is there now.
        self.current()
            .node_by_key(&key)
            .cloned()
            .ok_or_else(|| MetadataError::Conflict {
                what: "the list of nodes".to_owned(),
                reason: "it is full, or the cluster is not founded yet".to_owned(),
            })
    }

    /// Changes a node's state if its record is still at that version; returns the new version.
    ///
    /// # Errors
    /// [`MetadataError::Conflict`] when the record has changed, the state cannot follow on the present one, or a node
    /// that still has replicas shall be removed; or as [`MetadataHandle::publish`].
    ///
    /// # Cancel safety
    /// When dropped before it returns the change may take effect.
    pub async fn set_node_state(
        &self,
        node: NodeId,
        expected_version: u64,
        state: NodeState,
    ) -> Result<u64, MetadataError> {
        let change = ClusterChange::NodeState {
            node,
            expected_version,
            state,
        };
        let index = self.propose_change(change).await?;
        index.ok_or_else(|| self.node_conflict(node, expected_version, state.word()))
    }

    /// Changes where a node is reached and what it takes, if its record is still at that version; returns the new
    /// version, which is the old one when nothing differs.
    ///
    /// # Errors
    /// As [`MetadataHandle::set_node_state`], or [`MetadataError::NodePlace`].
    ///
    /// # Cancel safety
    /// When dropped before it returns the change may take effect.
    pub async fn set_node_place(
        &self,
        node: NodeId,
        expected_version: u64,
        place: NodePlace,
    ) -> Result<u64, MetadataError> {
        nodes::check_place(&place)?;
        let current = self.current();
        let is_there = current.node(node).is_some_and(|record| {
            record.version == expected_version && record.place == place && record.is_member()
        });
        if is_there {
            return Ok(expected_version);
        }
        let change = ClusterChange::NodePlace {
            node,
            expected_version,
            place,
        };
        let index = self.propose_change(change).await?;
        index.ok_or_else(|| self.node_conflict(node, expected_version, "another place"))
    }

    /// Takes one step of one partition's placement if its row is still at that version; returns the new version, which
    /// is also the id of a replica that was added.
    ///
    /// # Errors
    /// [`MetadataError::Conflict`] when the row has changed, does not allow that step now, or the node of an addition is
    /// not active; or as [`MetadataHandle::publish`].
    ///
    /// # Cancel safety
    /// When dropped before it returns the step may be taken.
    pub async fn change_placement(
        &self,
        partition: PartitionId,
        expected_version: u64,
        change: PlacementChange,
    ) -> Result<u64, MetadataError> {
        let proposed = ClusterChange::Placement {
            partition,
            expected_version,
            change,
        };
        let index = self.propose_change(proposed).await?;
        index.ok_or_else(|| {
            let current = self.current();
            let version = current.placement(partition).map(|row| row.version);
            MetadataError::Conflict {
                what: format!("the placement of partition {partition}"),
                reason: match version {
                    Some(version) if version == expected_version => {
                        format!("{change:?} does not fit its replicas or nodes")
                    }
                    Some(version) => format!("it is at version {version}, not {expected_version}"),
                    None => "there is no such partition".to_owned(),
                },
            }
        })
    }

    /// Sets a quota or gate (`None` removes it) if it is still at that version, 0 when it is not there; returns the new
    /// version.
    ///
    /// # Errors
    /// [`MetadataError::Setting`] when name or value do not fit, [`MetadataError::Conflict`] when it has changed or there
    /// is no room for another one; or as [`MetadataHandle::publish`].
    ///
    /// # Cancel safety
    /// When dropped before it returns the change may take effect.
    pub async fn set_setting(
        &self,
        kind: SettingKind,
        name: &str,
        expected_version: u64,
        value: Option<String>,
    ) -> Result<u64, MetadataError> {
        settings::check(kind, name, value.as_deref())?;
        let change = ClusterChange::Setting {
            kind,
            name: name.to_owned(),
            expected_version,
            value,
        };
        let index = self.propose_change(change).await?;
        index.ok_or_else(|| {
            let current = self.current();
            let version = current
                .setting(kind, name)
                .map_or(0, |setting| setting.version);
            MetadataError::Conflict {
                what: format!("{} {name}", kind.word()),
                reason: if version == expected_version {
                    "there is no room for another one".to_owned()
                } else {
                    format!("it is at version {version}, not {expected_version}")
                },
            }
        })
    }

    /// The place in the log at which it took effect; `None` when it was void.
    async fn propose_change(&self, change: ClusterChange) -> Result<Option<u64>, MetadataError> {
        match self.propose(Command::Change(change)).await? {
            Applied::TookEffect(index) => Ok(Some(index)),
            Applied::Void => Ok(None),
        }
    }

    fn node_conflict(&self, node: NodeId, expected: u64, wanted: &str) -> MetadataError {
        let current = self.current();
        let reason = match current.node(node) {
            None => "there is no such node".to_owned(),
            Some(record) if record.version == expected => {
                let state = record.state.word();
                format!("it is {state} and cannot get {wanted} now")
            }
            Some(record) => format!("it is at version {}, not {expected}", record.version),
        };
        MetadataError::Conflict {
            what: format!("node {node}"),
            reason,
        }
    }
}
