//! A snapshot carries everything that a checkpoint holds, through pieces of any number, and nothing that is cut or changed.

use std::sync::Arc;

use bytes::Bytes;
use journey_storage::limits::STATE_VALUE_SIZE_BYTES_MAX;
use journey_storage::{CrashPoint, MemoryEngine};
use journey_types::{ClusterKey, EffectOrigin, Incarnation};

use super::{Checkpoint, CheckpointSink, CheckpointSource, PIECE_SIZE_BYTES};
use crate::metadata::machine::MetadataMachine;
use crate::metadata::state::{MetadataState, StoredDocument};
use crate::metadata::{ClusterIdentity, NewNode, NodePlace};
use crate::{SnapshotPiece, SnapshotSink as _, SnapshotSource as _, StateMachine as _};

const FLOOR: u64 = 90;

fn document(revision: u64, id: &str, source: String) -> Arc<StoredDocument> {
    Arc::new(StoredDocument {
        kind: "journey".to_owned(),
        id: id.to_owned(),
        version: 1,
        hash: format!("hash of {id}"),
        revision,
        source_name: format!("{id}.yaml"),
        source,
        published_at_ms: 5,
    })
}

/// With a document that takes several pieces.
fn checkpoint() -> Checkpoint {
    let mut state = MetadataState::default();
    state.set_identity(ClusterIdentity {
        origin: EffectOrigin {
            cluster_id: 7,
            incarnation: Incarnation::new(1),
        },
        key: ClusterKey::new([7; 16]),
        n_partitions: 4,
        founded_at_ms: 1_000,
    });
    let place = NodePlace {
        api_address: "a:1".to_owned(),
        peer_address: "a:3".to_owned(),
        zone: "a".to_owned(),
        weight: 100,
    };
    let founder = NewNode {
        join_key: [1; 16],
        place,
    };
    state.map_mut().found(&founder, 4, 2);
    let long = "steps: # ".repeat(PIECE_SIZE_BYTES / 4);
    state.add_revision(vec![document(1, "short", "entry:".to_owned())]);
    state.add_revision(vec![
        document(2, "long", long),
        document(2, "other", String::new()),
    ]);
    Checkpoint {
        floor: FLOOR,
        consensus: Some(Bytes::from_static(b"as of there")),
        state,
    }
}

fn pieces() -> Vec<SnapshotPiece> {
    let mut source = CheckpointSource::new(checkpoint());
    let mut pieces = Vec::new();
    while let Some(piece) = source.next_piece().unwrap() {
        pieces.push(piece);
    }
    pieces
}

fn receive(pieces: &[SnapshotPiece]) -> Result<Checkpoint, String> {
    let mut sink = CheckpointSink::default();
    for piece in pieces {
        sink.take(piece)?;
    }
    sink.finish()?;
    CheckpointSink::of_any(Box::new(sink).into_any())
}

fn print(checkpoint: &Checkpoint) -> String {
    let state = &checkpoint.state;
    let documents = (1..=state.revision()).flat_map(|revision| state.published_by(revision));
    let documents: Vec<_> = documents.collect();
    let (floor, consensus) = (checkpoint.floor, &checkpoint.consensus);
    let (identity, map) = (state.identity(), state.map());
    format!("{floor} {consensus:?} {identity:?} {map:?} {documents:?}")
}

#[test]
fn everything_arrives_and_survives_a_power_cut_once_it_is_installed() {
    let pieces = pieces();
    assert!(pieces.len() > 2, "{} pieces", pieces.len());
    assert!(pieces.iter().rev().skip(1).all(|piece| !piece.is_last));
    let sent = print(&checkpoint());
    assert_eq!(print(&receive(&pieces).unwrap()), sent);

    let memory = MemoryEngine::new(STATE_VALUE_SIZE_BYTES_MAX);
    let (mut machine, watched) = MetadataMachine::open(Arc::new(memory.clone())).unwrap();
    let mut sink = machine.receive_snapshot().unwrap();
    for piece in &pieces {
        sink.take(piece).unwrap();
    }
    sink.finish().unwrap();
    assert_eq!(*watched.applied.borrow(), 0, "nothing changes before that");
    machine.install(sink.into_any()).unwrap();
    assert_eq!(*watched.applied.borrow(), FLOOR);
    assert_eq!(watched.state.borrow().revision(), 2);
    let survivor = memory.survivor(CrashPoint::Writes(0));
    let (machine, _) = MetadataMachine::open(Arc::new(survivor)).unwrap();
    let (floor, consensus) = machine.applied();
    assert_eq!(floor, FLOOR);
    assert_eq!(consensus, checkpoint().consensus);
    let again = machine_snapshot(machine);
    assert_eq!(print(&receive(&again).unwrap()), sent);
}

fn machine_snapshot(mut machine: MetadataMachine) -> Vec<SnapshotPiece> {
    let mut opened = machine.open_snapshot().unwrap();
    assert_eq!(opened.index, FLOOR);
    let mut pieces = Vec::new();
    while let Some(piece) = opened.source.next_piece().unwrap() {
        pieces.push(piece);
    }
    pieces
}

#[test]
fn pieces_that_are_missing_or_come_twice_are_refused() {
    let pieces = pieces();
    for gone in 0..pieces.len() {
        let mut others = pieces.clone();
        others.remove(gone);
        assert!(receive(&others).is_err(), "piece {gone} is missing");
        let mut twice = pieces.clone();
        twice.insert(gone, pieces[gone].clone());
        assert!(receive(&twice).is_err(), "piece {gone} came twice");
    }
}

#[test]
fn snapshot_that_is_cut_is_refused_wherever_the_cut_is() {
    let all: Vec<u8> = pieces()
        .iter()
        .flat_map(|piece| piece.bytes.to_vec())
        .collect();
    // Only the end of a row can be taken for the end; what is missing behind it is named by the head.
    for end in (1..all.len()).step_by(997) {
        let piece = SnapshotPiece {
            offset: 0,
            bytes: Bytes::copy_from_slice(&all[..end]),
            is_last: true,
        };
        assert!(receive(&[piece]).is_err(), "{end} of {} bytes", all.len());
    }
}
