//! The heap and its horizon, over a reader that holds a sorted list.

use std::collections::BTreeSet;
use std::sync::Arc;

use journey_customer::CustomerState;
use journey_types::{
    CatalogRevision, CustomerId, CustomerKey, Lsn, SessionId, Timestamp, WorkspaceId,
};

use super::TimerHeap;
use crate::error::PartitionError;
use crate::reader::{CommittedControl, CommittedReader};

#[derive(Default)]
struct Rows(BTreeSet<(Timestamp, CustomerKey)>);

impl CommittedReader for Rows {
    fn control(&self) -> CommittedControl {
        CommittedControl {
            applied: Lsn::new(0),
            session: SessionId::new(0),
            stamp: Timestamp::EPOCH,
            catalog_revision: CatalogRevision::new(0),
            catalog_digest: [0; 32],
        }
    }

    fn customer(&self, _key: &CustomerKey) -> Result<Option<Arc<CustomerState>>, PartitionError> {
        Ok(None)
    }

    fn timers_after(
        &self,
        after: Option<&(Timestamp, CustomerKey)>,
        n_max: usize,
    ) -> Result<Vec<(Timestamp, CustomerKey)>, PartitionError> {
        let rows = self
            .0
            .iter()
            .filter(|row| after.is_none_or(|after| *row > after));
        Ok(rows.take(n_max).cloned().collect())
    }

    fn open_effects(
        &self,
        _after: Option<&CustomerKey>,
        _n_max: usize,
    ) -> Result<Vec<CustomerKey>, PartitionError> {
        Ok(Vec::new())
    }
}

fn key(n: usize) -> CustomerKey {
    CustomerKey {
        workspace: WorkspaceId::default_workspace(),
        customer: CustomerId::new(format!("{n:04}")).unwrap(),
    }
}

fn at(n: usize) -> Timestamp {
    Timestamp::from_unix_ms(i64::try_from(n).unwrap())
}

/// Arms in both places, as an applied turn does.
fn arm(heap: &mut TimerHeap, rows: &mut Rows, n: usize, due_at: Option<usize>) {
    rows.0.retain(|(_, customer)| *customer != key(n));
    if let Some(due_at) = due_at {
        rows.0.insert((at(due_at), key(n)));
    }
    heap.arm(&key(n), due_at.map(at));
}

#[test]
fn every_timer_comes_out_once_in_due_order_through_a_heap_that_is_too_small() {
    let mut rows = Rows::default();
    let mut heap = TimerHeap::with_cap(8);
    heap.load(&rows, &|_| false).unwrap();
    for n in 0..500 {
        arm(&mut heap, &mut rows, n, Some((n * 7919) % 1_000));
        assert!(heap.len() <= 8);
    }
    let expected: Vec<_> = rows
        .0
        .iter()
        .map(|(_, customer)| customer.clone())
        .collect();
    let mut fired = Vec::new();
    loop {
        heap.load(&rows, &|_| false).unwrap();
        let Some(customer) = heap.first_due(at(10_000)).cloned() else {
            break;
        };
        heap.take(&customer);
        rows.0.retain(|(_, armed)| *armed != customer);
        fired.push(customer);
    }
    assert_eq!(fired, expected);
}

#[test]
fn what_is_armed_beyond_the_horizon_is_found_later_and_what_is_disarmed_is_not() {
    let mut rows = Rows::default();
    let mut heap = TimerHeap::with_cap(4);
    heap.load(&rows, &|_| false).unwrap();
    for n in 0..20 {
        arm(&mut heap, &mut rows, n, Some(100 + n));
    }
    // Beyond the horizon, and moved below it.
    arm(&mut heap, &mut rows, 19, Some(1));
    assert_eq!(heap.first_due(at(2)), Some(&key(19)));
    arm(&mut heap, &mut rows, 19, None);
    arm(&mut heap, &mut rows, 10, None);
    let mut n_fired = 0;
    loop {
        heap.load(&rows, &|_| false).unwrap();
        let Some(customer) = heap.first_due(at(1_000)).cloned() else {
            break;
        };
        assert!(customer != key(19) && customer != key(10));
        arm(
            &mut heap,
            &mut rows,
            customer.customer.as_str().parse().unwrap(),
            None,
        );
        n_fired += 1;
    }
    assert_eq!(n_fired, 18);
}

#[test]
fn a_timer_is_due_only_strictly_before_the_stamp() {
    let mut heap = TimerHeap::with_cap(4);
    heap.load(&Rows::default(), &|_| false).unwrap();
    heap.arm(&key(1), Some(at(50)));
    assert_eq!(heap.first_due(at(50)), None);
    assert_eq!(heap.first_due(at(51)), Some(&key(1)));
    assert_eq!(heap.n_overdue(at(51), 10), 1);
}

#[test]
fn customers_in_flight_are_not_loaded() {
    let mut rows = Rows::default();
    rows.0.insert((at(1), key(1)));
    rows.0.insert((at(2), key(2)));
    let mut heap = TimerHeap::with_cap(4);
    heap.load(&rows, &|customer| *customer == key(1)).unwrap();
    assert_eq!(heap.first_due(at(9)), Some(&key(2)));
    assert_eq!(heap.len(), 1);
}

#[test]
fn what_is_postponed_comes_back_though_it_lies_beyond_the_horizon() {
    let mut rows = Rows::default();
    let mut heap = TimerHeap::with_cap(4);
    heap.load(&rows, &|_| false).unwrap();
    for n in 0..20 {
        arm(&mut heap, &mut rows, n, Some(100 + n));
    }
    heap.postpone(&key(0), at(500));
    assert_eq!(heap.first_due(at(400)), Some(&key(1)));
    let mut fired = Vec::new();
    loop {
        heap.load(&rows, &|_| false).unwrap();
        let Some(customer) = heap.first_due(at(1_000)).cloned() else {
            break;
        };
        let n = customer.customer.as_str().parse().unwrap();
        arm(&mut heap, &mut rows, n, None);
        fired.push(n);
    }
    let expected: Vec<usize> = (1..20).chain([0]).collect();
    assert_eq!(fired, expected);
}
