//! The two ids consensus goes by: which group, and which replica of it.

use std::fmt;

use journey_types::PartitionId;

/// A Raft group of this cluster: 0 is the metadata group, partition p is group p + 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(u32);

impl GroupId {
    /// The metadata group.
    pub const METADATA: Self = Self(0);

    /// The group of that number.
    #[must_use]
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// The group that replicates that partition.
    ///
    /// # Panics
    /// With partition `u32::MAX`, far above the 256 partitions a cluster may have.
    #[must_use]
    pub const fn of_partition(partition: PartitionId) -> Self {
        Self(
            partition
                .get()
                .checked_add(1)
                .expect("a cluster has at most 256 partitions"),
        )
    }

    /// The partition that it replicates; `None` for the metadata group.
    #[must_use]
    pub fn partition(self) -> Option<PartitionId> {
        self.0.checked_sub(1).map(PartitionId::new)
    }

    /// The number, as it stands in keys.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Number and meaning, for messages: `group 0 (metadata)`, `group 4 (partition 3)`.
    #[must_use]
    pub fn described(self) -> String {
        self.0.checked_sub(1).map_or_else(
            || "group 0 (metadata)".to_owned(),
            |partition| format!("group {} (partition {partition})", self.0),
        )
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// One copy of a group: fresh per (node, group, incarnation) and never reused, since a wiped disk that came back under
/// its old id could vote twice and lose committed entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplicaId(u64);

impl ReplicaId {
    /// The first replica of every group, on the node that founds the cluster; later ones get fresh ids from the
    /// metadata group's log, which are above it.
    pub const FIRST: Self = Self(1);

    /// The replica of that number, at least 1.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ReplicaId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}
