//! Protobuf's wire form, written from and read into the domain's own types without intermediate messages.
//!
//! Generated readers skip what they do not know; here an unknown field or kind is an error, because a replica that
//! leaves something out would silently differ from the others. Writing is canonical: fields in order of declaration,
//! maps in order of keys, default values left out.

pub(crate) mod field;
mod ids;
pub(crate) mod message;

use std::sync::Arc;

use journey_types::{CustomerEvent, CustomerKey};

use crate::error::CodecError;

/// The wire type of varints.
const VARINT: u32 = 0;
/// The wire type of eight bytes.
const FIXED64: u32 = 1;
/// The wire type of bytes led by their length.
const LENGTH_LED: u32 = 2;
/// The highest field number of protobuf.
const FIELD_NUMBER_MAX: u64 = (1 << 29) - 1;

/// Bytes in the making.
#[derive(Debug, Default)]
pub(crate) struct Writer<'c> {
    bytes: Vec<u8>,
    /// Whose things are written: events of this customer do not repeat its key.
    pub(crate) customer: Option<&'c CustomerKey>,
    /// While a turn is written: the events its facts refer to by position.
    pub(crate) shared_events: Option<Vec<Arc<CustomerEvent>>>,
    /// Whether doubles that are equal become equal bytes (for hashes), or keep their bits (for storage).
    pub(crate) canonical: bool,
    /// How deep in a value the writer is.
    pub(crate) value_depth: u8,
}

impl<'c> Writer<'c> {
    /// A writer of a customer's things, or of nobody's.
    pub(crate) fn new(customer: Option<&'c CustomerKey>) -> Self {
        Self {
            // Most turns and rows fit, so that they are written without growing.
            bytes: Vec::with_capacity(256),
            customer,
            ..Self::default()
        }
    }

    /// Appends bytes as they are.
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// How many bytes there are.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// What was written.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// A field of the wire type varint.
    pub(crate) fn varint(&mut self, number: u32, value: u64) {
        self.bare_varint(u64::from(number << 3 | VARINT));
        self.bare_varint(value);
    }

    /// A field of eight bytes.
    pub(crate) fn fixed64(&mut self, number: u32, value: u64) {
        self.bare_varint(u64::from(number << 3 | FIXED64));
        self.raw(&value.to_le_bytes());
    }

    /// A field of bytes or text.
    pub(crate) fn length_led(&mut self, number: u32, bytes: &[u8]) {
        self.bare_varint(u64::from(number << 3 | LENGTH_LED));
        self.bare_varint(bytes.len() as u64);
        self.raw(bytes);
    }

    /// A field that is itself made of fields.
    pub(crate) fn message(&mut self, number: u32, write: impl FnOnce(&mut Self)) {
        self.bare_varint(u64::from(number << 3 | LENGTH_LED));
        let length_at = self.bytes.len();
        // Most messages are shorter than 128 bytes and their length takes this one byte.
        self.bytes.push(0);
        write(self);
        let length = (self.bytes.len() - length_at - 1) as u64;
        let (varint, n_bytes) = varint_bytes(length);
        if n_bytes == 1 {
            self.bytes[length_at] = varint[0];
        } else {
            let written = length_at + 1..self.bytes.len();
            self.bytes.resize(self.bytes.len() + n_bytes - 1, 0);
            self.bytes.copy_within(written, length_at + n_bytes);
            self.bytes[length_at..length_at + n_bytes].copy_from_slice(&varint[..n_bytes]);
        }
    }

    /// Writes things of a customer behind what is there.
    pub(crate) fn within<T>(
        &mut self,
        customer: &CustomerKey,
        write: impl FnOnce(&mut Writer<'_>) -> T,
    ) -> T {
        let mut inner = Writer {
            bytes: std::mem::take(&mut self.bytes),
            customer: Some(customer),
            ..Writer::default()
        };
        let written = write(&mut inner);
        self.bytes = inner.bytes;
        written
    }

    /// Puts what lies from `second` on before what lies from `first` on.
    pub(crate) fn bring_forward(&mut self, first: usize, second: usize) {
        let n_brought = self.bytes.len() - second;
        self.bytes[first..].rotate_right(n_brought);
    }

    /// A varint without a field's tag, for packed lists.
    pub(crate) fn bare_varint(&mut self, value: u64) {
        let (varint, n_bytes) = varint_bytes(value);
        self.raw(&varint[..n_bytes]);
    }
}

fn varint_bytes(mut value: u64) -> ([u8; 10], usize) {
    let mut bytes = [0; 10];
    let mut n_bytes = 0;
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        if value == 0 {
            bytes[n_bytes] = low;
            return (bytes, n_bytes + 1);
        }
        bytes[n_bytes] = low | 0x80;
        n_bytes += 1;
    }
}

/// What reading needs to know beside the bytes.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ReadContext<'a> {
    /// Whose things are read.
    pub(crate) customer: Option<&'a CustomerKey>,
    /// Inside a turn: the events its facts refer to.
    pub(crate) shared_events: Option<&'a [Arc<CustomerEvent>]>,
    /// How deep in a value the reader is.
    pub(crate) value_depth: u8,
}

/// What is wrong with a field, before it is known whose field it is.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The field itself.
    Reason(String),
    /// Something inside, that already says where.
    Inside(CodecError),
}

impl Fault {
    /// A fault of the field itself.
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self::Reason(reason.into())
    }

    /// Tells where.
    pub(crate) fn at(self, message: &'static str, field: u32) -> CodecError {
        match self {
            Self::Reason(reason) => CodecError::Malformed {
                message,
                field,
                reason,
            },
            Self::Inside(error) => error,
        }
    }
}

/// The fields of one message, in the order of its bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fields<'a> {
    bytes: &'a [u8],
    context: ReadContext<'a>,
}

impl<'a> Fields<'a> {
    /// The fields in these bytes.
    pub(crate) const fn new(bytes: &'a [u8], context: ReadContext<'a>) -> Self {
        Self { bytes, context }
    }

    /// What reading knows here.
    pub(crate) const fn context(&self) -> ReadContext<'a> {
        self.context
    }

    /// The same fields, read knowing something else.
    pub(crate) fn with_context<'b>(self, context: ReadContext<'b>) -> Fields<'b>
    where
        'a: 'b,
    {
        Fields {
            bytes: self.bytes,
            context,
        }
    }

    /// The next field with its number, or `None` at the end.
    pub(crate) fn next(
        &mut self,
        message: &'static str,
    ) -> Result<Option<(u32, Wire<'a>)>, CodecError> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        self.split_field()
            .map(Some)
            .map_err(|fault| fault.at(message, 0))
    }

    fn split_field(&mut self) -> Result<(u32, Wire<'a>), Fault> {
        let tag = take_varint(&mut self.bytes)?;
        let number = tag >> 3;
        if number == 0 || number > FIELD_NUMBER_MAX {
            return Err(Fault::new(format!("field number {number} is out of range")));
        }
        let number = u32::try_from(number).map_err(|_| Fault::new("field number out of range"))?;
        let payload = match u32::try_from(tag & 7).unwrap_or(u32::MAX) {
            VARINT => Payload::Varint(take_varint(&mut self.bytes)?),
            FIXED64 => {
                let (bytes, rest) = self
                    .bytes
                    .split_first_chunk::<8>()
                    .ok_or_else(|| Fault::new("cut off inside eight bytes"))?;
                self.bytes = rest;
                Payload::Fixed64(u64::from_le_bytes(*bytes))
            }
            LENGTH_LED => {
                let length = usize::try_from(take_varint(&mut self.bytes)?)
                    .map_err(|_| Fault::new("a length beyond memory"))?;
                let (bytes, rest) = self
                    .bytes
                    .split_at_checked(length)
                    .ok_or_else(|| Fault::new(format!("cut off inside {length} bytes")))?;
                self.bytes = rest;
                Payload::LengthLed(bytes)
            }
            other => return Err(Fault::new(format!("field {number} has wire type {other}"))),
        };
        let context = self.context;
        Ok((number, Wire { payload, context }))
    }
}

/// Takes a varint off the front.
pub(crate) fn take_varint(bytes: &mut &[u8]) -> Result<u64, Fault> {
    let mut value = 0_u64;
    for (byte_idx, byte) in bytes.iter().copied().enumerate().take(10) {
        let bits = u64::from(byte & 0x7f);
        if byte_idx == 9 && bits > 1 {
            return Err(Fault::new("a varint beyond 64 bits"));
        }
        value |= bits << (7 * byte_idx);
        if byte < 0x80 {
            *bytes = &bytes[byte_idx + 1..];
            return Ok(value);
        }
    }
    Err(Fault::new("cut off inside a varint"))
}

/// One field's value as it lies in the bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wire<'a> {
    payload: Payload<'a>,
    /// What reading knows here.
    pub(crate) context: ReadContext<'a>,
}

#[derive(Debug, Clone, Copy)]
enum Payload<'a> {
    Varint(u64),
    Fixed64(u64),
    LengthLed(&'a [u8]),
}

impl<'a> Wire<'a> {
    /// The value of a varint field.
    pub(crate) fn varint(self) -> Result<u64, Fault> {
        if let Payload::Varint(value) = self.payload {
            Ok(value)
        } else {
            Err(Fault::new("not a varint"))
        }
    }

    /// The value of a field of eight bytes.
    pub(crate) fn fixed64(self) -> Result<u64, Fault> {
        if let Payload::Fixed64(value) = self.payload {
            Ok(value)
        } else {
            Err(Fault::new("not eight bytes"))
        }
    }

    /// The bytes of a field led by its length.
    pub(crate) fn bytes(self) -> Result<&'a [u8], Fault> {
        if let Payload::LengthLed(bytes) = self.payload {
            Ok(bytes)
        } else {
            Err(Fault::new("not bytes led by their length"))
        }
    }

    /// The text of a field.
    pub(crate) fn text(self) -> Result<&'a str, Fault> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Fault::new("text that is not UTF-8"))
    }

    /// The fields of a field that is a message.
    pub(crate) fn fields(self) -> Result<Fields<'a>, Fault> {
        Ok(Fields::new(self.bytes()?, self.context))
    }
}

#[cfg(test)]
mod tests;
