//! What is dirty, what is clean, what is packed, and what each change does to the indexes.

use journey_types::{ClusterKey, CustomerId, Value, WorkspaceId};

use super::*;
use crate::replica::rows::HeadIndex;

const ROW_SIZE_BYTES_MAX: usize = 4_096;

fn place(name: &str) -> Place {
    let customer = CustomerKey {
        workspace: WorkspaceId::default_workspace(),
        customer: CustomerId::new(name).unwrap(),
    };
    Place::of(&ClusterKey::new([0; 16]), &customer)
}

fn places(n: usize) -> Vec<Place> {
    (0..n)
        .map(|number| place(&format!("{number:02}")))
        .collect()
}

fn lsn(number: u64) -> Lsn {
    Lsn::new(number)
}

/// What the rows of a customer hold as of the entry.
fn written(place: &Place, mark: u64) -> Written {
    let state = CustomerState::new(place.customer.clone());
    Written {
        index: HeadIndex::of(&state, lsn(mark)),
        form: crate::replica::rows::Form::Inline,
    }
}

fn residents(size_bytes_max: usize) -> Residents {
    Residents::new(size_bytes_max, ROW_SIZE_BYTES_MAX)
}

/// Keeps a customer whose rows are as of the entry; 0 is without rows.
fn keep(residents: &mut Residents, place: &Place, mark: u64) -> ResidentIdx {
    let state = Arc::new(CustomerState::new(place.customer.clone()));
    let written = (mark > 0).then(|| written(place, mark));
    let idx = residents.keep(place.clone(), state, written);
    residents.shrink();
    idx
}

/// Changes a customer by the entry, as the applier does.
fn change(residents: &mut Residents, place: &Place, number: u64) {
    let idx = residents.find(place).unwrap_or_else(|| {
        let state = Arc::new(CustomerState::new(place.customer.clone()));
        residents.keep(place.clone(), state, None)
    });
    unpack(residents, idx);
    let resident = residents.change(idx, lsn(number));
    let state = Arc::make_mut(resident.state_mut().unwrap());
    state.last_sequence = state.last_sequence.next();
    residents.index(idx, Timestamp::MAX);
    residents.shrink();
}

/// As reading it does; what a packed customer holds does not matter here.
fn unpack(residents: &mut Residents, idx: ResidentIdx) {
    if matches!(residents.body(idx), Body::Packed(_)) {
        let customer = residents.table.get(idx).place.customer.clone();
        residents.unpack(idx, Arc::new(CustomerState::new(customer)));
    } else {
        residents.touch(idx);
    }
}

fn is_packed(residents: &Residents, place: &Place) -> Option<bool> {
    let idx = residents.find(place)?;
    Some(matches!(residents.body(idx), Body::Packed(_)))
}

fn take(residents: &mut Residents, sweep: &mut Sweep, through: u64) -> Vec<Taken> {
    let max = (usize::MAX, usize::MAX);
    residents.take_dirty(sweep, lsn(through), Timestamp::MAX, max)
}

/// Memory that a state of these tests takes.
fn each() -> usize {
    let mut residents = residents(1_000_000);
    keep(&mut residents, &place("a"), 1);
    residents.clean_size_bytes()
}

#[test]
fn customers_unused_for_longest_are_packed_and_then_dropped() {
    let places = places(40);
    let mut residents = residents(17 * each());
    for place in &places[..12] {
        keep(&mut residents, place, 1);
    }
    assert_eq!(residents.n_clean(), 12);
    assert!(
        places[..12]
            .iter()
            .all(|place| is_packed(&residents, place) == Some(false))
    );
    let first = residents.find(&places[0]).unwrap();
    residents.touch(first);
    for place in &places[12..] {
        keep(&mut residents, place, 1);
    }
    assert!(residents.n_clean() > 17, "packed ones take less");
    assert!(residents.clean_size_bytes() <= 17 * each());
    let packed: Vec<_> = places
        .iter()
        .map(|place| is_packed(&residents, place))
        .collect();
    let n_dropped = packed.iter().filter(|packed| packed.is_none()).count();
    assert!(n_dropped > 0);
    assert_eq!(packed[1..=n_dropped], vec![None; n_dropped]);
    assert!(packed[0].is_some(), "it was used");
    assert_eq!(packed[39], Some(false));
    assert_eq!(packed[n_dropped + 1], Some(true));
}

#[test]
fn dirty_customers_push_clean_ones_out_but_for_a_part_and_tell_when_they_fill_memory() {
    let places = places(400);
    let mut residents = residents(64 * each());
    for place in &places[..32] {
        keep(&mut residents, place, 1);
    }
    let mut pressures = Vec::new();
    for (number, place) in (1..).zip(&places[32..]) {
        change(&mut residents, place, number);
        pressures.push(residents.pressure());
        let clean_max = residents.size_bytes_max - residents.dirty_size_bytes();
        let kept = residents.size_bytes_max / CLEAN_PART_OF_MEMORY;
        assert!(residents.clean_size_bytes() <= clean_max.max(kept));
        if pressures.last() == Some(&MemoryPressure::Full) {
            break;
        }
    }
    assert_eq!(pressures[..47], [MemoryPressure::Low; 47], "three quarters");
    assert!(pressures.contains(&MemoryPressure::High));
    assert!(pressures.is_sorted());
    assert!(residents.n_dirty() > 56, "most of them are packed");
    assert!(residents.n_clean() > 0, "an eighth is theirs");

    let taken = take(&mut residents, &mut Sweep::default(), 999);
    assert_eq!(taken.len(), residents.n_dirty());
    for taken in &taken {
        residents.settle(taken, written(&taken.place, taken.through.get()));
    }
    residents.shrink();
    assert_eq!(residents.pressure(), MemoryPressure::Low);
    assert_eq!((residents.n_dirty(), residents.dirty_size_bytes()), (0, 0));
    assert!(residents.clean_size_bytes() <= residents.size_bytes_max);
}

#[test]
fn dirty_customer_that_fits_no_row_stays_as_it_is_until_it_is_written() {
    let large = place("large");
    let mut residents = residents(1);
    let mut state = CustomerState::new(large.customer.clone());
    let notes = Value::Text("x".repeat(2 * ROW_SIZE_BYTES_MAX));
    state.traits = Arc::new([("notes".to_owned(), notes)].into());
    let idx = residents.keep(large.clone(), Arc::new(state), None);
    residents.change(idx, lsn(1));
    residents.index(idx, Timestamp::MAX);
    for number in 2..9 {
        change(&mut residents, &place(&number.to_string()), number);
    }
    assert_eq!(is_packed(&residents, &large), Some(false));
    let taken = take(&mut residents, &mut Sweep::default(), 9);
    assert_eq!(taken.len(), 8);
    for taken in &taken {
        residents.settle(taken, written(&taken.place, taken.through.get()));
    }
    residents.shrink();
    assert_eq!(is_packed(&residents, &large), None, "its rows have it");
    assert_eq!(residents.table.live_size_bytes(), 0);
}

#[test]
fn customer_changed_while_it_is_written_stays_dirty_from_that_entry_on() {
    let place = place("a");
    let mut residents = residents(1_000_000);
    change(&mut residents, &place, 5);
    change(&mut residents, &place, 6);
    let taken = take(&mut residents, &mut Sweep::default(), 9);
    assert_eq!((taken[0].first, taken[0].through), (lsn(5), lsn(6)));
    change(&mut residents, &place, 8);
    change(&mut residents, &place, 9);
    residents.settle(&taken[0], written(&place, 6));
    assert!(residents.is_dirty(&place));
    assert!(take(&mut residents, &mut Sweep::default(), 7).is_empty());
    let taken = take(&mut residents, &mut Sweep::default(), 8);
    assert_eq!((taken[0].first, taken[0].through), (lsn(8), lsn(9)));
    assert_eq!(taken[0].written, Some(written(&place, 6)));
    residents.settle(&taken[0], written(&place, 9));
    assert!(!residents.is_dirty(&place));
    assert_eq!((residents.n_dirty(), residents.dirty_size_bytes()), (0, 0));
    let idx = residents.find(&place).unwrap();
    assert_eq!(residents.table.get(idx).mark(), lsn(9));
}

#[test]
fn sweep_takes_each_customer_once_in_the_order_of_rows_within_both_bounds() {
    let mut places = places(60);
    let mut residents = residents(1_000_000);
    for (number, place) in (1..).zip(&places) {
        change(&mut residents, place, number);
    }
    // The last ten come behind the pass.
    places.truncate(50);
    places.sort();
    let mut sweep = Sweep::default();
    let mut swept = Vec::new();
    loop {
        let taken = residents.take_dirty(&mut sweep, lsn(50), Timestamp::MAX, (7, usize::MAX));
        assert!(taken.len() <= 7);
        if taken.is_empty() {
            break;
        }
        for taken in &taken {
            residents.settle(taken, written(&taken.place, taken.through.get()));
            // Behind the pass, wherever it is.
            change(&mut residents, &taken.place, 61);
            change(&mut residents, &places[0], 61);
        }
        swept.extend(taken.into_iter().map(|taken| taken.place));
    }
    assert_eq!(swept, places);
    let of_one = residents.take_dirty(&mut Sweep::default(), lsn(99), Timestamp::MAX, (7, 1));
    assert_eq!(of_one.len(), 1, "at least one, however large");
}

#[test]
fn customer_ahead_of_a_replayed_entry_is_written_again_with_its_own_mark() {
    let place = place("a");
    let mut residents = residents(1_000_000);
    keep(&mut residents, &place, 8);
    change(&mut residents, &place, 5);
    let taken = take(&mut residents, &mut Sweep::default(), 5);
    assert_eq!((taken[0].first, taken[0].through), (lsn(5), lsn(8)));
}
