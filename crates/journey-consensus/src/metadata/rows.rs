//! The metadata group's checkpoint: documents under keys that are written once, and a head row that names them.
//!
//! `1` is the head: floor, consensus' blob, revision, identity, version of the map. `2 | revision u64 BE | ordinal u32 BE`
//! is a document, `3 | version u64 BE` the map of nodes, table and settings, both in chunks. They are written before the
//! head that counts them; a crash between leaves rows that the same entries write again. Maps before the head's are
//! removed after it.

use std::sync::Arc;

use bytes::Bytes;
use journey_storage::limits::STATE_VALUE_SIZE_BYTES_MAX;
use journey_storage::{Engine, Put, StorageError, Tree, chunked};
use prost::Message;

use super::cluster_wire;
use super::command::{self, IdentityRecord};
use super::state::MetadataState;
use crate::record::{self, RecordFault};

/// Name of the metadata group's tree in the state database.
pub(super) const TREE: &str = "metadata";
const HEAD: u8 = 1;
const DOCUMENT: u8 = 2;
const MAP: u8 = 3;

/// Fields: 1 floor, 2 consensus' blob as of it, 3 revision, 4 identity, 5 version of the map, 0 for none.
#[derive(Clone, PartialEq, Eq, Message)]
struct HeadRecord {
    #[prost(uint64, tag = "1")]
    floor: u64,
    #[prost(bytes = "bytes", tag = "2")]
    consensus: Bytes,
    #[prost(uint64, tag = "3")]
    revision: u64,
    #[prost(message, optional, tag = "4")]
    identity: Option<IdentityRecord>,
    #[prost(uint64, tag = "5")]
    map_version: u64,
}

/// The metadata group's part of the state database.
#[derive(Debug)]
pub(super) struct Rows {
    engine: Arc<dyn Engine>,
    tree: Arc<dyn Tree>,
    /// Documents of revisions up to and with this one are on disk.
    stored_revision: u64,
    /// The version of the map on disk, 0 for none.
    stored_map: u64,
}

/// What the last checkpoint holds.
#[derive(Debug, Clone, Default)]
pub(super) struct Checkpoint {
    pub(super) floor: u64,
    pub(super) consensus: Option<Bytes>,
    pub(super) state: MetadataState,
}

impl Rows {
    /// Opens the tree and reads the last checkpoint.
    pub(super) fn open(engine: Arc<dyn Engine>) -> Result<(Self, Checkpoint), StorageError> {
        let tree = engine.tree(TREE)?;
        let mut rows = Self {
            engine,
            tree,
            stored_revision: 0,
            stored_map: 0,
        };
        let Some(head) = rows.tree.get(&[HEAD])? else {
            return Ok((rows, Checkpoint::default()));
        };
        let head: HeadRecord = record::decode(Bytes::from(head)).map_err(faulty)?;
        let mut state = MetadataState::default();
        if let Some(identity) = &head.identity {
            state.set_identity(command::identity_of(identity).map_err(damaged)?);
        }
        for revision in 1..=head.revision {
            state.add_revision(rows.read_revision(revision)?);
        }
        rows.stored_revision = head.revision;
        if head.map_version > 0 {
            let key = map_key(head.map_version);
            let value = chunked::read(rows.tree.as_ref(), &key)?;
            let value = value.ok_or_else(|| {
                damaged(format!("map {} of the head is not there", head.map_version))
            })?;
            state.set_map(cluster_wire::decode_map(value).map_err(damaged)?);
            rows.stored_map = head.map_version;
        }
        let checkpoint = Checkpoint {
            floor: head.floor,
            consensus: Some(head.consensus),
            state,
        };
        Ok((rows, checkpoint))
    }

    /// Writes what is new and the head, and waits until both survive a power cut.
    pub(super) fn write(&mut self, checkpoint: &Checkpoint) -> Result<(), StorageError> {
        let state = &checkpoint.state;
        for revision in self.stored_revision + 1..=state.revision() {
            for (ordinal, document) in (0..).zip(state.published_by(revision)) {
                let value = command::encode_document(document);
                let key = document_key(revision, ordinal);
                let puts = chunked::split(&key, &value, STATE_VALUE_SIZE_BYTES_MAX)?;
                self.tree.put_ordered(&puts)?;
            }
        }
        let map_version = state.map_version();
        if map_version != self.stored_map {
            let key = map_key(map_version);
            // What a crash left under this key is the same, but cleared first all the same: a shorter one must not end
            // in the rest of a longer one.
            let left = chunked::removals(self.tree.as_ref(), &key)?;
            self.tree.put_ordered(&left)?;
            let value = cluster_wire::encode_map(state.map());
            let puts = chunked::split(&key, &value, STATE_VALUE_SIZE_BYTES_MAX)?;
            self.tree.put_ordered(&puts)?;
        }
        let head = record::with_format(&HeadRecord {
            floor: checkpoint.floor,
            consensus: checkpoint.consensus.clone().unwrap_or_default(),
            revision: state.revision(),
            identity: state.identity().map(command::identity_record),
            map_version,
        });
        self.tree.put_ordered(&[Put::set([HEAD], head)])?;
        self.engine.flush_durable()?;
        self.stored_revision = state.revision();
        let old = std::mem::replace(&mut self.stored_map, map_version);
        if old != map_version && old > 0 {
            let gone = chunked::removals(self.tree.as_ref(), &map_key(old))?;
            self.tree.put_ordered(&gone)?;
        }
        Ok(())
    }

    fn read_revision(
        &self,
        revision: u64,
    ) -> Result<Vec<Arc<super::state::StoredDocument>>, StorageError> {
        let mut documents = Vec::new();
        for ordinal in 0.. {
            let key = document_key(revision, ordinal);
            let Some(value) = chunked::read(self.tree.as_ref(), &key)? else {
                break;
            };
            let document = command::decode_document(value).map_err(damaged)?;
            // Rows above the head's revision are never read; a row of another revision under this key is damage.
            if document.revision != revision {
                return Err(damaged(format!(
                    "a document of revision {} lies under revision {revision}",
                    document.revision
                )));
            }
            documents.push(Arc::new(document));
        }
        if documents.is_empty() {
            return Err(damaged(format!("revision {revision} has no documents")));
        }
        Ok(documents)
    }
}

fn document_key(revision: u64, ordinal: u32) -> Vec<u8> {
    let revision = revision.to_be_bytes();
    [&[DOCUMENT], revision.as_slice(), &ordinal.to_be_bytes()].concat()
}

fn map_key(version: u64) -> Vec<u8> {
    [&[MAP], version.to_be_bytes().as_slice()].concat()
}

fn faulty(fault: RecordFault) -> StorageError {
    match fault {
        RecordFault::Format { found } => StorageError::NewerRow {
            tree: TREE.to_owned(),
            found,
            supported: record::FORMAT,
        },
        RecordFault::Damaged(reason) => damaged(reason),
    }
}

fn damaged(reason: String) -> StorageError {
    StorageError::Damaged {
        tree: TREE.to_owned(),
        reason,
    }
}
