//! The encoding of keys: back and forth, order, no long runs.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn any_key() -> impl Strategy<Value = Vec<u8>> {
    vec(
        prop_oneof![4 => Just(0xff_u8), 1 => Just(0), 1 => Just(0xfe), 1 => any::<u8>()],
        0..20,
    )
}

proptest! {
    #[test]
    fn keys_come_back_and_keep_their_order(one in any_key(), two in any_key()) {
        prop_assert_eq!(decode(&encode(&one)), one.as_slice());
        prop_assert_eq!(encode(&one).cmp(&encode(&two)), one.cmp(&two));
    }

    #[test]
    fn no_four_ff_in_a_row_are_stored(key in any_key()) {
        let encoded = encode(&key);
        prop_assert!(!encoded.windows(4).any(|window| window == [0xff; 4]));
        prop_assert!(encoded.len() <= key.len() + key.len() / RUN);
    }
}
