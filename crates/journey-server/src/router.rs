//! Where each partition is led, and the one hop there.
//!
//! Any node takes any request. What is led elsewhere goes to that node's public API with `journey-hop: 1`, which means:
//! do it yourself or answer `NOT_LEADER` with a hint, never send it on. So no request travels more than one hop, save
//! for one more try where the route was stale.
//!
//! ```text
//!   Routes (watched: partition ─► leader) ─► Target::{Here, There, Nowhere}
//!                                                         └─ HopChannels ─► that node's public API
//! ```

mod channels;
mod hop;
mod read;
mod spread;

use std::collections::BTreeMap;
use std::sync::Arc;

use journey_partition::PartitionHandle;
use journey_types::{NodeId, PartitionId};
use parking_lot::Mutex;
use tokio::sync::watch;

pub(crate) use self::channels::HopChannels;
pub(crate) use self::hop::{
    Hop, hop_request, is_not_leader, named, no_answer, reason_of, streamed_hop_request,
};
pub(crate) use self::spread::Spread;

/// Who leads what, as this node knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RouteTable {
    /// This node, where there are others.
    pub own: Option<NodeId>,
    /// `host:port` of the public API of every other node.
    pub addresses: BTreeMap<NodeId, String>,
    /// The leader of each partition that has one; partitions without are missing.
    pub leaders: BTreeMap<PartitionId, NodeId>,
}

/// The node that leads a partition.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Leader {
    /// Its id.
    pub node: NodeId,
    /// `host:port` of its public API.
    pub address: String,
}

/// The routes of a node, followed as they change.
#[derive(Debug)]
pub struct Routes {
    table: watch::Receiver<Arc<RouteTable>>,
    /// Leaders that other nodes named, newer than the table they were learned beside.
    learned: Mutex<Learned>,
}

#[derive(Debug, Default)]
struct Learned {
    beside: Arc<RouteTable>,
    leaders: BTreeMap<PartitionId, Leader>,
}

impl Routes {
    /// Of a node that is the only one.
    #[must_use]
    pub fn alone() -> Self {
        let (_, table) = watch::channel(Arc::default());
        Self::following(table)
    }

    /// Follows a table.
    #[must_use]
    pub fn following(table: watch::Receiver<Arc<RouteTable>>) -> Self {
        Self {
            table,
            learned: Mutex::default(),
        }
    }

    /// Whether there are no other nodes: then everything is here.
    pub(crate) fn is_alone(&self) -> bool {
        self.table.borrow().addresses.is_empty()
    }

    /// This node, where it is known.
    pub(crate) fn own(&self) -> Option<NodeId> {
        self.table.borrow().own
    }

    /// The table, now and at each change.
    pub(crate) fn watch(&self) -> watch::Receiver<Arc<RouteTable>> {
        self.table.clone()
    }

    /// The leader of a partition where that is another node.
    pub(crate) fn leader_elsewhere(&self, partition: PartitionId) -> Option<Leader> {
        let table = Arc::clone(&self.table.borrow());
        let mut learned = self.learned.lock();
        if !Arc::ptr_eq(&learned.beside, &table) {
            *learned = Learned {
                beside: Arc::clone(&table),
                leaders: BTreeMap::new(),
            };
        }
        if let Some(leader) = learned.leaders.get(&partition) {
            return Some(leader.clone());
        }
        let node = *table.leaders.get(&partition)?;
        let address = table.addresses.get(&node)?.clone();
        (table.own != Some(node)).then_some(Leader { node, address })
    }

    /// Which of these partitions have no leader, as far as this node knows.
    pub(crate) fn without_leader(
        &self,
        partitions: impl Iterator<Item = PartitionId>,
    ) -> Vec<PartitionId> {
        let table = Arc::clone(&self.table.borrow());
        let learned = self.learned.lock();
        let is_fresh = Arc::ptr_eq(&learned.beside, &table);
        let is_led = |partition: &PartitionId| {
            table.leaders.contains_key(partition)
                || (is_fresh && learned.leaders.contains_key(partition))
        };
        partitions.filter(|partition| !is_led(partition)).collect()
    }

    /// Takes another node's word for who leads. Only nodes of the table count.
    pub(crate) fn learn(&self, partition: PartitionId, leader: Leader) {
        let is_known = self.table.borrow().addresses.get(&leader.node) == Some(&leader.address);
        if is_known {
            self.learned.lock().leaders.insert(partition, leader);
        }
    }

    /// Forgets another node's word that was wrong.
    pub(crate) fn unlearn(&self, partition: PartitionId) {
        self.learned.lock().leaders.remove(&partition);
    }
}

/// Where a partition's commands go.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// To this node's replica: it leads, or nobody is known to lead elsewhere and it says why it cannot.
    Here(PartitionHandle),
    /// To another node.
    There(Leader),
    /// It has no replica here, and nobody is known to lead it.
    Nowhere,
}

#[cfg(test)]
mod tests;
