//! What is dirty, what is clean, and what each change does to the indexes.

use journey_types::{ClusterKey, CustomerId, WorkspaceId};

use super::*;

fn place(name: &str) -> Place {
    let customer = CustomerKey {
        workspace: WorkspaceId::default_workspace(),
        customer: CustomerId::new(name).unwrap(),
    };
    Place::of(&ClusterKey::new([0; 16]), &customer)
}

fn resident(place: &Place, mark: u64, size_bytes: usize) -> Resident {
    let state = Arc::new(CustomerState::new(place.customer.clone()));
    Resident::new(state, Lsn::new(mark), size_bytes)
}

fn lsn(number: u64) -> Lsn {
    Lsn::new(number)
}

#[test]
fn least_recently_used_customer_is_dropped_first() {
    let places = ["a", "b", "c"].map(place);
    let two = 2 * resident(&places[0], 1, 100).resident_size_bytes();
    let mut residents = Residents::new(two);
    residents.keep(places[0].clone(), resident(&places[0], 1, 100));
    residents.keep(places[1].clone(), resident(&places[1], 1, 100));
    assert!(residents.state(&places[0]).is_some());
    residents.keep(places[2].clone(), resident(&places[2], 1, 0));
    assert_eq!(residents.n_clean(), 2);
    assert!(residents.state(&places[1]).is_none());
    assert!(residents.state(&places[0]).is_some());
    assert!(residents.clean_size_bytes() <= two);
}

#[test]
fn dirty_customers_push_clean_ones_out_but_for_a_part_and_tell_when_they_fill_memory() {
    let names: Vec<String> = (0..32).map(|number| format!("{number:02}")).collect();
    let places: Vec<Place> = names.iter().map(|name| place(name)).collect();
    let each = resident(&places[0], 1, 100).resident_size_bytes();
    let mut residents = Residents::new(16 * each);
    for place in &places[16..] {
        residents.keep(place.clone(), resident(place, 1, 100));
    }
    assert_eq!(residents.n_clean(), 16);
    let mut pressures = Vec::new();
    for (number, place) in (1..).zip(&places[..16]) {
        residents.change(place, lsn(number), Some(resident(place, 0, 100)));
        residents.index(place);
        assert_eq!(
            residents.n_dirty() + residents.n_clean(),
            16.max(residents.n_dirty() + 2)
        );
        pressures.push(residents.pressure());
    }
    assert_eq!(residents.n_clean(), 2, "an eighth is theirs");
    assert_eq!(pressures[..12], [MemoryPressure::Low; 12]);
    assert_eq!(pressures[12..14], [MemoryPressure::High; 2]);
    assert_eq!(pressures[14..], [MemoryPressure::Full; 2]);

    let taken = residents.take_dirty(lsn(99), 99, usize::MAX);
    for taken in &taken {
        residents.settle(taken, 100);
    }
    assert_eq!(residents.pressure(), MemoryPressure::Low);
    assert_eq!((residents.n_dirty(), residents.n_clean()), (0, 16));
}

#[test]
fn customer_changed_while_it_is_written_stays_dirty_from_that_entry_on() {
    let place = place("a");
    let mut residents = Residents::new(1_000_000);
    residents.change(&place, lsn(5), Some(resident(&place, 0, 0)));
    residents.change(&place, lsn(6), None);
    let taken = residents.take_dirty(lsn(9), 10, 1_000);
    assert_eq!((taken[0].first, taken[0].through), (lsn(5), lsn(6)));
    residents.change(&place, lsn(8), None);
    residents.change(&place, lsn(9), None);
    residents.settle(&taken[0], 10);
    assert!(residents.is_dirty(&place));
    assert!(residents.take_dirty(lsn(7), 10, 1_000).is_empty());
    let taken = residents.take_dirty(lsn(8), 10, 1_000);
    assert_eq!((taken[0].first, taken[0].through), (lsn(8), lsn(9)));
    residents.settle(&taken[0], 10);
    assert!(!residents.is_dirty(&place));
    assert_eq!((residents.n_dirty(), residents.dirty_size_bytes()), (0, 0));
    assert_eq!(residents.take_clean(&place).unwrap().mark, lsn(9));
}

#[test]
fn longest_waiting_customers_are_taken_first_within_both_bounds() {
    let places = ["a", "b", "c", "d"].map(place);
    let mut residents = Residents::new(0);
    for (number, place) in [9, 7, 8, 12].into_iter().zip(&places) {
        residents.change(place, lsn(number), Some(resident(place, 0, 100)));
    }
    let first = |taken: &[Taken]| {
        taken
            .iter()
            .map(|taken| taken.first.get())
            .collect::<Vec<_>>()
    };
    assert_eq!(first(&residents.take_dirty(lsn(10), 2, 1_000)), [7, 8]);
    assert_eq!(first(&residents.take_dirty(lsn(10), 9, 1_000)), [7, 8, 9]);
    assert_eq!(first(&residents.take_dirty(lsn(10), 9, 101)), [7, 8]);
    assert_eq!(first(&residents.take_dirty(lsn(10), 9, 1)), [7]);
}

#[test]
fn customer_ahead_of_a_replayed_entry_is_written_again_with_its_own_mark() {
    let place = place("a");
    let mut residents = Residents::new(0);
    let dirty = residents.change(&place, lsn(5), Some(resident(&place, 8, 0)));
    assert_eq!(dirty.resident.mark, lsn(8));
    let taken = residents.take_dirty(lsn(5), 10, 1_000);
    assert_eq!((taken[0].first, taken[0].through), (lsn(5), lsn(8)));
}
