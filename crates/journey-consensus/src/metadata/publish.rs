//! A publish: its bounds, what it changes, and what became of each document.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::state::{MetadataState, StoredDocument};
use crate::MetadataError;
use crate::limits::{
    DOCUMENT_NAME_SIZE_BYTES_MAX, DOCUMENT_SOURCE_SIZE_BYTES_MAX, METADATA_SIZE_BYTES_MAX,
    PUBLISH_DOCUMENTS_MAX, PUBLISH_SIZE_BYTES_MAX,
};

/// Bytes that the framing of one document in an entry takes at most.
const DOCUMENT_FRAMING_BYTES: usize = 64;

/// A document to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDocument {
    /// What it is, for example `journey`; 1 to [`DOCUMENT_NAME_SIZE_BYTES_MAX`] bytes, as are all names here.
    pub kind: String,
    /// Its id, unique within its kind.
    pub id: String,
    /// What tells two texts apart: a document with the hash of its newest version is unchanged.
    pub hash: String,
    /// Where its text came from, for messages.
    pub source_name: String,
    /// Its text, at most [`DOCUMENT_SOURCE_SIZE_BYTES_MAX`] bytes.
    pub source: String,
}

/// What a publish did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishOutcome {
    /// The catalog's revision after it; the expected one when nothing was changed.
    pub revision: u64,
    /// What became of each document, in the order given.
    pub versions: Vec<PublishedVersion>,
}

/// What became of one document of a publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedVersion {
    /// Its kind.
    pub kind: String,
    /// Its id.
    pub id: String,
    /// The version that holds its text.
    pub version: u32,
    /// Whether that version was there before.
    pub unchanged: bool,
}

/// Checks everything about a publish that does not depend on who else publishes.
pub(super) fn check(documents: &[NewDocument]) -> Result<usize, MetadataError> {
    if documents.is_empty() {
        return Err(MetadataError::NoDocuments);
    }
    let mut seen = BTreeMap::new();
    for document in documents {
        check_one(document)?;
        let name = (document.kind.as_str(), document.id.as_str());
        if let Some(first) = seen.insert(name, document.source_name.as_str()) {
            return Err(MetadataError::DocumentTwice {
                kind: document.kind.clone(),
                id: document.id.clone(),
                first: first.to_owned(),
                second: document.source_name.clone(),
            });
        }
    }
    let size_bytes = documents.iter().map(size_bytes_of).sum();
    if documents.len() > PUBLISH_DOCUMENTS_MAX || size_bytes > PUBLISH_SIZE_BYTES_MAX {
        return Err(MetadataError::PublishTooLarge {
            n_documents: documents.len(),
            n_documents_max: PUBLISH_DOCUMENTS_MAX,
            size_bytes,
            size_bytes_max: PUBLISH_SIZE_BYTES_MAX,
        });
    }
    Ok(size_bytes)
}

/// Checks that the catalog has room. Exact when the publish takes effect, since then nobody else came between.
pub(super) fn check_room(state: &MetadataState, publish_bytes: usize) -> Result<(), MetadataError> {
    let size_bytes = state.size_bytes() + publish_bytes;
    if size_bytes > METADATA_SIZE_BYTES_MAX {
        return Err(MetadataError::CatalogFull {
            size_bytes,
            size_bytes_max: METADATA_SIZE_BYTES_MAX,
        });
    }
    Ok(())
}

/// The next revision: a version for each document whose hash is not that of its newest one. Empty when there is none.
pub(super) fn changes(
    state: &MetadataState,
    at_ms: i64,
    documents: &[NewDocument],
) -> Vec<Arc<StoredDocument>> {
    let revision = state.revision() + 1;
    let mut changed = Vec::new();
    for document in documents {
        let newest = state.versions(&document.kind, &document.id).last();
        if newest.is_some_and(|newest| newest.hash == document.hash) {
            continue;
        }
        changed.push(Arc::new(StoredDocument {
            kind: document.kind.clone(),
            id: document.id.clone(),
            version: newest.map_or(1, |newest| newest.version + 1),
            hash: document.hash.clone(),
            revision,
            source_name: document.source_name.clone(),
            source: document.source.clone(),
            published_at_ms: at_ms,
        }));
    }
    changed
}

/// What a publish that took effect on top of that revision did, read from any state since: versions are kept for ever.
pub(super) fn outcome(
    state: &MetadataState,
    expected_revision: u64,
    documents: &[NewDocument],
) -> PublishOutcome {
    let versions = documents.iter().map(|document| {
        let versions = state.versions(&document.kind, &document.id);
        let before = versions.partition_point(|stored| stored.revision <= expected_revision);
        let newest_before = versions[..before].last();
        let unchanged = newest_before.filter(|newest| newest.hash == document.hash);
        let version = unchanged.map_or_else(
            || newest_before.map_or(1, |newest| newest.version + 1),
            |newest| newest.version,
        );
        PublishedVersion {
            kind: document.kind.clone(),
            id: document.id.clone(),
            version,
            unchanged: unchanged.is_some(),
        }
    });
    let versions: Vec<_> = versions.collect();
    let is_changed = versions.iter().any(|version| !version.unchanged);
    PublishOutcome {
        revision: expected_revision + u64::from(is_changed),
        versions,
    }
}

fn check_one(document: &NewDocument) -> Result<(), MetadataError> {
    let fields = [
        ("kind", &document.kind),
        ("id", &document.id),
        ("hash", &document.hash),
        ("source name", &document.source_name),
    ];
    for (field, text) in fields {
        if text.is_empty() || text.len() > DOCUMENT_NAME_SIZE_BYTES_MAX {
            return Err(MetadataError::DocumentName {
                field,
                kind: document.kind.chars().take(80).collect(),
                id: document.id.chars().take(80).collect(),
                size_bytes: text.len(),
                size_bytes_max: DOCUMENT_NAME_SIZE_BYTES_MAX,
            });
        }
    }
    if document.source.len() > DOCUMENT_SOURCE_SIZE_BYTES_MAX {
        return Err(MetadataError::DocumentTooLarge {
            kind: document.kind.clone(),
            id: document.id.clone(),
            source_name: document.source_name.clone(),
            size_bytes: document.source.len(),
            size_bytes_max: DOCUMENT_SOURCE_SIZE_BYTES_MAX,
        });
    }
    Ok(())
}

fn size_bytes_of(document: &NewDocument) -> usize {
    let names = [
        &document.kind,
        &document.id,
        &document.hash,
        &document.source_name,
    ];
    let names: usize = names.iter().map(|name| name.len()).sum();
    names + document.source.len() + DOCUMENT_FRAMING_BYTES
}
