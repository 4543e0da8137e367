//! What one partition was asked and said: questions never wait, so that one that is stuck holds nobody up.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use journey_partition::{InstanceFigures, PartitionStatus, ReplicaStats};
use journey_types::{JourneyId, Timestamp};
use parking_lot::Mutex;

use crate::metric_names::PARTITION_FIGURES;

/// The last that was heard of a partition.
#[derive(Debug, Default)]
pub(crate) struct PartitionProbe {
    is_asked: AtomicBool,
    said: Mutex<Said>,
}

#[derive(Debug, Default)]
struct Said {
    latest: Option<PartitionStatus>,
    replica: Option<ReplicaStats>,
    instances: BTreeMap<JourneyId, InstanceFigures>,
    oldest_dead_letter: Option<Timestamp>,
    last: [u64; PARTITION_FIGURES.len()],
    /// Of actors that are gone.
    retired: [u64; PARTITION_FIGURES.len()],
}

impl PartitionProbe {
    /// Whether a question is open.
    pub(crate) fn is_asked(&self) -> bool {
        self.is_asked.load(Ordering::Acquire)
    }

    /// Notes that a question was asked; whether one was open already.
    pub(crate) fn begin(&self) -> bool {
        self.is_asked.swap(true, Ordering::AcqRel)
    }

    /// Takes the answer in; `None` where there was none.
    pub(crate) fn end(&self, status: Option<PartitionStatus>) {
        if let Some(status) = status {
            self.said.lock().take(status);
        }
        self.is_asked.store(false, Ordering::Release);
    }

    /// The latest that the partition said of itself.
    pub(crate) fn latest(&self) -> Option<PartitionStatus> {
        self.said.lock().latest.clone()
    }

    /// The latest figures of its replica.
    pub(crate) fn replica(&self) -> Option<ReplicaStats> {
        self.said.lock().replica
    }

    pub(crate) fn set_replica(&self, stats: ReplicaStats) {
        self.said.lock().replica = Some(stats);
    }

    /// What became of the instances of each journey.
    pub(crate) fn instances(&self) -> BTreeMap<JourneyId, InstanceFigures> {
        self.said.lock().instances.clone()
    }

    pub(crate) fn set_instances(&self, instances: BTreeMap<JourneyId, InstanceFigures>) {
        self.said.lock().instances = instances;
    }

    /// Since when its oldest dead letter lies there.
    pub(crate) fn oldest_dead_letter(&self) -> Option<Timestamp> {
        self.said.lock().oldest_dead_letter
    }

    pub(crate) fn set_oldest_dead_letter(&self, since: Option<Timestamp>) {
        self.said.lock().oldest_dead_letter = since;
    }

    /// Its counters; they grow also when its actor begins anew.
    pub(crate) fn figures(&self) -> [u64; PARTITION_FIGURES.len()] {
        let said = self.said.lock();
        std::array::from_fn(|at| said.last[at] + said.retired[at])
    }
}

impl Said {
    fn take(&mut self, status: PartitionStatus) {
        let now = PARTITION_FIGURES.map(|(_, _, read)| read(&status.counters));
        let began_anew = now.iter().zip(&self.last).any(|(now, last)| now < last);
        if began_anew {
            for (retired, last) in self.retired.iter_mut().zip(&self.last) {
                *retired += last;
            }
        }
        self.last = now;
        self.latest = Some(status);
    }
}
