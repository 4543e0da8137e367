//! What a customer's state packs for memory, stored as ordinary lists and maps.

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
        for line in self.lines() {
            out.message(number, |out| {
                line.stamp.write(1, out);
                line.sequence.write(2, out);
                line.instance.write(3, out);
                if !line.text.is_empty() {
                    out.length_led(4, line.text.as_bytes());
                }
            });
        }
    }

    fn read(slot: &mut Option<Self>, wire: Wire<'_>) -> Result<(), Fault> {
        let entry = journey_customer::TimelineEntry::take(wire)?;
        let of = (entry.sequence, entry.instance);
        let timeline = slot.get_or_insert_default();
        timeline.push(entry.stamp, of, &entry.text);
        Ok(())
    }

    fn absent() -> Option<Self> {
        Some(Self::default())
    }
}
