//! From published documents to the catalog that every partition decides with.

use std::sync::Arc;

use journey_consensus::MetadataState;
use journey_model::{Catalog, DocumentKind, PublishedDocument};
use journey_types::CatalogRevision;

use crate::error::ServerError;
use crate::limits::ADOPTION_TIMEOUT;
use crate::node::Node;

/// Compiles the catalog of everything published so far, older versions included: instances stay on theirs.
///
/// # Errors
/// [`ServerError::Internal`] when a published document does not compile (it did when it was published).
pub fn compile(metadata: &MetadataState) -> Result<Catalog, ServerError> {
    let published: Result<Vec<PublishedDocument>, ServerError> = metadata
        .all_versions()
        .map(|document| {
            let kind =
                DocumentKind::from_word(&document.kind).ok_or_else(|| ServerError::Internal {
                    reason: format!(
                        "this build does not know documents of kind `{}`",
                        document.kind
                    ),
                })?;
            Ok(PublishedDocument {
                kind,
                id: document.id.clone(),
                version: document.version,
                hash: document.hash.clone(),
                source_name: document.source_name.clone(),
                source: document.source.clone(),
            })
        })
        .collect();
    Catalog::build(CatalogRevision::new(metadata.revision()), &published?).map_err(|error| {
        ServerError::Internal {
            reason: format!("a published document does not compile: {error}"),
        }
    })
}

/// Compiles the newest catalog, offers it to every partition, and waits until each has journaled its adoption.
///
/// # Errors
/// [`ServerError::Unavailable`] naming the partitions that have not adopted it in time; they will.
pub(crate) async fn adopt(node: &Node, revision: u64) -> Result<u64, ServerError> {
    let catalog = Arc::new(compile(&node.metadata().current())?);
    node.hosted().offer_catalog(catalog);
    let wanted = CatalogRevision::new(revision);
    let mut missing = Vec::new();
    let deadline = tokio::time::sleep(ADOPTION_TIMEOUT);
    tokio::pin!(deadline);
    for partition in node.partitions().values() {
        tokio::select! {
            biased;
            adopted = partition.wait_catalog(wanted) => {
                if adopted.is_err() {
                    missing.push(partition.partition().to_string());
                }
            }
            () = &mut deadline => missing.push(partition.partition().to_string()),
        }
    }
    if missing.is_empty() {
        return Ok(revision);
    }
    let names = missing.join(", ");
    let reason =
        format!("published as revision {revision}, but not yet in force in the partitions {names}");
    Err(ServerError::Unavailable { reason })
}
