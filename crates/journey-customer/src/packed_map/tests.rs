//! The packed map does what a `BTreeMap` does.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn a_packed_map_does_what_an_ordered_map_does(
        acts in prop::collection::vec((any::<bool>(), 0..12_u8, any::<u8>()), 0..60)
    ) {
        let (mut packed, mut ordered) = (PackedMap::new(), BTreeMap::new());
        for (removes, key, value) in acts {
            if removes {
                prop_assert_eq!(packed.remove(&key), ordered.remove(&key));
            } else if value < 50 {
                *packed.get_or_default(key) += value;
                *ordered.entry(key).or_default() += value;
            } else {
                prop_assert_eq!(packed.insert(key, value / 2), ordered.insert(key, value / 2));
            }
            prop_assert!(packed.iter().eq(ordered.iter()));
            prop_assert_eq!(packed.get(&key), ordered.get(&key));
            prop_assert_eq!(packed.len(), ordered.len());
        }
        let again: PackedMap<u8, u8> = ordered.into_iter().rev().collect();
        prop_assert_eq!(again, packed);
    }
}

#[test]
fn one_entry_takes_the_room_of_one_entry() {
    let mut map = PackedMap::new();
    for key in 0..5_u64 {
        map.insert(key, key);
        assert_eq!(map.entries.capacity(), map.len());
    }
}
