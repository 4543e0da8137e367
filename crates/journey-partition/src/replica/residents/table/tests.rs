//! Customers with the same hash, and lists that customers come into and leave at any place.

use std::sync::Arc;

use journey_customer::CustomerState;
use journey_types::{ClusterKey, CustomerId, CustomerKey, WorkspaceId};

use super::*;

fn resident(name: &str, hash: u64) -> Resident {
    let customer = CustomerKey {
        workspace: WorkspaceId::default_workspace(),
        customer: CustomerId::new(name).unwrap(),
    };
    let state = Arc::new(CustomerState::new(customer.clone()));
    let mut place = Place::of(&ClusterKey::new([0; 16]), &customer);
    place.hash = hash;
    Resident::new(place, state, None)
}

#[test]
fn customers_whose_hashes_meet_are_found_in_whichever_order_they_go() {
    for order in [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ] {
        let mut table = Table::default();
        let places = ["a", "b", "c"].map(|name| resident(name, 7).place);
        let stranger = resident("d", 7).place;
        let idxs = ["a", "b", "c"].map(|name| table.insert(resident(name, 7)));
        let mut left = vec![0, 1, 2];
        for gone in order {
            assert_eq!(table.find(&stranger), None);
            assert_eq!(table.remove(idxs[gone]).place, places[gone]);
            left.retain(|number| *number != gone);
            for number in 0..3 {
                let found = left.contains(&number).then(|| idxs[number]);
                assert_eq!(table.find(&places[number]), found);
            }
            assert_eq!(table.len(), left.len());
        }
        let again = table.insert(resident("c", 7));
        assert_eq!(table.find(&places[2]), Some(again));
    }
}

#[test]
fn list_gives_the_one_unused_for_longest_and_sums_up_the_live_ones() {
    let mut table = Table::default();
    let idxs: Vec<_> = (0..5)
        .map(|number| table.insert(resident(&number.to_string(), number)))
        .collect();
    for idx in &idxs {
        table.list(*idx, UseList::Live);
    }
    let each = table.get(idxs[0]).memory_size_bytes;
    table.list(idxs[0], UseList::Live);
    table.unlist(idxs[2]);
    table.list(idxs[3], UseList::PackedClean);
    table.list(idxs[1], UseList::Live);
    assert_eq!(table.live_size_bytes(), 3 * each);
    let mut order = Vec::new();
    while let Some(idx) = table.oldest(UseList::Live) {
        order.push(idx);
        table.remove(idx);
    }
    assert_eq!(order, [idxs[4], idxs[0], idxs[1]]);
    assert_eq!(table.oldest(UseList::PackedClean), Some(idxs[3]));
    assert_eq!((table.live_size_bytes(), table.len()), (0, 2));
}
