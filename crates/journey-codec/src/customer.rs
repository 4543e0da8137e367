//! A customer as a head row and the rows of its parts, and back.
//!
//! ```text
//!   CustomerState ─► parts ─► hash ─┬─ as the last head has it ─► keeps the row it has
//!                                   └─ new or changed ──────────► row (part, mark)      written first
//!                                      head: who, when, which part lies under which mark   written last
//! ```
//!
//! A row once written is never changed: until the new head is there, the old head and its rows are whole.

mod parts;
mod state;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use journey_customer::{CustomerState, Dedupe, Parking};
use journey_types::{BirthIndex, CustomerKey, InstanceNumber, Lsn, Sequence, Timestamp};
use xxhash_rust::xxh3::xxh3_64;

pub(crate) use self::state::write_state;
pub use self::state::{decode_id_segment, encode_id_segment};

use self::state::IdList;
use crate::error::CodecError;
use crate::parts::PartId;
use crate::stored;
use crate::wire::field::{Field, present};
use crate::wire::message::{Message, kinds, message, shared};
use crate::wire::{Fields, Writer};

/// The changes that bring a customer's rows up to its state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomerRows {
    /// Rows to write under (part, the mark of these rows), before the head.
    pub parts: Vec<(PartId, Bytes)>,
    /// The head row, to be written last.
    pub head: Bytes,
    /// What the head now names: to be given to the next [`encode_customer`].
    pub list: HeadList,
    /// Rows that the head names no more, to be removed after it is durable.
    pub stale: Vec<(PartId, Lsn)>,
}

impl CustomerRows {
    /// Bytes of everything that is to be written.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.head.len()
            + self
                .parts
                .iter()
                .map(|(_, bytes)| bytes.len())
                .sum::<usize>()
    }
}

/// What a head row names: the last entry it reflects, and where the customer's parts lie.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeadList {
    /// The last journal entry that head and parts reflect.
    pub row_lsn: Lsn,
    /// The parts that there are.
    pub parts: BTreeMap<PartId, PartRow>,
}

impl HeadList {
    /// Bytes of all parts, as stored.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.parts.values().map(|row| row.size_bytes).sum()
    }

    /// The chunk of event ids that may have grown since; those before it never change.
    fn newest_chunk(&self) -> Option<PartId> {
        let mut newest = self.parts.keys().rev().copied();
        newest.find(is_chunk)
    }
}

fn is_chunk(part: &PartId) -> bool {
    matches!(part, PartId::DedupeChunk(_))
}

/// Where a part lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PartRow {
    /// The mark under which its row was written.
    pub mark: Lsn,
    /// The xxh3 of its bytes.
    pub hash: u64,
    /// How many bytes there are.
    pub size_bytes: u64,
}

/// A customer's head row, decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct Head {
    /// The customer's address.
    pub key: CustomerKey,
    /// Its life.
    pub birth: BirthIndex,
    /// How many facts are reflected.
    pub last_sequence: Sequence,
    /// The stamp of its last turn.
    pub stamp: Timestamp,
    /// The number the next instance gets.
    pub next_instance: InstanceNumber,
    /// Where its parts lie.
    pub list: HeadList,
    open_ids: IdList,
    next_segment: u64,
    parked: Option<Arc<Parking>>,
}

/// Encodes the parts of a customer that the rows named by `previous` do not hold yet, and its head.
///
/// `row_lsn` is the last entry that the state reflects. The same state under the same mark gives the same rows.
#[must_use]
pub fn encode_customer(
    state: &CustomerState,
    row_lsn: Lsn,
    previous: Option<&HeadList>,
) -> CustomerRows {
    let mut list = HeadList {
        row_lsn,
        parts: BTreeMap::new(),
    };
    let mut written = Vec::new();
    let newest_chunk = previous.and_then(HeadList::newest_chunk);
    for part in parts::parts_of(state) {
        let known = previous.and_then(|list| list.parts.get(&part));
        let never_changes = is_chunk(&part) && Some(part) < newest_chunk;
        if let Some(row) = known.filter(|_| never_changes) {
            list.parts.insert(part, *row);
            continue;
        }
        let bytes = parts::encode_part(state, part);
        let row = PartRow {
            mark: row_lsn,
            hash: xxh3_64(&bytes),
            size_bytes: bytes.len() as u64,
        };
        match known {
            Some(known) if (known.hash, known.size_bytes) == (row.hash, row.size_bytes) => {
                list.parts.insert(part, *known);
            }
            Some(_) | None => {
                list.parts.insert(part, row);
                written.push((part, bytes));
            }
        }
    }
    CustomerRows {
        parts: written,
        head: encode_head(state, &list),
        stale: stale_rows(previous, &list),
        list,
    }
}

/// The rows of the old head that the new one does not name.
fn stale_rows(previous: Option<&HeadList>, list: &HeadList) -> Vec<(PartId, Lsn)> {
    let named = |list: &HeadList| -> BTreeSet<(PartId, Lsn)> {
        let rows = list.parts.iter();
        rows.map(|(part, row)| (*part, row.mark)).collect()
    };
    let Some(previous) = previous else {
        return Vec::new();
    };
    let (now, before) = (named(list), named(previous));
    before.difference(&now).copied().collect()
}

/// As the table of [`Head`] writes it, without copies of what is only written: a test holds one against the other.
fn encode_head(state: &CustomerState, list: &HeadList) -> Bytes {
    stored::encode(None, |out| {
        out.message(1, |out| {
            state.key.write(1, out);
            state.birth.write(2, out);
            state.last_sequence.write(3, out);
            state.stamp.write(4, out);
            state.next_instance.write(5, out);
            list.write(6, out);
            out.message(7, |out| IdList::write_ids(&state.dedupe.open, out));
            state.dedupe.next_segment.write(8, out);
            state.parked.write(11, out);
        });
    })
}

/// Reads a head row.
///
/// # Errors
/// [`CodecError`] when the bytes are damaged or of a newer release.
pub fn decode_head(bytes: &[u8]) -> Result<Head, CodecError> {
    let CustomerHead::Live(head) =
        CustomerHead::read_fields(stored::fields(bytes, CustomerHead::NAME, None)?)?;
    Ok(head)
}

/// Reads a customer: its head, and with `row` the rows that the head names.
///
/// # Errors
/// [`CodecError`] when a row is missing, is not the one that the head names, is damaged or of a newer release.
pub fn decode_customer<B: AsRef<[u8]>>(
    head: &[u8],
    row: impl FnMut(PartId, Lsn) -> Option<B>,
) -> Result<(CustomerState, HeadList), CodecError> {
    decode_head(head)?.into_state(row)
}

impl Head {
    /// The customer whose head this is, from the rows that `row` gives for (part, mark).
    ///
    /// # Errors
    /// As [`decode_customer`].
    pub fn into_state<B: AsRef<[u8]>>(
        self,
        mut row: impl FnMut(PartId, Lsn) -> Option<B>,
    ) -> Result<(CustomerState, HeadList), CodecError> {
        let mut state = CustomerState::new(self.key);
        state.birth = self.birth;
        state.last_sequence = self.last_sequence;
        state.stamp = self.stamp;
        state.next_instance = self.next_instance;
        state.parked = self.parked;
        state.dedupe = Dedupe {
            open: self.open_ids.0,
            next_segment: self.next_segment,
            ..Dedupe::default()
        };
        for (part, PartRow { mark, hash, .. }) in &self.list.parts {
            let (part, mark) = (*part, *mark);
            let bytes = row(part, mark).ok_or(CodecError::MissingPart { part, mark })?;
            let bytes = bytes.as_ref();
            if xxh3_64(bytes) != *hash {
                return Err(CodecError::PartMismatch { part, mark });
            }
            parts::decode_part(&mut state, part, bytes)?;
        }
        Ok((state, self.list))
    }
}

/// A head row. A second kind, the tombstone of an erased customer, has its number reserved.
#[derive(Debug, Clone, PartialEq)]
enum CustomerHead {
    Live(Head),
}

kinds! {
    CustomerHead as "CustomerHead" {
        newtypes {
            1 => Live,
        }
    }
}

message! {
    Head as "Head" {
        1 => key,
        2 => birth,
        3 => last_sequence,
        4 => stamp,
        5 => next_instance,
        6 => list,
        7 => open_ids,
        8 => next_segment,
        11 => parked,
    }
}

message! {
    Parking as "Parking" {
        1 => since,
        2 => reason,
    }
}

shared!(Parking);

message! {
    HeadList as "HeadList" {
        1 => row_lsn,
        2 => parts,
    }
}

/// A hash is random: a varint of it would take ten bytes.
impl Message for PartRow {
    const NAME: &'static str = "PartRow";

    fn write_fields(&self, out: &mut Writer<'_>) {
        self.mark.write(1, out);
        out.fixed64(2, self.hash);
        self.size_bytes.write(3, out);
    }

    fn read_fields(mut fields: Fields<'_>) -> Result<Self, CodecError> {
        let message = Self::NAME;
        let (mut mark, mut hash, mut size_bytes) = (None, 0, None);
        while let Some((number, wire)) = fields.next(message)? {
            match number {
                1 => Field::read(&mut mark, wire),
                2 => wire.fixed64().map(|read| hash = read),
                3 => Field::read(&mut size_bytes, wire),
                field => return Err(CodecError::UnknownField { message, field }),
            }
            .map_err(|fault| fault.at(message, number))?;
        }
        Ok(Self {
            mark: present(mark, message, 1)?,
            hash,
            size_bytes: present(size_bytes, message, 3)?,
        })
    }
}

#[cfg(test)]
mod tests;
