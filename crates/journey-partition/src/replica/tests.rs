//! The replica against one that never crashes.
mod facts;
mod world;

use journey_storage::CrashPoint;
use proptest::prelude::*;

use self::world::{Act, World};

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        12 => any::<u64>().prop_map(|seed| Act::Turns { seed }),
        1 => any::<u64>().prop_map(|seed| Act::VoidBatch { seed }),
        1 => Just(Act::OpenSession),
        1 => any::<u64>().prop_map(|revision| Act::AdoptCatalog { revision }),
        1 => Just(Act::Blank),
        6 => (1..4_u8).prop_map(|n_steps| Act::Checkpoint { n_steps }),
        1 => Just(Act::CheckpointToFloor),
        3 => any::<u64>().prop_map(|seed| Act::Crash { seed }),
        2 => any::<u64>().prop_map(|seed| Act::Read { seed }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn crashed_and_replayed_replica_equals_one_that_never_crashed(
        acts in prop::collection::vec(act(), 1..60)
    ) {
        let mut world = World::in_memory();
        for act in acts {
            world.act(act);
            if matches!(act, Act::Crash { .. }) {
                world.check();
            }
        }
        world.check();
        world.crash(CrashPoint::Flushed);
        world.check();
    }
}
