//! Makes the catalog of what has been published: a pure function, equal on every node.

use std::collections::BTreeMap;
use std::sync::Arc;

use journey_types::{
    AggregateId, CatalogRevision, ContentId, ContentVersion, DefinitionVersion, EventName,
};
use sha2::{Digest, Sha256};

use super::{AggregateSpec, Catalog, JourneyVersions};
use crate::content::Content;
use crate::diagnostic::Severity;
use crate::document::{Document, DocumentKind, read_document};
use crate::expression::AggregateNeed;
use crate::known::Known;
use crate::map_document::MapDocument;
use crate::plan::{EntryTrigger, Plan};
use crate::problems::Problems;
use crate::reading::Reader;
use crate::schema::Schema;
use crate::source::Source;
use crate::yaml::documents;

/// A document as it was published and is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedDocument {
    /// What it is.
    pub kind: DocumentKind,
    /// Its id.
    pub id: String,
    /// 1, 2, 3 … per kind and id.
    pub version: u32,
    /// SHA-256 of its canonical JSON, lower-case hex.
    pub hash: String,
    /// The file it came from.
    pub source_name: String,
    /// Its own text.
    pub source: String,
}

/// Why published documents make no catalog: never the author's fault, since they were checked before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CatalogError {
    /// A document cannot be read by this build.
    #[error(
        "{kind} `{id}` version {version} cannot be read by this build ({problem}); it was published by another: run a build that knows it"
    )]
    Unreadable {
        /// What it is.
        kind: DocumentKind,
        /// Its id.
        id: String,
        /// Its version.
        version: u32,
        /// The first problem.
        problem: String,
    },
    /// A document's text is not the document it is kept as.
    #[error(
        "{kind} `{id}` version {version} has the text of another document; the stored documents are damaged: restore them from a backup"
    )]
    Misfiled {
        /// What it is kept as.
        kind: DocumentKind,
        /// Its id.
        id: String,
        /// Its version.
        version: u32,
    },
    /// Two documents of one kind, id and version.
    #[error(
        "{kind} `{id}` version {version} is there twice; the stored documents are damaged: restore them from a backup"
    )]
    Twice {
        /// What it is.
        kind: DocumentKind,
        /// Its id.
        id: String,
        /// Its version.
        version: u32,
    },
}

impl Catalog {
    /// Compiles published documents. Their order makes no difference.
    ///
    /// # Errors
    /// [`CatalogError`] when a document cannot be read or is there twice.
    pub fn build(
        revision: CatalogRevision,
        published: &[PublishedDocument],
    ) -> Result<Self, CatalogError> {
        let mut by_key = BTreeMap::new();
        for document in published {
            let key = (document.kind, document.id.as_str(), document.version);
            if by_key.insert(key, document).is_some() {
                return Err(CatalogError::Twice {
                    kind: document.kind,
                    id: document.id.clone(),
                    version: document.version,
                });
            }
        }
        let mut catalog = Self {
            revision,
            digest: digest_of(by_key.values().copied()),
            ..Self::default()
        };
        let mut schemas: BTreeMap<String, Schema> = BTreeMap::new();
        // From the oldest version to the newest: the newest of each content, schema and map stays.
        for document in by_key.into_values() {
            match compile(document)? {
                Document::Journey(plan) => catalog.add_plan(document, *plan),
                Document::Content(content) => catalog.add_content(document, content),
                Document::Schema(schema) => {
                    schemas.insert(schema.id.to_string(), schema);
                }
                Document::Map(map) => catalog.add_map(map),
            }
        }
        for schema in schemas.values() {
            catalog.schemas.add(schema);
        }
        catalog.index();
        Ok(catalog)
    }

    fn add_plan(&mut self, document: &PublishedDocument, mut plan: Plan) {
        plan.version = DefinitionVersion::new(document.version);
        plan.hash.clone_from(&document.hash);
        let versions = self
            .journeys
            .entry(plan.journey.clone())
            .or_insert_with(|| JourneyVersions {
                newest: plan.version,
                versions: BTreeMap::new(),
            });
        versions.newest = versions.newest.max(plan.version);
        versions.versions.insert(plan.version, Arc::new(plan));
    }

    fn add_content(&mut self, document: &PublishedDocument, mut content: Content) {
        content.version = ContentVersion::new(document.version);
        let id: ContentId = content.id.clone();
        self.contents.insert(id, Arc::new(content));
    }

    fn add_map(&mut self, map: MapDocument) {
        self.maps.insert(map.id().clone(), Arc::new(map));
    }

    /// Fills `entries` and `aggregates` from the plans.
    fn index(&mut self) {
        let mut specs: BTreeMap<(EventName, AggregateId), AggregateSpec> = BTreeMap::new();
        for (journey, versions) in &self.journeys {
            for plan in versions.versions.values() {
                for need in aggregates_of(plan) {
                    let key = (need.event.clone(), need.id);
                    let spec = specs.entry(key).or_insert_with(|| spec_of(need));
                    spec.window_max = spec.window_max.max(need.window);
                }
            }
            let Some(newest) = versions.versions.get(&versions.newest) else {
                continue;
            };
            for rule in &newest.entry {
                let EntryTrigger::Event { name, .. } = &rule.trigger else {
                    continue;
                };
                let journeys = self.entries.entry(name.clone()).or_default();
                if journeys.last() != Some(journey) {
                    journeys.push(journey.clone());
                }
            }
        }
        for ((event, _), spec) in specs {
            self.aggregates.entry(event).or_default().push(spec);
        }
    }
}

/// What the expressions of a plan need counted.
pub(crate) fn aggregates_of(plan: &Plan) -> impl Iterator<Item = &AggregateNeed> {
    let expressions = plan.expressions().into_iter();
    expressions.flat_map(|expression| expression.aggregates())
}

fn spec_of(need: &AggregateNeed) -> AggregateSpec {
    AggregateSpec {
        id: need.id,
        event: need.event.clone(),
        filter: need.filter.clone(),
        property: need.property.clone(),
        window_max: need.window,
        label: need.label.clone(),
    }
}

fn compile(published: &PublishedDocument) -> Result<Document, CatalogError> {
    let (kind, id, version) = (published.kind, published.id.clone(), published.version);
    let source = Source::new(published.source_name.as_str(), published.source.as_str());
    let mut problems = Problems::new(&source);
    let known = Known::default();
    let found = documents(&source.text, &mut problems);
    let document = match found.as_slice() {
        [only] => read_document(&mut Reader::new(&mut problems, &known), kind, &only.root),
        _ => None,
    };
    match document {
        Some(document) if document.id() == id => Ok(document),
        Some(_) => Err(CatalogError::Misfiled { kind, id, version }),
        None => {
            let diagnostics = problems.into_diagnostics();
            let first = diagnostics
                .iter()
                .find(|diagnostic| diagnostic.severity == Severity::Error);
            Err(CatalogError::Unreadable {
                kind,
                id,
                version,
                problem: first
                    .map_or_else(|| "it is not one document".to_owned(), ToString::to_string),
            })
        }
    }
}

fn digest_of<'d>(documents: impl Iterator<Item = &'d PublishedDocument>) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update(b"journeyd catalog 1\0");
    for document in documents {
        for text in [document.kind.word(), &document.id, &document.hash] {
            digest.update((text.len() as u64).to_be_bytes());
            digest.update(text.as_bytes());
        }
        digest.update(document.version.to_be_bytes());
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests;
