//! The replica against one that never writes and never crashes, and what stops it.

mod facts;
mod interrupted;
mod world;

use journey_storage::limits::STATE_VALUE_SIZE_BYTES_MAX;
use journey_storage::{CrashPoint, SledEngine, SledOptions};
use proptest::prelude::*;

use self::world::{Act, World};

/// So short that customers take many rows, and a head may not fit one.
const SHORT_ROW_SIZE_BYTES: usize = 300;

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        12 => any::<u64>().prop_map(|seed| Act::Turns { seed }),
        1 => any::<u64>().prop_map(|seed| Act::VoidBatch { seed }),
        1 => Just(Act::OpenSession),
        1 => any::<u64>().prop_map(|revision| Act::AdoptCatalog { revision }),
        1 => Just(Act::Blank),
        5 => (1..4_u8).prop_map(|n_steps| Act::Checkpoint { n_steps }),
        5 => any::<u64>().prop_map(|seed| Act::CheckpointUnderLoad { seed }),
        1 => Just(Act::CheckpointToFloor),
        2 => any::<u64>().prop_map(|seed| Act::Read { seed }),
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
