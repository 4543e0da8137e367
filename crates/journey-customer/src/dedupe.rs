//! The event ids of the last 7 days. A customer's state knows of most of them only what tells that an id is new; the ids
//! themselves lie in rows that are written once and read only where a repeat is likely.
//!
//! ```text
//!   open ids ──16──► segment (16 ids, a row of its own)      8 segments ──► chunk: two bytes of each id, in the state
//!     in the head row        in memory until it is written
//! ```
//!
//! What is asked most, "is this id new?", is answered from memory: of an id that was never seen, one in some hundred
//! meets the two bytes of another ([`Lookup::Rows`]).

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use journey_types::limits::DEDUPE_WINDOW;
use journey_types::{Fingerprint, Timestamp};

use crate::limits::{DEDUPE_CHUNK_IDS_MAX, DEDUPE_OPEN_IDS_MAX};

/// Segments of a full chunk.
const CHUNK_SEGMENTS_MAX: u64 = (DEDUPE_CHUNK_IDS_MAX / DEDUPE_OPEN_IDS_MAX) as u64;

/// Remembered event ids.
///
/// # Invariants
/// Every segment of every chunk is full and lies in a row or in `unwritten`; chunks are in the order of acceptance; the
/// newest one ends where `next_segment` begins.
#[derive(Debug, Default)]
pub struct Dedupe {
    /// The newest ids, at most [`crate::limits::DEDUPE_OPEN_IDS_MAX`].
    pub open: Vec<(Fingerprint, Timestamp)>,
    /// What is known of older ids, oldest chunk first.
    pub chunks: VecDeque<Arc<DedupeChunk>>,
    /// The number the next segment gets.
    pub next_segment: u64,
    /// Segments that may not lie in rows yet, by number. No part of what the customer is: rows or memory have them.
    /// Shared, since a customer who is busy has many of them, and every turn works on a copy.
    pub unwritten: Arc<Vec<Arc<IdSegment>>>,
}

/// What memory tells of an event id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// It was accepted within the window.
    Known,
    /// It was not.
    New,
    /// It was, if one of these places holds it.
    Rows(Vec<IdPlace>),
}

/// Where an id may lie in rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdPlace {
    /// The segment.
    pub segment: u64,
    /// The place in it.
    pub index: usize,
}

/// What is known of the one event id that a command brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowsOfIds {
    /// Nobody has looked it up yet.
    NotAsked,
    /// The state alone tells whether it was accepted.
    NotNeeded {
        /// Whether it was.
        is_known: bool,
    },
    /// When it was accepted, as one of the places that [`Lookup::Rows`] names holds it; `None` when none does.
    Asked(Option<Timestamp>),
}

impl Dedupe {
    /// Whether this id was accepted in the 7 days up to `now`, as far as memory knows.
    #[must_use]
    pub fn look_up(&self, fingerprint: &Fingerprint, now: Timestamp) -> Lookup {
        let oldest = now.minus(DEDUPE_WINDOW);
        let is_it = |(held, accepted_at): &(Fingerprint, Timestamp)| {
            held == fingerprint && *accepted_at >= oldest
        };
        // Newest first: a producer repeats what it sent last.
        if self.open.iter().rev().any(is_it) {
            return Lookup::Known;
        }
        let mut places = Vec::new();
        let chunks = self.chunks.iter().rev();
        for chunk in chunks.filter(|chunk| chunk.newest >= oldest) {
            for place in chunk.places_of(fingerprint) {
                match self.unwritten_segment(place.segment) {
                    Some(segment) if segment.ids.get(place.index).is_some_and(is_it) => {
                        return Lookup::Known;
                    }
                    Some(_) => {}
                    None => places.push(place),
                }
            }
        }
        if places.is_empty() {
            Lookup::New
        } else {
            Lookup::Rows(places)
        }
    }

    /// Whether this id was accepted in the 7 days up to `now`, with what rows said of it.
    ///
    /// # Panics
    /// When nobody has looked it up, and [`Self::look_up`] gives places.
    #[must_use]
    pub fn contains(&self, fingerprint: &Fingerprint, now: Timestamp, rows: RowsOfIds) -> bool {
        match rows {
            RowsOfIds::NotNeeded { is_known } => is_known,
            RowsOfIds::Asked(accepted_at) => {
                accepted_at.is_some_and(|at| at >= now.minus(DEDUPE_WINDOW))
            }
            RowsOfIds::NotAsked => match self.look_up(fingerprint, now) {
                Lookup::Known => true,
                Lookup::New => false,
                Lookup::Rows(places) => {
                    panic!("rows of event ids have to be asked first: {places:?}")
                }
            },
        }
    }

    /// At most so many ids are held: cheap, and enough to tell most customers from hot ones.
    #[must_use]
    pub fn n_ids_max(&self) -> usize {
        self.chunks.len() * DEDUPE_CHUNK_IDS_MAX + self.open.len()
    }

    /// How many ids lie in the 7 days up to `now`; a chunk with one of them counts whole.
    #[must_use]
    pub fn n_ids(&self, now: Timestamp) -> usize {
        let oldest = now.minus(DEDUPE_WINDOW);
        let chunks = self.chunks.iter().filter(|chunk| chunk.newest >= oldest);
        let n_in_chunks: usize = chunks.map(|chunk| chunk.prefixes.len()).sum();
        // Acceptance stamps never go back, so the ids that still count are the newest.
        let n_too_old = self.open.partition_point(|(_, at)| *at < oldest);
        n_in_chunks + self.open.len() - n_too_old
    }

    /// The lowest segment that still counts: rows of those before it are of no use.
    #[must_use]
    pub fn first_segment(&self) -> u64 {
        let oldest = self.chunks.front();
        oldest.map_or(self.next_segment, |chunk| chunk.first_segment())
    }

    /// The numbers of the segments that count.
    pub fn segments(&self) -> impl Iterator<Item = u64> {
        let chunks = self.chunks.iter();
        chunks.flat_map(|chunk| {
            let n_segments = (chunk.prefixes.len() / DEDUPE_OPEN_IDS_MAX) as u64;
            chunk.first_segment()..chunk.first_segment() + n_segments
        })
    }

    /// Segments that are known to lie in no row yet, by number.
    pub fn segments_to_write(&self) -> impl Iterator<Item = &Arc<IdSegment>> {
        self.unwritten
            .iter()
            .filter(|segment| !segment.is_written())
    }

    /// Remembers an id, and forgets chunks whose every id is older than 7 days. Only [`crate::apply()`] calls this.
    pub(crate) fn remember(&mut self, fingerprint: Fingerprint, now: Timestamp) {
        let oldest = now.minus(DEDUPE_WINDOW);
        while self.chunks.front().is_some_and(|c| c.newest < oldest) {
            self.chunks.pop_front();
        }
        if self.open.len() >= DEDUPE_OPEN_IDS_MAX {
            self.close_segment();
        }
        self.let_go_of_written();
        // Every turn works on a copy, which has room for one: room for more would only be copied.
        self.open.reserve_exact(1);
        self.open.push((fingerprint, now));
    }

    fn close_segment(&mut self) {
        let ids = std::mem::take(&mut self.open);
        let newest = self.chunks.back_mut();
        let number = match newest.filter(|chunk| chunk.prefixes.len() < DEDUPE_CHUNK_IDS_MAX) {
            Some(newest) => {
                Arc::make_mut(newest).extend(&ids);
                self.next_segment
            }
            None => {
                // A chunk's number tells its segments, though the one before may have gone half full.
                let number = self.next_segment.div_ceil(CHUNK_SEGMENTS_MAX);
                let mut chunk = DedupeChunk::new(number);
                chunk.extend(&ids);
                self.chunks.push_back(Arc::new(chunk));
                number * CHUNK_SEGMENTS_MAX
            }
        };
        self.next_segment = number + 1;
        Arc::make_mut(&mut self.unwritten).push(Arc::new(IdSegment::new(number, ids)));
    }

    /// Segments are written in the order of their numbers.
    fn let_go_of_written(&mut self) {
        let first = self.first_segment();
        let counts = |segment: &&Arc<IdSegment>| segment.number >= first && !segment.is_written();
        if self
            .unwritten
            .first()
            .is_some_and(|oldest| !counts(&oldest))
        {
            self.unwritten = Arc::new(
                self.unwritten
                    .iter()
                    .filter(counts)
                    .map(Arc::clone)
                    .collect(),
            );
        }
    }

    fn unwritten_segment(&self, number: u64) -> Option<&IdSegment> {
        let found = self.unwritten.binary_search_by_key(&number, |it| it.number);
        found.ok().map(|idx| self.unwritten[idx].as_ref())
    }
}

impl Clone for Dedupe {
    /// With room for one id more, which is what most turns add to their copy. Whatever the original finds in memory its
    /// copy finds there too, though another thread may write segments meanwhile: a turn asks the one and is decided on
    /// the other.
    fn clone(&self) -> Self {
        let mut open = Vec::with_capacity(self.open.len() + 1);
        open.extend_from_slice(&self.open);
        Self {
            open,
            chunks: self.chunks.clone(),
            next_segment: self.next_segment,
            unwritten: Arc::clone(&self.unwritten),
        }
    }
}

/// Where segments lie says nothing of the customer.
impl PartialEq for Dedupe {
    fn eq(&self, other: &Self) -> bool {
        let Self {
            open,
            chunks,
            next_segment,
            unwritten: _,
        } = self;
        *open == other.open && *chunks == other.chunks && *next_segment == other.next_segment
    }
}

impl Eq for Dedupe {}

/// What the state knows of up to [`crate::limits::DEDUPE_CHUNK_IDS_MAX`] ids, whose segments lie elsewhere. The newest
/// chunk grows, older ones never change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DedupeChunk {
    /// Its number, which tells the numbers of its segments.
    pub number: u64,
    /// When the newest of its ids was accepted.
    pub newest: Timestamp,
    /// Two bytes of each fingerprint, in the order of acceptance. An id of which they differ is not in it; of those that
    /// are new to a full chunk, one in 512 meets one that is equal.
    pub prefixes: Vec<u16>,
    /// Of all ids with their stamps: chunks are equal when their ids are, which replicas compare.
    pub digest: u64,
}

impl DedupeChunk {
    const fn new(number: u64) -> Self {
        Self {
            number,
            newest: Timestamp::EPOCH,
            prefixes: Vec::new(),
            digest: 0,
        }
    }

    /// The number of its first segment.
    #[must_use]
    pub const fn first_segment(&self) -> u64 {
        self.number * CHUNK_SEGMENTS_MAX
    }

    fn extend(&mut self, ids: &[(Fingerprint, Timestamp)]) {
        self.prefixes.reserve_exact(ids.len());
        for (fingerprint, accepted_at) in ids {
            self.prefixes.push(prefix_of(fingerprint));
            self.newest = *accepted_at;
            self.digest = mixed(self.digest, fingerprint, *accepted_at);
        }
    }

    fn places_of(&self, fingerprint: &Fingerprint) -> impl Iterator<Item = IdPlace> {
        let wanted = prefix_of(fingerprint);
        let first_segment = self.first_segment();
        // Nearly always there is none; told without a branch for each, a chunk takes some nanoseconds.
        let is_there = self
            .prefixes
            .iter()
            .fold(false, |is_there, prefix| is_there | (*prefix == wanted));
        let prefixes = if is_there { &self.prefixes[..] } else { &[] };
        let prefixes = prefixes.iter().enumerate().rev();
        prefixes
            .filter(move |(_, prefix)| **prefix == wanted)
            .map(move |(position, _)| IdPlace {
                segment: first_segment + (position / DEDUPE_OPEN_IDS_MAX) as u64,
                index: position % DEDUPE_OPEN_IDS_MAX,
            })
    }
}

/// Ids that lie in one row. The ids of a number never change, so a row may be written again, by a replay too.
#[derive(Debug)]
pub struct IdSegment {
    /// Its number, which names its row.
    pub number: u64,
    /// Its ids in the order of acceptance.
    pub ids: Vec<(Fingerprint, Timestamp)>,
    is_written: AtomicBool,
}

impl IdSegment {
    /// A segment that no row is known to hold.
    #[must_use]
    pub const fn new(number: u64, ids: Vec<(Fingerprint, Timestamp)>) -> Self {
        Self {
            number,
            ids,
            is_written: AtomicBool::new(false),
        }
    }

    /// Notes that readers find it in its row from now on: states let go of it with the next id that they remember.
    pub fn mark_written(&self) {
        self.is_written.store(true, Ordering::Release);
    }

    fn is_written(&self) -> bool {
        self.is_written.load(Ordering::Acquire)
    }
}

impl PartialEq for IdSegment {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number && self.ids == other.ids
    }
}

fn prefix_of(fingerprint: &Fingerprint) -> u16 {
    let [first, second, ..] = *fingerprint.bytes();
    u16::from_be_bytes([first, second])
}

/// A digest with one more id in it. Fingerprints are keyed, so nobody outside can choose ids that meet.
fn mixed(digest: u64, fingerprint: &Fingerprint, accepted_at: Timestamp) -> u64 {
    /// The 64-bit golden ratio: odd, with bits set all over.
    const MULTIPLIER: u64 = 0x9E37_79B9_7F4A_7C15;
    let (halves, _) = fingerprint.bytes().as_chunks::<8>();
    let words = halves.iter().map(|half| u64::from_be_bytes(*half));
    words
        .chain([accepted_at.unix_ms().cast_unsigned()])
        .fold(digest, |digest, word| {
            (digest.rotate_left(29) ^ word).wrapping_mul(MULTIPLIER)
        })
}

#[cfg(test)]
mod tests;
