//! The canonical hash of a whole partition: equal on every replica and machine after the same entries (G8).

use std::collections::BTreeMap;
use std::ops::Bound;

use journey_codec::{Control, HashChain, JourneyCounts, control_hash, counts_hash, state_hash};
use journey_customer::CustomerState;
use journey_storage::{Scan, Table};
use xxhash_rust::xxh3::xxh3_128;

use super::Replica;
use super::counts::CountsKey;
use super::reads::was_born;
use crate::error::PartitionError;

impl Replica {
    /// Hashes every customer in the order of (slot, customer), counts and control. Reads every row: for checks, not
    /// for every day. Comparable between replicas only where [`Self::is_exact`] holds.
    ///
    /// # Errors
    /// When the replica is stopped or rows cannot be read.
    pub fn state_hash(&mut self) -> Result<u128, PartitionError> {
        self.check_running()?;
        let mut hashes = HashChain::default();
        let dirty = self.residents.dirty_after(Bound::Unbounded);
        let mut dirty = dirty.peekable();
        for row in Scan::prefix(self.rows.tree(), &Table::Customer.key().finish()) {
            let (key, head) = row.map_err(self.rows.failed("scanning head rows"))?;
            let place = self.rows.place_of(&key)?;
            while let Some((before, body)) = dirty.next_if(|(dirty, _)| **dirty < place) {
                add(&mut hashes, self.rows.unpack(before, body)?.as_ref());
            }
            if let Some((_, body)) = dirty.next_if(|(dirty, _)| **dirty == place) {
                add(&mut hashes, self.rows.unpack(&place, body)?.as_ref());
            } else {
                add(&mut hashes, &self.rows.decode_customer(&place, head)?.state);
            }
        }
        for (place, body) in dirty {
            add(&mut hashes, self.rows.unpack(place, body)?.as_ref());
        }
        push_partition(&mut hashes, self.counts(), &self.control);
        Ok(hashes.finish())
    }
}

/// Behind the customers: what the partition knows beside them.
pub(super) fn push_partition(
    hashes: &mut HashChain,
    counts: &BTreeMap<CountsKey, JourneyCounts>,
    control: &Control,
) {
    for ((journey, version), counts) in counts {
        let name = format!("{journey} {version}");
        hashes.push(xxh3_128(name.as_bytes()));
        hashes.push(counts_hash(counts));
    }
    hashes.push(control_hash(control));
}

fn add(hashes: &mut HashChain, state: &CustomerState) {
    if was_born(state) {
        hashes.push(state_hash(state));
    }
}
