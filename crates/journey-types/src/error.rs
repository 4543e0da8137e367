//! The refusal of a text that should have been an id.

/// Why a text is not an id of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidId {
    /// Nothing between the quotes.
    #[error("{kind} is empty; give it at least one character")]
    Empty {
        /// What the text should have been, for example `customer id`.
        kind: &'static str,
    },
    /// More bytes than the kind allows.
    #[error("{kind} has {size_bytes} bytes, at most {size_bytes_max} are allowed")]
    TooLong {
        /// What the text should have been.
        kind: &'static str,
        /// Its size.
        size_bytes: usize,
        /// The limit.
        size_bytes_max: usize,
    },
    /// A character that the kind does not allow.
    #[error("{kind} {text:?} is not of the form {form}")]
    Malformed {
        /// What the text should have been.
        kind: &'static str,
        /// The text.
        text: String,
        /// The form it should have, for people.
        form: &'static str,
    },
}
