//! Lists of instants, packed: mostly each is a little later than the one before.

use journey_types::Timestamp;

use crate::wire::field::{unzigzag, zigzag};
use crate::wire::{Fault, Wire, Writer, take_varint};

/// Writes each instant as the difference to the one before, the first to 1970.
pub(super) fn write(stamps: impl Iterator<Item = Timestamp>, number: u32, out: &mut Writer<'_>) {
    out.message(number, |out| {
        let mut last_ms = 0;
        for stamp in stamps {
            out.bare_varint(zigzag(stamp.unix_ms() - last_ms));
            last_ms = stamp.unix_ms();
        }
    });
}

/// Reads what [`write`] wrote.
pub(super) fn read(wire: Wire<'_>) -> Result<Vec<Timestamp>, Fault> {
    let mut deltas = wire.bytes()?;
    let mut stamps = Vec::new();
    let mut stamp_ms = 0_i64;
    while !deltas.is_empty() {
        stamp_ms = stamp_ms.wrapping_add(unzigzag(take_varint(&mut deltas)?));
        let stamp = Timestamp::from_unix_ms(stamp_ms);
        if stamp.unix_ms() != stamp_ms {
            return Err(Fault::new(format!("{stamp_ms} ms is out of range")));
        }
        stamps.push(stamp);
    }
    Ok(stamps)
}
