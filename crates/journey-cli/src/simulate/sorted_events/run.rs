//! A sorted run in a temporary file, which has no name and is gone with the process.

use std::fs::File;
use std::io::{BufReader, BufWriter, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};

use anyhow::Context as _;
use journey_codec::{decode_event, encode_event};

use super::PlacedEvent;

/// What is said when the temporary folder is full.
const WHERE: &str = "laying sorted events aside in the temporary folder (TMPDIR names another one)";
/// File, line and length before each event.
const HEAD_SIZE_BYTES: usize = 24;

/// A run that is written.
#[derive(Debug)]
pub(super) struct RunWriter {
    file: BufWriter<File>,
}

impl RunWriter {
    pub(super) fn new() -> anyhow::Result<Self> {
        let file = BufWriter::new(tempfile::tempfile().context(WHERE)?);
        Ok(Self { file })
    }

    pub(super) fn write(&mut self, placed: &PlacedEvent) -> anyhow::Result<()> {
        let bytes = encode_event(&placed.event);
        let mut head = Vec::with_capacity(HEAD_SIZE_BYTES);
        for number in [placed.file_idx as u64, placed.line, bytes.len() as u64] {
            head.extend(number.to_le_bytes());
        }
        self.file.write_all(&head).context(WHERE)?;
        self.file.write_all(&bytes).context(WHERE)
    }

    pub(super) fn finish(self) -> anyhow::Result<Run> {
        let file = self.file.into_inner();
        let file = file.map_err(|error| error.into_error()).context(WHERE)?;
        Ok(Run { file })
    }
}

/// A run that was written.
#[derive(Debug)]
pub(super) struct Run {
    file: File,
}

impl Run {
    pub(super) fn read(mut self) -> anyhow::Result<RunReader> {
        self.file.seek(SeekFrom::Start(0)).context(WHERE)?;
        let file = BufReader::new(self.file);
        Ok(RunReader {
            file,
            bytes: Vec::new(),
        })
    }
}

/// A run that is read.
#[derive(Debug)]
pub(super) struct RunReader {
    file: BufReader<File>,
    bytes: Vec<u8>,
}

impl RunReader {
    /// The next event; `None` at the end.
    pub(super) fn next(&mut self) -> anyhow::Result<Option<PlacedEvent>> {
        let mut numbers = [0_u64; 3];
        for (number_idx, number) in numbers.iter_mut().enumerate() {
            let mut bytes = [0; 8];
            match self.file.read_exact(&mut bytes) {
                Ok(()) => *number = u64::from_le_bytes(bytes),
                Err(error) if error.kind() == ErrorKind::UnexpectedEof && number_idx == 0 => {
                    return Ok(None);
                }
                Err(error) => return Err(error).context(WHERE),
            }
        }
        let [file_idx, line, size_bytes] = numbers;
        let cannot_be = "a run was written by this process";
        self.bytes
            .resize(usize::try_from(size_bytes).context(cannot_be)?, 0);
        self.file.read_exact(&mut self.bytes).context(WHERE)?;
        Ok(Some(PlacedEvent {
            file_idx: usize::try_from(file_idx).context(cannot_be)?,
            line,
            event: decode_event(&self.bytes).context(WHERE)?,
        }))
    }
}
