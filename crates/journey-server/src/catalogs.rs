//! From published documents to the catalog that every partition decides with.

use std::sync::Arc;

use futures::future::join_all;
use journey_consensus::MetadataState;
use journey_model::{Catalog, DocumentKind, PublishedDocument};
use journey_proto::v1 as wire;
use journey_proto::v1::journey_service_client::JourneyServiceClient;
use journey_types::{CatalogRevision, PartitionId};
use tokio::time::Instant;

use crate::error::ServerError;
use crate::limits::{ADOPTION_TIMEOUT, RETRY_AFTER_BUSY};
use crate::node::Node;
use crate::router::{Hop, Target, hop_request};

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

/// Offers every newer catalog to the partitions of this node, as the metadata group publishes it. Ends with the group.
pub async fn follow(node: Arc<Node>) {
    let mut metadata = node.metadata().watch();
    loop {
        let state = Arc::clone(&metadata.borrow_and_update());
        if state.revision() > node.catalog().revision.get()
            && let Err(error) = offer(&node, state).await
        {
            tracing::error!(%error, "the published documents do not compile on this node");
        }
        if metadata.changed().await.is_err() {
            return;
        }
    }
}

/// Compiles off the runtime: a catalog may take a while.
async fn offer(node: &Node, state: Arc<MetadataState>) -> Result<(), ServerError> {
    let compiled = tokio::task::spawn_blocking(move || compile(&state)).await;
    let compiled = compiled.map_err(|error| ServerError::Internal {
        reason: error.to_string(),
    })?;
    node.hosted().offer_catalog(Arc::new(compiled?));
    Ok(())
}

/// Compiles the newest catalog, offers it to the partitions of this node, and waits until every partition of the cluster
/// has journaled its adoption. Other nodes hear of it through their own copy of the metadata.
///
/// # Errors
/// [`ServerError::Unavailable`] naming the partitions that have not adopted it in time; they will.
pub(crate) async fn adopt(node: &Node, revision: u64) -> Result<u64, ServerError> {
    offer(node, node.metadata().current()).await?;
    wait_adopted(node, &Hop::default(), revision).await?;
    Ok(revision)
}

/// Waits until every partition that is meant has journaled the adoption of that revision.
///
/// # Errors
/// As [`adopt`].
pub(crate) async fn wait_adopted(node: &Node, hop: &Hop, revision: u64) -> Result<(), ServerError> {
    let deadline = Instant::now() + ADOPTION_TIMEOUT;
    let partitions = node.partition_ids();
    let meant = partitions.filter(|partition| hop.means(*partition));
    let waits = meant.map(|partition| async move {
        let adopted = adopted_in(node, hop, partition, revision);
        match tokio::time::timeout_at(deadline, adopted).await {
            Ok(()) => None,
            Err(_) => Some(partition.to_string()),
        }
    });
    let missing: Vec<String> = join_all(waits).await.into_iter().flatten().collect();
    if missing.is_empty() {
        return Ok(());
    }
    let newest = node.metadata().current().revision();
    let reason = if newest < revision {
        format!(
            "no revision {revision} was published as far as this node knows, the newest is {newest}; take the number that \
             the publish answered"
        )
    } else {
        let names = missing.join(", ");
        format!("revision {revision} is published, but not yet in force in the partitions {names}")
    };
    Err(ServerError::Unavailable { reason })
}

/// Completes when one partition has adopted it, by the word of a replica here or of its leader elsewhere.
async fn adopted_in(node: &Node, hop: &Hop, partition: PartitionId, revision: u64) {
    loop {
        let is_adopted = match (node.partition(partition), node.target_for(hop, partition)) {
            // What a replica has applied is in force, whoever leads.
            (Some(handle), _) => {
                let wanted = CatalogRevision::new(revision);
                handle.wait_catalog(wanted).await.is_ok()
            }
            (None, Ok(Target::There(leader))) => {
                let request = wire::AwaitRevisionRequest { revision };
                let call = |channel| async move {
                    let request = hop_request(request, &[partition]);
                    let mut service = JourneyServiceClient::new(channel);
                    service.await_revision(request).await
                };
                node.hop(partition, leader, call).await.is_ok()
            }
            (None, Ok(Target::Here(_) | Target::Nowhere) | Err(_)) => false,
        };
        if is_adopted {
            return;
        }
        // A partition that moves just now is asked again where it went.
        tokio::time::sleep(RETRY_AFTER_BUSY).await;
    }
}
