//! Watches the room that is left for the data folder, and says what may still be written.
//!
//! | level | what goes on |
//! |---|---|
//! | low | everything; a warning, logs are purged earlier |
//! | high | no new events and no publishes; workers settle, timers fire: they end what is under way |
//! | critical | nothing that writes but checkpoints and purges: the room that is left is theirs |
//!
//! The node comes back by itself when there is room again, a little above each mark so that it does not flap.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use journey_partition::Intake;

use crate::config::{DiskConfig, Watermark};

/// Pause between two looks: at 500 MB/s the disk fills by as much as the critical mark keeps in ten of them.
pub(crate) const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// How far above a mark the room must be before its level ends, in percent of the mark.
const COMING_BACK_PERCENT: u64 = 110;
/// A share is one of the disk, but of a larger disk only of so much of it: a tenth of a TiB is no emergency for a node.
const SHARE_OF_BYTES_MAX: u64 = 20 << 30;
/// Folders inside folders that are looked into: the data folder has two of them.
const DEPTH_MAX: usize = 8;

/// How full it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DiskLevel {
    /// Enough room.
    Ok,
    /// Somebody should look.
    Low,
    /// No new work.
    High,
    /// Nothing that writes.
    Critical,
}

impl DiskLevel {
    /// All of them.
    pub(crate) const ALL: [Self; 4] = [Self::Ok, Self::Low, Self::High, Self::Critical];

    /// Its word in metrics and reports.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Low => "low",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// What partitions take in at this level.
    pub(crate) const fn intake(self) -> Intake {
        match self {
            Self::Ok | Self::Low => Intake::Open,
            Self::High => Intake::NoEvents,
            Self::Critical => Intake::Nothing,
        }
    }
}

/// One measurement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Space {
    /// What there is in all: the disk, or the budget where that is less.
    pub(crate) total_bytes: u64,
    /// What is left of it.
    pub(crate) free_bytes: u64,
    /// What the log database takes.
    pub(crate) log_bytes: u64,
    /// What the state database takes.
    pub(crate) state_bytes: u64,
    /// What else lies in the data folder.
    pub(crate) other_bytes: u64,
}

/// Measures; tests have one of their own.
pub(crate) trait SpaceProbe: Send {
    /// Measures once.
    fn measure(&self) -> io::Result<Space>;
}

/// The real one.
#[derive(Debug)]
pub(crate) struct FolderProbe {
    folder: PathBuf,
    /// What the folder may take in all; `None` for whatever the disk has.
    budget_bytes: Option<u64>,
}

impl FolderProbe {
    pub(crate) fn new(folder: &Path, config: &DiskConfig) -> Self {
        let budget = config.budget.get();
        Self {
            folder: folder.to_owned(),
            budget_bytes: (budget > 0).then_some(budget),
        }
    }
}

impl SpaceProbe for FolderProbe {
    fn measure(&self) -> io::Result<Space> {
        let disk = rustix::fs::statvfs(&self.folder).map_err(io::Error::from)?;
        let log_bytes = taken(&self.folder.join("log"), DEPTH_MAX)?;
        let state_bytes = taken(&self.folder.join("state"), DEPTH_MAX)?;
        let all_bytes = taken(&self.folder, DEPTH_MAX)?;
        let mut space = Space {
            total_bytes: disk.f_blocks.saturating_mul(disk.f_frsize),
            free_bytes: disk.f_bavail.saturating_mul(disk.f_frsize),
            log_bytes,
            state_bytes,
            other_bytes: all_bytes.saturating_sub(log_bytes + state_bytes),
        };
        if let Some(budget_bytes) = self.budget_bytes {
            space.total_bytes = space.total_bytes.min(budget_bytes);
            let left = budget_bytes.saturating_sub(all_bytes);
            space.free_bytes = space.free_bytes.min(left);
        }
        Ok(space)
    }
}

/// Bytes that a folder really takes on disk; files that go away meanwhile take none.
fn taken(path: &Path, depth: usize) -> io::Result<u64> {
    let not_there = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if not_there(&error) => return Ok(0),
        Err(error) => return Err(error),
    };
    let mut bytes = 0;
    for entry in entries {
        let entry = entry?;
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() && depth > 0 => {
                bytes += taken(&entry.path(), depth - 1)?;
            }
            Ok(metadata) => bytes += metadata.blocks() * 512,
            Err(error) if not_there(&error) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

/// The marks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Watermarks {
    low: Watermark,
    high: Watermark,
    critical: Watermark,
}

impl Watermarks {
    pub(crate) const fn new(config: &DiskConfig) -> Self {
        Self {
            low: config.low,
            high: config.high,
            critical: config.critical,
        }
    }

    /// The level, given the one before: one that holds ends only when there is clearly more room.
    pub(crate) fn level(&self, before: DiskLevel, space: &Space) -> DiskLevel {
        let marks = [
            (DiskLevel::Critical, self.critical),
            (DiskLevel::High, self.high),
            (DiskLevel::Low, self.low),
        ];
        for (level, mark) in marks {
            let mark_bytes = bytes_of(mark, space.total_bytes);
            let ends_at = if before >= level {
                mark_bytes / 100 * COMING_BACK_PERCENT
            } else {
                mark_bytes
            };
            if space.free_bytes < ends_at {
                return level;
            }
        }
        DiskLevel::Ok
    }
}

fn bytes_of(mark: Watermark, total_bytes: u64) -> u64 {
    match mark {
        Watermark::Bytes(bytes) => bytes,
        Watermark::Percent(percent) => {
            total_bytes.min(SHARE_OF_BYTES_MAX) / 100 * u64::from(percent)
        }
    }
}

#[cfg(test)]
mod tests;
