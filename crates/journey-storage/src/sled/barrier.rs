//! When to flush in the middle of writing: before sled can have written a segment since the last fsync.
//!
//! What sled writes for a put cannot be asked for until it has been written, so it is guessed, and the guess follows what
//! the puts between the last two fsyncs came to.

use crate::engine::Put;

/// A put is guessed to write its row so many times: itself, and its share in pages that are rewritten, split and moved.
const ROW_COPIES: u64 = 6;
/// And so many bytes of rows beside it, which share its page.
const NEIGHBOUR_BYTES: u64 = 8 * 1024;
/// The guess is corrected in steps of a sixteenth, never below two of them.
const WHOLE: u64 = 16;
const CORRECTION_MIN: u64 = 2;
const CORRECTION_MAX: u64 = 64 * WHOLE;

/// What is guessed to have been written since the last fsync.
#[derive(Debug)]
pub(super) struct Barrier {
    /// A quarter of a segment: the guess may be wrong by four before a whole one is written.
    limit_bytes: u64,
    guessed_bytes: u64,
    correction: u64,
}

impl Barrier {
    pub(super) fn new(segment_size_bytes: usize) -> Self {
        Self {
            limit_bytes: u64::try_from(segment_size_bytes / 4).unwrap_or(u64::MAX),
            guessed_bytes: 0,
            correction: WHOLE,
        }
    }

    /// Counts puts that are about to be made, and says whether there must be a flush before. `written_bytes` is what is
    /// known to have been written since the last fsync.
    pub(super) fn is_due(&mut self, puts: &[Put], written_bytes: u64) -> bool {
        self.guessed_bytes += puts.iter().map(guess).sum::<u64>();
        let corrected = self.guessed_bytes.saturating_mul(self.correction) / WHOLE;
        corrected.max(written_bytes) > self.limit_bytes
    }

    /// Learns from an fsync what the puts since the one before came to.
    pub(super) fn passed(&mut self, written_bytes: u64) {
        let actual = written_bytes.saturating_mul(WHOLE);
        if let Some(actual) = actual.checked_div(self.guessed_bytes) {
            // Half as much again for the next ones; cheap puts are learnt slowly, dear ones at once.
            let correction = (actual + actual / 2).max(self.correction / 2);
            self.correction = correction.clamp(CORRECTION_MIN, CORRECTION_MAX);
        }
        self.guessed_bytes = 0;
    }
}

fn guess(put: &Put) -> u64 {
    let row = put.key.len() + put.value.as_ref().map_or(0, Vec::len);
    u64::try_from(row)
        .unwrap_or(u64::MAX)
        .saturating_mul(ROW_COPIES)
        + NEIGHBOUR_BYTES
}

#[cfg(test)]
mod tests;
