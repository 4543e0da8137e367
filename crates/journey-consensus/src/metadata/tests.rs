//! The metadata group: founding, compare-and-set publishes, versions for ever, restarts and crashes, bounds.

use std::sync::Arc;

use journey_storage::limits::STATE_VALUE_SIZE_BYTES_MAX;
use journey_storage::{CrashPoint, MemoryEngine};
use journey_types::{ClusterKey, EffectOrigin, Incarnation, NodeId, PartitionId};

use super::{
    ClusterIdentity, MetadataHandle, MetadataState, NewDocument, NewNode, NodePlace, NodeState,
    PlacementChange, SettingKind,
};
use crate::limits::{DOCUMENT_NAME_SIZE_BYTES_MAX, DOCUMENT_SOURCE_SIZE_BYTES_MAX};
use crate::testing::{consensus_on, memory};
use crate::{Consensus, GroupHandle, GroupId, GroupStart, MetadataError, PurgeOutcome, ReplicaId};

const REPLICA: ReplicaId = ReplicaId::new(1);

fn identity(cluster_id: u64) -> ClusterIdentity {
    ClusterIdentity {
        origin: EffectOrigin {
            cluster_id,
            incarnation: Incarnation::new(1),
        },
        key: ClusterKey::new([7; 16]),
        n_partitions: 16,
        founded_at_ms: 1_000,
    }
}

fn founder() -> NewNode {
    new_node(1, "127.0.0.1:7701")
}

fn new_node(key: u8, api_address: &str) -> NewNode {
    NewNode {
        join_key: [key; 16],
        place: NodePlace {
            api_address: api_address.to_owned(),
            peer_address: format!("{api_address}0"),
            zone: "a".to_owned(),
            weight: 100,
        },
    }
}

fn document(kind: &str, id: &str, text: &str) -> NewDocument {
    NewDocument {
        kind: kind.to_owned(),
        id: id.to_owned(),
        hash: format!("hash of {}", &text[..text.len().min(100)]),
        source_name: format!("{id}.yaml"),
        source: text.to_owned(),
    }
}

/// The two databases of a node.
struct Node {
    log: MemoryEngine,
    state: MemoryEngine,
}

impl Node {
    fn new() -> Self {
        Self {
            log: memory(),
            state: MemoryEngine::new(STATE_VALUE_SIZE_BYTES_MAX),
        }
    }

    async fn start(&self) -> (Consensus, MetadataHandle) {
        let (consensus, _) = consensus_on(Arc::new(self.log.clone()));
        let state = Arc::new(self.state.clone());
        let metadata = MetadataHandle::start(&consensus, (REPLICA, GroupStart::Found), state)
            .await
            .unwrap();
        (consensus, metadata)
    }

    fn survivor(&self, point: CrashPoint) -> Self {
        Self {
            log: self.log.survivor(point),
            state: self.state.survivor(point),
        }
    }
}

/// Everything published, one line per version.
fn print(state: &MetadataState) -> Vec<String> {
    (1..=state.revision())
        .flat_map(|revision| state.published_by(revision))
        .map(|document| {
            format!(
                "r{} {} {} v{} {} at {}: {}",
                document.revision,
                document.kind,
                document.id,
                document.version,
                document.source_name,
                document.published_at_ms,
                document.source.chars().take(20).collect::<String>()
            )
        })
        .collect()
}

async fn checkpoint(group: &GroupHandle) {
    let purged = group.purge_if_above(0).await.unwrap();
    assert!(matches!(purged, PurgeOutcome::Purged { .. }), "{purged:?}");
}

#[tokio::test]
async fn cluster_is_founded_once_and_keeps_its_identity() {
    let node = Node::new();
    let (consensus, metadata) = node.start().await;
    let early = metadata
        .publish(0, vec![document("journey", "a", "1")], 5)
        .await;
    assert!(
        matches!(early, Err(MetadataError::NotBootstrapped)),
        "{early:?}"
    );
    assert_eq!(
        metadata
            .bootstrap_if_empty(identity(9), founder())
            .await
            .unwrap(),
        identity(9)
    );
    assert_eq!(
        metadata
            .bootstrap_if_empty(identity(10), founder())
            .await
            .unwrap(),
        identity(9)
    );
    consensus.shutdown().await;
    let (consensus, metadata) = node.start().await;
    assert_eq!(
        metadata
            .bootstrap_if_empty(identity(11), founder())
            .await
            .unwrap(),
        identity(9)
    );
    consensus.shutdown().await;
}

#[tokio::test]
async fn publish_counts_versions_and_leaves_the_unchanged_alone() {
    let (consensus, metadata) = Node::new().start().await;
    metadata
        .bootstrap_if_empty(identity(9), founder())
        .await
        .unwrap();
    let mut watch = metadata.watch();
    watch.mark_unchanged();
    let (a, b) = (document("journey", "a", "1"), document("content", "a", "2"));
    let first = metadata
        .publish(0, vec![a.clone(), b.clone()], 5)
        .await
        .unwrap();
    assert_eq!(first.revision, 1);
    assert!(
        first
            .versions
            .iter()
            .all(|version| version.version == 1 && !version.unchanged)
    );
    assert_eq!(watch.borrow_and_update().revision(), 1);

    let changed = document("journey", "a", "3");
    let second = metadata
        .publish(1, vec![b.clone(), changed.clone()], 6)
        .await
        .unwrap();
    assert_eq!(second.revision, 2);
    let versions: Vec<_> = second
        .versions
        .iter()
        .map(|version| (version.version, version.unchanged))
        .collect();
    assert_eq!(versions, [(1, true), (2, false)]);

    watch.mark_unchanged();
    let third = metadata.publish(2, vec![changed, b], 7).await.unwrap();
    assert_eq!(third.revision, 2);
    assert!(third.versions.iter().all(|version| version.unchanged));
    assert!(!watch.has_changed().unwrap(), "nothing changed");

    // Going back to an older text is a new version.
    let fourth = metadata.publish(2, vec![a], 8).await.unwrap();
    assert_eq!((fourth.revision, fourth.versions[0].version), (3, 3));
    let state = metadata.current();
    assert_eq!(
        print(&state),
        [
            "r1 journey a v1 a.yaml at 5: 1",
            "r1 content a v1 a.yaml at 5: 2",
            "r2 journey a v2 a.yaml at 6: 3",
            "r3 journey a v3 a.yaml at 8: 1",
        ]
    );
    let newest: Vec<_> = state
        .documents()
        .map(|document| (document.kind.as_str(), document.version))
        .collect();
    assert_eq!(newest, [("content", 1), ("journey", 3)]);
    let at_two: Vec<_> = state
        .documents_at(2)
        .map(|document| document.version)
        .collect();
    assert_eq!(at_two, [1, 2]);
    assert_eq!(state.documents_at(0).count(), 0);
    consensus.shutdown().await;
}

#[tokio::test]
async fn of_publishes_on_the_same_revision_exactly_one_takes_effect() {
    let (consensus, metadata) = Node::new().start().await;
    metadata
        .bootstrap_if_empty(identity(9), founder())
        .await
        .unwrap();
    let publishes = (0..20).map(|number| {
        let metadata = metadata.clone();
        let text = number.to_string();
        tokio::spawn(async move {
            metadata
                .publish(0, vec![document("journey", "a", &text)], 5)
                .await
        })
    });
    let mut winners = 0;
    for publish in publishes.collect::<Vec<_>>() {
        match publish.await.unwrap() {
            Ok(outcome) => {
                winners += 1;
                assert_eq!((outcome.revision, outcome.versions[0].version), (1, 1));
            }
            Err(MetadataError::RevisionConflict {
                expected: 0,
                current: 1,
            }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(winners, 1);
    assert_eq!(metadata.current().revision(), 1);
    consensus.shutdown().await;
}

#[tokio::test]
async fn restart_and_crash_keep_every_acknowledged_version() {
    let long = "long ".repeat(20_000);
    for (with_checkpoint, crash) in [
        (false, None),
        (true, None),
        (false, Some(1)),
        (true, Some(2)),
        (true, Some(3)),
    ] {
        let node = Node::new();
        let (consensus, metadata) = node.start().await;
        metadata
            .bootstrap_if_empty(identity(9), founder())
            .await
            .unwrap();
        metadata
            .publish(
                0,
                vec![
                    document("journey", "a", &long),
                    document("journey", "b", "1"),
                ],
                5,
            )
            .await
            .unwrap();
        let id = metadata.allocate_id().await.unwrap();
        if with_checkpoint {
            checkpoint(metadata.group()).await;
        }
        metadata
            .publish(1, vec![document("journey", "b", "2")], 6)
            .await
            .unwrap();
        let wanted = print(&metadata.current());
        let node = crash.map_or_else(
            || Node {
                log: node.log.clone(),
                state: node.state.clone(),
            },
            |seed| node.survivor(CrashPoint::Seeded(seed)),
        );
        if crash.is_none() {
            consensus.shutdown().await;
        }
        let (again, metadata) = node.start().await;
        let state = metadata.latest().await.unwrap();
        assert_eq!(
            print(&state),
            wanted,
            "checkpoint {with_checkpoint}, crash {crash:?}"
        );
        assert_eq!(state.identity(), Some(&identity(9)));
        assert_eq!(state.versions("journey", "a")[0].source, long);
        assert!(metadata.allocate_id().await.unwrap() > id);
        let next = metadata
            .publish(2, vec![document("journey", "b", "3")], 7)
            .await
            .unwrap();
        assert_eq!(next.versions[0].version, 3);
        again.shutdown().await;
        consensus.shutdown().await;
    }
}

#[tokio::test]
async fn checkpoint_cut_at_any_write_leaves_the_former_one_whole() {
    let node = Node::new();
    let (consensus, metadata) = node.start().await;
    metadata
        .bootstrap_if_empty(identity(9), founder())
        .await
        .unwrap();
    metadata
        .publish(0, vec![document("journey", "a", "1")], 5)
        .await
        .unwrap();
    let (mut rows, _) = super::rows::Rows::open(Arc::new(node.state.clone())).unwrap();
    let mut taken = super::rows::Checkpoint {
        floor: 3,
        consensus: Some("blob".into()),
        state: (*metadata.current()).clone(),
    };
    rows.write(&taken).unwrap();
    metadata
        .publish(1, vec![document("journey", "a", &"2".repeat(10_000))], 6)
        .await
        .unwrap();
    taken.floor = 4;
    taken.state = (*metadata.current()).clone();
    node.state.inject(journey_storage::Fault::NextFlush);
    rows.write(&taken).unwrap_err();
    assert!(node.state.n_unflushed() >= 4);
    for cut in 0..=node.state.n_unflushed() {
        let state = node.state.survivor(CrashPoint::Writes(cut));
        let (_, found) = super::rows::Rows::open(Arc::new(state)).unwrap();
        let floor = if cut == node.state.n_unflushed() {
            4
        } else {
            3
        };
        assert_eq!(
            (found.floor, found.state.revision()),
            (floor, floor - 2),
            "cut {cut}"
        );
    }
    consensus.shutdown().await;
}

#[tokio::test]
async fn bounds_are_named_before_anything_is_written() {
    let (consensus, metadata) = Node::new().start().await;
    metadata
        .bootstrap_if_empty(identity(9), founder())
        .await
        .unwrap();
    let fine = document("journey", "a", "1");
    let cases: Vec<(Vec<NewDocument>, &str)> = vec![
        (vec![], "a publish needs at least one document"),
        (
            vec![fine.clone(), fine.clone()],
            "journey a stands twice in one publish (a.yaml and a.yaml); keep one of them",
        ),
        (
            vec![document("", "a", "1")],
            "kind of document  a has 0 bytes; it must have 1 to 512",
        ),
        (
            vec![document(
                "journey",
                &"i".repeat(DOCUMENT_NAME_SIZE_BYTES_MAX + 1),
                "1",
            )],
            "has 513 bytes; it must have 1 to 512",
        ),
        (
            vec![document(
                "journey",
                "a",
                &"x".repeat(DOCUMENT_SOURCE_SIZE_BYTES_MAX + 1),
            )],
            "journey a from a.yaml has 262145 bytes, above the limit of 262144; split it",
        ),
        (
            (0..10)
                .map(|id| {
                    document(
                        "journey",
                        &id.to_string(),
                        &"x".repeat(DOCUMENT_SOURCE_SIZE_BYTES_MAX),
                    )
                })
                .collect(),
            "the publish has 10 documents",
        ),
    ];
    for (documents, wanted) in cases {
        let error = metadata
            .publish(0, documents, 5)
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(wanted), "{error}");
    }
    assert_eq!(metadata.current().revision(), 0);
    // The largest publish that passes the check also passes the log.
    let largest = (0..7).map(|id| {
        document(
            "journey",
            &id.to_string(),
            &"x".repeat(DOCUMENT_SOURCE_SIZE_BYTES_MAX),
        )
    });
    metadata.publish(0, largest.collect(), 5).await.unwrap();
    consensus.shutdown().await;
    let stopped = metadata.publish(1, vec![fine], 6).await.unwrap_err();
    assert!(
        matches!(stopped, MetadataError::Refused { .. }),
        "{stopped}"
    );
}

#[tokio::test]
async fn node_joins_once_and_its_record_changes_by_compare_and_set() {
    let node = Node::new();
    let (consensus, metadata) = node.start().await;
    let early = metadata.join(new_node(2, "b:1")).await.unwrap_err();
    assert!(matches!(early, MetadataError::Conflict { .. }), "{early}");
    metadata
        .bootstrap_if_empty(identity(9), founder())
        .await
        .unwrap();
    let founded = metadata.current();
    let first = founded.node(NodeId::new(1)).unwrap();
    assert_eq!(
        (first.state, first.place.clone()),
        (NodeState::Active, founder().place)
    );
    assert_eq!(founded.table().partitions.len(), 16);
    let group = GroupId::of_partition(PartitionId::new(7));
    assert_eq!(
        founded.address_of_replica(group, REPLICA),
        Some("127.0.0.1:77010")
    );

    let joined = metadata.join(new_node(2, "b:1")).await.unwrap();
    assert_eq!(metadata.join(new_node(2, "b:1")).await.unwrap(), joined);
    assert_eq!(joined.state, NodeState::Joining);
    let active = metadata.set_node_state(joined.id, joined.version, NodeState::Active);
    let version = active.await.unwrap();
    let stale = metadata.set_node_state(joined.id, joined.version, NodeState::Down);
    let stale = stale.await.unwrap_err().to_string();
    assert_eq!(
        stale,
        format!(
            "node {} is not changed: it is at version {version}, not {}; read it again",
            joined.id, joined.version
        )
    );
    consensus.shutdown().await;
}

#[tokio::test]
async fn table_and_settings_change_by_compare_and_set_and_survive_a_restart() {
    let node = Node::new();
    let (consensus, metadata) = node.start().await;
    metadata
        .bootstrap_if_empty(identity(9), founder())
        .await
        .unwrap();
    let joined = metadata.join(new_node(2, "b:1")).await.unwrap();
    let active = metadata.set_node_state(joined.id, joined.version, NodeState::Active);
    active.await.unwrap();

    let partition = PartitionId::new(7);
    let row = metadata.current().placement(partition).unwrap().version;
    let add = PlacementChange::Add {
        node: joined.id,
        replaces: None,
    };
    let replica = metadata
        .change_placement(partition, row, add)
        .await
        .unwrap();
    let again = metadata.change_placement(partition, row, add).await;
    assert!(
        matches!(again, Err(MetadataError::Conflict { .. })),
        "{again:?}"
    );
    checkpoint(metadata.group()).await;
    let promoted = PlacementChange::Promoted(ReplicaId::new(replica));
    metadata
        .change_placement(partition, replica, promoted)
        .await
        .unwrap();
    let quota = metadata.set_setting(SettingKind::Quota, "events", 0, Some("10".to_owned()));
    let quota = quota.await.unwrap();
    let twice = metadata.set_setting(SettingKind::Quota, "events", 0, Some("20".to_owned()));
    assert!(matches!(twice.await, Err(MetadataError::Conflict { .. })));
    metadata
        .set_setting(SettingKind::Gate, "splits", 0, Some("on".to_owned()))
        .await
        .unwrap();
    let gate = metadata
        .current()
        .setting(SettingKind::Gate, "splits")
        .unwrap()
        .version;
    metadata
        .set_setting(SettingKind::Gate, "splits", gate, None)
        .await
        .unwrap();

    let before = metadata.current();
    assert_eq!(
        before
            .setting(SettingKind::Quota, "events")
            .unwrap()
            .version,
        quota
    );
    consensus.shutdown().await;
    let (consensus, metadata) = node.start().await;
    let after = metadata.latest().await.unwrap();
    assert_eq!(after.table(), before.table());
    assert!(after.nodes().eq(before.nodes()));
    assert!(after.settings().eq(before.settings()));
    assert_eq!(after.settings().count(), 1);
    assert_eq!(after.map_version(), before.map_version());
    consensus.shutdown().await;
}
