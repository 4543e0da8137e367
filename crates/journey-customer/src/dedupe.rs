//! The event ids of the last 7 days, as fingerprints in chunks that are stored in rows of their own.

use std::collections::VecDeque;
use std::sync::Arc;

use journey_types::limits::DEDUPE_WINDOW;
use journey_types::{Fingerprint, Timestamp};

use crate::limits::{DEDUPE_CHUNK_IDS_MAX, DEDUPE_OPEN_IDS_MAX};

/// Remembered event ids: an open chunk that lies in the customer's head row, and closed chunks in rows of their own.
#[derive(Debug, PartialEq, Eq, Default)]
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
        // Every turn works on a copy, which has room for one: room for more would only be copied.
        self.open.reserve_exact(1);
        self.open.push((fingerprint, now));
    }

    fn close_open_chunk(&mut self) {
        let ids = std::mem::take(&mut self.open);
        match self.chunks.back_mut() {
            Some(newest) if newest.ids.len() + ids.len() <= DEDUPE_CHUNK_IDS_MAX => {
                Arc::make_mut(newest).extend(&ids);
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

impl Clone for Dedupe {
    /// With room for one id more, which is what most turns add to their copy.
    fn clone(&self) -> Self {
        let mut open = Vec::with_capacity(self.open.len() + 1);
        open.extend_from_slice(&self.open);
        Self {
            open,
            chunks: self.chunks.clone(),
            next_chunk: self.next_chunk,
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
    filter: Box<[u64]>,
}

/// Bits of a filter for each id: so many that at most one in sixteen is set.
const FILTER_BITS_PER_ID: usize = 16;
/// The shortest filter, and what longer ones double from.
const FILTER_WORDS_MIN: usize = 4;

impl DedupeChunk {
    /// A chunk of these ids, in the order of acceptance.
    #[must_use]
    pub fn new(number: u64, ids: Vec<(Fingerprint, Timestamp)>) -> Self {
        let filter = filter_of(&ids);
        Self {
            number,
            ids,
            filter,
        }
    }

    fn extend(&mut self, ids: &[(Fingerprint, Timestamp)]) {
        self.ids.reserve_exact(ids.len());
        self.ids.extend_from_slice(ids);
        self.filter = filter_of(&self.ids);
    }

    fn may_hold(&self, fingerprint: &Fingerprint) -> bool {
        let (word_idx, bit) = filter_place(fingerprint, self.filter.len());
        self.filter[word_idx] & bit != 0
    }

    fn newest(&self) -> Timestamp {
        self.ids.last().map_or(Timestamp::EPOCH, |(_, at)| *at)
    }
}

/// The filter of these ids: as long as their number asks for, so that few ids take few bytes.
fn filter_of(ids: &[(Fingerprint, Timestamp)]) -> Box<[u64]> {
    let n_words = (ids.len() * FILTER_BITS_PER_ID).div_ceil(64);
    let n_words = n_words.next_power_of_two().max(FILTER_WORDS_MIN);
    let mut filter = vec![0; n_words].into_boxed_slice();
    for (fingerprint, _) in ids {
        let (word_idx, bit) = filter_place(fingerprint, n_words);
        filter[word_idx] |= bit;
    }
    filter
}

fn filter_place(fingerprint: &Fingerprint, n_words: usize) -> (usize, u64) {
    let [first, second, ..] = *fingerprint.bytes();
    let bit_idx = usize::from(u16::from_be_bytes([first, second])) % (n_words * 64);
    (bit_idx / 64, 1 << (bit_idx % 64))
}

#[cfg(test)]
mod tests;
