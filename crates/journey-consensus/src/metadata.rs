//! The metadata group: who this cluster is, which documents are published, and ids that are never used twice.
//!
//! Its state is small and changes rarely, so every node keeps a copy in memory and watches it; documents are opaque
//! here.
//!
//! ```text
//!  MetadataHandle::publish ──► group 0 ──► MetadataMachine::apply ──► watch: Arc<MetadataState>
//!                                                └─ checkpoint ──► tree `metadata` of the state database
//! ```

mod command;
mod handle;
mod machine;
mod publish;
mod rows;
mod state;

pub use handle::MetadataHandle;
pub use publish::{NewDocument, PublishOutcome, PublishedVersion};
pub use state::{ClusterIdentity, MetadataState, StoredDocument};

#[cfg(test)]
mod tests;
