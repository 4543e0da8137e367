//! Journal entries as bytes, and the batch that grows record by record.

use std::sync::Arc;

use bytes::Bytes;
use journey_customer::{EventBody, JournalEvent};
use journey_types::{BatchNumber, CustomerEvent, CustomerKey, Sequence, SessionId, Timestamp};

use crate::error::CodecError;
use crate::journal::{Batch, CatalogAdopted, JournalEntry, Record, SessionOpened, Turn};
use crate::stored;
use crate::wire::field::{Field, Plain, present};
use crate::wire::message::{Kinds, Message, kinds, message};
use crate::wire::{Fields, ReadContext, Writer};

/// The field of [`Batch`] that holds its records.
const RECORDS: u32 = 3;
/// The kind of a [`JournalEntry`] that is a batch.
const BATCH: u32 = 2;
/// The field of a fact with the stamp, where it is not the turn's.
const FACT_STAMP: u32 = 100;
/// The field of a fact with the sequence, where it is not one after the last.
const FACT_SEQUENCE: u32 = 101;

/// The bytes of an entry.
#[must_use]
pub fn encode_entry(entry: &JournalEntry) -> Bytes {
    stored::encode(None, |out| entry.write_fields(out))
}

/// Reads an entry.
///
/// # Errors
/// [`CodecError`] when the bytes are damaged or of a newer release.
pub fn decode_entry(bytes: &[u8]) -> Result<JournalEntry, CodecError> {
    JournalEntry::read_fields(stored::fields(bytes, JournalEntry::NAME, None)?)
}

/// The bytes that a record adds to its batch. Costs about as much as encoding it: [`BatchWriter`] knows its size
/// without encoding twice.
#[must_use]
pub fn record_size_bytes(record: &Record) -> usize {
    let mut out = Writer::default();
    record.put(RECORDS, &mut out);
    out.len()
}

/// A batch that is encoded while it is filled, so that its exact size is known at every moment.
#[derive(Debug)]
pub struct BatchWriter {
    records: Writer<'static>,
    session: SessionId,
    number: BatchNumber,
    n_records: usize,
}

impl BatchWriter {
    /// An empty batch with that place in that session.
    #[must_use]
    pub fn new(session: SessionId, number: BatchNumber) -> Self {
        Self {
            records: Writer::default(),
            session,
            number,
            n_records: 0,
        }
    }

    /// Appends a record.
    pub fn push(&mut self, record: &Record) {
        record.put(RECORDS, &mut self.records);
        self.n_records += 1;
    }

    /// How many records it has.
    #[must_use]
    pub const fn n_records(&self) -> usize {
        self.n_records
    }

    /// How many bytes its records take.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.records.len()
    }

    /// The bytes of the entry: those that [`encode_entry`] gives for the same batch.
    #[must_use]
    pub fn finish(self) -> Bytes {
        let records = self.records.into_bytes();
        stored::encode(None, |out| {
            out.message(BATCH, |out| {
                self.session.write(1, out);
                self.number.write(2, out);
                out.raw(&records);
            });
        })
    }
}

kinds! {
    JournalEntry as "JournalEntry" {
        newtypes {
            1 => SessionOpened,
            2 => Batch,
        }
    }
}

/// A token is random: a varint of it would take ten bytes.
impl Message for SessionOpened {
    const NAME: &'static str = "SessionOpened";

    fn write_fields(&self, out: &mut Writer<'_>) {
        out.fixed64(1, self.opener);
    }

    fn read_fields(mut fields: Fields<'_>) -> Result<Self, CodecError> {
        let message = Self::NAME;
        let mut opener = 0;
        while let Some((field, wire)) = fields.next(message)? {
            if field != 1 {
                return Err(CodecError::UnknownField { message, field });
            }
            opener = wire.fixed64().map_err(|fault| fault.at(message, field))?;
        }
        Ok(Self { opener })
    }
}

message! {
    Batch as "Batch" {
        1 => session,
        2 => number,
        3 => records,
    }
}

kinds! {
    Record as "Record" {
        newtypes {
            1 => Turn,
            2 => CatalogAdopted,
        }
    }
}

message! {
    CatalogAdopted as "CatalogAdopted" {
        1 => stamp,
        2 => revision,
        3 => digest,
    }
}

impl Message for Turn {
    const NAME: &'static str = "Turn";

    fn write_fields(&self, out: &mut Writer<'_>) {
        let Self { customer, events } = self;
        customer.put(1, out);
        let Some(first) = events.first() else { return };
        first.stamp.write(2, out);
        first.sequence.write(3, out);
        let facts_at = out.len();
        let shared_at = out.within(customer, |out| {
            out.shared_events = Some(Vec::new());
            let mut expected = (first.sequence, first.stamp);
            for event in events {
                out.message(5, |out| write_fact(event, expected, out));
                expected.0 = after(event.sequence);
            }
            let shared_at = out.len();
            for event in out.shared_events.take().unwrap_or_default() {
                event.put(4, out);
            }
            shared_at
        });
        // Which events facts share is known behind them; whoever reads has to know it before.
        out.bring_forward(facts_at, shared_at);
    }

    fn read_fields(fields: Fields<'_>) -> Result<Self, CodecError> {
        let mut frame = TurnFrame::default();
        let mut rest = fields;
        while let Some((number, wire)) = rest.next(Self::NAME)? {
            match number {
                1 => Field::read(&mut frame.customer, wire),
                2 => Field::read(&mut frame.stamp, wire),
                3 => Field::read(&mut frame.sequence, wire),
                4 | 5 => Ok(()),
                field => {
                    let message = Self::NAME;
                    return Err(CodecError::UnknownField { message, field });
                }
            }
            .map_err(|fault| fault.at(Self::NAME, number))?;
        }
        let customer: CustomerKey = present(frame.customer, Self::NAME, 1)?;
        let context = ReadContext {
            customer: Some(&customer),
            ..fields.context()
        };
        let shared = read_shared(fields.with_context(context))?;
        let context = ReadContext {
            shared_events: Some(&shared),
            ..context
        };
        let events = read_facts(
            fields.with_context(context),
            present(frame.sequence, Self::NAME, 3)?,
            present(frame.stamp, Self::NAME, 2)?,
        )?;
        Ok(Self { customer, events })
    }
}

/// What a turn says once.
#[derive(Debug, Default)]
struct TurnFrame {
    customer: Option<CustomerKey>,
    stamp: Option<Timestamp>,
    sequence: Option<Sequence>,
}

fn after(sequence: Sequence) -> Sequence {
    Sequence::new(sequence.get().wrapping_add(1))
}

fn write_fact(event: &JournalEvent, expected: (Sequence, Timestamp), out: &mut Writer<'_>) {
    let JournalEvent {
        sequence,
        stamp,
        body,
    } = event;
    body.write_kind(out);
    if *stamp != expected.1 {
        stamp.put(FACT_STAMP, out);
    }
    if *sequence != expected.0 {
        sequence.put(FACT_SEQUENCE, out);
    }
}

fn read_shared(mut fields: Fields<'_>) -> Result<Vec<Arc<CustomerEvent>>, CodecError> {
    let mut shared = Vec::new();
    while let Some((number, wire)) = fields.next(Turn::NAME)? {
        if number == 4 {
            shared.push(Plain::take(wire).map_err(|fault| fault.at(Turn::NAME, number))?);
        }
    }
    Ok(shared)
}

fn read_facts(
    mut fields: Fields<'_>,
    mut sequence: Sequence,
    stamp: Timestamp,
) -> Result<Vec<JournalEvent>, CodecError> {
    let mut events = Vec::new();
    while let Some((number, wire)) = fields.next(Turn::NAME)? {
        if number == 5 {
            let fact = wire
                .fields()
                .map_err(|fault| fault.at(Turn::NAME, number))?;
            let event = read_fact(fact, sequence, stamp)?;
            sequence = after(event.sequence);
            events.push(event);
        }
    }
    Ok(events)
}

fn read_fact(
    mut fields: Fields<'_>,
    mut sequence: Sequence,
    mut stamp: Timestamp,
) -> Result<JournalEvent, CodecError> {
    let message = EventBody::NAME;
    let mut body = None;
    while let Some((number, wire)) = fields.next(message)? {
        let at = |fault: crate::wire::Fault| fault.at(message, number);
        match number {
            FACT_STAMP => stamp = Plain::take(wire).map_err(at)?,
            FACT_SEQUENCE => sequence = Plain::take(wire).map_err(at)?,
            kind => {
                body = EventBody::read_kind(kind, wire)?;
                if body.is_none() {
                    return Err(CodecError::UnknownKind { message, kind });
                }
            }
        }
    }
    let body = body.ok_or(CodecError::UnknownKind { message, kind: 0 })?;
    Ok(JournalEvent {
        sequence,
        stamp,
        body,
    })
}

#[cfg(test)]
mod tests;
