//! The partitions that this node runs: a set that changes while the node serves.
//!
//! Whoever opens or retires a partition changes the set, everyone else reads it each time it is needed, and who must
//! act on a change (worker streams) watches it. What is opened later is offered the newest catalog at once.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use journey_model::Catalog;
use journey_partition::PartitionHandle;
use journey_types::PartitionId;
use parking_lot::Mutex;
use tokio::sync::watch;

/// The partitions of this node at one moment, by id.
pub type Handles = Arc<BTreeMap<PartitionId, PartitionHandle>>;

/// The changing set. Clones are the same set.
#[derive(Clone)]
pub struct HostedPartitions {
    shared: Arc<Shared>,
}

struct Shared {
    handles: watch::Sender<Handles>,
    /// The newest catalog this node has; held while the set changes, so that no partition misses one.
    catalog: Mutex<Arc<Catalog>>,
}

impl fmt::Debug for HostedPartitions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "HostedPartitions({})", self.all().len())
    }
}

impl HostedPartitions {
    /// No partition yet, and the catalog at start.
    #[must_use]
    pub fn new(catalog: Arc<Catalog>) -> Self {
        let handles = watch::Sender::new(Arc::new(BTreeMap::new()));
        let catalog = Mutex::new(catalog);
        Self {
            shared: Arc::new(Shared { handles, catalog }),
        }
    }

    /// Adds a partition and offers it the newest catalog.
    pub fn add(&self, handle: PartitionHandle) {
        let catalog = self.shared.catalog.lock();
        handle.offer_catalog(Arc::clone(&catalog));
        self.shared.handles.send_modify(|handles| {
            Arc::make_mut(handles).insert(handle.partition(), handle);
        });
    }

    /// Takes a partition out: nobody finds it any more.
    pub fn remove(&self, partition: PartitionId) {
        self.shared.handles.send_modify(|handles| {
            Arc::make_mut(handles).remove(&partition);
        });
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> Handles {
        Arc::clone(&self.shared.handles.borrow())
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, partition: PartitionId) -> Option<PartitionHandle> {
        self.shared.handles.borrow().get(&partition).cloned()
    }

    /// The set, now and at each change.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Handles> {
        self.shared.handles.subscribe()
    }

    /// The newest catalog.
    #[must_use]
    pub fn catalog(&self) -> Arc<Catalog> {
        Arc::clone(&self.shared.catalog.lock())
    }

    /// Offers a catalog to every partition, unless the node has that one or a newer one.
    pub fn offer_catalog(&self, newer: Arc<Catalog>) {
        let mut catalog = self.shared.catalog.lock();
        if newer.revision <= catalog.revision {
            return;
        }
        *catalog = Arc::clone(&newer);
        for handle in self.all().values() {
            handle.offer_catalog(Arc::clone(&newer));
        }
    }
}
