//! The parts a customer's state is stored in, one row each.

use std::fmt;

use journey_types::{InstanceNumber, Sequence};

use crate::wire::field::{Field, Plain, present};
use crate::wire::{Fault, Wire, Writer};

/// Names one part of a customer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PartId {
    /// Traits and lifecycle stage.
    Profile,
    /// History aggregates.
    History,
    /// What is remembered of journeys, and goals that outlive their instance.
    Journeys,
    /// Effects without a terminal outcome.
    Outbox,
    /// The latest things that happened.
    Timeline,
    /// What a turn left over.
    PausedTurn,
    /// One instance.
    Instance(InstanceNumber),
    /// What is known of a chunk of remembered event ids, by its number.
    DedupeChunk(u64),
    /// One effect whose retry budget is used up.
    DeadLetter(Sequence),
    /// One command whose deciding panicked.
    Quarantined(Sequence),
    /// Remembered event ids, by number of their segment. Not named by a head: they lie in rows of a table of their own,
    /// and travel with the customer where all of it does.
    IdSegment(u64),
}

/// How many bytes [`PartId::to_bytes`] gives.
pub const PART_ID_SIZE_BYTES: usize = 9;

impl PartId {
    /// The bytes that stand for it in the key of its row; in the order of `Ord`.
    #[must_use]
    pub fn to_bytes(self) -> [u8; PART_ID_SIZE_BYTES] {
        let (kind, number) = self.kind_and_number();
        let mut bytes = [kind; PART_ID_SIZE_BYTES];
        bytes[1..].copy_from_slice(&number.to_be_bytes());
        bytes
    }

    /// Reads what [`Self::to_bytes`] gave; `None` where no part has these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; PART_ID_SIZE_BYTES]) -> Option<Self> {
        let [kind, number @ ..] = bytes;
        Self::of(kind, u64::from_be_bytes(number))
    }

    const fn kind_and_number(self) -> (u8, u64) {
        match self {
            Self::Profile => (1, 0),
            Self::History => (2, 0),
            Self::Journeys => (3, 0),
            Self::Outbox => (4, 0),
            Self::Timeline => (5, 0),
            Self::PausedTurn => (6, 0),
            Self::Instance(number) => (7, number.get()),
            Self::DedupeChunk(number) => (8, number),
            Self::DeadLetter(effect) => (9, effect.get()),
            Self::Quarantined(entry) => (10, entry.get()),
            Self::IdSegment(number) => (11, number),
        }
    }

    fn of(kind: u8, number: u64) -> Option<Self> {
        let part = match kind {
            1 => Self::Profile,
            2 => Self::History,
            3 => Self::Journeys,
            4 => Self::Outbox,
            5 => Self::Timeline,
            6 => Self::PausedTurn,
            7 => Self::Instance(InstanceNumber::new(number)),
            8 => Self::DedupeChunk(number),
            9 => Self::DeadLetter(Sequence::new(number)),
            10 => Self::Quarantined(Sequence::new(number)),
            11 => Self::IdSegment(number),
            _ => return None,
        };
        (part.kind_and_number() == (kind, number)).then_some(part)
    }
}

impl fmt::Display for PartId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Profile => formatter.write_str("profile"),
            Self::History => formatter.write_str("history"),
            Self::Journeys => formatter.write_str("journeys"),
            Self::Outbox => formatter.write_str("outbox"),
            Self::Timeline => formatter.write_str("timeline"),
            Self::PausedTurn => formatter.write_str("paused turn"),
            Self::Instance(number) => write!(formatter, "instance {number}"),
            Self::DedupeChunk(number) => write!(formatter, "chunk of event ids {number}"),
            Self::IdSegment(number) => write!(formatter, "segment of event ids {number}"),
            Self::DeadLetter(effect) => write!(formatter, "dead letter {effect}"),
            Self::Quarantined(entry) => write!(formatter, "quarantined command {entry}"),
        }
    }
}

impl Plain for PartId {
    fn put(&self, number: u32, out: &mut Writer<'_>) {
        let (kind, of_kind) = self.kind_and_number();
        out.message(number, |out| {
            kind.write(1, out);
            of_kind.write(2, out);
        });
    }

    fn take(wire: Wire<'_>) -> Result<Self, Fault> {
        const MESSAGE: &str = "PartId";
        let mut fields = wire.fields()?;
        let (mut kind, mut of_kind) = (None, None);
        while let Some((number, wire)) = fields.next(MESSAGE).map_err(Fault::Inside)? {
            match number {
                1 => Field::read(&mut kind, wire)?,
                2 => Field::read(&mut of_kind, wire)?,
                other => return Err(Fault::new(format!("unknown field {other} of a part's id"))),
            }
        }
        let kind = present(kind, MESSAGE, 1).map_err(Fault::Inside)?;
        let of_kind = present(of_kind, MESSAGE, 2).map_err(Fault::Inside)?;
        Self::of(kind, of_kind)
            .ok_or_else(|| Fault::new(format!("there is no part {kind}/{of_kind}")))
    }
}

#[cfg(test)]
mod tests;
