//! What the metadata group knows, as one value that never changes once it is handed out.

use std::collections::BTreeMap;
use std::sync::Arc;

use journey_types::{ClusterKey, EffectOrigin, NodeId, PartitionId};

use super::cluster::ClusterMap;
use super::nodes::{JoinKey, NodeRecord};
use super::settings::{Setting, SettingKind};
use super::table::{PartitionPlacement, PartitionTable};
use crate::{GroupId, ReplicaId};

/// Who this cluster is: drawn when its first node starts, and never changed save for the incarnation, which a restore
/// from backup raises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClusterIdentity {
    /// Its id and which life of it this is; part of every effect id.
    pub origin: EffectOrigin,
    /// Its secret: salts placement and keys the fingerprints of event ids.
    pub key: ClusterKey,
    /// How many partitions its slots are spread over. Fixed, since slots cannot move before splits exist.
    pub n_partitions: u32,
    /// When it was founded, UTC milliseconds.
    pub founded_at_ms: i64,
}

/// One version of a document, kept for ever: instances stay on the version they entered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredDocument {
    /// What it is, for example `journey`. Opaque here.
    pub kind: String,
    /// Its id, unique within its kind.
    pub id: String,
    /// 1, 2, 3 … per kind and id.
    pub version: u32,
    /// What tells two texts apart; opaque here.
    pub hash: String,
    /// The catalog revision that published it.
    pub revision: u64,
    /// Where its text came from, for messages: a file name, mostly.
    pub source_name: String,
    /// Its text.
    pub source: String,
    /// When it was published, UTC milliseconds.
    pub published_at_ms: i64,
}

/// A document's name: its kind, then its id.
type Name = (String, String);

/// Everything the metadata group knows at one revision of the catalog.
///
/// # Invariants
/// Each publish that changed something has one revision, 1, 2, 3 …; each document's versions are 1, 2, 3 … in order of
/// revision.
#[derive(Debug, Clone, Default)]
pub struct MetadataState {
    identity: Option<ClusterIdentity>,
    by_name: BTreeMap<Name, Vec<Arc<StoredDocument>>>,
    /// What each revision published, revision 1 first.
    by_revision: Vec<Vec<Arc<StoredDocument>>>,
    size_bytes: usize,
    map: ClusterMap,
}

impl MetadataState {
    /// Who this cluster is; `None` until its first node has bootstrapped it.
    #[must_use]
    pub fn identity(&self) -> Option<&ClusterIdentity> {
        self.identity.as_ref()
    }

    /// The catalog's revision: how many publishes changed something. 0 is the empty catalog.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.by_revision.len() as u64
    }

    /// Bytes of all versions of all documents.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.size_bytes
    }

    /// The newest version of each document, by kind and id.
    pub fn documents(&self) -> impl Iterator<Item = &Arc<StoredDocument>> {
        self.by_name.values().filter_map(|versions| versions.last())
    }

    /// Every version of every document, by kind and id, the first one first: instances stay on the version that they
    /// entered.
    pub fn all_versions(&self) -> impl Iterator<Item = &Arc<StoredDocument>> {
        self.by_name.values().flatten()
    }

    /// The catalog as of that revision: of each document the newest version published up to and with it.
    pub fn documents_at(&self, revision: u64) -> impl Iterator<Item = &Arc<StoredDocument>> {
        self.by_name.values().filter_map(move |versions| {
            let upto = versions.partition_point(|document| document.revision <= revision);
            versions[..upto].last()
        })
    }

    /// All versions of one document, the first one first; empty when there is no such document.
    #[must_use]
    pub fn versions(&self, kind: &str, id: &str) -> &[Arc<StoredDocument>] {
        let name = (kind.to_owned(), id.to_owned());
        self.by_name.get(&name).map_or(&[], Vec::as_slice)
    }

    /// What one revision published; empty when there is no such revision.
    #[must_use]
    pub fn published_by(&self, revision: u64) -> &[Arc<StoredDocument>] {
        let at = revision.checked_sub(1);
        let at = at.and_then(|at| usize::try_from(at).ok());
        let published = at.and_then(|at| self.by_revision.get(at));
        published.map_or(&[], Vec::as_slice)
    }

    /// The place in the log of the last change of nodes, table or settings.
    #[must_use]
    pub fn map_version(&self) -> u64 {
        self.map.version
    }

    /// Every node that ever was, in the order in which they joined.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeRecord> {
        self.map.nodes.values()
    }

    /// One node.
    #[must_use]
    pub fn node(&self, node: NodeId) -> Option<&NodeRecord> {
        self.map.nodes.get(&node)
    }

    /// The node whose data folder drew that key.
    #[must_use]
    pub fn node_by_key(&self, key: &JoinKey) -> Option<&NodeRecord> {
        self.nodes().find(|node| node.join_key == *key)
    }

    /// Which replica of which partition lies where.
    #[must_use]
    pub fn table(&self) -> &Arc<PartitionTable> {
        &self.map.table
    }

    /// One partition's replicas.
    #[must_use]
    pub fn placement(&self, partition: PartitionId) -> Option<&PartitionPlacement> {
        self.map.table.partition(partition)
    }

    /// The node of a replica; `None` when there is no such replica any more, or not yet.
    #[must_use]
    pub fn node_of_replica(&self, group: GroupId, replica: ReplicaId) -> Option<&NodeRecord> {
        match group.partition() {
            None => {
                let mut nodes = self.nodes();
                nodes.find(|node| node.is_member() && node.metadata_replica == replica)
            }
            Some(partition) => {
                let placed = self.placement(partition)?.replica(replica)?;
                self.node(placed.node)
            }
        }
    }

    /// Where other nodes reach the node of a replica; `None` also when it cannot be reached by others.
    #[must_use]
    pub fn address_of_replica(&self, group: GroupId, replica: ReplicaId) -> Option<&str> {
        let node = self.node_of_replica(group, replica)?;
        let address = node.place.peer_address.as_str();
        (!address.is_empty()).then_some(address)
    }

    /// A quota or gate.
    #[must_use]
    pub fn setting(&self, kind: SettingKind, name: &str) -> Option<&Setting> {
        self.map.settings.get(&(kind, name.to_owned()))
    }

    /// All quotas and gates by kind and name.
    pub fn settings(&self) -> impl Iterator<Item = (SettingKind, &str, &Setting)> {
        let settings = self.map.settings.iter();
        settings.map(|((kind, name), setting)| (*kind, name.as_str(), setting))
    }

    pub(super) fn map(&self) -> &ClusterMap {
        &self.map
    }

    pub(super) fn map_mut(&mut self) -> &mut ClusterMap {
        &mut self.map
    }

    pub(super) fn set_map(&mut self, map: ClusterMap) {
        self.map = map;
    }

    pub(super) fn set_identity(&mut self, identity: ClusterIdentity) {
        self.identity = Some(identity);
    }

    /// Adds what one publish changed as the next revision.
    pub(super) fn add_revision(&mut self, documents: Vec<Arc<StoredDocument>>) {
        let revision = self.revision() + 1;
        for document in &documents {
            assert_eq!(document.revision, revision, "revisions have no gaps");
            let name = (document.kind.clone(), document.id.clone());
            let versions = self.by_name.entry(name).or_default();
            let version = versions.last().map_or(1, |newest| newest.version + 1);
            assert_eq!(document.version, version, "versions have no gaps");
            self.size_bytes += size_of_document(document);
            versions.push(Arc::clone(document));
        }
        self.by_revision.push(documents);
    }
}

/// What a document counts for in memory and in an entry.
fn size_of_document(document: &StoredDocument) -> usize {
    let names = [
        &document.kind,
        &document.id,
        &document.hash,
        &document.source_name,
    ];
    names.iter().map(|name| name.len()).sum::<usize>() + document.source.len()
}
