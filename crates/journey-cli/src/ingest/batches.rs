//! Files into batches that a node takes: bounded in events and in bytes, each event with where it was read.

use std::path::PathBuf;
use std::sync::Arc;

use journey_client::{event_to_wire, wire};
use prost::Message as _;
use tokio::sync::mpsc;

use crate::event_files::{BadLine, LineFormat, display_name, read_file};

/// Bytes of one batch: with one more event of the largest size it stays below what a node takes in a request (4 MiB).
const BATCH_SIZE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// An event to send, and where it was read.
#[derive(Debug, Clone)]
pub(super) struct ReadEvent {
    file: Arc<str>,
    line: u64,
    pub(super) event: wire::CustomerEvent,
}

impl ReadEvent {
    /// What the node says of it, with its place.
    pub(super) fn refused(&self, result: &wire::EventResult) -> String {
        let Self { file, line, event } = self;
        // A message may begin with its reason already.
        let prefix = format!("{}: ", result.reason);
        let message = result.message.strip_prefix(&prefix);
        let message = message.unwrap_or(&result.message);
        let reason = &result.reason;
        format!("{file}:{line}: {reason}: {message} (event {})", event.id)
    }
}

/// What the reader makes of the files.
#[derive(Debug)]
pub(super) enum Read {
    Batch(Vec<ReadEvent>),
    Bad(BadLine),
}

/// Reads the files into batches until the end, or until nobody takes them any more.
pub(super) fn read_batches(
    files: &[PathBuf],
    format: &LineFormat,
    n_events_max: usize,
    read: &mpsc::Sender<Read>,
) -> anyhow::Result<()> {
    let mut batch = Vec::with_capacity(n_events_max);
    let mut size_bytes = 0;
    for path in files {
        let file: Arc<str> = display_name(path).into();
        read_file(path, format, |line, event| {
            // Sizes are checked here: what is too large for an event may be too large for a request.
            let event = event.and_then(|event| {
                let fits = event.validate(event.occurred_at);
                fits.map(|()| event).map_err(|fault| BadLine {
                    file: path.clone(),
                    line,
                    reason: fault.to_string(),
                })
            });
            let event = match event {
                Ok(event) => event_to_wire(&event),
                Err(bad) => return Ok(read.blocking_send(Read::Bad(bad))?),
            };
            size_bytes += event.encoded_len();
            batch.push(ReadEvent {
                file: Arc::clone(&file),
                line,
                event,
            });
            if batch.len() == n_events_max || size_bytes > BATCH_SIZE_BYTES_MAX {
                size_bytes = 0;
                read.blocking_send(Read::Batch(std::mem::take(&mut batch)))?;
            }
            Ok(())
        })?;
    }
    if !batch.is_empty() {
        read.blocking_send(Read::Batch(batch))?;
    }
    Ok(())
}
