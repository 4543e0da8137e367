//! The nodes of the cluster as the metadata group knows them.

use journey_types::NodeId;

use crate::limits::{ADDRESS_SIZE_BYTES_MAX, NODE_WEIGHT_MAX, ZONE_SIZE_BYTES_MAX};
use crate::{MetadataError, ReplicaId};

/// What a node draws once for its data folder, so that asking twice to join makes one node and a wiped disk makes
/// another.
pub type JoinKey = [u8; 16];

/// What a node says of itself when it founds or joins a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewNode {
    /// Tells this node's data folder from any other.
    pub join_key: JoinKey,
    /// Where it stands and what it can take.
    pub place: NodePlace,
}

/// Where a node is reached and what it can take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodePlace {
    /// `host:port` of its public API.
    pub api_address: String,
    /// `host:port` where other nodes reach it; empty on a node that stays alone.
    pub peer_address: String,
    /// What fails together with it: a rack, a room, a data centre. Empty is the one zone of nodes that name none.
    pub zone: String,
    /// Its share of replicas beside others, 1 to [`NODE_WEIGHT_MAX`].
    pub weight: u32,
}

/// Where a node is in its life. `Removed` is for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum NodeState {
    /// It is known and gets its copy of the metadata; no replicas are placed on it yet.
    Joining,
    /// It takes replicas.
    Active,
    /// It gives its replicas away and takes no new ones.
    Draining,
    /// It has not answered for long: its replicas are rebuilt elsewhere.
    Down,
    /// It is no member any more, and its id is used up.
    Removed,
}

impl NodeState {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Joining => "joining",
            Self::Active => "active",
            Self::Draining => "draining",
            Self::Down => "down",
            Self::Removed => "removed",
        }
    }

    /// Whether a node may go from this state to that one.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        match (self, next) {
            (Self::Removed, _) | (_, Self::Joining) => false,
            (Self::Joining | Self::Draining | Self::Down, Self::Active)
            | (Self::Active | Self::Down, Self::Draining)
            | (Self::Joining | Self::Active | Self::Draining, Self::Down)
            | (_, Self::Removed) => true,
            (_, Self::Active | Self::Draining | Self::Down) => false,
        }
    }
}

/// One node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRecord {
    /// Its id.
    pub id: NodeId,
    /// Raised by every change of this record; what a change is compared with.
    pub version: u64,
    /// Tells its data folder from any other.
    pub join_key: JoinKey,
    /// Where it is reached and what it can take.
    pub place: NodePlace,
    /// Where it is in its life.
    pub state: NodeState,
    /// Whether it is to give its replicas away: still so when it has been down meanwhile.
    pub drains: bool,
    /// Its replica of the metadata group.
    pub metadata_replica: ReplicaId,
}

impl NodeRecord {
    /// Whether it is a member: joining or gone for the moment, but not removed.
    #[must_use]
    pub fn is_member(&self) -> bool {
        self.state != NodeState::Removed
    }
}

/// Checks what a node says of itself.
pub(super) fn check_place(place: &NodePlace) -> Result<(), MetadataError> {
    let fault = |field, reason: String| Err(MetadataError::NodePlace { field, reason });
    let addresses = [
        ("api address", &place.api_address),
        ("peer address", &place.peer_address),
    ];
    for (field, address) in addresses {
        if address.len() > ADDRESS_SIZE_BYTES_MAX {
            let size_bytes = address.len();
            return fault(
                field,
                format!("it has {size_bytes} bytes, at most {ADDRESS_SIZE_BYTES_MAX} fit"),
            );
        }
    }
    if place.api_address.is_empty() {
        return fault("api address", "it is empty".to_owned());
    }
    if place.zone.len() > ZONE_SIZE_BYTES_MAX {
        let size_bytes = place.zone.len();
        return fault(
            "zone",
            format!("it has {size_bytes} bytes, at most {ZONE_SIZE_BYTES_MAX} fit"),
        );
    }
    if !(1..=NODE_WEIGHT_MAX).contains(&place.weight) {
        let weight = place.weight;
        return fault(
            "weight",
            format!("it is {weight}, it must be 1 to {NODE_WEIGHT_MAX}"),
        );
    }
    Ok(())
}
