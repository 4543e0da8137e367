//! Where results go: tables for people, JSON for programs, on standard output.

use std::io::Write as _;

use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

use crate::arguments::OutputFormat;

/// The chosen way of printing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    format: OutputFormat,
}

impl Output {
    pub(crate) const fn new(format: OutputFormat) -> Self {
        Self { format }
    }

    pub(crate) fn is_json(self) -> bool {
        self.format == OutputFormat::Json
    }

    /// Prints a text as it is.
    pub(crate) fn text(self, text: &str) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())?;
        if !text.ends_with('\n') {
            out.write_all(b"\n")?;
        }
        out.flush()?;
        Ok(())
    }

    /// Prints one JSON document on one line.
    pub(crate) fn json(self, document: &impl Serialize) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        serde_json::to_writer(&mut out, document)?;
        out.write_all(b"\n")?;
        out.flush()?;
        Ok(())
    }

    /// Prints rows under headings, without frames, so that they can be cut and grepped.
    pub(crate) fn table(self, headings: &[&str], rows: Vec<Vec<String>>) -> anyhow::Result<()> {
        self.text(&table_text(headings, rows))
    }
}

/// Rows under headings as lines.
pub(crate) fn table_text(headings: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headings.iter().map(|heading| heading.to_uppercase()));
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    let lines: Vec<String> = table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect();
    lines.join("\n")
}

/// An instant for people and programs: RFC 3339, empty when there is none.
pub(crate) fn instant(at: Option<&pbjson_types::Timestamp>) -> String {
    at.map(|at| journey_client::wire_to_timestamp(at).to_string())
        .unwrap_or_default()
}
