//! Values: recursive, so both ways are bounded in depth.

use journey_types::Value;

use crate::error::CodecError;
use crate::limits::STORED_VALUE_DEPTH_MAX;
use crate::wire::field::{Field, Plain, present};
use crate::wire::message::Message;
use crate::wire::{Fault, Fields, Wire, Writer};

impl Message for Value {
    const NAME: &'static str = "Value";

    /// # Panics
    /// When lists and maps nest deeper than a reader would follow: better no entry than one that stops every replica.
    fn write_fields(&self, out: &mut Writer<'_>) {
        match self {
            Self::Null => out.length_led(1, &[]),
            Self::Bool(flag) => flag.put(2, out),
            Self::Int(number) => number.put(3, out),
            Self::Double(number) => number.put(4, out),
            Self::Text(text) => text.put(5, out),
            Self::Time(instant) => instant.put(6, out),
            Self::List(items) => write_nested(7, items, out),
            Self::Map(fields) => write_nested(8, fields, out),
        }
    }

    fn read_fields(mut fields: Fields<'_>) -> Result<Self, CodecError> {
        let mut found = None;
        while let Some((kind, wire)) = fields.next(Self::NAME)? {
            let value = match kind {
                1 => wire.bytes().map(|_| Self::Null),
                2 => bool::take(wire).map(Self::Bool),
                3 => i64::take(wire).map(Self::Int),
                4 => f64::take(wire).map(Self::Double),
                5 => String::take(wire).map(Self::Text),
                6 => Plain::take(wire).map(Self::Time),
                7 => read_nested(wire).map(Self::List),
                8 => read_nested(wire).map(Self::Map),
                kind => {
                    return Err(CodecError::UnknownKind {
                        message: Self::NAME,
                        kind,
                    });
                }
            };
            found = Some(value.map_err(|fault| fault.at(Self::NAME, kind))?);
        }
        found.ok_or(CodecError::UnknownKind {
            message: Self::NAME,
            kind: 0,
        })
    }
}

fn write_nested(number: u32, parts: &impl Field, out: &mut Writer<'_>) {
    assert!(
        out.value_depth < STORED_VALUE_DEPTH_MAX,
        "a value that nests deeper than {STORED_VALUE_DEPTH_MAX} levels reached the journal"
    );
    out.value_depth += 1;
    out.message(number, |out| parts.write(1, out));
    out.value_depth -= 1;
}

fn read_nested<T: Field>(wire: Wire<'_>) -> Result<T, Fault> {
    const MESSAGE: &str = "list or map of a Value";
    let mut context = wire.context;
    if context.value_depth >= STORED_VALUE_DEPTH_MAX {
        return Err(Fault::new(format!(
            "nested deeper than {STORED_VALUE_DEPTH_MAX} levels"
        )));
    }
    context.value_depth += 1;
    let mut fields = wire.fields()?.with_context(context);
    let mut parts = None;
    while let Some((field, wire)) = fields.next(MESSAGE).map_err(Fault::Inside)? {
        if field != 1 {
            let message = MESSAGE;
            return Err(Fault::Inside(CodecError::UnknownField { message, field }));
        }
        T::read(&mut parts, wire)?;
    }
    present(parts, MESSAGE, 1).map_err(Fault::Inside)
}

#[cfg(test)]
mod tests;
