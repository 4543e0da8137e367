//! Structs and enums as messages: one table per type says which field or kind has which number.

use crate::error::CodecError;
use crate::wire::{Fields, Writer};

/// A thing made of fields.
pub(crate) trait Message: Sized {
    /// Its name in the `.proto` files, for errors.
    const NAME: &'static str;

    /// Writes its fields.
    fn write_fields(&self, out: &mut Writer<'_>);

    /// Reads it from its fields.
    fn read_fields(fields: Fields<'_>) -> Result<Self, CodecError>;
}

/// An enum as a oneof: exactly one field, whose number is the kind.
pub(crate) trait Kinds: Message {
    /// The numbers of all kinds.
    #[cfg(test)]
    const KINDS: &'static [u32];

    /// Writes the one field.
    fn write_kind(&self, out: &mut Writer<'_>);

    /// Reads the kind of that number; `None` when there is no such kind.
    fn read_kind(number: u32, wire: crate::wire::Wire<'_>) -> Result<Option<Self>, CodecError>;
}

/// Reads the fields of a message into variables that become its parts.
macro_rules! read_table {
    ($fields:expr, $name:expr, $build:path { $($number:literal => $field:ident),* $(,)? }) => {{
        let mut fields = $fields;
        $(let mut $field = None;)*
        while let Some((number, wire)) = fields.next($name)? {
            match number {
                $($number => crate::wire::field::Field::read(&mut $field, wire)
                    .map_err(|fault| fault.at($name, number))?,)*
                field => {
                    return Err(crate::error::CodecError::UnknownField { message: $name, field });
                }
            }
        }
        $build {
            $($field: crate::wire::field::present($field, $name, $number)?,)*
        }
    }};
}
pub(crate) use read_table;

/// Makes a struct a message: `Type as "NameInProto" { number => field, … }`. Every field must be named.
macro_rules! message {
    ($type:path as $name:literal { $($number:literal => $field:ident),* $(,)? }) => {
        impl crate::wire::message::Message for $type {
            const NAME: &'static str = $name;

            fn write_fields(&self, out: &mut crate::wire::Writer<'_>) {
                let Self { $($field),* } = self;
                $(crate::wire::field::Field::write($field, $number, out);)*
            }

            fn read_fields(
                fields: crate::wire::Fields<'_>,
            ) -> Result<Self, crate::error::CodecError> {
                Ok(crate::wire::message::read_table!(
                    fields, $name, Self { $($number => $field),* }
                ))
            }
        }
    };
}
pub(crate) use message;

/// Lets a message lie behind an `Arc`. Not for every type: a shared customer event has a form of its own.
macro_rules! shared {
    ($($type:path),*) => {$(
        impl crate::wire::message::Message for std::sync::Arc<$type> {
            const NAME: &'static str = <$type as crate::wire::message::Message>::NAME;

            fn write_fields(&self, out: &mut crate::wire::Writer<'_>) {
                crate::wire::message::Message::write_fields(&**self, out);
            }

            fn read_fields(
                fields: crate::wire::Fields<'_>,
            ) -> Result<Self, crate::error::CodecError> {
                crate::wire::message::Message::read_fields(fields).map(Self::new)
            }
        }
    )*};
}
pub(crate) use shared;

/// Makes an enum a oneof. Kinds without parts are empty messages, kinds with one unnamed part are that part, kinds with
/// named parts are messages of their own. Every kind must be named.
macro_rules! kinds {
    ($type:path as $name:literal {
        $(units { $($unit_number:literal => $unit:ident),* $(,)? })?
        $(newtypes { $($newtype_number:literal => $newtype:ident),* $(,)? })?
        $(structs { $(
            $struct_number:literal => $struct:ident as $struct_name:literal {
                $($number:literal => $field:ident),* $(,)?
            }
        ),* $(,)? })?
    }) => {
        impl crate::wire::message::Kinds for $type {
            #[cfg(test)]
            const KINDS: &'static [u32] = &[
                $($($unit_number,)*)?
                $($($newtype_number,)*)?
                $($($struct_number,)*)?
            ];

            fn write_kind(&self, out: &mut crate::wire::Writer<'_>) {
                match self {
                    $($(Self::$unit => out.length_led($unit_number, &[]),)*)?
                    $($(Self::$newtype(part) => {
                        crate::wire::field::Plain::put(part, $newtype_number, out);
                    })*)?
                    $($(Self::$struct { $($field),* } => out.message($struct_number, |out| {
                        $(crate::wire::field::Field::write($field, $number, out);)*
                    }),)*)?
                }
            }

            fn read_kind(
                kind: u32,
                wire: crate::wire::Wire<'_>,
            ) -> Result<Option<Self>, crate::error::CodecError> {
                Ok(Some(match kind {
                    $($($unit_number => {
                        let mut fields = wire.fields().map_err(|fault| fault.at($name, kind))?;
                        if let Some((field, _)) = fields.next($name)? {
                            return Err(crate::error::CodecError::UnknownField {
                                message: $name,
                                field,
                            });
                        }
                        Self::$unit
                    })*)?
                    $($($newtype_number => Self::$newtype(
                        crate::wire::field::Plain::take(wire)
                            .map_err(|fault| fault.at($name, kind))?,
                    ),)*)?
                    $($($struct_number => {
                        let fields = wire.fields().map_err(|fault| fault.at($name, kind))?;
                        crate::wire::message::read_table!(
                            fields, $struct_name, Self::$struct { $($number => $field),* }
                        )
                    })*)?
                    _ => return Ok(None),
                }))
            }
        }

        impl crate::wire::message::Message for $type {
            const NAME: &'static str = $name;

            fn write_fields(&self, out: &mut crate::wire::Writer<'_>) {
                crate::wire::message::Kinds::write_kind(self, out);
            }

            fn read_fields(
                fields: crate::wire::Fields<'_>,
            ) -> Result<Self, crate::error::CodecError> {
                crate::wire::message::read_one_kind(fields)
            }
        }
    };
}
pub(crate) use kinds;

/// Reads a oneof: the last kind counts, as protobuf has it.
pub(crate) fn read_one_kind<T: Kinds>(mut fields: Fields<'_>) -> Result<T, CodecError> {
    let mut found = None;
    while let Some((kind, wire)) = fields.next(T::NAME)? {
        found = T::read_kind(kind, wire)?;
        if found.is_none() {
            return Err(CodecError::UnknownKind {
                message: T::NAME,
                kind,
            });
        }
    }
    // A message without any kind is one whose kind a generated reader has dropped.
    found.ok_or(CodecError::UnknownKind {
        message: T::NAME,
        kind: 0,
    })
}
