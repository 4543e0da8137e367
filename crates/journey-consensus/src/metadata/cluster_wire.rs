//! Durable form of nodes, table and settings, and of the changes of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use journey_types::{NodeId, PartitionId};
use prost::Message;

use super::cluster::{ClusterChange, ClusterMap};
use super::nodes::{NewNode, NodePlace, NodeRecord, NodeState};
use super::settings::{Setting, SettingKind};
use super::table::{
    PartitionPlacement, PartitionTable, PlacedReplica, PlacementChange, ReplicaRole,
};
use crate::ReplicaId;
use crate::record;

/// Fields: 1 API address, 2 peer address, 3 zone, 4 weight.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct PlaceRecord {
    #[prost(string, tag = "1")]
    api_address: String,
    #[prost(string, tag = "2")]
    peer_address: String,
    #[prost(string, tag = "3")]
    zone: String,
    #[prost(uint32, tag = "4")]
    weight: u32,
}

/// Fields: 1 join key (16 bytes), 2 place.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct NewNodeRecord {
    #[prost(bytes = "vec", tag = "1")]
    join_key: Vec<u8>,
    #[prost(message, optional, tag = "2")]
    place: Option<PlaceRecord>,
}

/// Fields: 1 id, 2 version, 3 what it says of itself, 4 state, 5 replica of group 0, 6 whether it is
/// to give its replicas away.
#[derive(Clone, PartialEq, Eq, Message)]
struct NodeRow {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(uint64, tag = "2")]
    version: u64,
    #[prost(message, optional, tag = "3")]
    node: Option<NewNodeRecord>,
    #[prost(uint32, tag = "4")]
    state: u32,
    #[prost(uint64, tag = "5")]
    metadata_replica: u64,
    #[prost(bool, tag = "6")]
    drains: bool,
}

/// Fields: 1 replica, 2 node, 3 role.
#[derive(Clone, Copy, PartialEq, Eq, Message)]
struct ReplicaRow {
    #[prost(uint64, tag = "1")]
    replica: u64,
    #[prost(uint64, tag = "2")]
    node: u64,
    #[prost(uint32, tag = "3")]
    role: u32,
}

/// Fields: 1 version, 2 replicas, 3 which should lead.
#[derive(Clone, PartialEq, Eq, Message)]
struct PlacementRow {
    #[prost(uint64, tag = "1")]
    version: u64,
    #[prost(message, repeated, tag = "2")]
    replicas: Vec<ReplicaRow>,
    #[prost(uint64, tag = "3")]
    preferred: u64,
}

/// Fields: 1 kind, 2 name, 3 version, 4 value.
#[derive(Clone, PartialEq, Eq, Message)]
struct SettingRow {
    #[prost(uint32, tag = "1")]
    kind: u32,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(uint64, tag = "3")]
    version: u64,
    #[prost(string, tag = "4")]
    value: String,
}

/// Fields: 1 version, 2 nodes, 3 version of the table, 4 its partitions from 0, 5 settings.
#[derive(Clone, PartialEq, Eq, Message)]
struct MapRow {
    #[prost(uint64, tag = "1")]
    version: u64,
    #[prost(message, repeated, tag = "2")]
    nodes: Vec<NodeRow>,
    #[prost(uint64, tag = "3")]
    table_version: u64,
    #[prost(message, repeated, tag = "4")]
    partitions: Vec<PlacementRow>,
    #[prost(message, repeated, tag = "5")]
    settings: Vec<SettingRow>,
}

/// Fields: 1 what changes (0 for a join), 2 expected version, then one of [`ChangeBody`].
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct ChangeRecord {
    /// The node or the partition.
    #[prost(uint64, tag = "1")]
    subject: u64,
    #[prost(uint64, tag = "2")]
    expected_version: u64,
    #[prost(oneof = "ChangeBody", tags = "3, 4, 5, 6, 7")]
    body: Option<ChangeBody>,
}

/// Fields: 3 join, 4 node state, 5 node place, 6 placement, 7 setting.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
enum ChangeBody {
    #[prost(message, tag = "3")]
    Join(NewNodeRecord),
    #[prost(uint32, tag = "4")]
    NodeState(u32),
    #[prost(message, tag = "5")]
    NodePlace(PlaceRecord),
    #[prost(message, tag = "6")]
    Placement(StepRecord),
    #[prost(message, tag = "7")]
    Setting(SettingChangeRecord),
}

/// Fields: 1 which step, 2 the node of an addition, 3 the replica (of an addition: the one that goes, 0 for none).
#[derive(Clone, Copy, PartialEq, Eq, Message)]
struct StepRecord {
    #[prost(uint32, tag = "1")]
    step: u32,
    #[prost(uint64, tag = "2")]
    node: u64,
    #[prost(uint64, tag = "3")]
    replica: u64,
}

/// Fields: 1 kind, 2 name, 3 value; absent to remove it.
#[derive(Clone, PartialEq, Eq, Message)]
struct SettingChangeRecord {
    #[prost(uint32, tag = "1")]
    kind: u32,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(string, optional, tag = "3")]
    value: Option<String>,
}

const ADD: u32 = 1;
const PROMOTED: u32 = 2;
const RETIRE: u32 = 3;
const KEEP: u32 = 4;
const RETIRED: u32 = 5;
const PREFER: u32 = 6;

pub(super) fn change_record(change: &ClusterChange) -> ChangeRecord {
    let (subject, expected_version, body) = match change {
        ClusterChange::Join(node) => (0, 0, ChangeBody::Join(new_node_record(node))),
        ClusterChange::NodeState {
            node,
            expected_version,
            state,
        } => {
            let body = ChangeBody::NodeState(state_number(*state));
            (node.get(), *expected_version, body)
        }
        ClusterChange::NodePlace {
            node,
            expected_version,
            place,
        } => {
            let body = ChangeBody::NodePlace(place_record(place));
            (node.get(), *expected_version, body)
        }
        ClusterChange::Placement {
            partition,
            expected_version,
            change,
        } => {
            let body = ChangeBody::Placement(step_record(*change));
            (u64::from(partition.get()), *expected_version, body)
        }
        ClusterChange::Setting {
            kind,
            name,
            expected_version,
            value,
        } => {
            let body = ChangeBody::Setting(SettingChangeRecord {
                kind: kind_number(*kind),
                name: name.clone(),
                value: value.clone(),
            });
            (0, *expected_version, body)
        }
    };
    ChangeRecord {
        subject,
        expected_version,
        body: Some(body),
    }
}

pub(super) fn change_of(record: ChangeRecord) -> Result<ClusterChange, String> {
    let expected_version = record.expected_version;
    let node = NodeId::new(record.subject);
    Ok(match record.body {
        Some(ChangeBody::Join(node)) => ClusterChange::Join(new_node_of(&node)?),
        Some(ChangeBody::NodeState(state)) => ClusterChange::NodeState {
            node,
            expected_version,
            state: state_of(state)?,
        },
        Some(ChangeBody::NodePlace(place)) => ClusterChange::NodePlace {
            node,
            expected_version,
            place: place_of(&place),
        },
        Some(ChangeBody::Placement(step)) => {
            let partition = u32::try_from(record.subject);
            let partition =
                partition.map_err(|_| format!("there is no partition {}", record.subject))?;
            ClusterChange::Placement {
                partition: PartitionId::new(partition),
                expected_version,
                change: step_of(&step)?,
            }
        }
        Some(ChangeBody::Setting(setting)) => ClusterChange::Setting {
            kind: kind_of(setting.kind)?,
            name: setting.name,
            expected_version,
            value: setting.value,
        },
        None => return Err("it is a change this release does not know".to_owned()),
    })
}

pub(super) fn new_node_record(node: &NewNode) -> NewNodeRecord {
    NewNodeRecord {
        join_key: node.join_key.to_vec(),
        place: Some(place_record(&node.place)),
    }
}

pub(super) fn new_node_of(record: &NewNodeRecord) -> Result<NewNode, String> {
    let key = record.join_key.as_slice().try_into();
    let join_key = key.map_err(|_| format!("a join key has {} bytes", record.join_key.len()))?;
    let place = record.place.as_ref().map(place_of);
    Ok(NewNode {
        join_key,
        place: place.ok_or("a node names no addresses")?,
    })
}

/// The whole map as one value of the checkpoint.
pub(super) fn encode_map(map: &ClusterMap) -> Vec<u8> {
    let settings = map.settings.iter();
    record::with_format(&MapRow {
        version: map.version,
        nodes: map.nodes.values().map(node_row).collect(),
        table_version: map.table.version,
        partitions: map.table.partitions.iter().map(placement_row).collect(),
        settings: settings
            .map(|((kind, name), setting)| SettingRow {
                kind: kind_number(*kind),
                name: name.clone(),
                version: setting.version,
                value: setting.value.clone(),
            })
            .collect(),
    })
}

pub(super) fn decode_map(bytes: Vec<u8>) -> Result<ClusterMap, String> {
    let row: MapRow = record::decode(Bytes::from(bytes))?;
    let mut nodes = BTreeMap::new();
    for row in &row.nodes {
        let node = node_of(row)?;
        nodes.insert(node.id, node);
    }
    let partitions: Result<_, String> = row.partitions.iter().map(placement_of).collect();
    let mut settings = BTreeMap::new();
    for row in row.settings {
        let setting = Setting {
            version: row.version,
            value: row.value,
        };
        settings.insert((kind_of(row.kind)?, row.name), setting);
    }
    Ok(ClusterMap {
        version: row.version,
        nodes: Arc::new(nodes),
        table: Arc::new(PartitionTable {
            version: row.table_version,
            partitions: partitions?,
        }),
        settings: Arc::new(settings),
    })
}

fn node_row(node: &NodeRecord) -> NodeRow {
    NodeRow {
        id: node.id.get(),
        version: node.version,
        node: Some(NewNodeRecord {
            join_key: node.join_key.to_vec(),
            place: Some(place_record(&node.place)),
        }),
        state: state_number(node.state),
        drains: node.drains,
        metadata_replica: node.metadata_replica.get(),
    }
}

fn node_of(row: &NodeRow) -> Result<NodeRecord, String> {
    let said = row.node.as_ref().ok_or("a node has no key")?;
    let said = new_node_of(said)?;
    Ok(NodeRecord {
        id: NodeId::new(row.id),
        version: row.version,
        join_key: said.join_key,
        place: said.place,
        state: state_of(row.state)?,
        drains: row.drains,
        metadata_replica: ReplicaId::new(row.metadata_replica),
    })
}

fn placement_row(placement: &PartitionPlacement) -> PlacementRow {
    let replicas = placement.replicas.iter();
    PlacementRow {
        version: placement.version,
        replicas: replicas
            .map(|placed| ReplicaRow {
                replica: placed.replica.get(),
                node: placed.node.get(),
                role: role_number(placed.role),
            })
            .collect(),
        preferred: placement.preferred.get(),
    }
}

fn placement_of(row: &PlacementRow) -> Result<PartitionPlacement, String> {
    let replicas = row.replicas.iter().map(|placed| {
        Ok(PlacedReplica {
            replica: ReplicaId::new(placed.replica),
            node: NodeId::new(placed.node),
            role: role_of(placed.role)?,
        })
    });
    Ok(PartitionPlacement {
        version: row.version,
        replicas: replicas.collect::<Result<_, String>>()?,
        preferred: ReplicaId::new(row.preferred),
    })
}

fn place_record(place: &NodePlace) -> PlaceRecord {
    PlaceRecord {
        api_address: place.api_address.clone(),
        peer_address: place.peer_address.clone(),
        zone: place.zone.clone(),
        weight: place.weight,
    }
}

fn place_of(record: &PlaceRecord) -> NodePlace {
    NodePlace {
        api_address: record.api_address.clone(),
        peer_address: record.peer_address.clone(),
        zone: record.zone.clone(),
        weight: record.weight,
    }
}

fn step_record(change: PlacementChange) -> StepRecord {
    let (step, node, replica) = match change {
        PlacementChange::Add { node, replaces } => {
            (ADD, node.get(), replaces.map_or(0, ReplicaId::get))
        }
        PlacementChange::Promoted(replica) => (PROMOTED, 0, replica.get()),
        PlacementChange::Retire(replica) => (RETIRE, 0, replica.get()),
        PlacementChange::Keep(replica) => (KEEP, 0, replica.get()),
        PlacementChange::Retired(replica) => (RETIRED, 0, replica.get()),
        PlacementChange::Prefer(replica) => (PREFER, 0, replica.get()),
    };
    StepRecord {
        step,
        node,
        replica,
    }
}

fn step_of(record: &StepRecord) -> Result<PlacementChange, String> {
    let replica = ReplicaId::new(record.replica);
    Ok(match record.step {
        ADD => PlacementChange::Add {
            node: NodeId::new(record.node),
            replaces: (record.replica > 0).then_some(replica),
        },
        PROMOTED => PlacementChange::Promoted(replica),
        RETIRE => PlacementChange::Retire(replica),
        KEEP => PlacementChange::Keep(replica),
        RETIRED => PlacementChange::Retired(replica),
        PREFER => PlacementChange::Prefer(replica),
        step => {
            return Err(format!(
                "placement step {step} is not known to this release"
            ));
        }
    })
}

const fn state_number(state: NodeState) -> u32 {
    match state {
        NodeState::Joining => 1,
        NodeState::Active => 2,
        NodeState::Draining => 3,
        NodeState::Down => 4,
        NodeState::Removed => 5,
    }
}

fn state_of(number: u32) -> Result<NodeState, String> {
    Ok(match number {
        1 => NodeState::Joining,
        2 => NodeState::Active,
        3 => NodeState::Draining,
        4 => NodeState::Down,
        5 => NodeState::Removed,
        _ => return Err(format!("node state {number} is not known to this release")),
    })
}

const fn role_number(role: ReplicaRole) -> u32 {
    match role {
        ReplicaRole::Voter => 1,
        ReplicaRole::Joining => 2,
        ReplicaRole::Leaving => 3,
    }
}

fn role_of(number: u32) -> Result<ReplicaRole, String> {
    Ok(match number {
        1 => ReplicaRole::Voter,
        2 => ReplicaRole::Joining,
        3 => ReplicaRole::Leaving,
        _ => {
            return Err(format!(
                "replica role {number} is not known to this release"
            ));
        }
    })
}

const fn kind_number(kind: SettingKind) -> u32 {
    match kind {
        SettingKind::Quota => 1,
        SettingKind::Gate => 2,
    }
}

fn kind_of(number: u32) -> Result<SettingKind, String> {
    Ok(match number {
        1 => SettingKind::Quota,
        2 => SettingKind::Gate,
        _ => {
            return Err(format!(
                "setting kind {number} is not known to this release"
            ));
        }
    })
}

#[cfg(test)]
mod tests;
