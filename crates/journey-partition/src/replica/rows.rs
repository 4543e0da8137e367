//! The partition's tree as the replica sees it: floor, counts, and customers with their index rows.
//!
//! ```text
//!   m floor               control and consensus' blob as of the floor           marked with the floor
//!   m through             how far rows may reflect
//!   a c <journey> <version>     counts                                          each with its own mark
//!   s, r, t, o            customers: see `customer.rs`                          each with its own mark
//!   d                     their event ids: see `ids.rs`                         written once
//! ```

mod customer;
mod head;
mod ids;
mod whole;

use std::sync::Arc;

use bytes::Bytes;
use journey_codec::{Control, JourneyCounts};
use journey_storage::{Engine, Put, StorageError, Table, Tree};
use journey_types::{ClusterKey, DefinitionVersion, JourneyId, Lsn, PartitionId, Slot};

pub(super) use self::customer::Tidying;
#[cfg(test)]
pub(super) use self::head::Form;
pub(super) use self::head::{HeadIndex, Written};
#[cfg(test)]
pub(super) use self::ids::segment_key;
pub(super) use self::whole::pack;
use super::ReplicaOptions;
use super::counts::{Counts, CountsKey};
use super::marked::{self, Marked};
use super::place::Place;
use crate::error::PartitionError;

/// What the rows durably hold, entry by entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Floor {
    /// The highest entry with nothing unwritten at or below it.
    pub(super) lsn: Lsn,
    /// Consensus' blob as of that entry.
    pub(super) consensus: Option<Bytes>,
}

/// The rows of one partition.
#[derive(Debug, Clone)]
pub(super) struct Rows {
    partition: PartitionId,
    cluster_key: ClusterKey,
    /// Where the rows lie, for errors.
    database: Arc<str>,
    engine: Arc<dyn Engine>,
    tree: Arc<dyn Tree>,
    row_size_bytes_max: usize,
}

/// Tells counts from other aggregates.
const COUNTS: u8 = b'c';

impl Rows {
    /// What was opened, for another tree of the same database.
    pub(super) fn options(
        &self,
        cluster_key: ClusterKey,
        customers_size_bytes_max: usize,
    ) -> ReplicaOptions {
        ReplicaOptions {
            partition: self.partition,
            cluster_key,
            engine: Arc::clone(&self.engine),
            tree: Arc::clone(&self.tree),
            row_size_bytes_max: self.row_size_bytes_max,
            customers_size_bytes_max,
        }
    }

    pub(super) fn new(options: &ReplicaOptions) -> Self {
        Self {
            partition: options.partition,
            cluster_key: options.cluster_key,
            database: Arc::from(options.engine.location()),
            engine: Arc::clone(&options.engine),
            tree: Arc::clone(&options.tree),
            row_size_bytes_max: options.row_size_bytes_max,
        }
    }

    pub(super) fn tree(&self) -> &dyn Tree {
        self.tree.as_ref()
    }

    /// Writes the changes in order.
    pub(super) fn put(&self, puts: &[Put]) -> Result<(), PartitionError> {
        let written = self.tree.put_ordered(puts);
        written.map_err(self.failed("writing rows"))
    }

    pub(super) fn flush(&self) -> Result<(), PartitionError> {
        let flushed = self.engine.flush_durable();
        flushed.map_err(self.failed("flushing rows"))
    }

    /// The floor and control as of it; where there is none yet, those of an empty partition.
    pub(super) fn read_floor(&self) -> Result<(Floor, Control), PartitionError> {
        let row = marked::read(self.tree(), &floor_key());
        let Some(row) = row.map_err(self.failed("reading the floor"))? else {
            let floor = Floor {
                lsn: Lsn::default(),
                consensus: None,
            };
            return Ok((floor, Control::default()));
        };
        let (control, consensus) =
            journey_codec::decode_floor(&row.value).map_err(self.unreadable("floor"))?;
        let floor = Floor {
            lsn: row.mark,
            consensus,
        };
        Ok((floor, control))
    }

    /// The changes that move the floor.
    pub(super) fn write_floor(
        &self,
        floor: &Floor,
        control: &Control,
    ) -> Result<Vec<Put>, PartitionError> {
        let value = journey_codec::encode_floor(control, floor.consensus.as_ref());
        self.write_marked(&floor_key(), floor.lsn, &value)
    }

    /// The last entry that any row may reflect.
    pub(super) fn read_rows_through(&self) -> Result<Lsn, PartitionError> {
        let row = self.tree.get(&rows_through_key());
        let row = row.map_err(self.failed("reading how far rows reflect"))?;
        let Some(row) = row else {
            return Ok(Lsn::default());
        };
        let number = row.as_slice().try_into().map(u64::from_be_bytes);
        number.map(Lsn::new).map_err(|_| {
            self.unreadable("rows through")(format!("{} bytes are no index", row.len()))
        })
    }

    /// To be written before rows that may reflect entries up to there.
    pub(super) fn put_rows_through(lsn: Lsn) -> Put {
        Put::set(rows_through_key(), lsn.get().to_be_bytes())
    }

    pub(super) fn read_counts(&self) -> Result<Counts, PartitionError> {
        let mut counts = Counts::default();
        let prefix = Table::Aggregate.key().u8(COUNTS).finish();
        for row in marked::rows_of(self.tree(), &prefix) {
            let (key, row) = row.map_err(self.failed("reading counts"))?;
            let key = self.counts_key_of(&key)?;
            let by_step =
                journey_codec::decode_counts(&row.value).map_err(self.unreadable("counts"))?;
            counts.restore(key, row.mark, by_step);
        }
        Ok(counts)
    }

    /// The changes that write a version's counts as of the entry.
    pub(super) fn write_counts(
        &self,
        (journey, version): &CountsKey,
        mark: Lsn,
        counts: &JourneyCounts,
    ) -> Result<Vec<Put>, PartitionError> {
        let key = Table::Aggregate.key().u8(COUNTS);
        let key = key.text(journey.as_str()).u32(version.get()).finish();
        self.write_marked(&key, mark, &journey_codec::encode_counts(counts))
    }

    /// The first slot from here on that holds a head row.
    pub(super) fn first_slot_from(&self, slot: Slot) -> Result<Option<Slot>, PartitionError> {
        let from = Table::Customer.key().u16(slot.get()).finish();
        let (_, to) = journey_storage::keys::prefix_bounds(&Table::Customer.key().finish());
        let to = to.as_ref().map(Vec::as_slice);
        let rows = self.tree.range(std::ops::Bound::Included(&from), to, 1);
        let rows = rows.map_err(self.failed("scanning head rows"))?;
        let first = rows.first().map(|(key, _)| self.place_of(key));
        Ok(first.transpose()?.map(|place| place.slot))
    }

    /// The place that the key of a head row names.
    pub(super) fn place_of(&self, head_key: &[u8]) -> Result<Place, PartitionError> {
        let mut reader = Table::Customer
            .read(head_key)
            .map_err(self.unreadable("head"))?;
        let (slot, customer) = reader.customer().map_err(self.unreadable("head"))?;
        let place = Place::of(&self.cluster_key, &customer);
        if place.slot != slot {
            let (slot, right) = (slot.get(), place.slot.get());
            let reason = format!("{customer} lies in slot {slot} and belongs into {right}");
            return Err(self.unreadable("head")(reason));
        }
        Ok(place)
    }

    fn write_marked(
        &self,
        key: &[u8],
        mark: Lsn,
        value: &[u8],
    ) -> Result<Vec<Put>, PartitionError> {
        let marked = Marked {
            mark,
            value: value.to_vec(),
        };
        let puts = marked::write(self.tree(), key, &marked, self.row_size_bytes_max);
        puts.map_err(self.failed("writing a marked row"))
    }

    fn counts_key_of(&self, key: &[u8]) -> Result<CountsKey, PartitionError> {
        let parse = || -> Result<CountsKey, String> {
            let mut reader = Table::Aggregate.read(key).map_err(|bad| bad.to_string())?;
            reader.u8().map_err(|bad| bad.to_string())?;
            let journey = reader.text().map_err(|bad| bad.to_string())?;
            let version = reader.u32().map_err(|bad| bad.to_string())?;
            let journey = JourneyId::new(journey).map_err(|bad| bad.to_string())?;
            Ok((journey, DefinitionVersion::new(version)))
        };
        parse().map_err(self.unreadable("counts"))
    }

    pub(super) fn failed(
        &self,
        attempt: &'static str,
    ) -> impl Fn(StorageError) -> PartitionError + use<> {
        let (partition, database) = (self.partition, Arc::clone(&self.database));
        move |source| PartitionError::Storage {
            partition,
            database: database.to_string(),
            attempt,
            source,
        }
    }

    pub(super) fn unreadable<E: ToString>(
        &self,
        table: &'static str,
    ) -> impl Fn(E) -> PartitionError + use<E> {
        let (partition, database) = (self.partition, Arc::clone(&self.database));
        move |reason| PartitionError::UnreadableRow {
            partition,
            database: database.to_string(),
            table,
            reason: reason.to_string(),
        }
    }
}

fn floor_key() -> Vec<u8> {
    Table::Control.key().text("floor").finish()
}

fn rows_through_key() -> Vec<u8> {
    Table::Control.key().text("through").finish()
}
