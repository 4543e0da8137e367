//! The metadata group's snapshot: the rows of a checkpoint, one behind the other, as they lie on disk.
//!
//! A row is the length of its key (4), the key, the length of its value (4), the value. Who receives them reads them as
//! a restart does, so what is installed has been checked as a checkpoint is.

use std::any::Any;
use std::ops::Bound;
use std::sync::Arc;

use bytes::{Buf as _, Bytes};
use journey_storage::limits::STATE_VALUE_SIZE_BYTES_MAX;
use journey_storage::{Engine as _, MemoryEngine, Put, StorageError};

use super::rows::{Checkpoint, Rows, TREE};
use crate::limits::METADATA_SIZE_BYTES_MAX;
use crate::{SnapshotPiece, SnapshotSink, SnapshotSource};

/// Bytes of one piece.
const PIECE_SIZE_BYTES: usize = 256 * 1_024;
/// What a receiver takes: everything the group may hold, its map, and the rows' framing.
const SNAPSHOT_SIZE_BYTES_MAX: usize = METADATA_SIZE_BYTES_MAX + METADATA_SIZE_BYTES_MAX / 4;
/// Rows read at a time.
const ROWS_PER_READ: usize = 64;

/// A checkpoint on its way out.
pub(super) struct CheckpointSource {
    checkpoint: Option<Checkpoint>,
    rest: Bytes,
    n_bytes_out: u64,
}

impl CheckpointSource {
    pub(super) const fn new(checkpoint: Checkpoint) -> Self {
        Self {
            checkpoint: Some(checkpoint),
            rest: Bytes::new(),
            n_bytes_out: 0,
        }
    }
}

impl SnapshotSource for CheckpointSource {
    fn next_piece(&mut self) -> Result<Option<SnapshotPiece>, String> {
        if let Some(checkpoint) = self.checkpoint.take() {
            self.rest = encode(&checkpoint).map_err(|error| error.to_string())?;
        }
        if self.rest.is_empty() {
            return Ok(None);
        }
        let n_bytes = self.rest.len().min(PIECE_SIZE_BYTES);
        let bytes = self.rest.split_to(n_bytes);
        let offset = self.n_bytes_out;
        self.n_bytes_out += bytes.len() as u64;
        let is_last = self.rest.is_empty();
        Ok(Some(SnapshotPiece {
            offset,
            bytes,
            is_last,
        }))
    }
}

/// A checkpoint on its way in.
#[derive(Default)]
pub(super) struct CheckpointSink {
    received: Vec<u8>,
    checkpoint: Checkpoint,
}

impl CheckpointSink {
    /// What came, once it is finished.
    pub(super) fn of_any(received: Box<dyn Any + Send>) -> Result<Checkpoint, String> {
        let sink = received.downcast::<Self>();
        sink.map(|sink| sink.checkpoint)
            .map_err(|_| "what was received is no metadata".to_owned())
    }
}

impl SnapshotSink for CheckpointSink {
    fn take(&mut self, piece: &SnapshotPiece) -> Result<(), String> {
        if piece.offset != self.received.len() as u64 {
            return Err(format!(
                "its piece at byte {} came where byte {} was due",
                piece.offset,
                self.received.len()
            ));
        }
        if self.received.len() + piece.bytes.len() > SNAPSHOT_SIZE_BYTES_MAX {
            return Err(format!("it is larger than {SNAPSHOT_SIZE_BYTES_MAX} bytes"));
        }
        self.received.extend_from_slice(&piece.bytes);
        Ok(())
    }

    fn finish(&mut self) -> Result<(), String> {
        let received = Bytes::from(std::mem::take(&mut self.received));
        self.checkpoint = decode(received)?;
        Ok(())
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any + Send> {
        self
    }
}

fn encode(checkpoint: &Checkpoint) -> Result<Bytes, StorageError> {
    let engine = Arc::new(MemoryEngine::new(STATE_VALUE_SIZE_BYTES_MAX));
    let (mut rows, _) = Rows::open(Arc::clone(&engine) as _)?;
    rows.write(checkpoint)?;
    let tree = engine.tree(TREE)?;
    let mut encoded = Vec::new();
    let mut from = Bound::Unbounded;
    loop {
        let lower = from.as_ref().map(Vec::as_slice);
        let read = tree.range(lower, Bound::Unbounded, ROWS_PER_READ)?;
        let Some((last, _)) = read.last() else {
            return Ok(Bytes::from(encoded));
        };
        from = Bound::Excluded(last.clone());
        for (key, value) in read {
            for part in [key, value] {
                let length = u32::try_from(part.len()).expect("a row has a few KiB");
                encoded.extend(length.to_be_bytes());
                encoded.extend(part);
            }
        }
    }
}

fn decode(mut received: Bytes) -> Result<Checkpoint, String> {
    let engine = Arc::new(MemoryEngine::new(STATE_VALUE_SIZE_BYTES_MAX));
    let failed = |error: StorageError| error.to_string();
    let tree = engine.tree(TREE).map_err(failed)?;
    while !received.is_empty() {
        let key = take(&mut received)?;
        let value = take(&mut received)?;
        let put = Put::set(key, value.to_vec());
        tree.put_ordered(&[put]).map_err(failed)?;
    }
    let (_, checkpoint) = Rows::open(engine as _).map_err(failed)?;
    Ok(checkpoint)
}

fn take(from: &mut Bytes) -> Result<Bytes, String> {
    let cut = || "a row of it is cut".to_owned();
    let length = from.try_get_u32().map_err(|_| cut())? as usize;
    if from.len() < length {
        return Err(cut());
    }
    Ok(from.split_to(length))
}

#[cfg(test)]
mod tests;
