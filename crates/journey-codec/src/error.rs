//! What can be wrong with stored bytes.

use journey_types::Lsn;

use crate::parts::PartId;

/// Stored bytes that cannot be read. None of these is worth a retry: either a newer release wrote them, or they are
/// damaged; the partition stops with this as its reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Not even a version byte.
    #[error(
        "{message} is empty, a stored value starts with its format version: the bytes are damaged"
    )]
    Empty {
        /// What was read.
        message: &'static str,
    },
    /// A format this release does not know.
    #[error(
        "{message} has format version {version}, this release reads {known}: start a release that knows version {version}"
    )]
    UnknownVersion {
        /// What was read.
        message: &'static str,
        /// The version found.
        version: u8,
        /// The version this release reads.
        known: u8,
    },
    /// A kind of record this release does not know.
    #[error(
        "{message} is of the unknown kind {kind}: start the release that wrote it, or a newer one"
    )]
    UnknownKind {
        /// What was read.
        message: &'static str,
        /// The number of the kind.
        kind: u32,
    },
    /// A field this release does not know; to leave it out would make replicas differ.
    #[error(
        "{message} has the unknown field {field}: start the release that wrote it, or a newer one"
    )]
    UnknownField {
        /// What was read.
        message: &'static str,
        /// The number of the field.
        field: u32,
    },
    /// A field that must be there is not.
    #[error("{message} lacks its field {field}: the bytes are damaged")]
    MissingField {
        /// What was read.
        message: &'static str,
        /// The number of the field.
        field: u32,
    },
    /// Bytes that are no protobuf, or a value out of its range.
    #[error("{message}, field {field}: {reason}: the bytes are damaged")]
    Malformed {
        /// What was read.
        message: &'static str,
        /// The number of the field, 0 where the bytes around fields are wrong.
        field: u32,
        /// What is wrong.
        reason: String,
    },
    /// The head row names a part whose row is not there.
    #[error(
        "the customer's part {part} written at {mark} is named by its head but its row is missing: restore this replica"
    )]
    MissingPart {
        /// Which part.
        part: PartId,
        /// The mark under which it was written.
        mark: Lsn,
    },
    /// A part's bytes are not those its head names.
    #[error(
        "the customer's part {part} written at {mark} does not match the hash in its head: restore this replica"
    )]
    PartMismatch {
        /// Which part.
        part: PartId,
        /// The mark under which it was written.
        mark: Lsn,
    },
}
