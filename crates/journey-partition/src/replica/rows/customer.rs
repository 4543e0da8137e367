//! One customer as rows, and the order in which they are written.
//!
//! ```text
//!   r … new parts, d new ids ─► t, o removed where they change ─► s head ─► t, o as the head says ─► r, d … old removed
//! ```
//!
//! A crash leaves a prefix. Whatever it is, the head names parts that are whole; an index row may be missing but none
//! is left over; parts may be left over. All of that concerns only customers that an entry behind the floor changed,
//! so replaying the journal makes them dirty: reads take them from memory, and the next write finds what is missing or
//! left over, and mends it ([`Tidying::Needed`]).

use std::sync::Arc;

use bytes::Bytes;
use journey_codec::{CustomerRows, Head, HeadList, PartId, decode_head, encode_customer};
use journey_customer::CustomerState;
use journey_storage::keys::MalformedKey;
use journey_storage::tables::{outbox_key, set_aside_key, timer_key};
use journey_storage::{Put, Scan, Table, chunked};
use journey_types::{CustomerKey, Lsn, Timestamp};

use super::Rows;
use super::head::{Form, HeadIndex, HeadRow, Written};
use crate::error::PartitionError;
use crate::limits::INLINE_AGAIN_PERCENT;
use crate::replica::place::Place;
use crate::replica::residents::{Body, Taken};

/// Whether rows of a customer may be torn by a crash before this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::replica) enum Tidying {
    Needed,
    NotNeeded,
}

/// Names the rows of a head that is too long for one row.
const HEAD_PART: [u8; journey_codec::PART_ID_SIZE_BYTES] = [0; journey_codec::PART_ID_SIZE_BYTES];

/// A customer as its rows have it.
#[derive(Debug)]
pub(in crate::replica) struct Read {
    pub(in crate::replica) state: Arc<CustomerState>,
    pub(in crate::replica) written: Written,
}

/// What is known of the rows that are there.
struct OldRows {
    index: HeadIndex,
    form: Form,
    /// Parts in rows of their own.
    list: Option<HeadList>,
}

impl Rows {
    /// Reads a customer, with its mark.
    pub(in crate::replica) fn read_customer(
        &self,
        place: &Place,
    ) -> Result<Option<Read>, PartitionError> {
        let row = self.tree.get(&place.head_key());
        let row = row.map_err(self.failed("reading a head row"))?;
        row.map(|row| self.decode_customer(place, row)).transpose()
    }

    /// Reads a customer whose head row is at hand.
    pub(in crate::replica) fn decode_customer(
        &self,
        place: &Place,
        row: Vec<u8>,
    ) -> Result<Read, PartitionError> {
        let row = HeadRow::parse(row).map_err(self.unreadable("head"))?;
        let mut failure = None;
        let decoded = if row.form == Form::Inline {
            let (head, parts) = row.whole().map_err(self.unreadable("head"))?;
            let head = self.head_of_place(place, head)?;
            head.into_state(|wanted, _| {
                let mut parts = parts.iter();
                parts.find(|(part, _)| *part == wanted).map(|(_, it)| *it)
            })
        } else {
            let head = self.head_of_place(place, &self.listing_head(place, &row)?)?;
            head.into_state(|part, mark| {
                let bytes = chunked::read(self.tree(), &part_key(place, part.to_bytes(), mark));
                bytes.map_err(|error| failure = Some(error)).ok()?
            })
        };
        if let Some(error) = failure {
            return Err(self.failed("reading a customer")(error));
        }
        let (state, _) = decoded.map_err(self.unreadable("customer"))?;
        Ok(Read {
            state: Arc::new(state),
            written: Written {
                index: row.index,
                form: row.form,
            },
        })
    }

    /// The codec's head of the customer, which must be of that place and takes its address from there: one address in
    /// memory for all that is kept of a customer.
    fn head_of_place(&self, place: &Place, bytes: &[u8]) -> Result<Head, PartitionError> {
        let mut head = decode_head(bytes).map_err(self.unreadable("head"))?;
        if head.key != place.customer {
            let reason = format!("the head of {} names {}", place.customer, head.key);
            return Err(self.unreadable("head")(reason));
        }
        head.key = place.customer.clone();
        Ok(head)
    }

    /// What the head row of a customer says of its index rows.
    pub(in crate::replica) fn head_index(
        &self,
        place: &Place,
    ) -> Result<Option<HeadIndex>, PartitionError> {
        let row = self.tree.get(&place.head_key());
        let row = row.map_err(self.failed("reading a head row"))?;
        let row = row.map(HeadRow::parse).transpose();
        Ok(row.map_err(self.unreadable("head"))?.map(|row| row.index))
    }

    /// Files the timer of a customer whose row lies before it where it is due. Its rows must have everything of it:
    /// nobody else writes them then. A crash leaves a row too many, which no head calls for.
    pub(in crate::replica) fn file_timer(
        &self,
        place: &Place,
    ) -> Result<Option<HeadIndex>, PartitionError> {
        let row = self.tree.get(&place.head_key());
        let row = row.map_err(self.failed("reading a head row"))?;
        let row = row.map(HeadRow::parse).transpose();
        let Some(mut head) = row.map_err(self.unreadable("head"))? else {
            return Ok(None);
        };
        let old = head.index;
        if let (true, Some(filed_at), Some(due_at)) =
            (old.is_filed_early(), old.filed_at, old.due_at)
        {
            head.index.filed_at = old.due_at;
            self.put(&[
                Put::set(timer_key(due_at, &place.customer), Vec::new()),
                Put::set(place.head_key(), head.to_bytes()),
                Put::remove(timer_key(filed_at, &place.customer)),
            ])?;
        }
        Ok(Some(head.index))
    }

    /// Adds the changes that bring a customer's rows to its state, and gives what they hold then, with the size of what
    /// is written.
    pub(in crate::replica) fn write_customer(
        &self,
        taken: &Taken,
        tidying: Tidying,
        puts: &mut Vec<Put>,
    ) -> Result<(Written, usize), PartitionError> {
        let place = &taken.place;
        let old = match taken.written {
            // What memory knows of the rows is all there is to know, unless parts have to be compared or a crash may
            // have torn them.
            Some(written) if written.form == Form::Inline && tidying == Tidying::NotNeeded => {
                Some(OldRows {
                    index: written.index,
                    form: Form::Inline,
                    list: None,
                })
            }
            None if tidying == Tidying::NotNeeded => None,
            Some(_) | None => self.old_rows(place)?,
        };
        if tidying == Tidying::Needed {
            self.remove_left_over_parts(place, old.as_ref(), puts)?;
        }
        let same = old.as_ref().filter(|old| old.index.mark == taken.through);
        if let Some(old) = same {
            // The same entries give the same state: head and parts are right, only what follows the head may lack.
            put_index_rows(&old.index, &place.customer, puts);
            let first = old.index.first_segment;
            self.remove_segments(place, (first, first), tidying, puts)?;
            let written = Written {
                index: old.index,
                form: old.form,
            };
            return Ok((written, 0));
        }
        if let Body::Live(state) = &taken.body {
            self.put_segments(place, state, puts);
        }
        let (mut head, stale) = self.head_of(taken, old.as_ref(), puts)?;
        if let Some(old) = &old {
            head.index.file_as(&old.index, taken.timers_far_from);
        }
        let new = head.index;
        remove_index_rows(
            old.as_ref().map(|old| &old.index),
            &new,
            &place.customer,
            puts,
        );
        let size_bytes = head.size_bytes();
        puts.push(Put::set(place.head_key(), head.to_bytes()));
        let is_indexed = old
            .as_ref()
            .is_some_and(|old| old.index.calls_for_the_same(&new));
        if !is_indexed || tidying == Tidying::Needed {
            put_index_rows(&new, &place.customer, puts);
        }
        if let Some(old) = old {
            self.remove_old_parts(place, &old, &stale, puts)?;
            let firsts = (old.index.first_segment, new.first_segment);
            self.remove_segments(place, firsts, tidying, puts)?;
        }
        let written = Written {
            index: new,
            form: head.form,
        };
        Ok((written, size_bytes))
    }

    /// The new head row, after its parts where they do not fit into it, and the parts that only the old one names.
    fn head_of(
        &self,
        taken: &Taken,
        old: Option<&OldRows>,
        puts: &mut Vec<Put>,
    ) -> Result<(HeadRow, Vec<(PartId, Lsn)>), PartitionError> {
        let (place, mark) = (&taken.place, taken.through);
        let previous = old.and_then(|old| old.list.as_ref());
        let all_of = |list: &HeadList| {
            let parts = list.parts.iter();
            parts.map(|(part, row)| (*part, row.mark)).collect()
        };
        let state = match &taken.body {
            Body::Live(state) => state,
            Body::Packed(row) => {
                let head = HeadRow::parse(row.to_vec()).map_err(self.unreadable("packed"))?;
                if head.index.mark != mark {
                    let reason = format!("{} is packed as of {}", place.customer, head.index.mark);
                    return Err(self.unreadable("packed")(reason));
                }
                return Ok((head, previous.map(all_of).unwrap_or_default()));
            }
        };
        let new = HeadIndex::of(state, mark);
        let rows = encode_customer(state, mark, previous);
        if fits_inline(&rows, previous.is_some(), self.row_size_bytes_max) {
            return Ok(match previous {
                None => (HeadRow::inline(new, &rows.head, &rows.parts), rows.stale),
                Some(previous) => {
                    let rows = encode_customer(state, mark, None);
                    let head = HeadRow::inline(new, &rows.head, &rows.parts);
                    (head, all_of(previous))
                }
            });
        }
        for (part, bytes) in &rows.parts {
            self.split(&part_key(place, part.to_bytes(), mark), bytes, puts)?;
        }
        let head = self.head_of_parts(&new, place, &rows.head, puts)?;
        Ok((head, rows.stale))
    }

    /// The changes that remove index rows which no head calls for. Only the one checkpointer may ask: while it writes,
    /// an index row may be ahead of its head.
    pub(in crate::replica) fn stale_removals(
        &self,
        keys: &[Vec<u8>],
        place_of: impl Fn(&CustomerKey) -> Place,
    ) -> Result<Vec<Put>, PartitionError> {
        let mut puts = Vec::new();
        for key in keys {
            let row = IndexRow::read(key).map_err(self.unreadable("index"))?;
            let index = self.head_index(&place_of(row.customer()))?;
            if !index.is_some_and(|index| row.is_called_for(&index)) {
                puts.push(Put::remove(key.clone()));
            }
        }
        Ok(puts)
    }

    fn old_rows(&self, place: &Place) -> Result<Option<OldRows>, PartitionError> {
        let row = self.tree.get(&place.head_key());
        let Some(row) = row.map_err(self.failed("reading a head row"))? else {
            return Ok(None);
        };
        let row = HeadRow::parse(row).map_err(self.unreadable("head"))?;
        let list = match row.form {
            Form::Inline => None,
            Form::Parts | Form::LongHead => {
                let head = decode_head(&self.listing_head(place, &row)?);
                Some(head.map_err(self.unreadable("head"))?.list)
            }
        };
        Ok(Some(OldRows {
            index: row.index,
            form: row.form,
            list,
        }))
    }

    /// The codec's head of a customer whose parts lie in rows of their own.
    fn listing_head(&self, place: &Place, row: &HeadRow) -> Result<Bytes, PartitionError> {
        if row.form != Form::LongHead {
            return Ok(row.body.clone());
        }
        let key = part_key(place, HEAD_PART, row.index.mark);
        let bytes = chunked::read(self.tree(), &key);
        let bytes = bytes.map_err(self.failed("reading a long head"))?;
        let bytes = bytes.ok_or("its long head is not there");
        bytes.map(Bytes::from).map_err(self.unreadable("head"))
    }

    fn head_of_parts(
        &self,
        index: &HeadIndex,
        place: &Place,
        head: &Bytes,
        puts: &mut Vec<Put>,
    ) -> Result<HeadRow, PartitionError> {
        let row = HeadRow::new(*index, Form::Parts, head.clone());
        if row.size_bytes() <= self.row_size_bytes_max {
            return Ok(row);
        }
        self.split(&part_key(place, HEAD_PART, index.mark), head, puts)?;
        Ok(HeadRow::new(*index, Form::LongHead, Bytes::new()))
    }

    fn split(&self, key: &[u8], value: &[u8], puts: &mut Vec<Put>) -> Result<(), PartitionError> {
        let chunks = chunked::split(key, value, self.row_size_bytes_max);
        puts.extend(chunks.map_err(self.failed("splitting a part of a customer"))?);
        Ok(())
    }

    /// Behind the new head: parts that only the old one names.
    fn remove_old_parts(
        &self,
        place: &Place,
        old: &OldRows,
        gone: &[(PartId, Lsn)],
        puts: &mut Vec<Put>,
    ) -> Result<(), PartitionError> {
        let parts = gone.iter().map(|(part, mark)| (part.to_bytes(), *mark));
        let long_head = (old.form == Form::LongHead).then_some((HEAD_PART, old.index.mark));
        for (part, mark) in parts.chain(long_head) {
            let removals = chunked::removals(self.tree(), &part_key(place, part, mark));
            puts.extend(removals.map_err(self.failed("finding old parts of a customer"))?);
        }
        Ok(())
    }

    /// Before anything is written: rows of parts that no head names, left over by a crash.
    fn remove_left_over_parts(
        &self,
        place: &Place,
        old: Option<&OldRows>,
        puts: &mut Vec<Put>,
    ) -> Result<(), PartitionError> {
        let mut named: Vec<Vec<u8>> = Vec::new();
        if let Some(old) = old {
            let rows = old.list.iter().flat_map(|list| &list.parts);
            named.extend(rows.map(|(part, row)| part_key(place, part.to_bytes(), row.mark)));
            named.push(part_key(place, HEAD_PART, old.index.mark));
        }
        let prefix = Table::CustomerPart.customer_key(place.slot, &place.customer);
        for row in Scan::prefix(self.tree(), &prefix.finish()) {
            let (key, _) = row.map_err(self.failed("finding left-over parts of a customer"))?;
            if !named.iter().any(|named| key.starts_with(named)) {
                puts.push(Put::remove(key));
            }
        }
        Ok(())
    }
}

/// An index row, by its key.
enum IndexRow {
    Timer(Timestamp, CustomerKey),
    SetAside(Timestamp, CustomerKey),
    Outbox(CustomerKey),
}

impl IndexRow {
    fn read(key: &[u8]) -> Result<Self, MalformedKey> {
        if let Ok(mut reader) = Table::Timer.read(key) {
            return Ok(Self::Timer(reader.timestamp()?, reader.address()?));
        }
        if let Ok(mut reader) = Table::SetAside.read(key) {
            return Ok(Self::SetAside(reader.timestamp()?, reader.address()?));
        }
        Ok(Self::Outbox(Table::Outbox.read(key)?.address()?))
    }

    const fn customer(&self) -> &CustomerKey {
        match self {
            Self::Timer(_, customer) | Self::SetAside(_, customer) | Self::Outbox(customer) => {
                customer
            }
        }
    }

    fn is_called_for(&self, index: &HeadIndex) -> bool {
        match self {
            Self::Timer(filed_at, _) => index.filed_at == Some(*filed_at),
            Self::SetAside(since, _) => index.set_aside_since == Some(*since),
            Self::Outbox(_) => index.has_open_effects,
        }
    }
}

/// Whether the whole customer goes into its head row: most do, and one row costs a tenth of ten.
pub(super) fn fits_inline(rows: &CustomerRows, has_rows: bool, row_size_bytes_max: usize) -> bool {
    let parts = usize::try_from(rows.list.size_bytes()).unwrap_or(usize::MAX / 1_024);
    let size_bytes = HeadRow::inline_size_bytes(rows.head.len() + parts, rows.list.parts.len());
    // Not to and fro with every change of a customer that is just about as long as a row.
    let percent = if has_rows { INLINE_AGAIN_PERCENT } else { 100 };
    size_bytes * 100 <= row_size_bytes_max * percent
}

fn part_key(place: &Place, part: [u8; journey_codec::PART_ID_SIZE_BYTES], mark: Lsn) -> Vec<u8> {
    let key = Table::CustomerPart.customer_key(place.slot, &place.customer);
    key.rest(&part).u64(mark.get()).finish()
}

/// Before the head: what the new one does not call for.
fn remove_index_rows(
    old: Option<&HeadIndex>,
    new: &HeadIndex,
    customer: &CustomerKey,
    puts: &mut Vec<Put>,
) {
    let Some(old) = old else {
        return;
    };
    if let Some(filed_at) = old.filed_at.filter(|_| old.filed_at != new.filed_at) {
        puts.push(Put::remove(timer_key(filed_at, customer)));
    }
    let since = old.set_aside_since;
    if let Some(since) = since.filter(|_| since != new.set_aside_since) {
        puts.push(Put::remove(set_aside_key(since, customer)));
    }
    if old.has_open_effects && !new.has_open_effects {
        puts.push(Put::remove(outbox_key(customer)));
    }
}

/// Behind the head: what it calls for.
fn put_index_rows(new: &HeadIndex, customer: &CustomerKey, puts: &mut Vec<Put>) {
    if let Some(filed_at) = new.filed_at {
        puts.push(Put::set(timer_key(filed_at, customer), Vec::new()));
    }
    if let Some(since) = new.set_aside_since {
        puts.push(Put::set(set_aside_key(since, customer), Vec::new()));
    }
    if new.has_open_effects {
        puts.push(Put::set(outbox_key(customer), Vec::new()));
    }
}

#[cfg(test)]
impl Rows {
    /// Keys of the part rows that the head of a customer names.
    pub(in crate::replica) fn part_rows(
        &self,
        place: &Place,
    ) -> Result<Vec<Vec<u8>>, PartitionError> {
        let old = self.old_rows(place)?;
        let mut puts = Vec::new();
        if let Some(old) = old {
            let list = old.list.iter().flat_map(|list| &list.parts);
            let gone: Vec<_> = list.map(|(part, row)| (*part, row.mark)).collect();
            self.remove_old_parts(place, &old, &gone, &mut puts)?;
        }
        Ok(puts.into_iter().map(|put| put.key).collect())
    }
}

#[cfg(test)]
mod tests;
