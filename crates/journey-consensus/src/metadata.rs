//! The metadata group: who this cluster is, its nodes, which replica lies where, which documents are published, and ids
//! that are never used twice.
//!
//! Its state is small and changes rarely, so every node keeps a copy in memory and watches it; documents are opaque
//! here. Every change is a compare-and-set on the version of what it changes.
//!
//! ```text
//!  MetadataHandle::publish ──► group 0 ──► MetadataMachine::apply ──► watch: Arc<MetadataState>
//!                                                └─ checkpoint ──► tree `metadata` of the state database
//! ```

mod cluster;
mod cluster_wire;
mod command;
mod handle;
mod machine;
mod node_identity;
mod nodes;
mod publish;
mod rows;
mod settings;
mod snapshot;
mod state;
mod table;

pub use handle::MetadataHandle;
pub use node_identity::{NodeIdentity, NodeMembership};
pub use nodes::{JoinKey, NewNode, NodePlace, NodeRecord, NodeState};
pub use publish::{NewDocument, PublishOutcome, PublishedVersion};
pub use settings::{Setting, SettingKind};
pub use state::{ClusterIdentity, MetadataState, StoredDocument};
pub use table::{PartitionPlacement, PartitionTable, PlacedReplica, PlacementChange, ReplicaRole};

#[cfg(test)]
mod tests;
