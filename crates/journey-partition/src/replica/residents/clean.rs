//! Customers whose rows are up to date, kept while they fit a byte budget; the least recently used goes first.

use std::collections::BTreeMap;
use std::sync::Arc;

use journey_customer::CustomerState;

use super::{Place, Resident};

/// # Invariants
/// `by_use` names each customer once, by its last use; the customers' bytes sum up to `size_bytes`, which is above the
/// budget only while a single customer is.
#[derive(Debug)]
pub(super) struct CleanCustomers {
    customers: BTreeMap<Place, (u64, Resident)>,
    by_use: BTreeMap<u64, Place>,
    n_uses: u64,
    size_bytes: usize,
    size_bytes_max: usize,
}

impl CleanCustomers {
    pub(super) const fn new(size_bytes_max: usize) -> Self {
        Self {
            customers: BTreeMap::new(),
            by_use: BTreeMap::new(),
            n_uses: 0,
            size_bytes: 0,
            size_bytes_max,
        }
    }

    /// The state of a customer, which counts as a use.
    pub(super) fn state(&mut self, place: &Place) -> Option<Arc<CustomerState>> {
        let (last_use, resident) = self.customers.get_mut(place)?;
        let place = self.by_use.remove(last_use).expect("one use per customer");
        self.n_uses += 1;
        *last_use = self.n_uses;
        self.by_use.insert(self.n_uses, place);
        Some(Arc::clone(&resident.state))
    }

    pub(super) fn take(&mut self, place: &Place) -> Option<Resident> {
        let (last_use, resident) = self.customers.remove(place)?;
        self.by_use.remove(&last_use);
        self.size_bytes -= resident.resident_size_bytes();
        Some(resident)
    }

    pub(super) fn insert(&mut self, place: Place, resident: Resident) {
        self.take(&place);
        self.n_uses += 1;
        self.size_bytes += resident.resident_size_bytes();
        self.by_use.insert(self.n_uses, place.clone());
        self.customers.insert(place, (self.n_uses, resident));
        self.drop_oldest();
    }

    /// Sets the budget.
    pub(super) fn limit(&mut self, size_bytes_max: usize) {
        self.size_bytes_max = size_bytes_max;
        self.drop_oldest();
    }

    fn drop_oldest(&mut self) {
        while self.size_bytes > self.size_bytes_max {
            let Some((_, oldest)) = self.by_use.pop_first() else {
                break;
            };
            let (_, dropped) = self.customers.remove(&oldest).expect("each use names one");
            self.size_bytes -= dropped.resident_size_bytes();
        }
    }

    pub(super) fn len(&self) -> usize {
        self.customers.len()
    }

    pub(super) const fn size_bytes(&self) -> usize {
        self.size_bytes
    }
}
