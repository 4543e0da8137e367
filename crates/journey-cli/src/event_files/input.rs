//! Where lines come from: a file or standard input, plain or gzip, one line at a time in bounded memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use flate2::bufread::MultiGzDecoder;
use journey_model::LineProblem;

/// Longest line that is read: an event with full properties takes about 40 KiB. However much a gzip file unpacks to,
/// no more than a line of it is in memory.
pub(super) const LINE_SIZE_BYTES_MAX: u64 = 1024 * 1024;
/// The name of standard input.
const STANDARD_INPUT: &str = "-";
/// First bytes of a gzip file.
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];
/// First bytes of files that hold no lines of text, and what to do with them.
const NO_TEXT: [(&[u8], &str); 7] = [
    (
        &[0x28, 0xb5, 0x2f, 0xfd],
        "packed with zstd; unpack it (zstd -d), or pack it with gzip",
    ),
    (
        b"PK\x03\x04",
        "a zip archive; unpack it (unzip), or pack its files with gzip",
    ),
    (
        &[0xfd, b'7', b'z', b'X'],
        "packed with xz; unpack it (unxz), or pack it with gzip",
    ),
    (
        b"BZh",
        "packed with bzip2; unpack it (bunzip2), or pack it with gzip",
    ),
    (b"PAR1", "a Parquet file; export it as JSON Lines"),
    (
        &[0xff, 0xfe],
        "UTF-16 text; convert it to UTF-8 (iconv -f UTF-16 -t UTF-8)",
    ),
    (
        &[0xfe, 0xff],
        "UTF-16 text; convert it to UTF-8 (iconv -f UTF-16 -t UTF-8)",
    ),
];
/// How many bytes tell the kinds of files apart.
const SNIFFED_SIZE_BYTES: u64 = 4;

/// Whether a path means standard input.
pub(crate) fn is_standard_input(path: &Path) -> bool {
    path.as_os_str() == STANDARD_INPUT
}

/// What people call it.
pub(crate) fn display_name(path: &Path) -> String {
    if is_standard_input(path) {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    }
}

/// Finds out before anything is read that a file is not there, is a folder, or may not be read.
pub(crate) fn ensure_readable(files: &[PathBuf]) -> anyhow::Result<()> {
    let n_standard_inputs = files.iter().filter(|file| is_standard_input(file)).count();
    anyhow::ensure!(
        n_standard_inputs <= 1,
        "standard input (`-`) is named {n_standard_inputs} times; it can be read once"
    );
    for file in files.iter().filter(|file| !is_standard_input(file)) {
        open_file(file)?;
    }
    Ok(())
}

fn open_file(path: &Path) -> anyhow::Result<File> {
    let file = File::open(path).with_context(|| format!("opening {}", path.display()))?;
    let kind = file
        .metadata()
        .with_context(|| format!("opening {}", path.display()))?;
    anyhow::ensure!(
        !kind.is_dir(),
        "{} is a folder; name the files in it",
        path.display()
    );
    Ok(file)
}

/// One line of an input.
pub(super) enum InputLine<'i> {
    /// Text without its line break.
    Text(&'i str),
    /// What cannot be text.
    Unreadable(LineProblem),
}

/// A file or standard input that is read line by line.
pub(super) struct Input {
    name: String,
    reader: Box<dyn BufRead>,
    is_gzip: bool,
    is_at_end: bool,
    line: Vec<u8>,
    n_lines: u64,
}

impl Input {
    /// Opens it and finds out what it is by its first bytes.
    pub(super) fn open(path: &Path) -> anyhow::Result<Self> {
        let name = display_name(path);
        let raw: Box<dyn BufRead> = if is_standard_input(path) {
            Box::new(BufReader::new(io::stdin()))
        } else {
            Box::new(BufReader::new(open_file(path)?))
        };
        let (start, mut reader) = sniff(raw).with_context(|| format!("reading {name}"))?;
        let is_gzip = start.starts_with(GZIP_MAGIC);
        let mut start = start;
        if is_gzip {
            let unpacked = Box::new(BufReader::new(MultiGzDecoder::new(reader)));
            // What is broken at its very start is reported with the first line.
            match sniff(unpacked) {
                Ok((inner, unpacked)) => (start, reader) = (inner, unpacked),
                Err(error) => {
                    start.clear();
                    reader = Box::new(BufReader::new(Broken(Some(error))));
                }
            }
            anyhow::ensure!(
                !start.starts_with(GZIP_MAGIC),
                "{name} is gzip inside gzip; unpack it once (gunzip)"
            );
        }
        if let Some((_, kind)) = NO_TEXT.iter().find(|(magic, _)| start.starts_with(magic)) {
            anyhow::bail!("{name} is {kind}");
        }
        Ok(Self {
            name,
            reader,
            is_gzip,
            is_at_end: false,
            line: Vec::new(),
            n_lines: 0,
        })
    }

    /// The next line with its number, from 1; `None` at the end.
    ///
    /// # Errors
    /// When the file cannot be read on. Broken gzip is a fault of its last line instead: what came before was read.
    pub(super) fn next_line(&mut self) -> anyhow::Result<Option<(u64, InputLine<'_>)>> {
        if self.is_at_end {
            return Ok(None);
        }
        let n_bytes = match read_bounded(&mut self.reader, &mut self.line) {
            Ok(n_bytes) => n_bytes,
            Err(error) if self.is_gzip && is_damage(&error) => {
                self.is_at_end = true;
                let message = format!(
                    "the gzip data is cut off or damaged here ({error}); what came before was read"
                );
                let problem = LineProblem::new("gzip_damaged", message);
                return Ok(Some((self.n_lines + 1, InputLine::Unreadable(problem))));
            }
            Err(error) => return Err(error).with_context(|| format!("reading {}", self.name)),
        };
        if n_bytes == 0 {
            return Ok(None);
        }
        self.n_lines += 1;
        if n_bytes > LINE_SIZE_BYTES_MAX {
            let message = format!(
                "longer than {LINE_SIZE_BYTES_MAX} bytes; an event stands on one line and its properties take at most 32 KiB"
            );
            let problem = LineProblem::new("line_too_long", message);
            return Ok(Some((self.n_lines, InputLine::Unreadable(problem))));
        }
        let Ok(text) = std::str::from_utf8(&self.line) else {
            let message = "the line is not UTF-8 text; convert the file (iconv -t UTF-8)";
            let problem = LineProblem::new("not_utf8", message);
            return Ok(Some((self.n_lines, InputLine::Unreadable(problem))));
        };
        let mut text = text.trim_end_matches(['\r', '\n']);
        if self.n_lines == 1 {
            // A byte order mark, as some tools write it, is no part of the first line.
            text = text.strip_prefix('\u{feff}').unwrap_or(text);
        }
        Ok(Some((self.n_lines, InputLine::Text(text))))
    }
}

/// A reader that fails once.
struct Broken(Option<io::Error>);

impl Read for Broken {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// The first bytes, and a reader that still gives them.
fn sniff(mut reader: Box<dyn BufRead>) -> io::Result<(Vec<u8>, Box<dyn BufRead>)> {
    let mut start = Vec::new();
    reader
        .by_ref()
        .take(SNIFFED_SIZE_BYTES)
        .read_to_end(&mut start)?;
    let whole = Cursor::new(start.clone()).chain(reader);
    Ok((start, Box::new(whole)))
}

/// Reads a line with its break into `line`, and how many bytes it has; of one that is too long only the start is kept.
fn read_bounded(reader: &mut dyn BufRead, line: &mut Vec<u8>) -> io::Result<u64> {
    line.clear();
    let mut n_bytes = 0;
    loop {
        let kept = line.len() as u64;
        let is_kept = kept <= LINE_SIZE_BYTES_MAX;
        let available = match reader.fill_buf() {
            Ok(available) => available,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if available.is_empty() {
            return Ok(n_bytes);
        }
        let end = available.iter().position(|byte| *byte == b'\n');
        let n_used = end.map_or(available.len(), |end| end + 1);
        if is_kept {
            line.extend_from_slice(&available[..n_used]);
        }
        reader.consume(n_used);
        n_bytes += n_used as u64;
        if end.is_some() {
            return Ok(n_bytes);
        }
    }
}

/// What unpacking says of data that is no gzip (any more).
fn is_damage(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof
    )
}
