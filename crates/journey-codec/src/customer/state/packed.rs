//! What a customer's state packs for memory: maps stored as ordinary maps, the timeline as it is packed.

use journey_customer::{PackedMap, Timeline};

use crate::wire::field::{Field, Plain, read_entry};
use crate::wire::{Fault, Wire, Writer};

impl<K: Plain + Ord, V: Field> Field for PackedMap<K, V> {
    fn write(&self, number: u32, out: &mut Writer<'_>) {
        for (key, value) in self.iter() {
            out.message(number, |out| {
                key.write(1, out);
                value.write(2, out);
            });
        }
    }

    fn read(slot: &mut Option<Self>, wire: Wire<'_>) -> Result<(), Fault> {
        let (key, value) = read_entry(wire)?;
        slot.get_or_insert_default().insert(key, value);
        Ok(())
    }

    fn absent() -> Option<Self> {
        Some(Self::new())
    }
}

impl Field for Timeline {
    fn write(&self, number: u32, out: &mut Writer<'_>) {
        if !self.is_empty() {
            out.length_led(number, self.packed());
        }
    }

    fn read(slot: &mut Option<Self>, wire: Wire<'_>) -> Result<(), Fault> {
        let lines = Self::from_packed(wire.bytes()?);
        *slot = Some(lines.ok_or_else(|| Fault::new("no packed lines of a timeline"))?);
        Ok(())
    }

    fn absent() -> Option<Self> {
        Some(Self::default())
    }
}
