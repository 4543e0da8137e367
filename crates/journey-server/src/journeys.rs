//! Checks, publishes and lists documents, adds up what the partitions count, and enrolls customers.

use std::sync::Arc;

use journey_consensus::{MetadataError, NewDocument, StoredDocument};
use journey_model::{
    Catalog, CheckReport, Diagnostic, DocumentKind, Severity, Source, check_within,
};
use journey_proto::v1 as wire;
use journey_proto::v1::journey_service_client::JourneyServiceClient;
use journey_proto::v1::journey_service_server::JourneyService;
use journey_types::{DefinitionVersion, JourneyId, Timestamp};
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};

use crate::catalogs;
use crate::convert::timestamp_to_wire;
use crate::counts::{counts_here, merge_counts};
use crate::enroll;
use crate::error::{ServerError, Violation};
use crate::limits::{FILES_PER_PUBLISH_MAX, HOP_ANSWER_SIZE_BYTES_MAX};
use crate::node::{Node, within};
use crate::paging::{page_size, token_parts, token_text};
use crate::router::Hop;

/// The gRPC service.
#[derive(Debug, Clone)]
pub struct JourneyApi {
    node: Arc<Node>,
}

impl JourneyApi {
    /// The service of a node.
    #[must_use]
    pub const fn new(node: Arc<Node>) -> Self {
        Self { node }
    }
}

#[tonic::async_trait]
impl JourneyService for JourneyApi {
    async fn check_journeys(
        &self,
        request: Request<wire::CheckJourneysRequest>,
    ) -> Result<Response<wire::CheckJourneysResponse>, Status> {
        let sources = sources_of(request.into_inner().files)?;
        let report = check_within(&sources, &self.node.catalog(), self.node.surroundings());
        Ok(Response::new(wire::CheckJourneysResponse {
            diagnostics: report.diagnostics.iter().map(diagnostic_to_wire).collect(),
            documents: report
                .documents
                .iter()
                .map(|document| summary(document, 0, false))
                .collect(),
        }))
    }

    async fn publish_journeys(
        &self,
        request: Request<wire::PublishJourneysRequest>,
    ) -> Result<Response<wire::PublishJourneysResponse>, Status> {
        self.node.admit_documents()?;
        let sources = sources_of(request.into_inner().files)?;
        let _one_at_a_time = self.node.publishing.lock().await;
        let catalog = self.node.catalog();
        let report = check_within(&sources, &catalog, self.node.surroundings());
        refuse_errors(&report)?;
        let response = publish(&self.node, &catalog, report).await?;
        Ok(Response::new(response))
    }

    async fn list_journeys(
        &self,
        request: Request<wire::ListJourneysRequest>,
    ) -> Result<Response<wire::ListJourneysResponse>, Status> {
        let hop = Hop::of(request.metadata())?;
        let request = request.into_inner();
        let read = self
            .node
            .read(&hop, || self.list_journeys_once(&hop, &request));
        read.await.map(Response::new)
    }

    async fn get_journey(
        &self,
        request: Request<wire::GetJourneyRequest>,
    ) -> Result<Response<wire::GetJourneyResponse>, Status> {
        let hop = Hop::of(request.metadata())?;
        let request = request.into_inner();
        let read = self
            .node
            .read(&hop, || self.get_journey_once(&hop, &request));
        read.await.map(Response::new)
    }

    async fn get_journey_counts(
        &self,
        request: Request<wire::GetJourneyCountsRequest>,
    ) -> Result<Response<wire::GetJourneyCountsResponse>, Status> {
        let hop = Hop::of(request.metadata())?;
        let request = request.into_inner();
        let read = self
            .node
            .read(&hop, || self.get_journey_counts_once(&hop, &request));
        read.await.map(Response::new)
    }

    async fn enroll(
        &self,
        request: Request<wire::EnrollRequest>,
    ) -> Result<Response<wire::EnrollResponse>, Status> {
        let hop = Hop::of(request.metadata())?;
        let response = enroll::enroll(&self.node, &hop, request.into_inner()).await?;
        Ok(Response::new(response))
    }

    async fn await_revision(
        &self,
        request: Request<wire::AwaitRevisionRequest>,
    ) -> Result<Response<wire::AwaitRevisionResponse>, Status> {
        let hop = Hop::of(request.metadata())?;
        let revision = request.into_inner().revision;
        catalogs::wait_adopted(&self.node, &hop, revision).await?;
        Ok(Response::new(wire::AwaitRevisionResponse { revision }))
    }
}

impl JourneyApi {
    /// The counts of one journey in every partition that is meant.
    async fn counts(
        &self,
        hop: &Hop,
        id: &JourneyId,
        version: u32,
    ) -> Result<wire::JourneyCounts, Status> {
        let spread = self.node.spread(hop).await?;
        let mut sum = counts_here(&spread.here, id, version);
        let request = wire::GetJourneyCountsRequest {
            id: id.to_string(),
            version,
        };
        let call = |channel, request| async move {
            match service(channel).get_journey_counts(request).await {
                // It has not heard of the journey yet: then nobody has entered it there.
                Err(status) if status.code() == Code::NotFound => {
                    Ok(Response::new(wire::GetJourneyCountsResponse::default()))
                }
                answered => answered,
            }
        };
        let elsewhere: Vec<wire::GetJourneyCountsResponse> =
            spread.ask(&self.node, &request, call).await?;
        for counts in elsewhere.into_iter().filter_map(|answer| answer.counts) {
            merge_counts(&mut sum, counts);
        }
        Ok(sum)
    }

    async fn list_journeys_once(
        &self,
        hop: &Hop,
        request: &wire::ListJourneysRequest,
    ) -> Result<wire::ListJourneysResponse, Status> {
        let spread = self.node.spread(hop).await?;
        let n_max = page_size(request.page_size)?;
        let after = token_parts(&request.page_token)?.map(|(_, last)| last);
        let catalog = self.node.catalog();
        let is_later = |id: &&JourneyId| after.as_deref().is_none_or(|after| id.as_str() > after);
        let page: Vec<&JourneyId> = catalog
            .journeys
            .keys()
            .filter(is_later)
            .take(n_max + 1)
            .collect();
        let next_page_token = if page.len() > n_max {
            token_text(0, page[n_max - 1].as_str())
        } else {
            String::new()
        };
        let mut journeys: Vec<wire::Journey> = page
            .into_iter()
            .take(n_max)
            .filter_map(|id| {
                let counts = counts_here(&spread.here, id, 0);
                journey_to_wire(&self.node, &catalog, id, &counts)
            })
            .collect();
        let call = |channel, request| async move { service(channel).list_journeys(request).await };
        let elsewhere = spread.ask(&self.node, request, call).await?;
        for other in elsewhere.into_iter().flat_map(|page| page.journeys) {
            if let Some(journey) = journeys.iter_mut().find(|journey| journey.id == other.id) {
                journey.entered += other.entered;
                journey.active += other.active;
            }
        }
        Ok(wire::ListJourneysResponse {
            journeys,
            next_page_token,
        })
    }

    async fn get_journey_once(
        &self,
        hop: &Hop,
        request: &wire::GetJourneyRequest,
    ) -> Result<wire::GetJourneyResponse, Status> {
        let catalog = self.node.catalog();
        let id = journey_id(&request.id)?;
        if catalog.newest_plan(&id).is_none() {
            return Err(no_journey(&request.id).into());
        }
        let counts = self.counts(hop, &id, 0).await?;
        let journey = journey_to_wire(&self.node, &catalog, &id, &counts)
            .ok_or_else(|| no_journey(&request.id))?;
        let version = if request.version == 0 {
            journey.version
        } else {
            request.version
        };
        let document = document_of(&self.node, &id, version)
            .ok_or_else(|| no_journey(&format!("{} version {version}", request.id)))?;
        Ok(wire::GetJourneyResponse {
            journey: Some(wire::Journey {
                version,
                hash: document.hash.clone(),
                published_at: Some(published_at(&document)),
                ..journey
            }),
            source: document.source.clone(),
        })
    }

    async fn get_journey_counts_once(
        &self,
        hop: &Hop,
        request: &wire::GetJourneyCountsRequest,
    ) -> Result<wire::GetJourneyCountsResponse, Status> {
        let id = journey_id(&request.id)?;
        if self.node.catalog().newest_plan(&id).is_none() {
            return Err(no_journey(&request.id).into());
        }
        let version = DefinitionVersion::new(request.version);
        if request.version != 0 && self.node.catalog().plan(&id, version).is_none() {
            return Err(no_journey(&format!("{id} version {version}")).into());
        }
        let counts = self.counts(hop, &id, request.version).await?;
        let counts = Some(counts);
        Ok(wire::GetJourneyCountsResponse { counts })
    }
}

fn service(channel: Channel) -> JourneyServiceClient<Channel> {
    JourneyServiceClient::new(channel).max_decoding_message_size(HOP_ANSWER_SIZE_BYTES_MAX)
}

fn journey_id(text: &str) -> Result<JourneyId, ServerError> {
    JourneyId::new(text).map_err(|error| ServerError::invalid("id", error.to_string()))
}

fn no_journey(name: &str) -> ServerError {
    ServerError::NotFound {
        kind: "journey",
        name: name.to_owned(),
        hint: "`journeyctl journey list` shows what is published",
    }
}

fn sources_of(files: Vec<wire::SourceFile>) -> Result<Vec<Source>, ServerError> {
    if files.is_empty() || files.len() > FILES_PER_PUBLISH_MAX {
        let text = format!(
            "holds {} files, 1 to {FILES_PER_PUBLISH_MAX} are allowed",
            files.len()
        );
        return Err(ServerError::invalid("files", text));
    }
    Ok(files
        .into_iter()
        .map(|file| Source {
            name: file.name,
            text: file.text,
        })
        .collect())
}

fn refuse_errors(report: &CheckReport) -> Result<(), ServerError> {
    let violations: Vec<Violation> = report
        .diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.severity == Severity::Error)
        .map(|diagnostic| Violation {
            field: format!(
                "{}:{}:{}",
                diagnostic.source_name, diagnostic.line, diagnostic.column
            ),
            description: match &diagnostic.suggestion {
                Some(suggestion) => format!("{}; {suggestion}", diagnostic.message),
                None => diagnostic.message.clone(),
            },
        })
        .collect();
    if violations.is_empty() {
        Ok(())
    } else {
        Err(ServerError::Invalid { violations })
    }
}

/// Writes the documents into the metadata group and waits until every partition decides with them.
async fn publish(
    node: &Node,
    catalog: &Catalog,
    report: CheckReport,
) -> Result<wire::PublishJourneysResponse, ServerError> {
    let documents = report
        .documents
        .iter()
        .map(|document| NewDocument {
            kind: document.kind.to_string(),
            id: document.id.clone(),
            hash: document.hash.clone(),
            source_name: document.source_name.clone(),
            source: document.source.clone(),
        })
        .collect();
    let at_ms = node.now().unix_ms();
    let written = node
        .metadata()
        .publish(catalog.revision.get(), documents, at_ms);
    // Without a majority it would wait for ever; the next publish would wait behind it.
    let written = within(node.answer_max(), written).await;
    let written = written.unwrap_or(Err(MetadataError::OutcomeUnknown));
    let outcome = written.map_err(metadata_error)?;
    let revision = catalogs::adopt(node, outcome.revision).await?;
    let documents = report
        .documents
        .iter()
        .zip(&outcome.versions)
        .map(|(document, version)| summary(document, version.version, version.unchanged))
        .collect();
    Ok(wire::PublishJourneysResponse {
        revision,
        documents,
        diagnostics: report.diagnostics.iter().map(diagnostic_to_wire).collect(),
        notes: report
            .new_aggregates
            .iter()
            .map(|label| format!("{label} starts counting now; earlier events are not in it"))
            .collect(),
    })
}

fn metadata_error(error: MetadataError) -> ServerError {
    let reason = error.to_string();
    match error {
        MetadataError::RevisionConflict { .. } | MetadataError::Conflict { .. } => {
            ServerError::Conflict { reason }
        }
        MetadataError::OutcomeUnknown => ServerError::OutcomeUnknown { reason },
        MetadataError::Refused { .. } | MetadataError::NotBootstrapped => {
            ServerError::Unavailable { reason }
        }
        MetadataError::NoDocuments
        | MetadataError::DocumentTwice { .. }
        | MetadataError::DocumentName { .. }
        | MetadataError::DocumentTooLarge { .. }
        | MetadataError::PublishTooLarge { .. }
        | MetadataError::CatalogFull { .. }
        | MetadataError::NodePlace { .. }
        | MetadataError::Setting { .. } => ServerError::invalid("files", reason),
    }
}

fn journey_to_wire(
    node: &Node,
    catalog: &Catalog,
    id: &JourneyId,
    counts: &wire::JourneyCounts,
) -> Option<wire::Journey> {
    let plan = catalog.newest_plan(id)?;
    let document = document_of(node, id, plan.version.get());
    Some(wire::Journey {
        id: id.to_string(),
        title: plan.title.clone().unwrap_or_default(),
        owner: plan.owner.clone().unwrap_or_default(),
        version: plan.version.get(),
        hash: plan.hash.clone(),
        published_at: document.as_deref().map(published_at),
        steps: plan.steps.iter().map(|step| step.id.to_string()).collect(),
        entered: counts.entered,
        active: counts.active,
    })
}

/// The document as it was published, of one version.
fn document_of(node: &Node, id: &JourneyId, version: u32) -> Option<Arc<StoredDocument>> {
    let metadata = node.metadata().current();
    let versions = metadata.versions(DocumentKind::Journey.word(), id.as_str());
    versions
        .iter()
        .find(|document| document.version == version)
        .cloned()
}

fn published_at(document: &StoredDocument) -> pbjson_types::Timestamp {
    timestamp_to_wire(Timestamp::from_unix_ms(document.published_at_ms))
}

fn summary(
    document: &journey_model::CheckedDocument,
    version: u32,
    unchanged: bool,
) -> wire::DocumentSummary {
    wire::DocumentSummary {
        kind: document.kind.to_string(),
        id: document.id.clone(),
        version,
        hash: document.hash.clone(),
        unchanged,
    }
}

fn diagnostic_to_wire(diagnostic: &Diagnostic) -> wire::Diagnostic {
    let severity = match diagnostic.severity {
        Severity::Error => wire::diagnostic::Severity::Error,
        Severity::Warning => wire::diagnostic::Severity::Warning,
    };
    wire::Diagnostic {
        severity: severity.into(),
        file: diagnostic.source_name.clone(),
        line: diagnostic.line,
        column: diagnostic.column,
        length: diagnostic.length,
        message: diagnostic.message.clone(),
        suggestion: diagnostic.suggestion.clone().unwrap_or_default(),
        rendered: diagnostic.render(),
    }
}
