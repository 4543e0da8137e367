//! The sending side: reads a replica as it was at one entry, a bounded page at a time.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use journey_codec::{Control, HashChain, JourneyCounts, state_hash};
use journey_customer::CustomerState;
use journey_storage::keys::prefix_bounds;
use journey_storage::{Scan, Table};
use journey_types::{Lsn, PartitionId};
use xxhash_rust::xxh3::Xxh3;

use super::wire::{Header, Record, SnapshotChunk, Trailer};
use super::{StreamId, Streams};
use crate::error::PartitionError;
use crate::limits::{
    SNAPSHOT_CHUNK_SIZE_BYTES_MAX, SNAPSHOT_PAGE_CUSTOMERS_MAX, SNAPSHOT_SIDE_TABLE_BYTES_MAX,
    SNAPSHOT_STREAMS_MAX,
};
use crate::replica::counts::CountsKey;
use crate::replica::place::Place;
use crate::replica::reads::was_born;
use crate::replica::state_hash::push_partition;
use crate::replica::{Replica, SharedReplica};

/// Reads a snapshot of a replica, exact at one entry, chunk by chunk and as fast as it should be paced. The replica is
/// locked only for a page of customers at a time. Dropping it lets the applier and the log go.
pub struct SnapshotSender {
    replica: SharedReplica,
    stream: StreamId,
    sizes: Sizes,
    partition: PartitionId,
    at: Lsn,
    control: Control,
    consensus: Option<Bytes>,
    counts: BTreeMap<CountsKey, JourneyCounts>,
    phase: Phase,
    hashes: HashChain,
    n_customers: u64,
    /// Written and not yet handed out: at most a page and a chunk.
    buffer: Vec<u8>,
    n_bytes_written: u64,
    written: Xxh3,
    n_bytes_out: u64,
}

/// How much at a time; tests read in small steps.
#[derive(Debug, Clone, Copy)]
pub(in crate::replica) struct Sizes {
    pub(in crate::replica) page_customers_max: usize,
    pub(in crate::replica) chunk_size_bytes_max: usize,
    pub(in crate::replica) side_table_bytes_max: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            page_customers_max: SNAPSHOT_PAGE_CUSTOMERS_MAX,
            chunk_size_bytes_max: SNAPSHOT_CHUNK_SIZE_BYTES_MAX,
            side_table_bytes_max: SNAPSHOT_SIDE_TABLE_BYTES_MAX,
        }
    }
}

/// A customer as it was at the stream's entry.
type Customer = (Place, Arc<CustomerState>);

/// A place, and its head row where there is one.
type PlaceWithRow = (Place, Option<Vec<u8>>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Header,
    Customers,
    Trailer,
    Done,
}

impl SnapshotSender {
    /// Opens a stream at the last entry applied.
    ///
    /// # Errors
    /// When the replica is stopped, has not replayed what its rows reflect, or has as many streams as it may.
    pub fn open(replica: &SharedReplica) -> Result<Self, PartitionError> {
        Self::open_with(replica, Sizes::default())
    }

    pub(in crate::replica) fn open_with(
        replica: &SharedReplica,
        sizes: Sizes,
    ) -> Result<Self, PartitionError> {
        let mut locked = replica.lock();
        locked.check_running()?;
        let partition = locked.partition;
        let refused = |reason: &str| PartitionError::SnapshotRefused {
            partition,
            reason: reason.to_owned(),
        };
        if !locked.is_exact() {
            return Err(refused("it is still replaying its log; try again"));
        }
        if locked.streams.open.len() >= SNAPSHOT_STREAMS_MAX {
            return Err(refused("enough snapshots of it are being read; try again"));
        }
        let at = locked.applied;
        Ok(Self {
            stream: locked.streams.add(at, sizes.side_table_bytes_max),
            sizes,
            partition,
            at,
            control: locked.control,
            consensus: locked.consensus.clone(),
            counts: locked.counts.by_version().clone(),
            phase: Phase::Header,
            hashes: HashChain::default(),
            n_customers: 0,
            buffer: Vec::new(),
            n_bytes_written: 0,
            written: Xxh3::new(),
            n_bytes_out: 0,
            replica: Arc::clone(replica),
        })
    }

    /// The entry that the snapshot is exact at.
    #[must_use]
    pub const fn at(&self) -> Lsn {
        self.at
    }

    /// Consensus' blob as of that entry.
    #[must_use]
    pub fn consensus(&self) -> Option<Bytes> {
        self.consensus.clone()
    }

    /// The next chunk; `None` behind the last.
    ///
    /// # Errors
    /// [`PartitionError::SnapshotCancelled`] when customers changed faster than they were read: a new stream may be
    /// opened later. When the replica is stopped or rows cannot be read.
    pub fn next_chunk(&mut self) -> Result<Option<SnapshotChunk>, PartitionError> {
        while self.buffer.len() < self.sizes.chunk_size_bytes_max && self.phase != Phase::Done {
            self.go_on()?;
        }
        if self.buffer.is_empty() {
            return Ok(None);
        }
        let n_bytes = self.buffer.len().min(self.sizes.chunk_size_bytes_max);
        let rest = self.buffer.split_off(n_bytes);
        let bytes = Bytes::from(mem::replace(&mut self.buffer, rest));
        let offset = self.n_bytes_out;
        self.n_bytes_out += bytes.len() as u64;
        Ok(Some(SnapshotChunk {
            offset,
            bytes,
            is_last: self.phase == Phase::Done && self.buffer.is_empty(),
        }))
    }

    fn go_on(&mut self) -> Result<(), PartitionError> {
        match self.phase {
            Phase::Header => {
                let floor = journey_codec::encode_floor(&self.control, self.consensus.as_ref());
                self.write(&Record::Header(Header {
                    partition: self.partition,
                    at: self.at,
                    floor,
                }));
                self.phase = Phase::Customers;
            }
            Phase::Customers => {
                let mut replica = self.replica.lock();
                let (page, is_last) = replica.page_of(self.stream, self.sizes)?;
                let rows = replica.rows.clone();
                drop(replica);
                for (place, state) in &page {
                    self.hashes.push(state_hash(state));
                    let bytes = rows.encode_whole(place, state, self.at)?;
                    self.write(&Record::Customer(Bytes::from(bytes)));
                }
                self.n_customers += page.len() as u64;
                if is_last {
                    self.phase = Phase::Trailer;
                }
            }
            Phase::Trailer => {
                self.write_end();
                self.phase = Phase::Done;
            }
            Phase::Done => {}
        }
        Ok(())
    }

    fn write_end(&mut self) {
        let counts = mem::take(&mut self.counts);
        push_partition(&mut self.hashes, &counts, &self.control);
        let n_counts = counts.len() as u64;
        for (key, counts) in counts {
            let bytes = journey_codec::encode_counts(&counts);
            self.write(&Record::Counts(key, bytes));
        }
        let trailer = Trailer {
            n_customers: self.n_customers,
            n_counts,
            size_bytes: self.n_bytes_written,
            bytes_hash: self.written.digest128(),
            state_hash: self.hashes.finish(),
        };
        self.write(&Record::Trailer(trailer));
    }

    fn write(&mut self, record: &Record) {
        let before = self.buffer.len();
        record.write(&mut self.buffer);
        self.n_bytes_written += (self.buffer.len() - before) as u64;
        self.written.update(&self.buffer[before..]);
    }
}

impl std::fmt::Debug for SnapshotSender {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "SnapshotSender({} at {})",
            self.partition, self.at
        )
    }
}

impl Drop for SnapshotSender {
    fn drop(&mut self) {
        self.replica.lock().streams.open.remove(&self.stream);
    }
}

impl Replica {
    /// How far the log may be purged: the floor, but not behind what an open stream stands for, since whoever receives
    /// it goes on from there.
    #[must_use]
    pub fn purge_limit(&self) -> Lsn {
        let oldest = self.streams.oldest();
        oldest.map_or(self.floor.lsn, |oldest| oldest.min(self.floor.lsn))
    }

    /// The next customers of a stream as they were at its entry, and whether they are the last.
    fn page_of(
        &mut self,
        stream: StreamId,
        sizes: Sizes,
    ) -> Result<(Vec<Customer>, bool), PartitionError> {
        self.check_running()?;
        let mut page = Vec::new();
        let mut size_bytes = 0;
        // At most so many places, so that those nobody had heard of at the entry cannot hold the lock either.
        let mut n_left = sizes.page_customers_max;
        while n_left > 0 && size_bytes < sizes.chunk_size_bytes_max {
            let places = self.places_behind(stream, n_left)?;
            if places.is_empty() {
                self.stream_mut(stream)?.has_read_all = true;
                return Ok((page, true));
            }
            for (place, row) in places {
                if let Some(state) = self.state_at(stream, &place, row)? {
                    size_bytes += state.size_bytes();
                    page.push((place.clone(), state));
                }
                self.stream_mut(stream)?.pass(place);
                n_left -= 1;
                if size_bytes >= sizes.chunk_size_bytes_max {
                    break;
                }
            }
        }
        Ok((page, false))
    }

    fn stream_mut(&mut self, stream: StreamId) -> Result<&mut super::Stream, PartitionError> {
        let partition = self.partition;
        let cancelled = |reason: &str| PartitionError::SnapshotCancelled {
            partition,
            reason: reason.to_owned(),
        };
        let Streams { open, .. } = &mut self.streams;
        let stream = open.get_mut(&stream);
        let stream = stream.ok_or_else(|| cancelled("its stream was closed"))?;
        match &stream.cancelled {
            None => Ok(stream),
            Some(reason) => Err(cancelled(reason)),
        }
    }

    /// The next places behind a stream's cursor that rows, memory or its side table know, with the head row where
    /// there is one.
    fn places_behind(
        &mut self,
        stream: StreamId,
        n_max: usize,
    ) -> Result<Vec<PlaceWithRow>, PartitionError> {
        self.stream_mut(stream)?;
        let stream = &self.streams.open[&stream];
        let cursor = stream.behind_cursor();
        let (first, end) = prefix_bounds(&Table::Customer.key().finish());
        let start = match &stream.cursor {
            Some(place) => std::ops::Bound::Excluded(place.head_key()),
            None => first,
        };
        let mut places = BTreeMap::new();
        for row in Scan::new(self.rows.tree(), start, end).take(n_max) {
            let (key, row) = row.map_err(self.rows.failed("scanning head rows"))?;
            places.insert(self.rows.place_of(&key)?, Some(row));
        }
        for (place, _) in self.residents.dirty_after(cursor).take(n_max) {
            places.entry(place.clone()).or_insert(None);
        }
        let saved = stream
            .side_table
            .range((cursor, std::ops::Bound::Unbounded));
        for (place, _) in saved.take(n_max) {
            places.entry(place.clone()).or_insert(None);
        }
        // Each source gave its first so many: of all of them together only the first so many are sure to be complete.
        Ok(places.into_iter().take(n_max).collect())
    }

    /// A customer as it was at a stream's entry.
    fn state_at(
        &self,
        stream: StreamId,
        place: &Place,
        row: Option<Vec<u8>>,
    ) -> Result<Option<Arc<CustomerState>>, PartitionError> {
        let saved = self.streams.open[&stream].side_table.get(place);
        if let Some(saved) = saved {
            return Ok(saved.clone());
        }
        let state = match (self.residents.dirty_body(place), row) {
            (Some(body), _) => self.rows.unpack(place, body)?,
            (None, Some(row)) => self.rows.decode_customer(place, row)?.state,
            (None, None) => return Ok(None),
        };
        Ok(was_born(&state).then_some(state))
    }
}
