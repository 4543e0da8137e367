//! What is said on each channel: one variant per channel, rendered in the turn that grants it.

use std::collections::BTreeMap;

use journey_types::{Channel, ContentId, ContentVersion};

use crate::expression::EvaluationError;
use crate::scope::Scope;

/// One version of a content document.
#[derive(Debug, Clone)]
pub struct Content {
    /// Its id.
    pub id: ContentId,
    /// Its version.
    pub version: ContentVersion,
    /// One variant per channel.
    pub variants: BTreeMap<Channel, Variant>,
}

/// The templates of one channel by field: `subject`, `title`, `body` …
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variant {
    /// MiniJinja sources by field, strict undefined.
    pub fields: BTreeMap<String, String>,
}

/// Rendered fields by name, as they are recorded in the journal.
pub type Rendered = BTreeMap<String, String>;

impl Content {
    /// Renders the variant of a channel.
    ///
    /// # Errors
    /// A missing variant, an undefined variable or a template fault, in words.
    pub fn render(
        &self,
        channel: &Channel,
        _scope: &Scope<'_>,
    ) -> Result<Rendered, EvaluationError> {
        Err(EvaluationError {
            reason: format!("no renderer for {channel} yet"),
        })
    }
}
