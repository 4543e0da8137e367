//! What `check` says to the author: where, what is wrong, what to write instead.

use std::fmt::{self, Write as _};
use std::ops::Range;

use crate::source::Source;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Nothing is published while it stands.
    Error,
    /// Probably not meant; publishing is allowed.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One problem of an authored file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The file.
    pub source_name: String,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// Characters to underline on that line, at least 1.
    pub length: u32,
    /// What is wrong, without full stop.
    pub message: String,
    /// What to do about it.
    pub suggestion: Option<String>,
    /// The text of the line.
    pub line_text: String,
}

impl Diagnostic {
    /// A problem with the bytes `range` of a source.
    pub(crate) fn at(
        severity: Severity,
        source: &Source,
        range: Range<usize>,
        message: String,
    ) -> Self {
        let text = source.text.as_str();
        let start = floor_char_boundary(text, range.start);
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        let line_end = text[line_start..]
            .find('\n')
            .map_or(text.len(), |length| line_start + length);
        let line_text = text[line_start..line_end].trim_end_matches('\r');
        let end = floor_char_boundary(text, range.end).min(line_start + line_text.len());
        let marked = text.get(start..end).unwrap_or("").trim_end();
        Self {
            severity,
            source_name: source.name.clone(),
            line: count(text[..line_start].matches('\n').count() + 1),
            column: count(text[line_start..start].chars().count() + 1),
            length: count(marked.chars().count().max(1)),
            message,
            suggestion: None,
            line_text: line_text.to_owned(),
        }
    }

    /// The problem as it is shown: message, place, line with the offending text underlined, suggestion.
    #[must_use]
    pub fn render(&self) -> String {
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        let column = usize::try_from(self.column.saturating_sub(1)).unwrap_or(usize::MAX);
        let (line, before) = shown_part(&self.line_text, column);
        // Tabs stay tabs, so that the carets stand under the text in any terminal.
        let indent: String = line
            .chars()
            .chain(std::iter::repeat(' '))
            .take(before)
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        let length = usize::try_from(self.length).unwrap_or(usize::MAX);
        let length_max = line.chars().count().saturating_sub(before).max(1);
        let carets = "^".repeat(length.min(length_max));
        let mut out = format!("{}: {}\n", self.severity, self.message);
        let place = format!("{}:{}:{}", self.source_name, self.line, self.column);
        let written = write!(
            out,
            "{margin}--> {place}\n{margin} |\n{number} | {line}\n{margin} | {indent}{carets}\n",
        );
        written.expect("writing to a String cannot fail");
        if let Some(suggestion) = &self.suggestion {
            writeln!(out, "{margin} = {suggestion}").expect("writing to a String cannot fail");
        }
        out
    }
}

impl fmt::Display for Diagnostic {
    /// The first line of the rendering with its place: `meter.yaml:3:5: error: …`.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "{}:{}:{}: {}: {}",
            self.source_name, self.line, self.column, self.severity, self.message
        )
    }
}

/// Characters of a line that are drawn at most, and how many of them before the offending text: a minified file on
/// one line stays readable.
const SHOWN_CHARS_MAX: usize = 160;
const SHOWN_BEFORE_MAX: usize = 80;

/// The part of a line to draw and how many characters of it stand before the column.
fn shown_part(line: &str, column: usize) -> (String, usize) {
    if line.chars().count() <= SHOWN_CHARS_MAX {
        return (line.to_owned(), column);
    }
    let cut = column.saturating_sub(SHOWN_BEFORE_MAX);
    let mut part: String = line.chars().skip(cut).take(SHOWN_CHARS_MAX).collect();
    if line.chars().count() > cut + SHOWN_CHARS_MAX {
        part.push('…');
    }
    if cut == 0 {
        return (part, column);
    }
    (format!("…{part}"), column - cut + 1)
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn floor_char_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests;
