//! Remembered event ids: the most frequent thing in a customer's rows, so they are packed, and what a customer's state
//! knows of those that lie elsewhere.

use bytes::Bytes;
use journey_customer::DedupeChunk;
use journey_types::{Fingerprint, Timestamp};

use super::stamps;
use crate::error::CodecError;
use crate::stored;
use crate::wire::field::{Field, Plain, present};
use crate::wire::message::Message;
use crate::wire::{Fault, Fields, Wire, Writer};

/// Bytes of a fingerprint.
const FINGERPRINT_SIZE_BYTES: usize = 16;

/// Ids in the order of acceptance: all fingerprints, then all stamps, each as the difference to the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IdList(pub(crate) Vec<(Fingerprint, Timestamp)>);

impl IdList {
    /// Writes ids without owning them.
    pub(crate) fn write_ids(ids: &[(Fingerprint, Timestamp)], out: &mut Writer<'_>) {
        if ids.is_empty() {
            return;
        }
        out.message(1, |out| {
            for (fingerprint, _) in ids {
                out.raw(fingerprint.bytes());
            }
        });
        stamps::write(ids.iter().map(|(_, stamp)| *stamp), 2, out);
    }

    fn of_packed(fingerprints: &[u8], stamps: Vec<Timestamp>) -> Result<Self, Fault> {
        let (fingerprints, rest) = fingerprints.as_chunks::<FINGERPRINT_SIZE_BYTES>();
        if !rest.is_empty() || fingerprints.len() != stamps.len() {
            return Err(Fault::new("not a stamp for every fingerprint"));
        }
        let fingerprints = fingerprints.iter().copied().map(Fingerprint::from_bytes);
        Ok(Self(fingerprints.zip(stamps).collect()))
    }
}

impl Message for IdList {
    const NAME: &'static str = "IdList";

    fn write_fields(&self, out: &mut Writer<'_>) {
        Self::write_ids(&self.0, out);
    }

    fn read_fields(mut fields: Fields<'_>) -> Result<Self, CodecError> {
        let message = Self::NAME;
        let mut fingerprints: &[u8] = &[];
        let mut stamps = Vec::new();
        while let Some((field, wire)) = fields.next(message)? {
            match field {
                1 => wire.bytes().map(|bytes| fingerprints = bytes),
                2 => stamps::read(wire).map(|read| stamps = read),
                field => return Err(CodecError::UnknownField { message, field }),
            }
            .map_err(|fault| fault.at(message, field))?;
        }
        Self::of_packed(fingerprints, stamps).map_err(|fault| fault.at(message, 2))
    }
}

/// A chunk without its number, which names it: prefixes as they are, the digest as it is, since a varint of it would take
/// ten bytes.
impl Message for DedupeChunk {
    const NAME: &'static str = "IdChunk";

    fn write_fields(&self, out: &mut Writer<'_>) {
        self.newest.write(1, out);
        out.fixed64(2, self.digest);
        out.message(3, |out| {
            for prefix in &self.prefixes {
                out.raw(&prefix.to_be_bytes());
            }
        });
    }

    fn read_fields(mut fields: Fields<'_>) -> Result<Self, CodecError> {
        let message = Self::NAME;
        let (mut newest, mut digest, mut prefixes) = (None, 0, Vec::new());
        while let Some((field, wire)) = fields.next(message)? {
            match field {
                1 => Field::read(&mut newest, wire),
                2 => wire.fixed64().map(|read| digest = read),
                3 => wire
                    .bytes()
                    .and_then(prefixes_of)
                    .map(|read| prefixes = read),
                field => return Err(CodecError::UnknownField { message, field }),
            }
            .map_err(|fault| fault.at(message, field))?;
        }
        Ok(Self {
            number: 0,
            newest: present(newest, message, 1)?,
            prefixes,
            digest,
        })
    }
}

fn prefixes_of(bytes: &[u8]) -> Result<Vec<u16>, Fault> {
    let (prefixes, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(Fault::new("half a prefix"));
    }
    Ok(prefixes.iter().copied().map(u16::from_be_bytes).collect())
}

/// The row of a segment of event ids.
#[must_use]
pub fn encode_id_segment(ids: &[(Fingerprint, Timestamp)]) -> Bytes {
    stored::encode(None, |out| IdList::write_ids(ids, out))
}

/// Reads what [`encode_id_segment`] gave.
///
/// # Errors
/// [`CodecError`] when the bytes are damaged or of a newer release.
pub fn decode_id_segment(bytes: &[u8]) -> Result<Vec<(Fingerprint, Timestamp)>, CodecError> {
    let fields = stored::fields(bytes, IdList::NAME, None)?;
    IdList::read_fields(fields).map(|IdList(ids)| ids)
}

/// Words that the state holds as constants.
const INSTANCE_STATES: [&str; 5] = ["active", "parked", "completed", "exited", "held_out"];

/// The state of a journey's newest instance.
impl Plain for &'static str {
    fn put(&self, number: u32, out: &mut Writer<'_>) {
        out.length_led(number, self.as_bytes());
    }

    fn take(wire: Wire<'_>) -> Result<Self, Fault> {
        let text = wire.text()?;
        INSTANCE_STATES
            .into_iter()
            .find(|state| *state == text)
            .ok_or_else(|| Fault::new(format!("`{text}` is no state of an instance")))
    }
}
