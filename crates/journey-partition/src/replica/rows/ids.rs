//! Rows of event ids: one for each segment, written once, before the first head that knows of it, and read only where a
//! repeat is likely. A segment's ids follow from the journal alone, so a replay writes the same row again.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use journey_codec::{decode_id_segment, encode_id_segment};
use journey_customer::{CustomerState, IdPlace};
use journey_storage::{Put, Scan, Table};
use journey_types::{Fingerprint, Timestamp};

use super::Rows;
use super::customer::Tidying;
use crate::error::PartitionError;
use crate::replica::place::Place;

/// Segments by number, as stored.
pub(super) type Segments = BTreeMap<u64, Bytes>;

impl Rows {
    /// When an event id was accepted, as one of these places holds it; `None` when none does.
    pub(in crate::replica) fn accepted_at(
        &self,
        place: &Place,
        fingerprint: &Fingerprint,
        places: &[IdPlace],
    ) -> Result<Option<Timestamp>, PartitionError> {
        for IdPlace { segment, index } in places {
            let row = self.tree.get(&segment_key(place, *segment));
            let row = row.map_err(self.failed("reading event ids"))?;
            let customer = &place.customer;
            let missing = || format!("segment {segment} of {customer} is not there");
            let row = row.ok_or_else(missing);
            let ids = row.and_then(|row| decode_id_segment(&row).map_err(|bad| bad.to_string()));
            let ids = ids.map_err(self.unreadable("event ids"))?;
            let (held, accepted_at) = ids.get(*index).ok_or_else(|| {
                let reason = format!("segment {segment} of {customer} has no id {index}");
                self.unreadable("event ids")(reason)
            })?;
            if held == fingerprint {
                return Ok(Some(*accepted_at));
            }
        }
        Ok(None)
    }

    /// Every segment that the customer's state counts on, from rows and from the state itself. One whose ids were all
    /// forgotten after that state may have no row any more, and nobody will ask for it.
    pub(in crate::replica) fn segments_of(
        &self,
        place: &Place,
        state: &CustomerState,
    ) -> Result<Segments, PartitionError> {
        let dedupe = &state.dedupe;
        let mut segments = Segments::new();
        if dedupe.chunks.is_empty() {
            return Ok(segments);
        }
        for row in Scan::prefix(self.tree(), &segments_prefix(place)) {
            let (key, row) = row.map_err(self.failed("scanning event ids"))?;
            segments.insert(self.segment_number(place, &key)?, Bytes::from(row));
        }
        for segment in dedupe.unwritten.iter() {
            segments.insert(segment.number, encode_id_segment(&segment.ids));
        }
        let counted: BTreeSet<u64> = dedupe.segments().collect();
        segments.retain(|number, _| counted.contains(number));
        Ok(segments)
    }

    /// The changes that write the segments which no row holds yet; before the head.
    pub(super) fn put_segments(&self, place: &Place, state: &CustomerState, puts: &mut Vec<Put>) {
        for segment in state.dedupe.segments_to_write() {
            let key = segment_key(place, segment.number);
            puts.push(Put::set(key, encode_id_segment(&segment.ids)));
        }
    }

    /// The changes that remove segments which count no more; behind the head. After a crash whatever lies before
    /// `first` may be left over.
    pub(super) fn remove_segments(
        &self,
        place: &Place,
        (first_before, first): (u64, u64),
        tidying: Tidying,
        puts: &mut Vec<Put>,
    ) -> Result<(), PartitionError> {
        if tidying == Tidying::NotNeeded {
            let gone = first_before..first;
            puts.extend(gone.map(|number| Put::remove(segment_key(place, number))));
            return Ok(());
        }
        for row in Scan::prefix(self.tree(), &segments_prefix(place)) {
            let (key, _) = row.map_err(self.failed("scanning event ids"))?;
            if self.segment_number(place, &key)? >= first {
                break;
            }
            puts.push(Put::remove(key));
        }
        Ok(())
    }

    fn segment_number(&self, place: &Place, key: &[u8]) -> Result<u64, PartitionError> {
        let number = key.strip_prefix(&segments_prefix(place)[..]);
        let number = number.and_then(|number| number.try_into().ok());
        number.map(u64::from_be_bytes).ok_or_else(|| {
            let reason = format!("a row of {} has no number of a segment", place.customer);
            self.unreadable("event ids")(reason)
        })
    }
}

fn segments_prefix(place: &Place) -> Vec<u8> {
    let key = Table::Dedupe.customer_key(place.slot, &place.customer);
    key.finish()
}

pub(in crate::replica) fn segment_key(place: &Place, number: u64) -> Vec<u8> {
    let key = Table::Dedupe.customer_key(place.slot, &place.customer);
    key.u64(number).finish()
}
