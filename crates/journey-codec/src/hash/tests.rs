//! Equal states hash alike, others do not, and the hash itself is golden.

use std::collections::BTreeMap;
use std::sync::Arc;

use journey_types::{CustomerKey, Value};
use proptest::prelude::*;

use super::*;
use crate::arbitrary;

fn customer(double: f64) -> CustomerState {
    let mut state = CustomerState::new(CustomerKey {
        workspace: "default".parse().unwrap(),
        customer: "c-1".parse().unwrap(),
    });
    state.traits = Arc::new(BTreeMap::from([(
        "score".to_owned(),
        Value::Double(double),
    )]));
    state
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn customers_that_differ_hash_differently(
        one in arbitrary::state::customer(),
        other in arbitrary::state::customer(),
    ) {
        prop_assert_eq!(one == other, state_hash(&one) == state_hash(&other));
    }
}

#[test]
fn doubles_that_are_equal_hash_alike() {
    assert_eq!(state_hash(&customer(0.0)), state_hash(&customer(-0.0)));
    let other_nan = f64::from_bits(f64::NAN.to_bits() ^ 1);
    assert_eq!(
        state_hash(&customer(f64::NAN)),
        state_hash(&customer(other_nan))
    );
    assert_ne!(state_hash(&customer(0.1)), state_hash(&customer(0.2)));
}

#[test]
fn a_chain_of_hashes_depends_on_their_order() {
    let chain = |hashes: &[u128]| {
        let mut chain = HashChain::default();
        hashes.iter().for_each(|hash| chain.push(*hash));
        chain.finish()
    };
    assert_eq!(chain(&[1, 2]), chain(&[1, 2]));
    assert_ne!(chain(&[1, 2]), chain(&[2, 1]));
    assert_ne!(chain(&[1]), chain(&[1, 1]));
}

#[test]
fn the_hash_of_a_state_is_golden() {
    // Compared between machines and releases: a change needs a gate.
    assert_eq!(
        format!("{:032x}", state_hash(&customer(0.5))),
        "7a22cc970f52bc9804835abceab4c956"
    );
}
