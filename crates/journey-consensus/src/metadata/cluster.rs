//! Nodes, table and settings as one value, and the changes of it. Each is a compare-and-set: what does not fit any more
//! changes nothing, the same on every replica.

use std::collections::BTreeMap;
use std::sync::Arc;

use journey_types::{NodeId, PartitionId};

use super::nodes::{NewNode, NodePlace, NodeRecord, NodeState};
use super::settings::{self, SettingKind, Settings};
use super::table::{PartitionTable, PlacementChange};
use crate::ReplicaId;
use crate::limits::CLUSTER_NODES_MAX;

/// A change of the cluster's map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ClusterChange {
    /// A node joins, unless one with its key is there.
    Join(NewNode),
    /// A node's state changes.
    NodeState {
        node: NodeId,
        expected_version: u64,
        state: NodeState,
    },
    /// A node is reached elsewhere, or takes more or less.
    NodePlace {
        node: NodeId,
        expected_version: u64,
        place: NodePlace,
    },
    /// One step of one partition's placement.
    Placement {
        partition: PartitionId,
        expected_version: u64,
        change: PlacementChange,
    },
    /// A setting is set, or removed.
    Setting {
        kind: SettingKind,
        name: String,
        expected_version: u64,
        value: Option<String>,
    },
}

/// Nodes, table and settings. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct ClusterMap {
    /// The place in the log of the last change; 0 before the first.
    pub(super) version: u64,
    pub(super) nodes: Arc<BTreeMap<NodeId, NodeRecord>>,
    pub(super) table: Arc<PartitionTable>,
    pub(super) settings: Arc<Settings>,
}

impl ClusterMap {
    /// The map of a new cluster: one node, and the only voter of everything on it.
    pub(super) fn found(&mut self, founder: &NewNode, n_partitions: u32, index: u64) {
        assert!(self.nodes.is_empty(), "a cluster is founded once");
        let node = NodeRecord {
            id: NodeId::new(1),
            version: index,
            join_key: founder.join_key,
            place: founder.place.clone(),
            state: NodeState::Active,
            drains: false,
            metadata_replica: ReplicaId::FIRST,
        };
        let table = PartitionTable::founded(n_partitions, node.id, ReplicaId::FIRST, index);
        self.nodes = Arc::new(BTreeMap::from([(node.id, node)]));
        self.table = Arc::new(table);
        self.version = index;
    }

    /// Makes the change at that place of the log; false when it is void.
    pub(super) fn change(&mut self, change: &ClusterChange, index: u64) -> bool {
        assert!(index > self.version, "the log moves forward");
        let took_effect = match change {
            ClusterChange::Join(joining) => self.join(joining, index),
            ClusterChange::NodeState {
                node,
                expected_version,
                state,
            } => self.change_node(*node, (*expected_version, index), |record, table| {
                let may_become = record.state.may_become(*state);
                let is_empty = table.replicas_of(record.id).next().is_none();
                // Whoever goes for ever takes nothing along.
                let fits = may_become && (*state != NodeState::Removed || is_empty);
                if fits {
                    record.state = *state;
                    record.drains = match state {
                        NodeState::Draining => true,
                        NodeState::Joining | NodeState::Active | NodeState::Removed => false,
                        NodeState::Down => record.drains,
                    };
                }
                fits
            }),
            ClusterChange::NodePlace {
                node,
                expected_version,
                place,
            } => self.change_node(*node, (*expected_version, index), |record, _| {
                let fits = record.is_member() && record.place != *place;
                if fits {
                    record.place = place.clone();
                }
                fits
            }),
            ClusterChange::Placement {
                partition,
                expected_version,
                change,
            } => self.change_placement(*partition, (*expected_version, index), *change),
            ClusterChange::Setting {
                kind,
                name,
                expected_version,
                value,
            } => {
                let key = (*kind, name.clone());
                let versions = (*expected_version, index);
                let settings = Arc::make_mut(&mut self.settings);
                settings::change(settings, &key, versions, value.as_deref())
            }
        };
        if took_effect {
            self.version = index;
        }
        took_effect
    }

    /// The node with that key.
    pub(super) fn node_by_key(&self, joining: &NewNode) -> Option<&NodeRecord> {
        self.nodes
            .values()
            .find(|node| node.join_key == joining.join_key)
    }

    fn join(&mut self, joining: &NewNode, index: u64) -> bool {
        let n_members = self.nodes.values().filter(|node| node.is_member()).count();
        let is_founded = n_members > 0;
        if !is_founded || n_members >= CLUSTER_NODES_MAX || self.node_by_key(joining).is_some() {
            return false;
        }
        let node = NodeRecord {
            id: NodeId::new(index),
            version: index,
            join_key: joining.join_key,
            place: joining.place.clone(),
            state: NodeState::Joining,
            drains: false,
            metadata_replica: ReplicaId::new(index),
        };
        let is_fresh = self.nodes.keys().all(|id| *id < node.id);
        assert!(is_fresh, "a node id is never used twice");
        Arc::make_mut(&mut self.nodes).insert(node.id, node);
        true
    }

    fn change_node(
        &mut self,
        node: NodeId,
        (expected_version, index): (u64, u64),
        change: impl FnOnce(&mut NodeRecord, &PartitionTable) -> bool,
    ) -> bool {
        let found = self.nodes.get(&node);
        if found.is_none_or(|record| record.version != expected_version) {
            return false;
        }
        let record = Arc::make_mut(&mut self.nodes).get_mut(&node);
        let record = record.expect("it was found a moment ago");
        let took_effect = change(record, &self.table);
        if took_effect {
            record.version = index;
        }
        took_effect
    }

    fn change_placement(
        &mut self,
        partition: PartitionId,
        (expected_version, index): (u64, u64),
        change: PlacementChange,
    ) -> bool {
        let found = self.table.partition(partition);
        let may_change = found.is_some_and(|placement| {
            placement.version == expected_version && placement.allows(change)
        });
        let node_takes = match change {
            PlacementChange::Add { node, .. } => self
                .nodes
                .get(&node)
                .is_some_and(|record| record.state == NodeState::Active),
            PlacementChange::Promoted(_)
            | PlacementChange::Retire(_)
            | PlacementChange::Keep(_)
            | PlacementChange::Retired(_)
            | PlacementChange::Prefer(_) => true,
        };
        if !may_change || !node_takes {
            return false;
        }
        let table = Arc::make_mut(&mut self.table);
        let position = usize::try_from(partition.get()).expect("it was found a moment ago");
        table.partitions[position].change(change, index);
        table.version = index;
        true
    }
}

#[cfg(test)]
mod tests;
