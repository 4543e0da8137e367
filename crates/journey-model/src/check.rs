//! Checks authored files against each other and what is published, before anything is published.

mod published;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use journey_types::{Channel, ConnectorId, ContentId, JourneyId};

use crate::catalog::{Catalog, PublishedDocument, aggregates_of};
use crate::content::Needs;
use crate::diagnostic::{Diagnostic, Severity};
use crate::document::{Document, DocumentKind, header, read_document};
use crate::known::Known;
use crate::limits::SOURCE_SIZE_BYTES_MAX;
use crate::problems::Problems;
use crate::reading::Reader;
use crate::source::Source;
use crate::yaml::{Node, documents};

/// What `check` found.
#[derive(Debug, Clone, Default)]
pub struct CheckReport {
    /// Every problem, by source in the order given and by place.
    pub diagnostics: Vec<Diagnostic>,
    /// The documents without an error, in the order of the text.
    pub documents: Vec<CheckedDocument>,
    /// What must be counted that nothing published counts yet, for people: `count(purchase)`. Such a count starts when
    /// the documents are published; earlier events are not in it.
    pub new_aggregates: Vec<String>,
}

/// A document that can be published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedDocument {
    /// What it is.
    pub kind: DocumentKind,
    /// Its id.
    pub id: String,
    /// SHA-256 of `canonical_json`, lower-case hex: equal hashes mean that nothing changed.
    pub hash: String,
    /// The canonical form (RFC 8785).
    pub canonical_json: String,
    /// The file it stands in.
    pub source_name: String,
    /// The document's own text, as it can be read again.
    pub source: String,
}

impl CheckedDocument {
    /// The same as a published document of that version.
    #[must_use]
    pub fn published(self, version: u32) -> PublishedDocument {
        PublishedDocument {
            kind: self.kind,
            id: self.id,
            version,
            hash: self.hash,
            source_name: self.source_name,
            source: self.source,
        }
    }
}

impl CheckReport {
    /// Whether nothing stands against publishing.
    #[must_use]
    pub fn is_publishable(&self) -> bool {
        let is_error = |diagnostic: &Diagnostic| diagnostic.severity == Severity::Error;
        !self.diagnostics.iter().any(is_error)
    }

    /// Every problem as it is shown, with an empty line between two.
    #[must_use]
    pub fn render(&self) -> String {
        let rendered: Vec<String> = self.diagnostics.iter().map(Diagnostic::render).collect();
        rendered.join("\n")
    }
}

/// What documents run in, as far as it is known where they are checked.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// The connectors of the node: what `call: { webhook: … }` may name. `None`: not known, as on an author's own
    /// machine; then names are not held against anything.
    pub connectors: Option<BTreeSet<ConnectorId>>,
}

/// Checks files together, knowing nothing of where they will run. `published` is what they may refer to beside each
/// other.
#[must_use]
pub fn check(sources: &[Source], published: &Catalog) -> CheckReport {
    check_within(sources, published, &Surroundings::default())
}

/// [`check`] by someone who knows where the documents will run.
#[must_use]
pub fn check_within(
    sources: &[Source],
    published: &Catalog,
    surroundings: &Surroundings,
) -> CheckReport {
    let mut files: Vec<File<'_>> = sources.iter().map(File::open).collect();
    let mut known = Known {
        journeys: Some(published.journeys.keys().cloned().collect()),
        contents: Some(published_channels(published)),
        schemas: published.schemas.clone(),
        connectors: surroundings.connectors.clone(),
        unreadable_contents: BTreeSet::new(),
    };
    refuse_same_ids(&mut files);
    // Schemas say what the rest may name, contents what journeys may say: they are read first.
    for kind in [
        DocumentKind::Schema,
        DocumentKind::Content,
        DocumentKind::Map,
    ] {
        for file in &mut files {
            file.read(kind, &known);
        }
        learn(&files, kind, &mut known);
    }
    let ids = files.iter().flat_map(File::journey_ids);
    known.journeys.get_or_insert_default().extend(ids);
    for file in &mut files {
        file.read(DocumentKind::Journey, &known);
    }
    refuse_same_events(&mut files);
    published::refuse_lost_channels(&mut files, published);
    published::refuse_new_needs(&mut files, published);
    report(files, published)
}

/// One file while it is checked.
struct File<'s> {
    source: &'s Source,
    problems: Problems<'s>,
    parts: Vec<Part>,
}

/// One document of a file while it is checked.
struct Part {
    kind: DocumentKind,
    id: Option<String>,
    id_span: Range<usize>,
    root: Node,
    range: Range<usize>,
    document: Option<Document>,
}

impl<'s> File<'s> {
    fn open(source: &'s Source) -> Self {
        let mut problems = Problems::new(source);
        if source.text.len() > SOURCE_SIZE_BYTES_MAX {
            let message = format!(
                "the file has {} bytes, at most {SOURCE_SIZE_BYTES_MAX} are allowed",
                source.text.len()
            );
            problems.error(0..1, message, "split it into several files");
            return Self {
                source,
                problems,
                parts: Vec::new(),
            };
        }
        let mut parts = Vec::new();
        let found = documents(&source.text, &mut problems);
        if found.is_empty() && problems.n_errors() == 0 {
            let advice = "begin with `journey: my_journey`";
            problems.error(0..1, "there is no document in this file", advice);
        }
        for document in found {
            let Some((kind, id_node)) = header(&document.root, &mut problems) else {
                continue;
            };
            let id = match &id_node.value {
                crate::yaml::NodeValue::Text(id) => Some(id.clone()),
                _ => None,
            };
            parts.push(Part {
                kind,
                id,
                id_span: id_node.span.clone(),
                root: document.root,
                range: document.range,
                document: None,
            });
        }
        Self {
            source,
            problems,
            parts,
        }
    }

    fn read(&mut self, kind: DocumentKind, known: &Known) {
        for part in self.parts.iter_mut().filter(|part| part.kind == kind) {
            let mut reader = Reader::new(&mut self.problems, known);
            part.document = read_document(&mut reader, kind, &part.root);
        }
    }

    fn journey_ids(&self) -> impl Iterator<Item = JourneyId> {
        let journeys = self
            .parts
            .iter()
            .filter(|part| part.kind == DocumentKind::Journey);
        journeys.filter_map(|part| part.id.as_ref()?.parse().ok())
    }
}

fn published_channels(published: &Catalog) -> BTreeMap<ContentId, BTreeMap<Channel, Needs>> {
    let contents = published.contents.iter();
    contents
        .map(|(id, content)| (id.clone(), content.needs()))
        .collect()
}

fn learn(files: &[File<'_>], kind: DocumentKind, known: &mut Known) {
    let parts = files.iter().flat_map(|file| &file.parts);
    for part in parts.filter(|part| part.kind == kind) {
        match &part.document {
            Some(Document::Schema(schema)) => known.schemas.add(schema),
            Some(Document::Content(content)) => {
                let contents = known.contents.get_or_insert_default();
                contents.insert(content.id.clone(), content.needs());
            }
            Some(Document::Journey(_) | Document::Map(_)) => {}
            None => {
                // A broken content is one problem, not one more for each message that names it.
                let id: Option<ContentId> = part.id.as_ref().and_then(|id| id.parse().ok());
                if let (DocumentKind::Content, Some(id)) = (kind, id) {
                    known.unreadable_contents.insert(id);
                }
            }
        }
    }
}

/// Two documents of one kind and id in one publish contradict each other.
fn refuse_same_ids(files: &mut [File<'_>]) {
    let mut first_by_id: BTreeMap<(DocumentKind, String), String> = BTreeMap::new();
    for file in files {
        for part in &file.parts {
            let Some(id) = &part.id else { continue };
            let line = 1 + file.source.text[..part.id_span.start].matches('\n').count();
            let place = format!("{}:{line}", file.source.name);
            let key = (part.kind, id.clone());
            match first_by_id.get(&key) {
                None => {
                    first_by_id.insert(key, place);
                }
                Some(first) => {
                    let message = format!("there are two documents `{}: {id}`", part.kind);
                    let advice =
                        format!("the other is at {first}; give one another id, or leave it out");
                    file.problems.error(part.id_span.clone(), message, advice);
                }
            }
        }
    }
}

/// Two schemas of one publish that declare the same event contradict each other.
fn refuse_same_events(files: &mut [File<'_>]) {
    let mut first_by_event = BTreeMap::new();
    for file in files {
        for part in &file.parts {
            let Some(Document::Schema(schema)) = &part.document else {
                continue;
            };
            for event in schema.events.keys() {
                let first = first_by_event
                    .entry(event.clone())
                    .or_insert_with(|| schema.id.clone());
                if *first != schema.id {
                    let message = format!("event `{event}` is declared by schema `{first}` too");
                    let advice = "declare it once";
                    file.problems.error(part.id_span.clone(), message, advice);
                }
            }
        }
    }
}

fn report(files: Vec<File<'_>>, published: &Catalog) -> CheckReport {
    let mut report = CheckReport::default();
    let mut new_aggregates = BTreeMap::new();
    for file in files {
        for part in file.parts {
            let Some(document) = part.document else {
                continue;
            };
            if let Document::Journey(plan) = &document {
                for need in aggregates_of(plan) {
                    let counted = published.aggregates.get(&need.event);
                    let is_counted = counted
                        .is_some_and(|counted| counted.iter().any(|known| known.id == need.id));
                    if !is_counted {
                        new_aggregates.insert(need.id, need.label.clone());
                    }
                }
            }
            let (canonical_json, hash) = document.canonical();
            report.documents.push(CheckedDocument {
                kind: part.kind,
                id: document.id().to_owned(),
                hash,
                canonical_json,
                source_name: file.source.name.clone(),
                source: file.source.text[part.range].to_owned(),
            });
        }
        report.diagnostics.extend(file.problems.into_diagnostics());
    }
    report.new_aggregates = new_aggregates.into_values().collect();
    report.new_aggregates.sort();
    report
}

#[cfg(test)]
mod tests;
