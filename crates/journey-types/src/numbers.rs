//! Ids and counts made of numbers. Each is a type of its own so that none is passed for another.

use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
        pub struct $name($inner);

        impl $name {
            /// Wraps the number; every value is valid.
            #[must_use]
            pub const fn new(number: $inner) -> Self {
                Self(number)
            }

            /// The number.
            #[must_use]
            pub const fn get(self) -> $inner {
                self.0
            }

            /// The one after this.
            ///
            /// # Panics
            /// At the end of the number range, which no counter here reaches in a lifetime.
            #[must_use]
            pub const fn next(self) -> Self {
                Self(self.0.checked_add(1).expect("counter range is never exhausted"))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }
    };
}

number!(
    /// A partition of the customers; group 0 of consensus is the metadata group, partition p is group p + 1.
    PartitionId(u32)
);
number!(
    /// A node of the cluster: the place in the metadata log where it joined, so never used twice. The node that founds
    /// a cluster is 1.
    NodeId(u64)
);
number!(
    /// A place in one partition's journal: the index of its Raft entry. The first entry has 1.
    Lsn(u64)
);
number!(
    /// A leader's session: the journal index of the `SessionOpened` entry that began it (DESIGN section 3).
    SessionId(u64)
);
number!(
    /// The number of a batch inside its session: 1, 2, 3 …
    BatchNumber(u64)
);
number!(
    /// Counts one customer's journal events; the first has 1.
    Sequence(u64)
);
number!(
    /// Tells the lives of one customer id apart (an erased customer that comes back is another life). Larger for a
    /// later life; part of every [`crate::EffectId`].
    BirthIndex(u64)
);
number!(
    /// Counts one customer's journey instances over all journeys; the first has 1.
    InstanceNumber(u64)
);
number!(
    /// Version of a journey: 1, 2, 3 … per journey id.
    DefinitionVersion(u32)
);
number!(
    /// Version of a content document: 1, 2, 3 … per content id.
    ContentVersion(u32)
);
number!(
    /// Counts publishes; a catalog is what was published up to and with one revision. 0 is the empty catalog.
    CatalogRevision(u64)
);
number!(
    /// Names a history aggregate: a stable hash of what it counts (event name, filter, property).
    AggregateId(u64)
);
number!(
    /// Raised by a restore from backup, so that effect ids of the two lives of a cluster differ.
    Incarnation(u32)
);
