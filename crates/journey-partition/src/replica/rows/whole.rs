//! A customer with all its rows as one run of bytes: the form in which it travels in a snapshot, which is that of a
//! head row with everything in it, however long.

use journey_codec::{decode_head, encode_customer};
use journey_customer::CustomerState;
use journey_types::{ClusterKey, Lsn};

use super::Rows;
use super::head::{HeadIndex, HeadRow};
use crate::error::PartitionError;
use crate::replica::place::Place;
use crate::replica::residents::Resident;

/// The whole customer as of the entry.
pub(in crate::replica) fn encode_whole(state: &CustomerState, mark: Lsn) -> Vec<u8> {
    let rows = encode_customer(state, mark, None);
    HeadRow::inline(HeadIndex::of(state, mark), &rows.head, &rows.parts).to_bytes()
}

impl Rows {
    /// Reads what [`encode_whole`] made.
    pub(in crate::replica) fn decode_whole(
        &self,
        cluster_key: &ClusterKey,
        bytes: Vec<u8>,
    ) -> Result<(Place, Resident), PartitionError> {
        let row = HeadRow::parse(bytes.clone()).map_err(self.unreadable("snapshot's customer"))?;
        let (head, _) = row
            .whole()
            .map_err(self.unreadable("snapshot's customer"))?;
        let head = decode_head(&head).map_err(self.unreadable("snapshot's customer"))?;
        let place = Place::of(cluster_key, &head.key);
        let resident = self.decode_customer(&place, bytes)?;
        Ok((place, resident))
    }
}
