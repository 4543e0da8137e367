//! What is written is what was read.

use std::sync::Arc;

use journey_types::{NodeId, PartitionId};
use prost::Message as _;

use super::{ChangeRecord, change_of, change_record, decode_map, encode_map};
use crate::ReplicaId;
use crate::metadata::cluster::{ClusterChange, ClusterMap};
use crate::metadata::nodes::{NewNode, NodePlace, NodeState};
use crate::metadata::settings::SettingKind;
use crate::metadata::table::PlacementChange;

fn node(key: u8) -> NewNode {
    NewNode {
        join_key: [key; 16],
        place: NodePlace {
            api_address: "a:1".to_owned(),
            peer_address: "a:2".to_owned(),
            zone: "east".to_owned(),
            weight: 150,
        },
    }
}

fn placement(change: PlacementChange) -> ClusterChange {
    ClusterChange::Placement {
        partition: PartitionId::new(1),
        expected_version: 7,
        change,
    }
}

fn setting(value: Option<&str>) -> ClusterChange {
    ClusterChange::Setting {
        kind: SettingKind::Gate,
        name: "splits".to_owned(),
        expected_version: 0,
        value: value.map(str::to_owned),
    }
}

#[test]
fn every_change_reads_back_and_its_bytes_stay_as_they_are() {
    let replica = ReplicaId::new(9);
    let (node_id, expected_version) = (NodeId::new(5), 7);
    let add = |replaces| PlacementChange::Add {
        node: node_id,
        replaces,
    };
    let mut changes = vec![
        ClusterChange::Join(node(3)),
        ClusterChange::NodePlace {
            node: node_id,
            expected_version,
            place: node(3).place,
        },
        placement(add(None)),
        placement(add(Some(replica))),
        placement(PlacementChange::Promoted(replica)),
        placement(PlacementChange::Retire(replica)),
        placement(PlacementChange::Keep(replica)),
        placement(PlacementChange::Retired(replica)),
        placement(PlacementChange::Prefer(replica)),
        setting(None),
        setting(Some("")),
        setting(Some("on")),
    ];
    let states = [
        NodeState::Joining,
        NodeState::Active,
        NodeState::Draining,
        NodeState::Down,
        NodeState::Removed,
    ];
    changes.extend(states.map(|state| ClusterChange::NodeState {
        node: node_id,
        expected_version,
        state,
    }));
    let mut printed = Vec::new();
    for change in changes {
        let bytes = change_record(&change).encode_to_vec();
        let read = ChangeRecord::decode(bytes.as_slice()).unwrap();
        assert_eq!(change_of(read).unwrap(), change);
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        printed.push(hex);
    }
    assert_eq!(
        printed[3..9],
        [
            "0801100732060801100518 09".replace(' ', ""),
            "0801100732040802 1809".replace(' ', ""),
            "0801100732040803 1809".replace(' ', ""),
            "0801100732040804 1809".replace(' ', ""),
            "0801100732040805 1809".replace(' ', ""),
            "0801100732040806 1809".replace(' ', ""),
        ]
    );
    let unknown = ChangeRecord::default();
    assert!(change_of(unknown).is_err());
}

#[test]
fn map_reads_back_as_it_was() {
    let mut map = ClusterMap::default();
    map.found(&node(1), 3, 2);
    let changes = [
        ClusterChange::Join(node(2)),
        ClusterChange::NodeState {
            node: NodeId::new(3),
            expected_version: 3,
            state: NodeState::Active,
        },
        ClusterChange::Placement {
            partition: PartitionId::new(2),
            expected_version: 2,
            change: PlacementChange::Add {
                node: NodeId::new(3),
                replaces: Some(ReplicaId::FIRST),
            },
        },
        setting(Some("on")),
        ClusterChange::NodeState {
            node: NodeId::new(1),
            expected_version: 2,
            state: NodeState::Draining,
        },
    ];
    for (index, change) in (3..).zip(&changes) {
        assert!(map.change(change, index), "{change:?}");
    }
    let read = decode_map(encode_map(&map)).unwrap();
    assert_eq!(read.version, map.version);
    assert_eq!(read.nodes, map.nodes);
    assert_eq!(Arc::as_ref(&read.table), Arc::as_ref(&map.table));
    assert_eq!(read.settings, map.settings);
}
