//! A customer with all its rows as one run of bytes, which is that of a head row with everything in it: the form in
//! which it travels in a snapshot, however long, and in which it is packed in memory where it fits one row.

use std::sync::Arc;

use journey_codec::{CustomerRows, PartId, decode_head, decode_id_segment, encode_customer};
use journey_customer::{CustomerState, IdSegment};
use journey_types::{ClusterKey, Lsn};

use super::Rows;
use super::customer::{Read, fits_inline};
use super::head::{Form, HeadIndex, HeadRow, Written, inline_bytes};
use crate::error::PartitionError;
use crate::replica::place::Place;
use crate::replica::residents::Body;

/// The customer as the one row that it will be written as; `None` where it needs more, or has event ids to be written.
pub(in crate::replica) fn pack(
    state: &CustomerState,
    mark: Lsn,
    written: Option<Written>,
    row_size_bytes_max: usize,
) -> Option<Box<[u8]>> {
    // Not encoded for nothing where it is far too long.
    if state.size_bytes() > row_size_bytes_max * 2
        || state.dedupe.segments_to_write().next().is_some()
    {
        return None;
    }
    let rows = encode_customer(state, mark, None);
    let has_rows = written.is_some_and(|written| written.form != Form::Inline);
    let index = HeadIndex::of(state, mark);
    fits_inline(&rows, has_rows, row_size_bytes_max)
        .then(|| inline_bytes(&index, &rows.head, &rows.parts).into_boxed_slice())
}

impl Rows {
    /// The whole customer as of the entry, its event ids included.
    pub(in crate::replica) fn encode_whole(
        &self,
        place: &Place,
        state: &CustomerState,
        mark: Lsn,
    ) -> Result<Vec<u8>, PartitionError> {
        let CustomerRows {
            mut parts, head, ..
        } = encode_customer(state, mark, None);
        let segments = self.segments_of(place, state)?.into_iter();
        parts.extend(segments.map(|(number, ids)| (PartId::IdSegment(number), ids)));
        Ok(inline_bytes(&HeadIndex::of(state, mark), &head, &parts))
    }

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

    /// Reads what [`Self::encode_whole`] made; the state holds all event ids then.
    pub(in crate::replica) fn decode_whole(
        &self,
        cluster_key: &ClusterKey,
        bytes: Vec<u8>,
    ) -> Result<(Place, Read), PartitionError> {
        let row = HeadRow::parse(bytes.clone()).map_err(self.unreadable("snapshot's customer"))?;
        let (head, parts) = row
            .whole()
            .map_err(self.unreadable("snapshot's customer"))?;
        let mut segments = Vec::new();
        for (part, bytes) in parts {
            if let PartId::IdSegment(number) = part {
                let ids = decode_id_segment(bytes);
                let ids = ids.map_err(self.unreadable("snapshot's event ids"))?;
                segments.push(Arc::new(IdSegment::new(number, ids)));
            }
        }
        let head = decode_head(head).map_err(self.unreadable("snapshot's customer"))?;
        let place = Place::of(cluster_key, &head.key);
        let mut read = self.decode_customer(&place, bytes)?;
        Arc::make_mut(&mut read.state).dedupe.unwritten = Arc::new(segments);
        Ok((place, read))
    }
}
