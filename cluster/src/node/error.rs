//! Why a node did not start or does not go on.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use journey_consensus::{ConsensusError, MetadataError};
use journey_partition::PartitionError;
use journey_server::{ServeError, ServerError};
use journey_storage::StorageError;
use journey_types::{Lsn, PartitionId};

/// What failed.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The data folder.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// Who this node is does not read from its data folder, or was not written there.
    #[error(
        "the identity of this node in {} cannot be had: {fault}; restore log/ and state/ together from a backup, or start with an empty folder, as another node", folder.display()
    )]
    Identity {
        /// The state database.
        folder: PathBuf,
        /// Why.
        fault: StorageError,
    },
    /// The log or a group.
    #[error(transparent)]
    Consensus(#[from] ConsensusError),
    /// The metadata group.
    #[error("the metadata group: {0}")]
    Metadata(#[from] MetadataError),
    /// A partition.
    #[error(transparent)]
    Partition(#[from] PartitionError),
    /// The published documents.
    #[error(transparent)]
    Catalog(#[from] ServerError),
    /// The API.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The system does not tell which address was bound.
    #[error("the system does not tell which address was bound: {0}")]
    LocalAddress(#[source] std::io::Error),
    /// A part of the node failed while others were starting.
    #[error(transparent)]
    Part(Arc<Self>),
    /// A group of this node stopped for good.
    #[error("{group} stopped: {reason}")]
    GroupStopped {
        /// `partition 3`, `the metadata group`.
        group: String,
        /// Why.
        reason: String,
    },
    /// A partition did not become able to decide.
    #[error("partition {partition} cannot decide {} s after the start: {reason}", waited.as_secs())]
    NoLeader {
        /// Which.
        partition: PartitionId,
        /// How long was waited.
        waited: Duration,
        /// What it last said.
        reason: String,
    },
    /// The log ends before what the state holds: durable entries are gone.
    #[error(
        "the state of partition {partition} reflects journal entry {rows_through}, but its log ends at {applied}: durable entries are lost; restore the data folder as a whole, log/ and state/ together"
    )]
    StateAheadOfLog {
        /// Which.
        partition: PartitionId,
        /// The last entry that rows may reflect.
        rows_through: Lsn,
        /// The last entry of the log.
        applied: Lsn,
    },
    /// A connector of the configuration cannot be used.
    #[error("connector {name}: {reason}")]
    Connector {
        /// Its name.
        name: String,
        /// Why.
        reason: String,
    },
    /// The data folder belongs to somebody that the cluster does not know.
    #[error(
        "this data folder is no member of cluster {cluster_id:016x}, whose metadata it holds; restore log/ and state/ together, or start with an empty folder"
    )]
    NotAMember {
        /// Which cluster.
        cluster_id: u64,
    },
    /// The configuration names another cluster than the one this node is in.
    #[error(
        "this is cluster {found:016x}, and cluster.id names cluster {wanted:016x}; a node stays in its cluster, so use another data folder or another seed"
    )]
    OtherCluster {
        /// The one it is in, or was led to.
        found: u64,
        /// The one of the configuration.
        wanted: u64,
    },
    /// The cluster does not let this node in.
    #[error("{seed} does not let this node in: {reason}")]
    JoinRefused {
        /// Who was asked.
        seed: String,
        /// Why.
        reason: String,
    },
    /// This node is no member any more.
    #[error(
        "node {node} was removed from cluster {cluster_id:016x}; start it with an empty data folder to join as a new node"
    )]
    Removed {
        /// Which.
        node: journey_types::NodeId,
        /// From where.
        cluster_id: u64,
    },
    /// The address for other nodes is taken or not ours.
    #[error(
        "cannot listen on {address} for other nodes: {reason}; choose another address with --peer-listen"
    )]
    BindPeers {
        /// The address.
        address: std::net::SocketAddr,
        /// Why; not also behind the error, where it would be told a second time.
        reason: std::io::Error,
    },
    /// The HTTP address is taken or not ours.
    #[error(
        "cannot listen on {address} for health and metrics: {reason}; choose another address with --http-listen, or none with --http-listen ''"
    )]
    BindHttp {
        /// The address.
        address: std::net::SocketAddr,
        /// Why; not also behind the error, where it would be told a second time.
        reason: std::io::Error,
    },
    /// A task of the node panicked.
    #[error("a task of the node failed: {0}")]
    Task(String),
}
