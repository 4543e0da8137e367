//! Keeps one ingest stream in order per partition (G3).
//!
//! After a failure that is not final, later events of that stream for that partition must not overtake the one that
//! failed: they are refused `RETRY_IN_ORDER` until the client sends the failed one again.

use std::collections::BTreeMap;

use journey_customer::Command;
use journey_partition::SubmissionOrder;
use journey_types::{CustomerKey, PartitionId};
use parking_lot::Mutex;

/// The orders of one stream, one for each partition it has sent to.
#[derive(Debug, Default)]
pub(crate) struct StreamOrders {
    by_partition: Mutex<BTreeMap<PartitionId, SubmissionOrder>>,
}

impl StreamOrders {
    /// The order that a share of a batch is submitted under. A share that begins with the event that failed first
    /// takes the order up again.
    pub(crate) fn of(
        &self,
        partition: PartitionId,
        commands: &[(CustomerKey, Command)],
    ) -> SubmissionOrder {
        let mut by_partition = self.by_partition.lock();
        let order = by_partition.entry(partition).or_default();
        if order.is_resent_by(commands) {
            *order = SubmissionOrder::default();
        }
        order.clone()
    }
}
