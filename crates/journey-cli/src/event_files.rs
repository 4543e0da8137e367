//! Events out of files and standard input: JSON Lines in any form, delimited text with a map, gzip of either. A line that
//! cannot be read is counted and reported with its number, and does not stop the rest.

mod input;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use journey_model::{
    Catalog, LineDefaults, LineProblem, MapDocument, MapReader, PublishedDocument, Source, check,
    read_event_line,
};
use journey_types::{CatalogRevision, CustomerEvent, WorkspaceId};

use input::{Input, InputLine};
pub(crate) use input::{display_name, ensure_readable};

/// A line that is no event.
#[derive(Debug, Clone)]
pub(crate) struct BadLine {
    pub(crate) file: PathBuf,
    /// From 1.
    pub(crate) line: u64,
    /// A stable word, a colon, and words for people.
    pub(crate) reason: String,
}

impl BadLine {
    /// The stable word to count by.
    pub(crate) fn code(&self) -> &str {
        self.reason.split(':').next().unwrap_or("unreadable")
    }
}

impl std::fmt::Display for BadLine {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let file = display_name(&self.file);
        write!(formatter, "{file}:{}: {}", self.line, self.reason)
    }
}

/// How lines become events.
#[derive(Debug)]
pub(crate) struct LineFormat {
    /// How lines that are not JSON are read.
    map: Option<Arc<MapDocument>>,
    defaults: LineDefaults,
}

impl LineFormat {
    /// JSON Lines of that workspace where they name none, and with a map also what the file's one `map` document says.
    pub(crate) fn new(map: Option<&Path>, workspace: &str) -> anyhow::Result<Self> {
        let workspace = WorkspaceId::new(workspace).context("--workspace")?;
        Ok(Self {
            map: map.map(read_map).transpose()?,
            defaults: LineDefaults::of(workspace),
        })
    }
}

fn read_map(path: &Path) -> anyhow::Result<Arc<MapDocument>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("reading the map {}", path.display()))?;
    let source = Source {
        name: path.display().to_string(),
        text,
    };
    let report = check(std::slice::from_ref(&source), &Catalog::default());
    anyhow::ensure!(
        report.is_publishable(),
        "the map has mistakes:\n{}",
        report.render()
    );
    let documents: Vec<PublishedDocument> = report
        .documents
        .into_iter()
        .map(|document| document.published(1))
        .collect();
    let catalog = Catalog::build(CatalogRevision::new(1), &documents)?;
    let mut maps = catalog.maps.into_values();
    let (Some(map), None) = (maps.next(), maps.next()) else {
        anyhow::bail!("{} must hold exactly one `map` document", path.display());
    };
    Ok(map)
}

/// Reads a file line by line and gives the text of each, or why it cannot be text, to `take`, until it asks to stop.
pub(crate) fn read_lines(
    path: &Path,
    mut take: impl FnMut(u64, Result<&str, LineProblem>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut input = Input::open(path)?;
    while let Some((number, line)) = input.next_line()? {
        match line {
            InputLine::Text(text) => take(number, Ok(text))?,
            InputLine::Unreadable(problem) => take(number, Err(problem))?,
        }
    }
    Ok(())
}

/// Reads a file line by line and gives each event or fault to `take`, until it asks to stop.
pub(crate) fn read_file(
    path: &Path,
    format: &LineFormat,
    mut take: impl FnMut(u64, Result<CustomerEvent, BadLine>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut reader = LineReader::new(format);
    read_lines(path, |number, line| {
        match line.and_then(|text| reader.read(number, text)) {
            Ok(None) => Ok(()),
            Ok(Some(event)) => take(number, Ok(event)),
            Err(problem) => {
                let bad = BadLine {
                    file: path.to_path_buf(),
                    line: number,
                    reason: problem.to_string(),
                };
                take(number, Err(bad))
            }
        }
    })
}

/// Reads the lines of one file.
struct LineReader<'f> {
    defaults: &'f LineDefaults,
    mapped: Option<MapReader>,
}

impl<'f> LineReader<'f> {
    fn new(format: &'f LineFormat) -> Self {
        let mapped = |map| MapReader::new(Arc::clone(map), format.defaults.clone());
        Self {
            defaults: &format.defaults,
            mapped: format.map.as_ref().map(mapped),
        }
    }

    /// JSON where a line begins like it, else by the map; `None` for a header and for blank lines.
    fn read(&mut self, number: u64, text: &str) -> Result<Option<CustomerEvent>, LineProblem> {
        let start = text.trim_start();
        match &mut self.mapped {
            Some(reader) if !start.starts_with('{') => reader.read_line(number, text),
            _ if start.is_empty() => Ok(None),
            mapped => {
                let event = read_event_line(text, self.defaults);
                event.map(Some).map_err(|mut problem| {
                    if mapped.is_none() && !start.starts_with(['{', '[', '"']) {
                        problem.message += "; delimited text is read with --map FILE";
                    }
                    problem
                })
            }
        }
    }
}

/// Bytes of all files as they lie on disk, for progress.
pub(crate) fn total_bytes(files: &[PathBuf]) -> u64 {
    files
        .iter()
        .filter_map(|file| std::fs::metadata(file).ok())
        .map(|file| file.len())
        .sum()
}

#[cfg(test)]
mod tests;
