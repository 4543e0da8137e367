//! Events out of files: JSON Lines, or delimited text with a map. A line that cannot be read is counted and reported
//! with its number, and does not stop the rest.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use journey_model::{
    Catalog, MapDocument, MapReader, PublishedDocument, Source, check, read_event_line,
};
use journey_types::{CatalogRevision, CustomerEvent, WorkspaceId};

/// Longest line that is read: an event with full properties takes about 40 KiB.
const LINE_SIZE_BYTES_MAX: u64 = 1024 * 1024;
/// First bytes of a gzip file.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// A line that is no event.
#[derive(Debug, Clone)]
pub(crate) struct BadLine {
    pub(crate) file: PathBuf,
    /// From 1.
    pub(crate) line: u64,
    pub(crate) reason: String,
}

/// How lines become events.
#[derive(Debug)]
pub(crate) enum LineFormat {
    /// One native JSON event a line.
    JsonLines,
    /// Delimited text.
    Mapped(Arc<MapDocument>, WorkspaceId),
}

impl LineFormat {
    /// JSON Lines, or what the file's one `map` document says.
    pub(crate) fn new(map: Option<&Path>, workspace: &str) -> anyhow::Result<Self> {
        let Some(path) = map else {
            return Ok(Self::JsonLines);
        };
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
        Ok(Self::Mapped(map, WorkspaceId::new(workspace)?))
    }
}

/// Reads a file line by line and gives each event or fault to `take`, until it asks to stop.
pub(crate) fn read_file(
    path: &Path,
    format: &LineFormat,
    mut take: impl FnMut(u64, Result<CustomerEvent, BadLine>) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut lines = open(path)?;
    let mut mapped = match format {
        LineFormat::JsonLines => None,
        LineFormat::Mapped(map, workspace) => {
            Some(MapReader::new(Arc::clone(map), workspace.clone()))
        }
    };
    let mut line = Vec::new();
    let mut number = 0_u64;
    loop {
        line.clear();
        let n_bytes = lines
            .by_ref()
            .take(LINE_SIZE_BYTES_MAX)
            .read_until(b'\n', &mut line)
            .with_context(|| format!("reading {}", path.display()))?;
        if n_bytes == 0 {
            return Ok(());
        }
        number += 1;
        let bad = |reason: String| BadLine {
            file: path.to_path_buf(),
            line: number,
            reason,
        };
        if n_bytes as u64 == LINE_SIZE_BYTES_MAX && line.last() != Some(&b'\n') {
            skip_line(&mut lines)?;
            take(
                number,
                Err(bad(format!(
                    "line_too_long: longer than {LINE_SIZE_BYTES_MAX} bytes"
                ))),
            )?;
            continue;
        }
        let Ok(text) = std::str::from_utf8(&line) else {
            take(
                number,
                Err(bad(
                    "not_utf8: the line is not UTF-8 text; convert the file".to_owned(),
                )),
            )?;
            continue;
        };
        let mut text = text.trim_end_matches(['\r', '\n']);
        if number == 1 {
            // A byte order mark, as some tools write it, is no part of the first line.
            text = text.strip_prefix('\u{feff}').unwrap_or(text);
        }
        let event = match &mut mapped {
            None if text.trim().is_empty() => continue,
            None => read_event_line(text).map(Some),
            Some(reader) => reader.read_line(number, text),
        };
        match event {
            Ok(None) => {}
            Ok(Some(event)) => take(number, Ok(event))?,
            Err(problem) => take(
                number,
                Err(bad(format!("{}: {}", problem.reason, problem.message))),
            )?,
        }
    }
}

fn skip_line(lines: &mut BufReader<File>) -> anyhow::Result<()> {
    let mut rest = Vec::new();
    loop {
        rest.clear();
        let n_bytes = lines
            .by_ref()
            .take(LINE_SIZE_BYTES_MAX)
            .read_until(b'\n', &mut rest)?;
        if n_bytes == 0 || rest.last() == Some(&b'\n') {
            return Ok(());
        }
    }
}

/// Opens a file; gzip is refused by name until it is delivered.
fn open(path: &Path) -> anyhow::Result<BufReader<File>> {
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let mut lines = BufReader::new(file);
    let start = lines
        .fill_buf()
        .with_context(|| format!("reading {}", path.display()))?;
    anyhow::ensure!(
        !start.starts_with(&GZIP_MAGIC),
        "{} is gzip, which is not available yet; unpack it first (gunzip -k)",
        path.display()
    );
    Ok(lines)
}

/// Bytes of all files, for progress.
pub(crate) fn total_bytes(files: &[PathBuf]) -> u64 {
    files
        .iter()
        .filter_map(|file| std::fs::metadata(file).ok())
        .map(|file| file.len())
        .sum()
}

#[cfg(test)]
mod tests;
