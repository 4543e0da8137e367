//! Where a customer lies among the head rows: by slot first, so that a slot's customers lie together.

use journey_storage::Table;
use journey_types::{ClusterKey, CustomerKey, Slot, slot_of};

/// A customer's address with its slot, in the order of the head rows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) slot: Slot,
    pub(super) customer: CustomerKey,
}

impl Place {
    pub(super) fn of(cluster_key: &ClusterKey, customer: &CustomerKey) -> Self {
        Self {
            slot: slot_of(cluster_key, customer),
            customer: customer.clone(),
        }
    }

    /// The key of the customer's head row.
    pub(super) fn head_key(&self) -> Vec<u8> {
        Table::Customer
            .customer_key(self.slot, &self.customer)
            .finish()
    }
}
