//! Remembered event ids: the most frequent thing in a customer's rows, so they are packed.

use journey_types::{Fingerprint, Timestamp};

use crate::error::CodecError;
use crate::wire::field::{Plain, unzigzag, zigzag};
use crate::wire::message::Message;
use crate::wire::{Fault, Fields, Wire, Writer, take_varint};

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
        out.message(2, |out| {
            let mut last = 0;
            for (_, stamp) in ids {
                out.bare_varint(zigzag(stamp.unix_ms() - last));
                last = stamp.unix_ms();
            }
        });
    }

    fn of_packed(fingerprints: &[u8], mut deltas: &[u8]) -> Result<Self, Fault> {
        let (fingerprints, rest) = fingerprints.as_chunks::<FINGERPRINT_SIZE_BYTES>();
        if !rest.is_empty() {
            return Err(Fault::new("a fingerprint is cut off"));
        }
        let mut stamp_ms = 0_i64;
        let mut ids = Vec::with_capacity(fingerprints.len());
        for fingerprint in fingerprints {
            let delta = unzigzag(take_varint(&mut deltas)?);
            stamp_ms = stamp_ms.wrapping_add(delta);
            let stamp = Timestamp::from_unix_ms(stamp_ms);
            if stamp.unix_ms() != stamp_ms {
                return Err(Fault::new(format!("{stamp_ms} ms is out of range")));
            }
            ids.push((Fingerprint::from_bytes(*fingerprint), stamp));
        }
        if deltas.is_empty() {
            Ok(Self(ids))
        } else {
            Err(Fault::new("more stamps than fingerprints"))
        }
    }
}

impl Message for IdList {
    const NAME: &'static str = "IdList";

    fn write_fields(&self, out: &mut Writer<'_>) {
        Self::write_ids(&self.0, out);
    }

    fn read_fields(mut fields: Fields<'_>) -> Result<Self, CodecError> {
        let message = Self::NAME;
        let (mut fingerprints, mut deltas): (&[u8], &[u8]) = (&[], &[]);
        while let Some((field, wire)) = fields.next(message)? {
            let bytes = wire.bytes().map_err(|fault| fault.at(message, field))?;
            match field {
                1 => fingerprints = bytes,
                2 => deltas = bytes,
                field => return Err(CodecError::UnknownField { message, field }),
            }
        }
        Self::of_packed(fingerprints, deltas).map_err(|fault| fault.at(message, 2))
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

/// A text that is shared.
impl Plain for std::sync::Arc<str> {
    fn put(&self, number: u32, out: &mut Writer<'_>) {
        out.length_led(number, self.as_bytes());
    }

    fn take(wire: Wire<'_>) -> Result<Self, Fault> {
        wire.text().map(Self::from)
    }

    fn implied() -> Option<Self> {
        Some(Self::from(""))
    }

    fn is_implied(&self) -> bool {
        self.is_empty()
    }
}
