//! What the system tells about a process: CPU, memory, and what its folder takes.

use std::path::Path;

/// Ticks of a second in `/proc/<id>/stat`: fixed by Linux for everything it tells programs.
const TICKS_PER_SECOND: f64 = 100.0;

/// One look at a process.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProcessFigures {
    /// User and system time since it started.
    pub(crate) cpu_seconds: f64,
    pub(crate) resident_bytes: u64,
    /// Bytes that it had the disk write since it started; none where the system does not tell.
    pub(crate) written_bytes: u64,
}

impl ProcessFigures {
    /// Of a process; `None` where the system does not tell.
    pub(crate) fn of(id: u32) -> Option<Self> {
        let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
        let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(Self {
            cpu_seconds: cpu_seconds(&id.to_string())?,
            resident_bytes: kib * 1_024,
            written_bytes: written_bytes(id).unwrap_or(0),
        })
    }
}

fn written_bytes(id: u32) -> Option<u64> {
    let io = std::fs::read_to_string(format!("/proc/{id}/io")).ok()?;
    let mut lines = io.lines();
    lines.find_map(|line| line.strip_prefix("write_bytes: ")?.parse().ok())
}

/// CPU of this process, which makes the load.
pub(crate) fn own_cpu_seconds() -> Option<f64> {
    cpu_seconds("self")
}

fn cpu_seconds(process: &str) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name, in brackets, may hold anything; the fields behind it are numbers.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) / TICKS_PER_SECOND)
}

/// Bytes below a folder; one that is not there holds none.
pub(crate) fn disk_bytes(path: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(path) else {
        return 0;
    };
    let of = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => disk_bytes(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.filter_map(Result::ok).map(of).sum()
}
