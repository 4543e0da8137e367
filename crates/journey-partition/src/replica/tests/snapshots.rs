//! Snapshots read while the replica goes on, and received while the power is cut.

use std::sync::Arc;

use journey_storage::limits::STATE_VALUE_SIZE_BYTES_MAX;
use journey_storage::{CrashPoint, Engine, MemoryEngine};
use journey_types::{Lsn, PartitionId, Timestamp};
use parking_lot::Mutex;
use proptest::prelude::*;

use super::super::snapshot::Sizes;
use super::super::{
    Replica, ReplicaOptions, SharedReplica, SnapshotChunk, SnapshotReceiver, SnapshotSender,
    partition_tree,
};
use super::facts::Draw;
use super::interrupted::{InterruptedEngine, Interrupter};
use super::world::{Act, CLUSTER_KEY, World, consensus};
use super::{SHORT_ROW_SIZE_BYTES, act};
use crate::error::PartitionError;

/// Small steps, so that entries come between any two customers.
const SMALL: Sizes = Sizes {
    page_customers_max: 1,
    chunk_size_bytes_max: 700,
    side_table_bytes_max: usize::MAX,
};
const PARTITION: PartitionId = PartitionId::new(3);

fn options(engine: Arc<dyn Engine>, row_size_bytes_max: usize) -> ReplicaOptions {
    ReplicaOptions {
        partition: PARTITION,
        cluster_key: CLUSTER_KEY,
        tree: partition_tree(engine.as_ref(), PARTITION).unwrap(),
        engine,
        row_size_bytes_max,
        customers_size_bytes_max: 8_192,
    }
}

fn open(engine: &MemoryEngine, row_size_bytes_max: usize) -> SharedReplica {
    let options = options(Arc::new(engine.clone()), row_size_bytes_max);
    Arc::new(Mutex::new(Replica::open(options).unwrap()))
}

fn hash(replica: &SharedReplica) -> u128 {
    replica.lock().state_hash().unwrap()
}

fn read_all(sender: &mut SnapshotSender) -> Vec<SnapshotChunk> {
    let mut chunks = Vec::new();
    while let Some(chunk) = sender.next_chunk().unwrap() {
        chunks.push(chunk);
    }
    chunks
}

fn receive(
    engine: Arc<dyn Engine>,
    chunks: &[SnapshotChunk],
    row_size_bytes_max: usize,
) -> Result<Lsn, PartitionError> {
    let mut receiver = SnapshotReceiver::open(options(engine, row_size_bytes_max))?;
    for chunk in chunks {
        receiver.take(chunk)?;
    }
    receiver.install()
}

/// Applies the journal behind the replica's last entry.
fn catch_up(replica: &SharedReplica, world: &World<MemoryEngine>) {
    let mut replica = replica.lock();
    let n_applied = usize::try_from(replica.applied().get()).unwrap();
    for (entry_idx, entry) in world.journal.iter().enumerate().skip(n_applied) {
        let lsn = Lsn::new(entry_idx as u64 + 1);
        replica.apply(lsn, entry.as_ref(), &consensus(lsn)).unwrap();
    }
}

fn assert_equal(one: &SharedReplica, other: &SharedReplica) {
    assert_eq!(hash(one), hash(other));
    let (one, other) = (one.lock(), other.lock());
    assert_eq!(one.applied(), other.applied());
    assert_eq!(one.control(), other.control());
    assert_eq!(one.counts(), other.counts());
    let due = |replica: &Replica| replica.timers_due(None, Timestamp::MAX, 1_000).unwrap();
    assert_eq!(due(&one), due(&other));
    let open = |replica: &Replica| replica.open_effects(None, 1_000).unwrap();
    assert_eq!(open(&one), open(&other));
}

/// Reads a snapshot with acts in between, and holds the replica made of it against the one read.
fn read_while_it_goes_on(before: Vec<Act>, between: Vec<(u8, Act)>, row_size_bytes_max: usize) {
    let mut world = World::in_memory(row_size_bytes_max);
    before.into_iter().for_each(|act| world.act(act));
    let hash_at = hash(&world.replica);
    let mut sender = SnapshotSender::open_with(&world.replica, SMALL).unwrap();
    let at = sender.at();
    assert_eq!(at, world.replica.lock().applied());
    let mut chunks = Vec::new();
    for (n_chunks, act) in between {
        for _ in 0..n_chunks {
            chunks.extend(sender.next_chunk().unwrap());
        }
        world.act(act);
        assert!(world.replica.lock().purge_limit() <= at);
    }
    chunks.extend(read_all(&mut sender));
    assert!(chunks.last().unwrap().is_last);
    drop(sender);
    let replica = world.replica.lock();
    assert_eq!(replica.purge_limit(), replica.floor());
    drop(replica);

    let engine = MemoryEngine::new(row_size_bytes_max);
    let installed = receive(Arc::new(engine.clone()), &chunks, row_size_bytes_max).unwrap();
    assert_eq!(installed, at);
    let engine = engine.crash(CrashPoint::Flushed);
    let replica = open(&engine, row_size_bytes_max);
    assert_eq!(replica.lock().floor(), at);
    assert_eq!(replica.lock().consensus_blob(), Some(consensus(at)));
    assert_eq!(hash(&replica), hash_at);
    catch_up(&replica, &world);
    assert_equal(&replica, &world.replica);
    world.check();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn snapshot_is_exact_at_its_entry_whatever_comes_meanwhile(
        before in prop::collection::vec(act(), 1..30),
        between in prop::collection::vec((0..6_u8, act()), 0..30),
    ) {
        read_while_it_goes_on(before, between, STATE_VALUE_SIZE_BYTES_MAX);
    }

    #[test]
    fn customers_in_many_rows_are_sent_whole(
        before in prop::collection::vec(act(), 1..30),
        between in prop::collection::vec((0..6_u8, act()), 0..30),
    ) {
        read_while_it_goes_on(before, between, SHORT_ROW_SIZE_BYTES);
    }
}

/// A replica with some customers, partly in rows.
fn busy_world(seed: u64, row_size_bytes_max: usize) -> World<MemoryEngine> {
    let mut world = World::in_memory(row_size_bytes_max);
    let mut draw = Draw::new(seed);
    for round in 0..20 {
        world.act(Act::Turns { seed: draw.next() });
        if round == 12 {
            world.act(Act::CheckpointToFloor);
        }
    }
    world
}

#[test]
fn stream_that_falls_behind_is_cancelled_and_a_new_one_succeeds() {
    let mut world = busy_world(1, STATE_VALUE_SIZE_BYTES_MAX);
    let sizes = Sizes {
        side_table_bytes_max: 1_500,
        ..SMALL
    };
    let mut sender = SnapshotSender::open_with(&world.replica, sizes).unwrap();
    assert!(sender.next_chunk().unwrap().is_some());
    for seed in 0..20 {
        world.act(Act::Turns { seed });
    }
    let error = loop {
        match sender.next_chunk() {
            Ok(chunk) => assert!(chunk.is_some(), "it read to its end"),
            Err(error) => break error,
        }
    };
    let message = error.to_string();
    assert!(
        message.starts_with(
            "partition 3 gave up reading a snapshot: customers changed faster than it was read"
        ),
        "{message}"
    );
    assert!(
        message.ends_with("above the limit of 1500; open another one"),
        "{message}"
    );
    world.check();
    drop(sender);
    let mut sender = SnapshotSender::open(&world.replica).unwrap();
    let chunks = read_all(&mut sender);
    let engine = MemoryEngine::new(STATE_VALUE_SIZE_BYTES_MAX);
    receive(
        Arc::new(engine.clone()),
        &chunks,
        STATE_VALUE_SIZE_BYTES_MAX,
    )
    .unwrap();
    let replica = open(&engine, STATE_VALUE_SIZE_BYTES_MAX);
    assert_equal(&replica, &world.replica);
}

#[test]
fn log_is_kept_for_the_oldest_stream_and_streams_are_few() {
    let mut world = busy_world(2, STATE_VALUE_SIZE_BYTES_MAX);
    let first = SnapshotSender::open(&world.replica).unwrap();
    world.act(Act::Turns { seed: 1 });
    let second = SnapshotSender::open(&world.replica).unwrap();
    world.act(Act::CheckpointToFloor);
    assert_eq!(world.replica.lock().purge_limit(), first.at());
    let third = SnapshotSender::open(&world.replica).unwrap_err();
    assert!(matches!(third, PartitionError::SnapshotRefused { .. }));
    drop(first);
    assert_eq!(world.replica.lock().purge_limit(), second.at());
    drop(second);
    let replica = world.replica.lock();
    assert_eq!(replica.purge_limit(), replica.floor());
}

#[test]
fn replica_that_is_still_replaying_gives_no_snapshot() {
    let world = busy_world(3, STATE_VALUE_SIZE_BYTES_MAX);
    super::Checkpointer.step(&world.replica).unwrap();
    let engine = world.engine.crash(CrashPoint::Written);
    let replica = super::world::open(Arc::new(engine), STATE_VALUE_SIZE_BYTES_MAX);
    let refused = SnapshotSender::open(&replica).unwrap_err().to_string();
    assert!(refused.contains("still replaying its log"), "{refused}");
    catch_up(&replica, &world);
    SnapshotSender::open(&replica).unwrap();
}

#[test]
fn damaged_or_incomplete_snapshot_is_refused_and_the_old_state_stays() {
    let row_size_bytes_max = STATE_VALUE_SIZE_BYTES_MAX;
    let world = busy_world(4, row_size_bytes_max);
    let mut sender = SnapshotSender::open_with(&world.replica, SMALL).unwrap();
    let chunks = read_all(&mut sender);
    let old = busy_world(5, row_size_bytes_max);
    let mut old_engine = old.engine.clone();
    super::Checkpointer.run_to_floor(&old.replica).unwrap();
    let old_hash = hash(&old.replica);
    let mut cases: Vec<Vec<SnapshotChunk>> = vec![
        chunks[..chunks.len() - 1].to_vec(),
        [&chunks[..2], &chunks[1..]].concat(),
        [&chunks[..1], &chunks[2..]].concat(),
        Vec::new(),
    ];
    for chunk in 0..chunks.len() {
        let mut damaged = chunks.clone();
        let mut bytes = damaged[chunk].bytes.to_vec();
        let at = (chunk * 131) % bytes.len();
        bytes[at] ^= 1 << (chunk % 8);
        damaged[chunk].bytes = bytes.into();
        cases.push(damaged);
    }
    for (number, case) in cases.into_iter().enumerate() {
        let received = receive(Arc::new(old_engine.clone()), &case, row_size_bytes_max);
        assert!(received.is_err(), "case {number} was installed");
        old_engine = old_engine.crash(CrashPoint::Written);
        let replica = open(&old_engine, row_size_bytes_max);
        assert_eq!(hash(&replica), old_hash, "case {number}");
        assert_eq!(
            old_engine.tree_names(),
            ["p3", "partitions"],
            "case {number}"
        );
    }
}

/// What every power cut from here on would leave, looked at in the middle of each list of writes and before each flush.
fn collect_survivors(
    interrupter: &Interrupter,
    engine: &MemoryEngine,
    survivors: &Arc<Mutex<Vec<MemoryEngine>>>,
    n_seen: usize,
) {
    let (again, engine, survivors) = (interrupter.clone(), engine.clone(), Arc::clone(survivors));
    interrupter.set(move || {
        let n_unflushed = engine.n_unflushed();
        // Fewer than last time: a flush came between.
        let n_seen = if n_unflushed < n_seen { 0 } else { n_seen };
        let points = (n_seen..=n_unflushed).map(CrashPoint::Writes);
        let left: Vec<_> = points.map(|point| engine.survivor(point)).collect();
        survivors.lock().extend(left);
        collect_survivors(&again, &engine, &survivors, n_unflushed);
    });
}

#[test]
fn power_cut_at_any_write_of_the_receiver_leaves_the_old_state_or_the_new() {
    for row_size_bytes_max in [STATE_VALUE_SIZE_BYTES_MAX, SHORT_ROW_SIZE_BYTES] {
        let source = busy_world(6, row_size_bytes_max);
        let mut sender = SnapshotSender::open_with(&source.replica, SMALL).unwrap();
        let chunks = read_all(&mut sender);
        let new_hash = hash(&source.replica);
        let old = busy_world(7, row_size_bytes_max);
        super::Checkpointer.run_to_floor(&old.replica).unwrap();
        let old_hash = hash(&old.replica);
        let engine = old.engine.clone();
        let interrupter = Interrupter::default();
        let survivors = Arc::default();
        collect_survivors(&interrupter, &engine, &survivors, 0);
        let interrupted = InterruptedEngine {
            engine: engine.clone(),
            interrupter,
        };
        receive(Arc::new(interrupted), &chunks, row_size_bytes_max).unwrap();
        let survivors = std::mem::take(&mut *survivors.lock());
        assert!(survivors.len() > 40, "only {} cuts", survivors.len());
        let mut n_new = 0;
        for (number, survivor) in survivors.iter().enumerate() {
            let replica = open(survivor, row_size_bytes_max);
            let found = hash(&replica);
            assert!(found == old_hash || found == new_hash, "cut {number}");
            n_new += usize::from(found == new_hash);
            drop(replica);
            // What was half received is gone, and can be received again.
            receive(Arc::new(survivor.clone()), &chunks, row_size_bytes_max).unwrap();
            let replica = open(survivor, row_size_bytes_max);
            assert_eq!(hash(&replica), new_hash, "cut {number}");
        }
        assert!(n_new > 0, "no cut came behind the switch");
        let replica = open(&engine.crash(CrashPoint::Flushed), row_size_bytes_max);
        assert_eq!(hash(&replica), new_hash);
    }
}

#[test]
fn snapshot_installed_under_a_running_replica_is_what_its_readers_go_on_with() {
    let leader = busy_world(7, STATE_VALUE_SIZE_BYTES_MAX);
    let chunks = read_all(&mut SnapshotSender::open(&leader.replica).unwrap());
    // It is behind, and some of what it has is in memory only.
    let engine = MemoryEngine::new(STATE_VALUE_SIZE_BYTES_MAX);
    let behind = open(&engine, STATE_VALUE_SIZE_BYTES_MAX);
    for (entry_idx, entry) in leader.journal.iter().enumerate().take(5) {
        let lsn = Lsn::new(entry_idx as u64 + 1);
        let mut behind = behind.lock();
        behind.apply(lsn, entry.as_ref(), &consensus(lsn)).unwrap();
    }
    let mut old_stream = SnapshotSender::open(&behind).unwrap();
    let (mut applier, applied) = crate::Applier::new(Arc::clone(&behind));
    let mut receiver = applier.receive_snapshot().unwrap();
    for chunk in &chunks {
        receiver.take(chunk).unwrap();
    }
    receiver.finish().unwrap();
    let at = applier.install(receiver).unwrap();
    assert_eq!(*applied.borrow(), at);
    assert_eq!(behind.lock().floor(), at);
    assert_equal(&behind, &leader.replica);
    let cancelled = old_stream
        .next_chunk()
        .and_then(|_| old_stream.next_chunk());
    assert!(
        matches!(cancelled, Err(PartitionError::SnapshotCancelled { .. })),
        "{cancelled:?}"
    );
    drop(old_stream);
    // It goes on, and the next checkpoint goes to the new rows.
    applier.checkpoint().unwrap();
    let engine = engine.crash(CrashPoint::Flushed);
    assert_equal(&open(&engine, STATE_VALUE_SIZE_BYTES_MAX), &leader.replica);
}
