//! How Rust types become fields: plain values, and what holds none, one or many of them.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use crate::error::CodecError;
use crate::wire::message::Message;
use crate::wire::{Fault, Fields, ReadContext, Wire, Writer};

/// A value that is one field.
pub(crate) trait Plain: Sized {
    /// Writes the field, also when the value is the implied one.
    fn put(&self, number: u32, out: &mut Writer<'_>);

    /// Reads the value.
    fn take(wire: Wire<'_>) -> Result<Self, Fault>;

    /// The value that a field left out stands for; `None` where the field must be there.
    fn implied() -> Option<Self> {
        None
    }

    /// Whether this is the implied value, which is not written.
    fn is_implied(&self) -> bool {
        false
    }
}

/// What a struct's field holds.
pub(crate) trait Field: Sized {
    /// Writes it, or nothing where nothing stands for it.
    fn write(&self, number: u32, out: &mut Writer<'_>);

    /// Takes one occurrence into the slot.
    fn read(slot: &mut Option<Self>, wire: Wire<'_>) -> Result<(), Fault>;

    /// What it is without any occurrence; `None` where there must be one.
    fn absent() -> Option<Self>;
}

/// The value of a slot after all fields were read.
pub(crate) fn present<T: Field>(
    slot: Option<T>,
    message: &'static str,
    field: u32,
) -> Result<T, CodecError> {
    slot.or_else(T::absent)
        .ok_or(CodecError::MissingField { message, field })
}

impl<T: Plain> Field for T {
    fn write(&self, number: u32, out: &mut Writer<'_>) {
        if !self.is_implied() {
            self.put(number, out);
        }
    }

    fn read(slot: &mut Option<Self>, wire: Wire<'_>) -> Result<(), Fault> {
        *slot = Some(T::take(wire)?);
        Ok(())
    }

    fn absent() -> Option<Self> {
        T::implied()
    }
}

impl<T: Plain> Field for Option<T> {
    fn write(&self, number: u32, out: &mut Writer<'_>) {
        if let Some(value) = self {
            value.put(number, out);
        }
    }

    fn read(slot: &mut Option<Self>, wire: Wire<'_>) -> Result<(), Fault> {
        *slot = Some(Some(T::take(wire)?));
        Ok(())
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: Plain> Field for Vec<T> {
    fn write(&self, number: u32, out: &mut Writer<'_>) {
        for value in self {
            value.put(number, out);
        }
    }

    fn read(slot: &mut Option<Self>, wire: Wire<'_>) -> Result<(), Fault> {
        slot.get_or_insert_default().push(T::take(wire)?);
        Ok(())
    }

    fn absent() -> Option<Self> {
        Some(Self::new())
    }
}

impl<T: Plain> Field for VecDeque<T> {
    fn write(&self, number: u32, out: &mut Writer<'_>) {
        for value in self {
            value.put(number, out);
        }
    }

    fn read(slot: &mut Option<Self>, wire: Wire<'_>) -> Result<(), Fault> {
        slot.get_or_insert_default().push_back(T::take(wire)?);
        Ok(())
    }

    fn absent() -> Option<Self> {
        Some(Self::new())
    }
}

/// The name of a map's entries in errors.
const ENTRY: &str = "entry of a map";

impl<K: Plain + Ord, V: Field> Field for BTreeMap<K, V> {
    fn write(&self, number: u32, out: &mut Writer<'_>) {
        for (key, value) in self {
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

/// One entry of a map.
pub(crate) fn read_entry<K: Field, V: Field>(wire: Wire<'_>) -> Result<(K, V), Fault> {
    read_pair(wire.fields()?, ENTRY).map_err(Fault::Inside)
}

fn read_pair<A: Field, B: Field>(
    mut fields: Fields<'_>,
    message: &'static str,
) -> Result<(A, B), CodecError> {
    let (mut first, mut second) = (None, None);
    while let Some((number, wire)) = fields.next(message)? {
        match number {
            1 => A::read(&mut first, wire),
            2 => B::read(&mut second, wire),
            field => return Err(CodecError::UnknownField { message, field }),
        }
        .map_err(|fault| fault.at(message, number))?;
    }
    Ok((present(first, message, 1)?, present(second, message, 2)?))
}

impl<A: Field, B: Field> Message for (A, B) {
    const NAME: &'static str = "pair";

    fn write_fields(&self, out: &mut Writer<'_>) {
        self.0.write(1, out);
        self.1.write(2, out);
    }

    fn read_fields(fields: Fields<'_>) -> Result<Self, CodecError> {
        read_pair(fields, Self::NAME)
    }
}

impl<T: Message> Plain for T {
    fn put(&self, number: u32, out: &mut Writer<'_>) {
        out.message(number, |out| self.write_fields(out));
    }

    fn take(wire: Wire<'_>) -> Result<Self, Fault> {
        T::read_fields(wire.fields()?).map_err(Fault::Inside)
    }

    /// A generated writer leaves out a map's value that has nothing but implied parts.
    fn implied() -> Option<Self> {
        T::read_fields(Fields::new(&[], ReadContext::default())).ok()
    }
}

impl<T: Message> Message for Box<T> {
    const NAME: &'static str = T::NAME;

    fn write_fields(&self, out: &mut Writer<'_>) {
        T::write_fields(self, out);
    }

    fn read_fields(fields: Fields<'_>) -> Result<Self, CodecError> {
        T::read_fields(fields).map(Self::new)
    }
}

macro_rules! unsigned {
    ($($int:ty),*) => {$(
        impl Plain for $int {
            fn put(&self, number: u32, out: &mut Writer<'_>) {
                out.varint(number, u64::from(*self));
            }

            fn take(wire: Wire<'_>) -> Result<Self, Fault> {
                let value = wire.varint()?;
                Self::try_from(value)
                    .map_err(|_| Fault::new(format!("{value} is more than {}", Self::MAX)))
            }

            fn implied() -> Option<Self> {
                Some(0)
            }

            fn is_implied(&self) -> bool {
                *self == 0
            }
        }
    )*};
}
unsigned!(u8, u16, u32, u64);

/// Signed numbers as small varints.
pub(crate) const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

/// Back from [`zigzag`].
pub(crate) const fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -((value & 1).cast_signed())
}

impl Plain for i64 {
    fn put(&self, number: u32, out: &mut Writer<'_>) {
        out.varint(number, zigzag(*self));
    }

    fn take(wire: Wire<'_>) -> Result<Self, Fault> {
        wire.varint().map(unzigzag)
    }

    fn implied() -> Option<Self> {
        Some(0)
    }

    fn is_implied(&self) -> bool {
        *self == 0
    }
}

/// Two's complement, big-endian, without the leading bytes that only repeat the sign.
impl Plain for i128 {
    fn put(&self, number: u32, out: &mut Writer<'_>) {
        let bytes = self.to_be_bytes();
        let fill = if *self < 0 { 0xff } else { 0 };
        let is_spare =
            |byte_idx: usize| bytes[byte_idx] == fill && (bytes[byte_idx + 1] ^ fill) < 0x80;
        let first = (0..15).find(|byte_idx| !is_spare(*byte_idx)).unwrap_or(15);
        out.length_led(number, &bytes[first..]);
    }

    fn take(wire: Wire<'_>) -> Result<Self, Fault> {
        let bytes = wire.bytes()?;
        if bytes.len() > 16 {
            return Err(Fault::new("a number of more than 16 bytes"));
        }
        let fill = if bytes.first().is_some_and(|first| *first >= 0x80) {
            0xff
        } else {
            0
        };
        let mut full = [fill; 16];
        full[16 - bytes.len()..].copy_from_slice(bytes);
        Ok(Self::from_be_bytes(full))
    }

    fn implied() -> Option<Self> {
        Some(0)
    }

    fn is_implied(&self) -> bool {
        *self == 0
    }
}

impl Plain for bool {
    fn put(&self, number: u32, out: &mut Writer<'_>) {
        out.varint(number, u64::from(*self));
    }

    fn take(wire: Wire<'_>) -> Result<Self, Fault> {
        match wire.varint()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(Fault::new(format!("{other} is neither true nor false"))),
        }
    }

    fn implied() -> Option<Self> {
        Some(false)
    }

    fn is_implied(&self) -> bool {
        !self
    }
}

impl Plain for f64 {
    fn put(&self, number: u32, out: &mut Writer<'_>) {
        let value = match *self {
            zero if out.canonical && zero == 0.0 => 0.0,
            nan if out.canonical && nan.is_nan() => Self::NAN,
            other => other,
        };
        out.fixed64(number, value.to_bits());
    }

    fn take(wire: Wire<'_>) -> Result<Self, Fault> {
        wire.fixed64().map(Self::from_bits)
    }
}

impl Plain for String {
    fn put(&self, number: u32, out: &mut Writer<'_>) {
        out.length_led(number, self.as_bytes());
    }

    fn take(wire: Wire<'_>) -> Result<Self, Fault> {
        wire.text().map(Self::from)
    }

    fn implied() -> Option<Self> {
        Some(Self::new())
    }

    fn is_implied(&self) -> bool {
        self.is_empty()
    }
}

impl Plain for Bytes {
    fn put(&self, number: u32, out: &mut Writer<'_>) {
        out.length_led(number, self);
    }

    fn take(wire: Wire<'_>) -> Result<Self, Fault> {
        wire.bytes().map(Self::copy_from_slice)
    }

    fn implied() -> Option<Self> {
        Some(Self::new())
    }

    fn is_implied(&self) -> bool {
        self.is_empty()
    }
}

impl<const N: usize> Plain for [u8; N] {
    fn put(&self, number: u32, out: &mut Writer<'_>) {
        out.length_led(number, self);
    }

    fn take(wire: Wire<'_>) -> Result<Self, Fault> {
        let bytes = wire.bytes()?;
        Self::try_from(bytes)
            .map_err(|_| Fault::new(format!("{} bytes where {N} belong", bytes.len())))
    }
}
