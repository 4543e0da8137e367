//! Remembered event ids: the most frequent thing in a customer's rows, so they are packed.

use journey_types::{Fingerprint, Timestamp};

use super::stamps;
use crate::error::CodecError;
use crate::wire::field::Plain;
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
