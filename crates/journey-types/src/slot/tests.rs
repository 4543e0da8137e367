//! The hashes are contracts with stored data.

use super::{ClusterKey, Fingerprint, N_SLOTS, customer_hash, hash_piecewise, slot_of};
use crate::{CustomerId, CustomerKey, EventId, SourceName, WorkspaceId};

fn customer(id: &str) -> CustomerKey {
    CustomerKey {
        workspace: WorkspaceId::default_workspace(),
        customer: CustomerId::new(id).unwrap(),
    }
}

#[test]
fn slots_are_golden() {
    let key = ClusterKey::new([7; 16]);
    let slots: Vec<u16> = ["a", "b", "c-1"]
        .map(|id| slot_of(&key, &customer(id)).get())
        .to_vec();
    assert_eq!(slots, GOLDEN_SLOTS);
}

#[test]
fn customers_of_any_length_are_hashed_as_piece_by_piece() {
    let key = ClusterKey::new([3; 16]);
    for length in 1..=256 {
        let customer = customer(&"x".repeat(length));
        let parts = [
            &key.bytes()[..],
            customer.workspace.as_str().as_bytes(),
            customer.customer.as_str().as_bytes(),
        ];
        assert_eq!(customer_hash(&key, &customer), hash_piecewise(parts));
    }
}

#[test]
fn slots_spread_evenly() {
    let key = ClusterKey::new([1; 16]);
    let mut counts = vec![0_u32; usize::from(N_SLOTS)];
    for number in 0..409_600 {
        counts[usize::from(slot_of(&key, &customer(&format!("c{number}"))).get())] += 1;
    }
    let (low, high) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
    assert!(*low > 50 && *high < 160, "mean 100, got {low}..{high}");
}

#[test]
fn fingerprints_are_golden_and_keyed() {
    let of = |key: u8| {
        let source = SourceName::new("default").unwrap();
        Fingerprint::of(
            &ClusterKey::new([key; 16]),
            &source,
            &EventId::new("e-1").unwrap(),
        )
    };
    assert_eq!(format!("{:?}", of(7)), GOLDEN_FINGERPRINT);
    assert_ne!(of(7), of(8));
}

const GOLDEN_SLOTS: [u16; 3] = [2326, 276, 1647];
const GOLDEN_FINGERPRINT: &str = "Fingerprint(ffbe415bda4747655b39d5660317bea1)";
