//! Who this node is, as its data folder says: one row of the state database.

use std::sync::Arc;

use bytes::Bytes;
use journey_storage::{Engine, Put, StorageError};
use journey_types::NodeId;
use prost::Message;

use super::nodes::JoinKey;
use crate::ReplicaId;
use crate::record::{self, RecordFault};

/// Name of the tree in the state database.
const TREE: &str = "node";
const KEY: &[u8] = &[1];

/// Who this node is. A data folder has one from before its first entry is written; a wiped disk gets another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeIdentity {
    /// Drawn once; by it a cluster knows a node that asks twice.
    pub join_key: JoinKey,
    /// What the cluster made of it; `None` until it has founded or joined one.
    pub member: Option<NodeMembership>,
}

/// A node's place in a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeMembership {
    /// Of which cluster.
    pub cluster_id: u64,
    /// Its id in it.
    pub node: NodeId,
    /// Its replica of the metadata group.
    pub metadata_replica: ReplicaId,
}

/// Fields: 1 join key (16 bytes), 2 cluster id, 3 node id (0: no member yet), 4 replica of group 0.
#[derive(Clone, PartialEq, Eq, Message)]
struct IdentityRow {
    #[prost(bytes = "vec", tag = "1")]
    join_key: Vec<u8>,
    #[prost(uint64, tag = "2")]
    cluster_id: u64,
    #[prost(uint64, tag = "3")]
    node: u64,
    #[prost(uint64, tag = "4")]
    metadata_replica: u64,
}

impl NodeIdentity {
    /// Reads it; `None` in a new data folder.
    ///
    /// # Errors
    /// The engine's own failure, or that the row does not read.
    pub fn read(engine: &Arc<dyn Engine>) -> Result<Option<Self>, StorageError> {
        let Some(row) = engine.tree(TREE)?.get(KEY)? else {
            return Ok(None);
        };
        let damaged = |reason: String| StorageError::Damaged {
            tree: TREE.to_owned(),
            reason,
        };
        let row: IdentityRow = record::decode(Bytes::from(row)).map_err(|fault| match fault {
            RecordFault::Format { found } => StorageError::NewerRow {
                tree: TREE.to_owned(),
                found,
                supported: record::FORMAT,
            },
            RecordFault::Damaged(reason) => damaged(reason),
        })?;
        let join_key = row.join_key.as_slice().try_into();
        let join_key =
            join_key.map_err(|_| damaged(format!("a key has {} bytes", row.join_key.len())))?;
        let member = (row.node > 0).then(|| NodeMembership {
            cluster_id: row.cluster_id,
            node: NodeId::new(row.node),
            metadata_replica: ReplicaId::new(row.metadata_replica),
        });
        Ok(Some(Self { join_key, member }))
    }

    /// Writes it and waits until it survives a power cut.
    ///
    /// # Errors
    /// The engine's own failure.
    pub fn write(&self, engine: &Arc<dyn Engine>) -> Result<(), StorageError> {
        let member = self.member;
        let row = record::with_format(&IdentityRow {
            join_key: self.join_key.to_vec(),
            cluster_id: member.map_or(0, |member| member.cluster_id),
            node: member.map_or(0, |member| member.node.get()),
            metadata_replica: member.map_or(0, |member| member.metadata_replica.get()),
        });
        engine.tree(TREE)?.put_ordered(&[Put::set(KEY, row)])?;
        engine.flush_durable()
    }
}

#[cfg(test)]
mod tests {
    use journey_storage::limits::STATE_VALUE_SIZE_BYTES_MAX;
    use journey_storage::{CrashPoint, MemoryEngine};

    use super::*;

    #[test]
    fn identity_survives_a_power_cut() {
        let memory = MemoryEngine::new(STATE_VALUE_SIZE_BYTES_MAX);
        let engine: Arc<dyn Engine> = Arc::new(memory.clone());
        assert_eq!(NodeIdentity::read(&engine).unwrap(), None);
        let mut identity = NodeIdentity {
            join_key: [3; 16],
            member: None,
        };
        identity.write(&engine).unwrap();
        assert_eq!(NodeIdentity::read(&engine).unwrap(), Some(identity));
        identity.member = Some(NodeMembership {
            cluster_id: 7,
            node: NodeId::new(12),
            metadata_replica: ReplicaId::new(12),
        });
        identity.write(&engine).unwrap();
        let survivor: Arc<dyn Engine> = Arc::new(memory.survivor(CrashPoint::Writes(0)));
        assert_eq!(NodeIdentity::read(&survivor).unwrap(), Some(identity));
    }
}
