//! The documents of a file: which kind each is, and reading it as that kind.

use std::fmt;

use journey_types::Value;

use crate::canonical::{canonical_json, hash_of};
use crate::content::Content;
use crate::content_document::{self, read_content};
use crate::expression::{nearest, one_of};
use crate::journey::{self, read_journey};
use crate::map_document::{self, MapDocument, read_map};
use crate::plan::Plan;
use crate::problems::Problems;
use crate::reading::Reader;
use crate::schema::{self, Schema, read_schema};
use crate::yaml::{Node, NodeValue};

/// What a document is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DocumentKind {
    /// A journey.
    Journey,
    /// A content with its variants.
    Content,
    /// Declared events and traits.
    Schema,
    /// How a delimited file is read.
    Map,
}

impl DocumentKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Journey, Self::Content, Self::Schema, Self::Map];

    /// Its word: the field that names a document of the kind.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Journey => "journey",
            Self::Content => "content",
            Self::Schema => "schema",
            Self::Map => "map",
        }
    }

    /// The kind of that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }
}

impl fmt::Display for DocumentKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.word())
    }
}

/// Kinds of documents of the language that are not delivered.
const KINDS_LATER: [&str; 3] = ["policy", "segment", "identity"];

/// A document that has been read without an error.
#[derive(Debug, Clone)]
pub(crate) enum Document {
    Journey(Box<Plan>),
    Content(Content),
    Schema(Schema),
    Map(MapDocument),
}

/// The kind and id of a document by its first words; reports what is neither.
pub(crate) fn header<'n>(
    root: &'n Node,
    problems: &mut Problems<'_>,
) -> Option<(DocumentKind, &'n Node)> {
    let NodeValue::Map(entries) = &root.value else {
        if !root.is_refused() {
            let message = format!(
                "a document is a map that begins with its kind and id, found {}",
                root.description()
            );
            let advice = "begin with `journey: my_journey`";
            problems.error(root.span.clone(), message, advice);
        }
        return None;
    };
    // A journey may have a field named like another kind one day: the first that fits counts.
    for entry in entries {
        let word = entry.key.text.as_str();
        if let Some(kind) = DocumentKind::from_word(word) {
            return Some((kind, &entry.value));
        }
        if KINDS_LATER.contains(&word) {
            let message = format!("documents of the kind `{word}` are not available yet");
            problems.error_only(entry.key.span.clone(), message);
            return None;
        }
    }
    let words = DocumentKind::ALL.map(DocumentKind::word);
    let first = entries.first();
    let near = first.and_then(|entry| nearest(&entry.key.text, words));
    let span = first.map_or_else(|| root.span.clone(), |entry| entry.key.span.clone());
    let message = "this document does not say what it is";
    let advice = match near {
        Some(word) => format!("did you mean `{word}`?"),
        None => format!("begin with one of {}, and an id", one_of(words)),
    };
    problems.error(span, message, advice);
    None
}

/// Reads a document of a kind.
pub(crate) fn read_document(
    reader: &mut Reader<'_, '_>,
    kind: DocumentKind,
    root: &Node,
) -> Option<Document> {
    let n_errors = reader.problems.n_errors();
    let document = match kind {
        DocumentKind::Journey => {
            read_journey(reader, root).map(|plan| Document::Journey(Box::new(plan)))
        }
        DocumentKind::Content => read_content(reader, root).map(Document::Content),
        DocumentKind::Schema => read_schema(reader, root).map(Document::Schema),
        DocumentKind::Map => read_map(reader, root).map(Document::Map),
    };
    document.filter(|_| reader.problems.n_errors() == n_errors)
}

impl Document {
    /// Its id.
    pub(crate) fn id(&self) -> &str {
        match self {
            Self::Journey(plan) => plan.journey.as_str(),
            Self::Content(content) => content.id.as_str(),
            Self::Schema(schema) => schema.id.as_str(),
            Self::Map(map) => map.id().as_str(),
        }
    }

    /// Its canonical JSON and the hash of that.
    pub(crate) fn canonical(&self) -> (String, String) {
        let value: Value = match self {
            Self::Journey(plan) => journey::canonical(plan),
            Self::Content(content) => content_document::canonical(content),
            Self::Schema(schema) => schema::canonical(schema),
            Self::Map(map) => map_document::canonical(map),
        };
        let json = canonical_json(&value);
        let hash = hash_of(&json);
        (json, hash)
    }
}
