//! The frame of every stored value: one byte of format version, then a protobuf message.

use bytes::Bytes;
use journey_types::CustomerKey;

use crate::error::CodecError;
use crate::wire::{Fields, ReadContext, Writer};

/// The format version that this release writes, and the only one it reads.
pub const FORMAT_VERSION: u8 = 1;

/// Frames what `write` writes.
pub(crate) fn encode<'c>(
    customer: Option<&'c CustomerKey>,
    write: impl FnOnce(&mut Writer<'c>),
) -> Bytes {
    let mut out = Writer::new(customer);
    out.raw(&[FORMAT_VERSION]);
    write(&mut out);
    Bytes::from(out.into_bytes())
}

/// The fields inside a frame.
pub(crate) fn fields<'a>(
    bytes: &'a [u8],
    message: &'static str,
    customer: Option<&'a CustomerKey>,
) -> Result<Fields<'a>, CodecError> {
    let (version, rest) = bytes.split_first().ok_or(CodecError::Empty { message })?;
    if *version != FORMAT_VERSION {
        return Err(CodecError::UnknownVersion {
            message,
            version: *version,
            known: FORMAT_VERSION,
        });
    }
    let context = ReadContext {
        customer,
        ..ReadContext::default()
    };
    Ok(Fields::new(rest, context))
}
