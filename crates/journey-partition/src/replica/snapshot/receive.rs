//! The receiving side: fills a tree beside the partition's own, and makes it the partition's once all of it is there,
//! right and durable. A crash at any point leaves the old state whole or the new one.

use std::sync::Arc;

use journey_codec::decode_counts;
use journey_types::{Lsn, Timestamp};

use super::generation::{self, partition_tree};
use super::wire::{Header, Record, RecordReader, SnapshotChunk, Trailer};
use crate::error::PartitionError;
use crate::limits::SNAPSHOT_ROWS_MAX;
use crate::replica::place::Place;
use crate::replica::residents::{Body, Taken};
use crate::replica::rows::{Floor, Rows, Tidying};
use crate::replica::{Replica, ReplicaOptions, SharedReplica};

/// Takes a snapshot in. Dropped before [`Self::install`] it leaves rows that nobody reads and the next opening removes.
#[derive(Debug)]
pub struct SnapshotReceiver {
    /// With the tree that is being filled.
    options: ReplicaOptions,
    generation: u32,
    rows: Rows,
    reader: RecordReader,
    n_bytes: u64,
    header: Option<Header>,
    last_place: Option<Place>,
    n_customers: u64,
    n_counts: u64,
    puts: Vec<journey_storage::Put>,
    trailer: Option<Trailer>,
    /// Checked and durable, not yet the partition's.
    is_finished: bool,
}

impl SnapshotReceiver {
    /// Begins to receive. `options.tree` is not looked at: the rows go into a tree of their own. No other snapshot of
    /// the partition may be received meanwhile.
    ///
    /// # Errors
    /// When the database fails.
    pub fn open(mut options: ReplicaOptions) -> Result<Self, PartitionError> {
        let (engine, partition) = (options.engine.as_ref(), options.partition);
        let failed = generation::failed(engine, partition);
        let generation = generation::read(engine, partition).map_err(&failed)? + 1;
        let name = generation::tree_name(partition, generation);
        // Half of an earlier one may be there.
        engine.remove_tree(&name).map_err(&failed)?;
        options.tree = engine.tree(&name).map_err(&failed)?;
        Ok(Self {
            rows: Rows::new(&options),
            options,
            generation,
            reader: RecordReader::default(),
            n_bytes: 0,
            header: None,
            last_place: None,
            n_customers: 0,
            n_counts: 0,
            puts: Vec::new(),
            trailer: None,
            is_finished: false,
        })
    }

    /// Takes the next chunk.
    ///
    /// # Errors
    /// [`PartitionError::SnapshotRefused`] when it is not the next one or does not fit, or when the database fails.
    /// Receiving is over then: drop this and begin again.
    pub fn take(&mut self, chunk: &SnapshotChunk) -> Result<(), PartitionError> {
        if chunk.offset != self.n_bytes {
            return Err(self.refused(format!(
                "its chunk at byte {} came where byte {} was due",
                chunk.offset, self.n_bytes
            )));
        }
        self.n_bytes += chunk.bytes.len() as u64;
        self.reader.push(&chunk.bytes);
        while let Some(record) = self.reader.next().map_err(|reason| self.refused(reason))? {
            self.take_record(record)?;
            if self.puts.len() >= SNAPSHOT_ROWS_MAX {
                self.write()?;
            }
        }
        self.write()
    }

    /// Checks that everything has come, and makes it durable.
    ///
    /// # Errors
    /// [`PartitionError::SnapshotRefused`] when something is missing or the state's hash is another, or when the
    /// database fails. Receiving is over then.
    pub fn finish(&mut self) -> Result<(), PartitionError> {
        let (Some(header), Some(trailer)) = (&self.header, self.trailer) else {
            return Err(self.refused("it ended before its last record".to_owned()));
        };
        if !self.reader.is_empty() {
            return Err(self.refused("something follows its last record".to_owned()));
        }
        let (control, consensus) = journey_codec::decode_floor(&header.floor)
            .map_err(|error| self.refused(error.to_string()))?;
        let at = header.at;
        let floor = Floor { lsn: at, consensus };
        let mut puts = vec![Rows::put_rows_through(at)];
        puts.extend(self.rows.write_floor(&floor, &control)?);
        self.rows.put(&puts)?;
        self.rows.flush()?;
        // Read back from the rows: what is checked is what will be served.
        let found = Replica::open(self.options.clone())?.state_hash()?;
        if found != trailer.state_hash {
            return Err(self.refused(format!(
                "its state hash is {:032x}, and what was received hashes to {found:032x}",
                trailer.state_hash
            )));
        }
        self.is_finished = true;
        Ok(())
    }

    /// Makes it the partition's state, in one durable write, after [`SnapshotReceiver::finish`], which it calls where
    /// that was left out. The replica opened next stands at the entry returned.
    ///
    /// # Errors
    /// As [`SnapshotReceiver::finish`]. The old state stays as it was.
    pub fn install(mut self) -> Result<Lsn, PartitionError> {
        if !self.is_finished {
            self.finish()?;
        }
        let at = self.at();
        let engine = self.options.engine.as_ref();
        let switched = generation::switch(engine, self.options.partition, self.generation);
        switched.map_err(generation::failed(engine, self.options.partition))?;
        tracing::info!(
            partition_id = %self.options.partition,
            lsn = %at,
            n_customers = self.n_customers,
            n_bytes = self.n_bytes,
            "installed a snapshot"
        );
        Ok(at)
    }

    /// [`SnapshotReceiver::install`] under a replica that runs: its readers go on with the new state.
    ///
    /// # Errors
    /// As [`SnapshotReceiver::install`].
    pub fn install_into(self, replica: &SharedReplica) -> Result<Lsn, PartitionError> {
        let options = self.options.clone();
        let writer = Arc::clone(&replica.lock().writer);
        // No checkpoint may be half way between the old rows and the new ones.
        let _only = writer.lock();
        let at = self.install()?;
        let mut next = Replica::open(options.clone())?;
        {
            let mut current = replica.lock();
            next.writer = Arc::clone(&writer);
            next.n_superseded = current.n_superseded;
            next.n_adopted = current.n_adopted;
            next.timers_read = current.timers_read.clone();
            // Streams of the old state end; their numbers are not given again.
            next.streams.n_opened = current.streams.n_opened;
            *current = next;
        }
        // Those of the old generation.
        partition_tree(options.engine.as_ref(), options.partition)?;
        Ok(at)
    }

    fn take_record(&mut self, record: Record) -> Result<(), PartitionError> {
        if self.header.is_none() != matches!(record, Record::Header(_)) || self.trailer.is_some() {
            return Err(self.refused("its records are out of order".to_owned()));
        }
        match record {
            Record::Header(header) => {
                if header.partition != self.options.partition {
                    let found = header.partition;
                    return Err(self.refused(format!("it is of partition {found}")));
                }
                self.header = Some(header);
                Ok(())
            }
            Record::Customer(bytes) => self.take_customer(bytes.to_vec()),
            Record::Counts(key, bytes) => {
                let counts =
                    decode_counts(&bytes).map_err(|error| self.refused(error.to_string()))?;
                let puts = self.rows.write_counts(&key, self.at(), &counts)?;
                self.puts.extend(puts);
                self.n_counts += 1;
                Ok(())
            }
            Record::Trailer(trailer) => {
                let (size_bytes, bytes_hash) = self.reader.passed();
                let found = Trailer {
                    n_customers: self.n_customers,
                    n_counts: self.n_counts,
                    size_bytes,
                    bytes_hash,
                    ..trailer
                };
                if found != trailer {
                    return Err(self.refused(format!("{found:?} came of {trailer:?}")));
                }
                self.trailer = Some(trailer);
                Ok(())
            }
        }
    }

    fn take_customer(&mut self, bytes: Vec<u8>) -> Result<(), PartitionError> {
        let (place, read) = self.rows.decode_whole(&self.options.cluster_key, bytes)?;
        if self.last_place.as_ref().is_some_and(|last| *last >= place) {
            return Err(self.refused("its customers are out of order".to_owned()));
        }
        let taken = Taken {
            place: place.clone(),
            body: Body::Live(read.state),
            through: self.at(),
            first: self.at(),
            // The tree is new, and no customer comes twice.
            written: None,
            timers_far_from: Timestamp::MAX,
        };
        self.rows
            .write_customer(&taken, Tidying::NotNeeded, &mut self.puts)?;
        self.last_place = Some(place);
        self.n_customers += 1;
        Ok(())
    }

    fn write(&mut self) -> Result<(), PartitionError> {
        self.rows.put(&std::mem::take(&mut self.puts))
    }

    fn at(&self) -> Lsn {
        self.header.as_ref().map_or(Lsn::new(0), |header| header.at)
    }

    fn refused(&self, reason: String) -> PartitionError {
        PartitionError::SnapshotRefused {
            partition: self.options.partition,
            reason: format!("a snapshot received: {reason}"),
        }
    }
}
