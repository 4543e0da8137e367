//! A customer with all its rows as one run of bytes, which is that of a head row with everything in it: the form in
//! which it travels in a snapshot, however long, and in which it is packed in memory where it fits one row.

use std::sync::Arc;

use journey_codec::{decode_head, encode_customer};
use journey_customer::CustomerState;
use journey_types::{ClusterKey, Lsn};

use super::Rows;
use super::customer::{Read, fits_inline};
use super::head::{Form, HeadIndex, HeadRow, Written, inline_bytes};
use crate::error::PartitionError;
use crate::replica::place::Place;
use crate::replica::residents::Body;

/// The whole customer as of the entry.
pub(in crate::replica) fn encode_whole(state: &CustomerState, mark: Lsn) -> Vec<u8> {
    let rows = encode_customer(state, mark, None);
    inline_bytes(&HeadIndex::of(state, mark), &rows.head, &rows.parts)
}

/// The customer as the one row that it will be written as; `None` where it needs more.
pub(in crate::replica) fn pack(
    state: &CustomerState,
    mark: Lsn,
    written: Option<Written>,
    row_size_bytes_max: usize,
) -> Option<Box<[u8]>> {
    // Not encoded for nothing where it is far too long.
    if state.size_bytes() > row_size_bytes_max * 2 {
        return None;
    }
    let rows = encode_customer(state, mark, None);
    let has_rows = written.is_some_and(|written| written.form != Form::Inline);
    let index = HeadIndex::of(state, mark);
    fits_inline(&rows, has_rows, row_size_bytes_max)
        .then(|| inline_bytes(&index, &rows.head, &rows.parts).into_boxed_slice())
}

impl Rows {
    /// The state of a customer in memory, in whichever form it lies there.
    pub(in crate::replica) fn unpack(
        &self,
        place: &Place,
        body: &Body,
    ) -> Result<Arc<CustomerState>, PartitionError> {
        match body {
            Body::Live(state) => Ok(Arc::clone(state)),
            Body::Packed(row) => Ok(self.decode_customer(place, row.to_vec())?.state),
        }
    }

    /// Reads what [`encode_whole`] made.
    pub(in crate::replica) fn decode_whole(
        &self,
        cluster_key: &ClusterKey,
        bytes: Vec<u8>,
    ) -> Result<(Place, Read), PartitionError> {
        let row = HeadRow::parse(bytes.clone()).map_err(self.unreadable("snapshot's customer"))?;
        let (head, _) = row
            .whole()
            .map_err(self.unreadable("snapshot's customer"))?;
        let head = decode_head(head).map_err(self.unreadable("snapshot's customer"))?;
        let place = Place::of(cluster_key, &head.key);
        let read = self.decode_customer(&place, bytes)?;
        Ok((place, read))
    }
}
