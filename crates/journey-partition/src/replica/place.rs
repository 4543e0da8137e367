//! Where a customer lies among the head rows: by slot first, so that a slot's customers lie together.

use std::cmp::Ordering;

use journey_storage::Table;
use journey_types::{ClusterKey, CustomerKey, Slot, customer_hash};

/// A customer's address with its slot, in the order of the head rows.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) slot: Slot,
    pub(super) customer: CustomerKey,
    /// What the slot is made of, to find the customer by in memory; it follows from the address.
    pub(super) hash: u64,
}

impl Place {
    pub(super) fn of(cluster_key: &ClusterKey, customer: &CustomerKey) -> Self {
        let hash = customer_hash(cluster_key, customer);
        Self {
            slot: Slot::of_hash(hash),
            customer: customer.clone(),
            hash,
        }
    }

    /// The key of the customer's head row.
    pub(super) fn head_key(&self) -> Vec<u8> {
        Table::Customer
            .customer_key(self.slot, &self.customer)
            .finish()
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && self.customer == other.customer
    }
}

impl Eq for Place {}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Place {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_slot = self.slot.cmp(&other.slot);
        by_slot.then_with(|| self.customer.cmp(&other.customer))
    }
}
