//! The replica against one that never writes and never crashes, and what stops it.

mod facts;
mod ids;
mod interrupted;
mod snapshots;
mod world;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use journey_codec::{Batch, JournalEntry, Record};
use journey_customer::{EventBody, JournalEvent};
use journey_storage::limits::{STATE_SEGMENT_SIZE_BYTES, STATE_VALUE_SIZE_BYTES_MAX};
use journey_storage::tables::{outbox_key, timer_key};
use journey_storage::{CrashPoint, Engine as _, MemoryEngine, Put, SledEngine, SledOptions};
use journey_types::{Lsn, Sequence, Timestamp};
use proptest::prelude::*;

use self::facts::Draw;
use self::world::{Act, World};
use super::{ApplyVerdict, CheckpointProgress, Checkpointer, Replica};
use crate::decided::DecidedEntry;
use crate::error::PartitionError;

/// So short that customers take many rows, and a head may not fit one. A segment of event ids does.
const SHORT_ROW_SIZE_BYTES: usize = 400;

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        12 => any::<u64>().prop_map(|seed| Act::Turns { seed }),
        2 => any::<u64>().prop_map(|seed| Act::BusyTurn { seed }),
        1 => any::<u64>().prop_map(|seed| Act::VoidBatch { seed }),
        1 => Just(Act::OpenSession),
        1 => any::<u64>().prop_map(|revision| Act::AdoptCatalog { revision }),
        1 => Just(Act::Blank),
        5 => (1..4_u8).prop_map(|n_steps| Act::Checkpoint { n_steps }),
        5 => any::<u64>().prop_map(|seed| Act::CheckpointUnderLoad { seed }),
        1 => Just(Act::CheckpointToFloor),
        2 => any::<u64>().prop_map(|seed| Act::Read { seed }),
        2 => (any::<u16>(), any::<u8>(), any::<bool>()).prop_map(
            |(hours, n_max, is_during_checkpoint)| Act::PageTimers {
                hours: hours % 1_000,
                n_max: n_max % 8,
                is_during_checkpoint,
            }
        ),
    ]
}

fn act_or_crash() -> impl Strategy<Value = Act> {
    prop_oneof![
        9 => act(),
        1 => any::<u64>().prop_map(|seed| Act::Crash { seed }),
        1 => (any::<u8>(), any::<u64>()).prop_map(|(after, seed)| Act::Fault {
            after: after % 40,
            seed,
        }),
    ]
}

fn act_crash_and_check(acts: Vec<Act>, row_size_bytes_max: usize) {
    let mut world = World::in_memory(row_size_bytes_max);
    for act in acts {
        world.act(act);
        if matches!(act, Act::Crash { .. } | Act::Fault { .. }) {
            world.check();
        }
    }
    world.check();
    world.crash(CrashPoint::Flushed);
    world.check();
    world.audit_rows();
    world.crash(CrashPoint::Flushed);
    world.check();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn crashed_and_replayed_replica_equals_one_that_never_crashed(
        acts in prop::collection::vec(act_or_crash(), 1..60)
    ) {
        act_crash_and_check(acts, STATE_VALUE_SIZE_BYTES_MAX);
    }

    #[test]
    fn customers_in_many_rows_survive_crashes_as_well(
        acts in prop::collection::vec(act_or_crash(), 1..60)
    ) {
        act_crash_and_check(acts, SHORT_ROW_SIZE_BYTES);
    }
}

#[test]
fn a_timer_due_just_where_a_page_ends_comes_with_the_next_one() {
    let page = Act::PageTimers {
        hours: 0,
        n_max: 0,
        is_during_checkpoint: false,
    };
    let turns = [10_226_152_040_981_309_296, 11_027_616_463_778_599_604];
    let mut acts: Vec<Act> = turns.map(|seed| Act::Turns { seed }).into();
    acts.extend([
        page,
        Act::PageTimers {
            hours: 1,
            n_max: 0,
            is_during_checkpoint: false,
        },
    ]);
    act_crash_and_check(acts, SHORT_ROW_SIZE_BYTES);
}

#[test]
fn replica_over_sled_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    for seed in 0..6 {
        let path = folder.path().join(seed.to_string());
        let open = || SledEngine::open(sled_options(&path)).unwrap();
        let mut world = World::over(open(), STATE_VALUE_SIZE_BYTES_MAX);
        let mut draw = Draw::new(seed);
        for round in 0..40 {
            world.act_without_crash(Act::Turns { seed: draw.next() });
            match draw.below(6) {
                0 => world.act_without_crash(Act::CheckpointUnderLoad { seed: draw.next() }),
                1 => world.act_without_crash(Act::CheckpointToFloor),
                2 if round % 3 == 0 => world.reopen(),
                _ => world.act_without_crash(Act::Checkpoint { n_steps: 1 }),
            }
        }
        world.check();
        world.reopen();
        world.check();
        world.audit_rows();
        let again = world.replaced_engine(open);
        again.check();
        again.engine.verify().unwrap();
    }
}

fn sled_options(path: &Path) -> SledOptions {
    SledOptions {
        path: path.to_owned(),
        segment_size_bytes: STATE_SEGMENT_SIZE_BYTES,
        value_size_bytes_max: STATE_VALUE_SIZE_BYTES_MAX,
        cache_capacity_bytes: 8 * 1024 * 1024,
    }
}

/// A replica with one customer after two facts, and its checkpoint.
fn small_world() -> World<MemoryEngine> {
    let mut world = World::in_memory(STATE_VALUE_SIZE_BYTES_MAX);
    world.act(Act::Turns { seed: 1 });
    world.act(Act::Turns { seed: 2 });
    world
}

#[test]
fn void_batch_moves_nothing_but_the_index() {
    let mut world = small_world();
    let before = world.replica.lock().applied();
    let n_superseded = world.replica.lock().stats().n_superseded;
    for seed in 0..9 {
        world.act(Act::VoidBatch { seed });
    }
    let replica = world.replica.lock();
    assert_eq!(replica.applied().get(), before.get() + 9);
    assert_eq!(replica.stats().n_superseded, n_superseded + 9);
    drop(replica);
    world.check();
    // The chain goes on where it was.
    world.act(Act::Turns { seed: 3 });
}

#[test]
fn batches_of_an_earlier_session_are_void() {
    let mut world = small_world();
    let late = world.journal.last().unwrap().clone();
    world.act(Act::OpenSession);
    assert_eq!(world.append(late.clone()), ApplyVerdict::Superseded);
    world.act(Act::Turns { seed: 3 });
    assert_eq!(world.append(late), ApplyVerdict::Superseded);
    world.check();
}

#[test]
fn replaying_twice_from_the_same_floor_changes_nothing() {
    let mut world = small_world();
    world.act(Act::CheckpointToFloor);
    for seed in 3..20 {
        world.act(Act::Turns { seed });
    }
    world.act(Act::Checkpoint { n_steps: 1 });
    for _ in 0..3 {
        world.crash(CrashPoint::Written);
        world.check();
    }
}

#[test]
fn entries_are_taken_in_order_only() {
    let world = small_world();
    let mut replica = world.replica.lock();
    let applied = replica.applied();
    let error = replica.apply(applied, None, &Bytes::new()).unwrap_err();
    assert!(
        matches!(error, PartitionError::EntryOutOfOrder { .. }),
        "{error}"
    );
    drop(replica);
    let world = small_world();
    let mut replica = world.replica.lock();
    let error = replica.apply(applied.next().next(), None, &Bytes::new());
    assert!(matches!(error, Err(PartitionError::EntryOutOfOrder { .. })));
    let error = replica.apply(applied.next(), None, &Bytes::new());
    assert!(matches!(error, Err(PartitionError::Stopped { .. })));
}

/// Applies one more batch with these records and gives the error.
fn refused(world: &World<MemoryEngine>, records: Vec<Record>) -> PartitionError {
    let mut replica = world.replica.lock();
    let batch = JournalEntry::Batch(Batch {
        session: replica.control().session,
        number: replica.control().next_batch,
        records,
    });
    let next = replica.applied().next();
    replica
        .apply(next, Some(&batch), &Bytes::new())
        .unwrap_err()
}

fn turn_of(world: &World<MemoryEngine>, change: impl Fn(&mut JournalEvent)) -> Record {
    let last = world.journal.last().unwrap().as_ref().unwrap();
    let JournalEntry::Batch(batch) = last else {
        panic!("the last entry is a batch");
    };
    let Record::Turn(mut turn) = batch.records.last().unwrap().clone() else {
        panic!("its last record is a turn");
    };
    let mut event = turn.events.last().unwrap().clone();
    change(&mut event);
    turn.events = vec![event];
    Record::Turn(turn)
}

#[test]
fn fact_out_of_order_in_a_valid_batch_stops_the_partition() {
    for gap in [0, 2] {
        let world = small_world();
        let record = turn_of(&world, |event| {
            event.sequence = Sequence::new(event.sequence.get() + gap);
        });
        let error = refused(&world, vec![record]);
        assert!(
            matches!(error, PartitionError::FactOutOfOrder { .. }),
            "{error}"
        );
        assert!(
            Checkpointer.step(&world.replica).is_err(),
            "nothing of it is written"
        );
        assert!(world.replica.lock().stopped().is_some());
    }
}

#[test]
fn a_state_of_the_leader_is_taken_over_as_it_is_and_held_against_its_facts() {
    let world = small_world();
    let Record::Turn(turn) = turn_of(&world, |event| {
        event.sequence = event.sequence.next();
        event.body = EventBody::LifecycleChanged {
            stage: Some("won".to_owned()),
        };
    }) else {
        panic!("a turn");
    };
    let mut replica = world.replica.lock();
    let batch = |replica: &Replica| {
        JournalEntry::Batch(Batch {
            session: replica.control().session,
            number: replica.control().next_batch,
            records: vec![Record::Turn(turn.clone())],
        })
    };
    let mut decided = replica.customer(&turn.customer).unwrap().unwrap();
    journey_customer::apply(Arc::make_mut(&mut decided), &turn.events[0]);
    let entry = DecidedEntry::new(batch(&replica), vec![Arc::clone(&decided)]);
    let next = replica.applied().next();
    replica.apply_decided(next, &entry, &Bytes::new()).unwrap();
    let held = replica.customer(&turn.customer).unwrap().unwrap();
    assert!(Arc::ptr_eq(&held, &decided), "one copy for both");

    // A leader that decided something else than its facts say.
    let mut turn = turn.clone();
    turn.events[0].sequence = turn.events[0].sequence.next();
    let mut otherwise = Arc::clone(&decided);
    journey_customer::apply(Arc::make_mut(&mut otherwise), &turn.events[0]);
    Arc::make_mut(&mut otherwise).lifecycle = None;
    let mut entry = batch(&replica);
    if let JournalEntry::Batch(batch) = &mut entry {
        batch.records = vec![Record::Turn(turn)];
    }
    let entry = DecidedEntry::new(entry, vec![otherwise]);
    let next = replica.applied().next();
    let error = replica.apply_decided(next, &entry, &Bytes::new());
    let is_found_out = matches!(error, Err(PartitionError::DecidedOtherwise { .. }));
    assert!(is_found_out, "{error:?}");
    assert!(replica.stopped().is_some());
}

#[test]
fn panic_in_apply_stops_the_partition_with_its_reason() {
    let mut world = small_world();
    let record = turn_of(&world, |event| {
        event.sequence = event.sequence.next();
        event.body = EventBody::EffectClaimed {
            effect: Sequence::new(u64::MAX),
            attempt: 1,
            until: event.stamp,
            worker: String::new(),
        };
    });
    let error = refused(&world, vec![record]);
    assert!(
        matches!(error, PartitionError::ApplyPanicked { .. }),
        "{error}"
    );
    assert!(error.to_string().contains("not in the outbox"), "{error}");
    let reason = world.replica.lock().stopped().unwrap().to_owned();
    assert_eq!(reason, error.to_string());
    // Nothing of the batch went into rows: opened again, the replica is what it was.
    world.crash(CrashPoint::Written);
    world.check();
}

#[test]
fn stale_index_rows_are_passed_over_and_removed() {
    let mut world = small_world();
    world.act(Act::CheckpointToFloor);
    let tree = world.engine.tree("p3").unwrap();
    let (known, unknown) = (world::customer(1), world::customer(77));
    let due_at = Timestamp::from_unix_ms(5);
    let rows = [
        timer_key(due_at, &known),
        timer_key(due_at, &unknown),
        outbox_key(&unknown),
    ];
    tree.put_ordered(&rows.clone().map(|key| Put::set(key, b"")))
        .unwrap();
    world.check();
    world.act(Act::Blank);
    world.audit_rows();
    for row in rows {
        assert_eq!(tree.get(&row).unwrap(), None);
    }
}

#[test]
fn timers_far_ahead_leave_their_rows_where_they_are_until_somebody_reads_them() {
    let mut world = World::in_memory(STATE_VALUE_SIZE_BYTES_MAX);
    let mut n_early_max = 0;
    for seed in 0..200 {
        world.act(Act::Turns { seed });
        if seed % 5 == 0 {
            world.act(Act::CheckpointToFloor);
            n_early_max = n_early_max.max(world.n_filed_early());
            // What is due is told right all the same.
            world.check();
        }
    }
    assert!(n_early_max > 2, "{n_early_max}");
    world.act(Act::PageTimers {
        hours: 61 * 24,
        n_max: 2,
        is_during_checkpoint: false,
    });
    world.act(Act::CheckpointToFloor);
    assert_eq!(world.n_filed_early(), 0);
    world.audit_rows();
}

#[test]
fn floor_moves_only_when_a_pass_is_finished() {
    let mut world = World::in_memory(STATE_VALUE_SIZE_BYTES_MAX);
    for seed in 0..30 {
        world.act(Act::Turns { seed });
    }
    let applied = world.replica.lock().applied();
    let progress = Checkpointer.step(&world.replica).unwrap();
    assert!(matches!(progress, CheckpointProgress::Written { n_customers, .. } if n_customers > 5));
    assert_eq!(world.replica.lock().floor(), Lsn::new(0));
    assert_eq!(world.replica.lock().rows_through(), applied);
    world.act(Act::Turns { seed: 99 });
    let progress = Checkpointer.step(&world.replica).unwrap();
    assert_eq!(progress, CheckpointProgress::FloorMoved { floor: applied });
    let replica = world.replica.lock();
    assert_eq!(replica.floor(), applied);
    assert_eq!(replica.consensus_blob(), Some(world::consensus(applied)));
    assert!(
        replica.stats().n_dirty > 0,
        "the last turn is in the next pass"
    );
}

#[test]
fn replica_is_not_exact_until_what_rows_reflect_is_replayed() {
    let mut world = small_world();
    world.act(Act::Checkpoint { n_steps: 1 });
    let engine = world.engine.crash(CrashPoint::Written);
    let replica = world::open(Arc::new(engine), STATE_VALUE_SIZE_BYTES_MAX);
    let mut replica = replica.lock();
    assert_eq!(replica.floor(), Lsn::new(0));
    for (number, entry) in (1..).zip(&world.journal) {
        assert!(!replica.is_exact(), "before entry {number}");
        let entry = entry.as_ref();
        replica
            .apply(Lsn::new(number), entry, &Bytes::new())
            .unwrap();
    }
    assert!(replica.is_exact());
}

#[test]
fn halted_replica_neither_changes_nor_writes_and_says_why() {
    let world = small_world();
    let reason = "entry 3 is of a newer release";
    let mut replica = world.replica.lock();
    let next = replica.applied().next();
    let error = PartitionError::Stopped {
        partition: replica.partition(),
        reason: reason.to_owned(),
    };
    let error = replica.halt(error);
    assert!(error.to_string().ends_with(reason));
    assert!(replica.stopped().unwrap().ends_with(reason));
    assert!(replica.apply(next, None, &Bytes::new()).is_err());
    drop(replica);
    assert!(Checkpointer.run_to_floor(&world.replica).is_err());
    assert_eq!(world.replica.lock().floor(), Lsn::new(0));
}

#[test]
fn first_entry_of_all_may_have_the_index_0() {
    let engine = MemoryEngine::new(STATE_VALUE_SIZE_BYTES_MAX);
    let replica = world::open(Arc::new(engine), STATE_VALUE_SIZE_BYTES_MAX);
    let mut replica = replica.lock();
    for lsn in [0, 1, 2] {
        let verdict = replica.apply(Lsn::new(lsn), None, &Bytes::new()).unwrap();
        assert_eq!(verdict, ApplyVerdict::Applied);
    }
    assert_eq!(replica.applied(), Lsn::new(2));
    assert!(replica.apply(Lsn::new(0), None, &Bytes::new()).is_err());
}
