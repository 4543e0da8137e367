//! The entries of the metadata group and their durable form: one byte of format, then protobuf.

use std::sync::Arc;

use bytes::Bytes;
use journey_types::{ClusterKey, EffectOrigin, Incarnation};
use prost::Message;

use super::cluster::ClusterChange;
use super::cluster_wire::{self, ChangeRecord, NewNodeRecord};
use super::nodes::NewNode;
use super::publish::NewDocument;
use super::state::{ClusterIdentity, StoredDocument};
use crate::Payload;
use crate::record;

/// What an entry of the metadata group asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Command {
    /// Founds the cluster with its first node, unless it is founded already.
    Bootstrap {
        identity: ClusterIdentity,
        founder: NewNode,
    },
    /// Publishes documents if the catalog is still at that revision.
    Publish {
        expected_revision: u64,
        at_ms: i64,
        documents: Vec<NewDocument>,
    },
    /// Changes nothing: its place in the log is an id nobody else gets.
    AllocateId,
    /// Changes nodes, table or settings.
    Change(ClusterChange),
}

/// Fields: then one of [`CommandBody`].
#[derive(Clone, PartialEq, Eq, Message)]
struct CommandRecord {
    #[prost(oneof = "CommandBody", tags = "1, 2, 3, 4")]
    body: Option<CommandBody>,
}

/// Fields: 1 bootstrap, 2 publish, 3 allocate an id, 4 change of the cluster's map.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
enum CommandBody {
    #[prost(message, tag = "1")]
    Bootstrap(BootstrapRecord),
    #[prost(message, tag = "2")]
    Publish(PublishRecord),
    #[prost(bool, tag = "3")]
    AllocateId(bool),
    #[prost(message, tag = "4")]
    Change(ChangeRecord),
}

/// Fields: 1 identity, 2 the first node.
#[derive(Clone, PartialEq, Eq, Message)]
struct BootstrapRecord {
    #[prost(message, optional, tag = "1")]
    identity: Option<IdentityRecord>,
    #[prost(message, optional, tag = "2")]
    founder: Option<NewNodeRecord>,
}

/// Fields: 1 cluster id, 2 incarnation, 3 key (16 bytes), 4 number of partitions, 5 founded at (UTC ms).
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct IdentityRecord {
    #[prost(uint64, tag = "1")]
    cluster_id: u64,
    #[prost(uint32, tag = "2")]
    incarnation: u32,
    #[prost(bytes = "vec", tag = "3")]
    key: Vec<u8>,
    #[prost(uint32, tag = "4")]
    n_partitions: u32,
    #[prost(int64, tag = "5")]
    founded_at_ms: i64,
}

/// Fields: 1 expected revision, 2 at (UTC ms), 3 documents.
#[derive(Clone, PartialEq, Eq, Message)]
struct PublishRecord {
    #[prost(uint64, tag = "1")]
    expected_revision: u64,
    #[prost(int64, tag = "2")]
    at_ms: i64,
    #[prost(message, repeated, tag = "3")]
    documents: Vec<DocumentRecord>,
}

/// Fields: 1 kind, 2 id, 3 hash, 4 source name, 5 source; in stored versions also 6 version, 7 revision, 8 published
/// at (UTC ms).
#[derive(Clone, PartialEq, Eq, Message)]
struct DocumentRecord {
    #[prost(string, tag = "1")]
    kind: String,
    #[prost(string, tag = "2")]
    id: String,
    #[prost(string, tag = "3")]
    hash: String,
    #[prost(string, tag = "4")]
    source_name: String,
    #[prost(string, tag = "5")]
    source: String,
    #[prost(uint32, tag = "6")]
    version: u32,
    #[prost(uint64, tag = "7")]
    revision: u64,
    #[prost(int64, tag = "8")]
    published_at_ms: i64,
}

impl Command {
    /// The entry, with the command itself beside its bytes so that this replica need not read them back.
    pub(super) fn into_payload(self) -> Payload {
        let bytes = Bytes::from(record::with_format(&self.to_record()));
        Payload {
            bytes,
            decoded: Some(Arc::new(self)),
        }
    }

    /// Reads an entry.
    pub(super) fn of_payload(payload: &Payload) -> Result<Arc<Self>, String> {
        let decoded = payload.decoded.clone();
        if let Some(Ok(command)) = decoded.map(Arc::downcast::<Self>) {
            return Ok(command);
        }
        Self::decode(payload.bytes.clone()).map(Arc::new)
    }

    fn decode(bytes: Bytes) -> Result<Self, String> {
        let record: CommandRecord = record::decode(bytes)?;
        Ok(match record.body {
            Some(CommandBody::Bootstrap(bootstrap)) => {
                let identity = bootstrap.identity.as_ref().ok_or("it has no identity")?;
                let founder = bootstrap.founder.as_ref().ok_or("it has no first node")?;
                Self::Bootstrap {
                    identity: identity_of(identity)?,
                    founder: cluster_wire::new_node_of(founder)?,
                }
            }
            Some(CommandBody::Publish(publish)) => Self::Publish {
                expected_revision: publish.expected_revision,
                at_ms: publish.at_ms,
                documents: publish.documents.into_iter().map(new_document).collect(),
            },
            Some(CommandBody::AllocateId(_)) => Self::AllocateId,
            Some(CommandBody::Change(change)) => Self::Change(cluster_wire::change_of(change)?),
            None => return Err("it is a command this release does not know".to_owned()),
        })
    }

    fn to_record(&self) -> CommandRecord {
        let body = match self {
            Self::Bootstrap { identity, founder } => CommandBody::Bootstrap(BootstrapRecord {
                identity: Some(identity_record(identity)),
                founder: Some(cluster_wire::new_node_record(founder)),
            }),
            Self::Publish {
                expected_revision,
                at_ms,
                documents,
            } => CommandBody::Publish(PublishRecord {
                expected_revision: *expected_revision,
                at_ms: *at_ms,
                documents: documents.iter().map(new_document_record).collect(),
            }),
            Self::AllocateId => CommandBody::AllocateId(true),
            Self::Change(change) => CommandBody::Change(cluster_wire::change_record(change)),
        };
        CommandRecord { body: Some(body) }
    }
}

pub(super) fn identity_record(identity: &ClusterIdentity) -> IdentityRecord {
    IdentityRecord {
        cluster_id: identity.origin.cluster_id,
        incarnation: identity.origin.incarnation.get(),
        key: identity.key.bytes().to_vec(),
        n_partitions: identity.n_partitions,
        founded_at_ms: identity.founded_at_ms,
    }
}

pub(super) fn identity_of(record: &IdentityRecord) -> Result<ClusterIdentity, String> {
    let key = <[u8; 16]>::try_from(record.key.as_slice());
    let key = key.map_err(|_| format!("the cluster's key has {} bytes", record.key.len()))?;
    Ok(ClusterIdentity {
        origin: EffectOrigin {
            cluster_id: record.cluster_id,
            incarnation: Incarnation::new(record.incarnation),
        },
        key: ClusterKey::new(key),
        n_partitions: record.n_partitions,
        founded_at_ms: record.founded_at_ms,
    })
}

pub(super) fn encode_document(document: &StoredDocument) -> Vec<u8> {
    record::with_format(&DocumentRecord {
        kind: document.kind.clone(),
        id: document.id.clone(),
        hash: document.hash.clone(),
        source_name: document.source_name.clone(),
        source: document.source.clone(),
        version: document.version,
        revision: document.revision,
        published_at_ms: document.published_at_ms,
    })
}

pub(super) fn decode_document(bytes: Vec<u8>) -> Result<StoredDocument, String> {
    let record: DocumentRecord = record::decode(Bytes::from(bytes))?;
    Ok(StoredDocument {
        kind: record.kind,
        id: record.id,
        version: record.version,
        hash: record.hash,
        revision: record.revision,
        source_name: record.source_name,
        source: record.source,
        published_at_ms: record.published_at_ms,
    })
}

fn new_document_record(document: &NewDocument) -> DocumentRecord {
    DocumentRecord {
        kind: document.kind.clone(),
        id: document.id.clone(),
        hash: document.hash.clone(),
        source_name: document.source_name.clone(),
        source: document.source.clone(),
        version: 0,
        revision: 0,
        published_at_ms: 0,
    }
}

fn new_document(record: DocumentRecord) -> NewDocument {
    NewDocument {
        kind: record.kind,
        id: record.id,
        hash: record.hash,
        source_name: record.source_name,
        source: record.source,
    }
}
