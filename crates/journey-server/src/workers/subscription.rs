//! A worker's subscription at every partition of this node, those opened later included.

use std::collections::BTreeSet;

use journey_partition::{HandOver, Subscription};
use journey_types::PartitionId;
use tokio::sync::{mpsc, watch};

use crate::hosted::{Handles, HostedPartitions};

/// A subscription that follows the set of partitions. Dropping it unsubscribes.
#[derive(Debug)]
pub struct NodeSubscription {
    subscription: Subscription,
    hand_overs: mpsc::Sender<HandOver>,
    handles: watch::Receiver<Handles>,
    subscribed: BTreeSet<PartitionId>,
}

impl NodeSubscription {
    /// Subscribes at every partition there is; the channel must have room for all of the subscription's credit.
    #[must_use]
    pub fn open(
        hosted: &HostedPartitions,
        subscription: Subscription,
        hand_overs: mpsc::Sender<HandOver>,
    ) -> Self {
        let mut opened = Self {
            subscription,
            hand_overs,
            handles: hosted.watch(),
            subscribed: BTreeSet::new(),
        };
        opened.catch_up();
        opened
    }

    /// Waits until the set of partitions has changed, and subscribes at those that are new. Never completes once the
    /// set changes no more.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn follow(&mut self) {
        if self.handles.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        self.catch_up();
    }

    /// Tells every partition that the shared credit has grown.
    pub fn credit_added(&self) {
        for partition in self.handles.borrow().values() {
            partition.credit_added(self.subscription.worker);
        }
    }

    fn catch_up(&mut self) {
        let handles = self.handles.borrow_and_update().clone();
        for (partition, handle) in &*handles {
            if !self.subscribed.contains(partition) {
                handle.subscribe(self.subscription.clone(), self.hand_overs.clone());
            }
        }
        self.subscribed = handles.keys().copied().collect();
    }
}

impl Drop for NodeSubscription {
    fn drop(&mut self) {
        for partition in self.handles.borrow().values() {
            partition.unsubscribe(self.subscription.worker);
        }
    }
}
