//! Where a replica can be reached; asked anew for each request, since nodes move.

use std::fmt;
use std::sync::Arc;

use crate::{GroupId, ReplicaId};

/// Host and port of a node's peer API, for example `10.0.0.7:7401`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerAddress(Arc<str>);

impl PeerAddress {
    /// That address. It is looked up when it is connected to, not here.
    #[must_use]
    pub fn new(host_and_port: impl Into<Arc<str>>) -> Self {
        Self(host_and_port.into())
    }

    /// Host and port.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Knows where replicas are. Asked on consensus' own threads for every message: it must answer at once, from memory.
pub trait ReplicaDirectory: Send + Sync + fmt::Debug + 'static {
    /// Where the node of that replica listens for its peers; `None` while nobody knows.
    fn address_of(&self, group: GroupId, replica: ReplicaId) -> Option<PeerAddress>;

    /// The id of this node's cluster, once it is known: a node of another cluster that came to live at an address is
    /// then told apart.
    fn cluster(&self) -> Option<u64> {
        None
    }
}

/// The directory of a node without peers.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoPeers;

impl ReplicaDirectory for NoPeers {
    fn address_of(&self, _group: GroupId, _replica: ReplicaId) -> Option<PeerAddress> {
        None
    }
}
