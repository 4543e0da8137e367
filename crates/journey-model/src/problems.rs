//! Collects the problems of one source: reading goes on after each.

use std::ops::Range;

use crate::diagnostic::{Diagnostic, Severity};
use crate::limits::DIAGNOSTICS_PER_SOURCE_MAX;
use crate::source::Source;

/// The problems found in one source so far.
#[derive(Debug)]
pub(crate) struct Problems<'s> {
    source: &'s Source,
    diagnostics: Vec<Diagnostic>,
    n_errors: usize,
}

impl<'s> Problems<'s> {
    pub(crate) const fn new(source: &'s Source) -> Self {
        Self {
            source,
            diagnostics: Vec::new(),
            n_errors: 0,
        }
    }

    /// Reports an error with what to do about it.
    pub(crate) fn error(
        &mut self,
        range: Range<usize>,
        message: impl Into<String>,
        suggestion: impl Into<String>,
    ) {
        let suggestion = Some(suggestion.into());
        self.report(Severity::Error, range, message.into(), suggestion);
    }

    /// Reports an error whose message says all.
    pub(crate) fn error_only(&mut self, range: Range<usize>, message: impl Into<String>) {
        self.report(Severity::Error, range, message.into(), None);
    }

    /// Reports an error with a suggestion if there is one.
    pub(crate) fn error_with(
        &mut self,
        range: Range<usize>,
        message: impl Into<String>,
        suggestion: Option<String>,
    ) {
        self.report(Severity::Error, range, message.into(), suggestion);
    }

    /// Reports something that is probably not meant.
    pub(crate) fn warning(
        &mut self,
        range: Range<usize>,
        message: impl Into<String>,
        suggestion: impl Into<String>,
    ) {
        let suggestion = Some(suggestion.into());
        self.report(Severity::Warning, range, message.into(), suggestion);
    }

    /// How many errors there are so far.
    pub(crate) const fn n_errors(&self) -> usize {
        self.n_errors
    }

    /// The text of the source.
    pub(crate) fn text(&self) -> &'s str {
        &self.source.text
    }

    /// What was found, in the order of the text.
    pub(crate) fn into_diagnostics(mut self) -> Vec<Diagnostic> {
        self.diagnostics
            .sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column, diagnostic.severity));
        // One text reached by two aliases has its problems once.
        self.diagnostics.dedup();
        self.diagnostics
    }

    fn report(
        &mut self,
        severity: Severity,
        range: Range<usize>,
        message: String,
        suggestion: Option<String>,
    ) {
        if severity == Severity::Error {
            self.n_errors += 1;
        }
        if self.diagnostics.len() >= DIAGNOSTICS_PER_SOURCE_MAX {
            return;
        }
        let mut diagnostic = Diagnostic::at(severity, self.source, range, message);
        diagnostic.suggestion = suggestion;
        self.diagnostics.push(diagnostic);
    }
}
