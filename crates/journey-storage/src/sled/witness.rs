//! How far a database was synced, noted beside it, so that a file that is cut or damaged before that is told from one
//! that a crash has left short.
//!
//! ```text
//!   <database>/synced   two slots of: log position (8), crc32c of it (4), written in turn
//! ```
//!
//! Written after each fsync and not synced itself: what it says is always true, and after a power cut it says a little
//! less than it could. A killed process leaves it exact.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::error::StorageError;
use crate::files::io_error;

const FILE_NAME: &str = "synced";
const SLOT_SIZE_BYTES: usize = 8 + 4;

/// The file, and what it says.
#[derive(Debug)]
pub(super) struct Witness {
    file: File,
    path: PathBuf,
    synced_lsn: Option<i64>,
    next_slot: u64,
}

impl Witness {
    /// Opens the file of a database's folder, or makes it.
    pub(super) fn open(folder: &Path) -> Result<Self, StorageError> {
        let path = folder.join(FILE_NAME);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(io_error("opening", &path))?;
        let mut slots = [0; 2 * SLOT_SIZE_BYTES];
        let n_bytes = read_up_to(&file, &mut slots).map_err(io_error("reading", &path))?;
        let slots = slots[..n_bytes].chunks_exact(SLOT_SIZE_BYTES);
        let synced_lsn = slots.filter_map(parse).max();
        Ok(Self {
            file,
            path,
            synced_lsn,
            next_slot: 0,
        })
    }

    /// The highest position that was noted; `None` when nothing was.
    pub(super) const fn synced_lsn(&self) -> Option<i64> {
        self.synced_lsn
    }

    /// Notes that everything up to the position is on disk.
    pub(super) fn note(&mut self, lsn: i64) -> Result<(), StorageError> {
        if self.synced_lsn.is_some_and(|noted| noted >= lsn) {
            return Ok(());
        }
        let mut slot = [0; SLOT_SIZE_BYTES];
        slot[..8].copy_from_slice(&lsn.to_be_bytes());
        slot[8..].copy_from_slice(&crc32c::crc32c(&lsn.to_be_bytes()).to_be_bytes());
        // In turn, so that half a slot never is all there is.
        let offset = self.next_slot * SLOT_SIZE_BYTES as u64;
        self.file
            .write_all_at(&slot, offset)
            .map_err(io_error("writing", &self.path))?;
        self.next_slot = 1 - self.next_slot;
        self.synced_lsn = Some(lsn);
        Ok(())
    }
}

fn parse(slot: &[u8]) -> Option<i64> {
    let (lsn, checksum) = slot.split_first_chunk::<8>()?;
    let is_whole = checksum == crc32c::crc32c(lsn).to_be_bytes();
    is_whole.then(|| i64::from_be_bytes(*lsn))
}

fn read_up_to(file: &File, buffer: &mut [u8]) -> io::Result<usize> {
    let mut n_bytes = 0;
    while n_bytes < buffer.len() {
        match file.read_at(&mut buffer[n_bytes..], n_bytes as u64)? {
            0 => break,
            n_read => n_bytes += n_read,
        }
    }
    Ok(n_bytes)
}
