//! The heap and its horizon, over a reader that holds a sorted list.

use std::collections::BTreeSet;
use std::sync::Arc;

use journey_codec::Held;
use journey_customer::{CustomerState, IdPlace};
use journey_types::{
    CatalogRevision, CustomerId, CustomerKey, Fingerprint, Lsn, SessionId, TimeSpan, Timestamp,
    WorkspaceId,
};

use super::TimerHeap;
use crate::error::PartitionError;
use crate::reader::{CommittedControl, CommittedReader};
use crate::replica::TimerPage;

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
            dead_letters: Held::default(),
            quarantined: Held::default(),
            n_parked: 0,
        }
    }

    fn customer(&self, _key: &CustomerKey) -> Result<Option<Arc<CustomerState>>, PartitionError> {
        Ok(None)
    }

    fn accepted_at(
        &self,
        key: &CustomerKey,
        fingerprint: &Fingerprint,
        places: &[IdPlace],
    ) -> Result<Option<Timestamp>, PartitionError> {
        unreachable!("nothing is decided: {key} {fingerprint:?} {places:?}")
    }

    fn timers_after(
        &self,
        after: Option<&(Timestamp, CustomerKey)>,
        before: Timestamp,
        n_max: usize,
    ) -> Result<TimerPage, PartitionError> {
        let rows = self.0.iter();
        let rows = rows.filter(|row| after.is_none_or(|after| *row > after));
        let (near, far): (Vec<_>, Vec<_>) = rows.partition(|row| row.0 <= before);
        Ok(TimerPage {
            timers: near.into_iter().take(n_max).cloned().collect(),
            beyond: far.first().map(|(_, customer)| customer.clone()),
        })
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
    heap.load(&rows, at(0), &|_| false).unwrap();
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
        heap.load(&rows, at(0), &|_| false).unwrap();
        let Some(customer) = heap.next_due(at(10_000)) else {
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
    heap.load(&rows, at(0), &|_| false).unwrap();
    for n in 0..20 {
        arm(&mut heap, &mut rows, n, Some(100 + n));
    }
    // Beyond the horizon, and moved below it.
    arm(&mut heap, &mut rows, 19, Some(1));
    assert_eq!(heap.next_due(at(2)), Some(key(19)));
    arm(&mut heap, &mut rows, 19, None);
    arm(&mut heap, &mut rows, 10, None);
    let mut n_fired = 0;
    loop {
        heap.load(&rows, at(0), &|_| false).unwrap();
        let Some(customer) = heap.next_due(at(1_000)) else {
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
    heap.load(&Rows::default(), at(0), &|_| false).unwrap();
    heap.arm(&key(1), Some(at(50)));
    assert_eq!(heap.next_due(at(50)), None);
    assert_eq!(heap.next_due(at(51)), Some(key(1)));
    assert_eq!((heap.overdue(at(50)).n(), heap.overdue(at(51)).n()), (0, 1));
}

#[test]
fn customers_in_flight_are_not_loaded() {
    let mut rows = Rows::default();
    rows.0.insert((at(1), key(1)));
    rows.0.insert((at(2), key(2)));
    let mut heap = TimerHeap::with_cap(4);
    heap.load(&rows, at(0), &|customer| *customer == key(1))
        .unwrap();
    assert_eq!(heap.next_due(at(9)), Some(key(2)));
    assert_eq!(heap.len(), 1);
}

#[test]
fn what_is_postponed_comes_back_though_it_lies_beyond_the_horizon() {
    let mut rows = Rows::default();
    let mut heap = TimerHeap::with_cap(4);
    heap.load(&rows, at(0), &|_| false).unwrap();
    for n in 0..20 {
        arm(&mut heap, &mut rows, n, Some(100 + n));
    }
    heap.postpone(&key(0), at(500));
    assert_eq!(heap.next_due(at(400)), Some(key(1)));
    let mut fired = Vec::new();
    loop {
        heap.load(&rows, at(0), &|_| false).unwrap();
        let Some(customer) = heap.next_due(at(1_000)) else {
            break;
        };
        let n = customer.customer.as_str().parse().unwrap();
        arm(&mut heap, &mut rows, n, None);
        fired.push(n);
    }
    let expected: Vec<usize> = (1..20).chain([0]).collect();
    assert_eq!(fired, expected);
}

fn key_in(workspace: &str, n: usize) -> CustomerKey {
    CustomerKey {
        workspace: WorkspaceId::new(workspace).unwrap(),
        ..key(n)
    }
}

/// Fires everything that is due; the customers in the order in which they fired.
fn fire_all(heap: &mut TimerHeap, rows: &mut Rows, stamp: Timestamp) -> Vec<CustomerKey> {
    let mut fired = Vec::new();
    loop {
        heap.load(rows, stamp, &|_| false).unwrap();
        assert!(heap.len() <= heap.timers_max);
        let Some(customer) = heap.next_due(stamp) else {
            if heap.wants_more(stamp) {
                continue;
            }
            return fired;
        };
        heap.take(&customer);
        rows.0.retain(|(_, armed)| *armed != customer);
        fired.push(customer);
    }
}

#[test]
fn workspaces_fire_in_turn() {
    let mut rows = Rows::default();
    for n in 0..9 {
        rows.0.insert((at(n), key_in("early", n)));
        rows.0.insert((at(100 + n), key_in("late", n)));
    }
    let mut heap = TimerHeap::with_cap(100);
    let fired = fire_all(&mut heap, &mut rows, at(1_000));
    let expected = (0..9).flat_map(|n| [key_in("early", n), key_in("late", n)]);
    assert_eq!(fired, expected.collect::<Vec<_>>());
}

#[test]
fn a_storm_beyond_the_heap_does_not_hide_another_workspace() {
    let mut rows = Rows::default();
    for n in 0..2_000 {
        rows.0.insert((at(5), key_in("storm", n)));
    }
    for n in 0..20 {
        rows.0.insert((at(6 + n), key_in("calm", n)));
    }
    let mut heap = TimerHeap::with_cap(64);
    let fired = fire_all(&mut heap, &mut rows, at(1_000));
    assert_eq!(fired.len(), 2_020);
    let storm = fired.iter().filter(|c| c.workspace.as_str() == "storm");
    assert!(storm.is_sorted(), "each in its own order");
    let last_calm = fired.iter().rposition(|c| c.workspace.as_str() == "calm");
    // Found while the first of the storm fire, four pages of rows at a time; then every other one is of it.
    assert!(last_calm < Some(60), "{last_calm:?}");
}

#[test]
fn timers_armed_and_disarmed_in_a_storm_come_out_once_each() {
    let mut rows = Rows::default();
    let mut heap = TimerHeap::with_cap(16);
    let workspaces = ["a", "b", "c"];
    let mut expected = 0;
    for n in 0..600_usize {
        let customer = key_in(workspaces[n * 7 % 11 % 3], n % 300);
        rows.0.retain(|(_, armed)| *armed != customer);
        let due_at = (n % 5 != 4).then(|| at(n * 7919 % 97));
        if let Some(due_at) = due_at {
            rows.0.insert((due_at, customer.clone()));
        }
        heap.arm(&customer, due_at);
        heap.load(&rows, at(n % 50), &|_| false).unwrap();
        assert!(heap.len() <= 16);
        expected = rows.0.len();
    }
    let mut left: Vec<CustomerKey> = rows
        .0
        .iter()
        .map(|(_, customer)| customer.clone())
        .collect();
    let mut fired = fire_all(&mut heap, &mut rows, at(1_000));
    left.sort();
    fired.sort();
    assert_eq!((fired.len(), fired), (expected, left));
}

#[test]
fn what_is_due_far_ahead_stays_in_rows_until_it_comes_near() {
    let at = |hours: i64| Timestamp::EPOCH.plus(TimeSpan::from_hours(hours));
    let mut rows = Rows::default();
    let mut heap = TimerHeap::with_cap(100);
    heap.load(&rows, at(0), &|_| false).unwrap();
    assert_eq!(heap.loads_at(), None, "there is nothing to load");
    for (number, hours) in [(1, 100), (2, 1_000), (3, 150), (4, 2_000), (5, 160)] {
        rows.0.insert((at(hours), key(number)));
        heap.arm(&key(number), Some(at(hours)));
    }
    assert_eq!(heap.len(), 3, "a week is kept");
    assert_eq!(heap.loads_at(), Some(at(84)));
    // One goes far ahead, one comes near.
    heap.arm(&key(1), Some(at(3_000)));
    heap.arm(&key(4), Some(at(2)));
    rows.0
        .retain(|(_, customer)| *customer != key(1) && *customer != key(4));
    rows.0.extend([(at(3_000), key(1)), (at(2), key(4))]);
    assert_eq!(heap.len(), 3);
    let mut fired = Vec::new();
    // As the core does: it wakes for what is due, and to load.
    while let Some(wake_at) = heap.next_due_at().into_iter().chain(heap.loads_at()).min() {
        let stamp = wake_at.plus(TimeSpan::from_ms(1));
        heap.look(stamp);
        heap.load(&rows, stamp, &|_| false).unwrap();
        while let Some(customer) = heap.next_due(stamp) {
            heap.take(&customer);
            rows.0.retain(|(_, armed)| *armed != customer);
            fired.push((wake_at, customer));
        }
        assert!(heap.len() <= 3);
    }
    let expected = [(2, 4), (150, 3), (160, 5), (1_000, 2), (3_000, 1)];
    assert_eq!(
        fired,
        expected.map(|(hours, number)| (at(hours), key(number)))
    );
}
