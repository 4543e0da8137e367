//! Where customers lie and who leads their partitions, as a node told it.

use std::collections::BTreeMap;

use journey_proto::v1 as wire;
use journey_types::{ClusterKey, CustomerKey, N_SLOTS, slot_of};
use journey_wire::customer_of;

/// The partition of a customer; everything is in one where no table is known.
pub(super) type PartitionNumber = u32;

/// Which customer lies in which partition: never changes in the life of a cluster.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    key: ClusterKey,
    n_partitions: u32,
}

impl Rule {
    /// The partition of an event's customer; one whose customer does not read may go anywhere, to be refused.
    pub(super) fn partition_of(&self, event: &wire::CustomerEvent) -> PartitionNumber {
        customer_of(event).map_or(0, |customer| self.partition_of_customer(&customer))
    }

    pub(super) fn partition_of_customer(&self, customer: &CustomerKey) -> PartitionNumber {
        let slot = u32::from(slot_of(&self.key, customer).get());
        slot * self.n_partitions / u32::from(N_SLOTS)
    }
}

/// A table, with what redirects have said since.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) rule: Rule,
    leaders: BTreeMap<PartitionNumber, String>,
    /// Every node, by id.
    pub(super) addresses: Vec<String>,
}

impl Table {
    /// Takes a node's word; `None` for a rule that this client does not know: then any node is as good as another.
    pub(super) fn of(told: wire::GetTableResponse) -> Option<Self> {
        let slots = told.slots?;
        let key: [u8; 16] = slots.salt.as_ref().try_into().ok()?;
        if slots.slots != u32::from(N_SLOTS) || slots.partitions == 0 {
            return None;
        }
        let leaders = told.partitions.into_iter();
        let leaders = leaders.filter(|route| !route.leader_address.is_empty());
        Some(Self {
            rule: Rule {
                key: ClusterKey::new(key),
                n_partitions: slots.partitions,
            },
            leaders: leaders
                .map(|route| (route.partition, route.leader_address))
                .collect(),
            addresses: told
                .nodes
                .into_iter()
                .map(|node| node.api_address)
                .collect(),
        })
    }

    /// Who leads, as far as is known.
    pub(super) fn leader_of(&self, partition: PartitionNumber) -> Option<&str> {
        self.leaders.get(&partition).map(String::as_str)
    }

    /// Takes a redirect's word.
    pub(super) fn learn(&mut self, partition: PartitionNumber, address: String) {
        self.leaders.insert(partition, address);
    }

    /// Forgets a leader that is none.
    pub(super) fn unlearn(&mut self, partition: PartitionNumber, address: &str) {
        if self.leader_of(partition) == Some(address) {
            self.leaders.remove(&partition);
        }
    }
}
