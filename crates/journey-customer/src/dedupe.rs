//! The event ids of the last 7 days, as fingerprints in chunks that are stored in rows of their own.

use std::collections::VecDeque;
use std::sync::Arc;

use journey_types::limits::DEDUPE_WINDOW;
use journey_types::{Fingerprint, Timestamp};

use crate::limits::{DEDUPE_CHUNK_IDS_MAX, DEDUPE_OPEN_IDS_MAX};

/// Remembered event ids: an open chunk that lies in the customer's head row, and closed chunks in rows of their own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Dedupe {
    /// The newest ids, at most [`crate::limits::DEDUPE_OPEN_IDS_MAX`].
    pub open: Vec<(Fingerprint, Timestamp)>,
    /// Older ids, oldest chunk first.
    pub chunks: VecDeque<Arc<DedupeChunk>>,
    /// The number the next chunk gets.
    pub next_chunk: u64,
}

impl Dedupe {
    /// Whether this id was accepted in the 7 days up to `now`.
    #[must_use]
    pub fn contains(&self, fingerprint: &Fingerprint, now: Timestamp) -> bool {
        let oldest = now.minus(DEDUPE_WINDOW);
        let is_it = |(held, accepted_at): &(Fingerprint, Timestamp)| {
            held == fingerprint && *accepted_at >= oldest
        };
        // Newest first: a producer repeats what it sent last.
        self.open.iter().rev().any(is_it)
            || self
                .chunks
                .iter()
                .rev()
                .any(|chunk| chunk.may_hold(fingerprint) && chunk.ids.iter().any(is_it))
    }

    /// At most so many ids are held: cheap, and enough to tell most customers from hot ones.
    #[must_use]
    pub fn n_ids_max(&self) -> usize {
        self.chunks.len() * DEDUPE_CHUNK_IDS_MAX + self.open.len()
    }

    /// How many ids lie in the 7 days up to `now`.
    #[must_use]
    pub fn n_ids(&self, now: Timestamp) -> usize {
        let oldest = now.minus(DEDUPE_WINDOW);
        // Acceptance stamps never go back, so the ids that still count are the newest of each list.
        let n_in_window = |ids: &[(Fingerprint, Timestamp)]| {
            ids.len() - ids.partition_point(|(_, accepted_at)| *accepted_at < oldest)
        };
        let n_in_chunks: usize = self.chunks.iter().map(|c| n_in_window(&c.ids)).sum();
        n_in_chunks + n_in_window(&self.open)
    }

    /// Remembers an id, and forgets chunks whose every id is older than 7 days. Only [`crate::apply()`] calls this.
    pub(crate) fn remember(&mut self, fingerprint: Fingerprint, now: Timestamp) {
        let oldest = now.minus(DEDUPE_WINDOW);
        while self.chunks.front().is_some_and(|c| c.newest() < oldest) {
            self.chunks.pop_front();
        }
        if self.open.len() >= DEDUPE_OPEN_IDS_MAX {
            self.close_open_chunk();
        }
        self.open.push((fingerprint, now));
    }

    fn close_open_chunk(&mut self) {
        let ids = std::mem::take(&mut self.open);
        match self.chunks.back_mut() {
            Some(newest) if newest.ids.len() + ids.len() <= DEDUPE_CHUNK_IDS_MAX => {
                Arc::make_mut(newest).extend(ids);
            }
            Some(_) | None => {
                let number = self.next_chunk;
                self.next_chunk += 1;
                self.chunks
                    .push_back(Arc::new(DedupeChunk::new(number, ids)));
            }
        }
    }
}

/// Ids that lie in one row. The newest chunk grows to [`crate::limits::DEDUPE_CHUNK_IDS_MAX`], older ones never change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DedupeChunk {
    /// Its number, which names its row.
    pub number: u64,
    /// Its ids in the order of acceptance.
    pub ids: Vec<(Fingerprint, Timestamp)>,
    /// One bit per id, derived: with it a customer at the cap of 512 chunks answers in microseconds, since all but
    /// one in sixteen chunks are passed over unread.
    filter: [u64; FILTER_N_WORDS],
}

const FILTER_N_WORDS: usize = 32;
const FILTER_N_BITS: usize = FILTER_N_WORDS * 64;

const _: () = assert!(
    FILTER_N_BITS >= 16 * DEDUPE_CHUNK_IDS_MAX,
    "a full chunk sets at most one bit in sixteen"
);

impl DedupeChunk {
    /// A chunk of these ids, in the order of acceptance.
    #[must_use]
    pub fn new(number: u64, ids: Vec<(Fingerprint, Timestamp)>) -> Self {
        let mut chunk = Self {
            number,
            ids: Vec::with_capacity(ids.len()),
            filter: [0; FILTER_N_WORDS],
        };
        chunk.extend(ids);
        chunk
    }

    fn extend(&mut self, ids: Vec<(Fingerprint, Timestamp)>) {
        for (fingerprint, accepted_at) in ids {
            let (word_idx, bit) = filter_place(&fingerprint);
            self.filter[word_idx] |= bit;
            self.ids.push((fingerprint, accepted_at));
        }
    }

    fn may_hold(&self, fingerprint: &Fingerprint) -> bool {
        let (word_idx, bit) = filter_place(fingerprint);
        self.filter[word_idx] & bit != 0
    }

    fn newest(&self) -> Timestamp {
        self.ids.last().map_or(Timestamp::EPOCH, |(_, at)| *at)
    }
}

fn filter_place(fingerprint: &Fingerprint) -> (usize, u64) {
    let [first, second, ..] = *fingerprint.bytes();
    let bit_idx = usize::from(u16::from_be_bytes([first, second])) % FILTER_N_BITS;
    (bit_idx / 64, 1 << (bit_idx % 64))
}

#[cfg(test)]
mod tests;
