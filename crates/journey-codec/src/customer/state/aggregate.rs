//! History aggregates: up to 1,000 single events each, so those are packed, and amounts of aggregates that only count
//! take no bytes.

use std::collections::VecDeque;

use journey_customer::Aggregate;
use journey_types::Timestamp;

use super::stamps;
use crate::error::CodecError;
use crate::wire::field::{Field, Plain, present};
use crate::wire::message::Message;
use crate::wire::{Fault, Fields, Writer};

impl Message for Aggregate {
    const NAME: &'static str = "Aggregate";

    fn write_fields(&self, out: &mut Writer<'_>) {
        let Self {
            n_events,
            first,
            last,
            sum_nanos,
            recent,
        } = self;
        n_events.write(1, out);
        first.write(2, out);
        last.write(3, out);
        sum_nanos.write(4, out);
        if recent.is_empty() {
            return;
        }
        stamps::write(recent.iter().map(|(stamp, _)| *stamp), 5, out);
        if recent.iter().any(|(_, nanos)| *nanos != 0) {
            for (_, nanos) in recent {
                nanos.put(6, out);
            }
        }
    }

    fn read_fields(mut fields: Fields<'_>) -> Result<Self, CodecError> {
        let message = Self::NAME;
        let (mut n_events, mut first, mut last, mut sum_nanos) = (None, None, None, None);
        let mut recent_stamps = Vec::new();
        let mut recent_nanos: Option<Vec<i128>> = None;
        while let Some((number, wire)) = fields.next(message)? {
            match number {
                1 => Field::read(&mut n_events, wire),
                2 => Field::read(&mut first, wire),
                3 => Field::read(&mut last, wire),
                4 => Field::read(&mut sum_nanos, wire),
                5 => stamps::read(wire).map(|stamps| recent_stamps = stamps),
                6 => Field::read(&mut recent_nanos, wire),
                field => return Err(CodecError::UnknownField { message, field }),
            }
            .map_err(|fault| fault.at(message, number))?;
        }
        let recent =
            recent_of(recent_stamps, recent_nanos).map_err(|fault| fault.at(message, 6))?;
        Ok(Self {
            n_events: present(n_events, message, 1)?,
            first: present(first, message, 2)?,
            last: present(last, message, 3)?,
            sum_nanos: present(sum_nanos, message, 4)?,
            recent,
        })
    }
}

fn recent_of(
    stamps: Vec<Timestamp>,
    nanos: Option<Vec<i128>>,
) -> Result<VecDeque<(Timestamp, i128)>, Fault> {
    let nanos = nanos.unwrap_or_else(|| vec![0; stamps.len()]);
    if nanos.len() == stamps.len() {
        Ok(stamps.into_iter().zip(nanos).collect())
    } else {
        Err(Fault::new("not an amount for every instant"))
    }
}
