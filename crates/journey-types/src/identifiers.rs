//! More than one identifier of one customer: each is a customer of its own until merging is delivered.

use std::borrow::Cow;

use crate::customer_event::CustomerEvent;
use crate::error::InvalidId;
use crate::ids::CustomerId;
use crate::value::Value;

/// The event that merges its properties into the traits.
pub const IDENTIFY: &str = "identify";
/// The event that names an earlier identifier of its customer.
pub const ALIAS: &str = "alias";
/// The property of [`IDENTIFY`] and [`ALIAS`] that names an anonymous identifier of the same customer. No trait.
pub const ANONYMOUS_ID: &str = "anonymous_id";
/// The property of [`ALIAS`] that names an earlier identifier of the same customer.
pub const PREVIOUS_ID: &str = "previous_id";

/// What the id of a customer known only by an anonymous id begins with.
const ANONYMOUS_PREFIX: &str = "anonymous:";

impl CustomerId {
    /// The customer that is known only by an anonymous id: `anonymous:` and that id, as it is also looked up.
    ///
    /// # Errors
    /// [`InvalidId`] when the id is empty, holds control characters, or is longer than 246 bytes.
    pub fn anonymous(anonymous_id: &str) -> Result<Self, InvalidId> {
        let id = Self::new(anonymous_id);
        let id = id.and_then(|_| Self::new(format!("{ANONYMOUS_PREFIX}{anonymous_id}")));
        let kind = "anonymous id";
        id.map_err(|error| match error {
            InvalidId::Empty { .. } => InvalidId::Empty { kind },
            InvalidId::TooLong { size_bytes_max, .. } => InvalidId::TooLong {
                kind,
                size_bytes: anonymous_id.len(),
                size_bytes_max: size_bytes_max - ANONYMOUS_PREFIX.len(),
            },
            InvalidId::Malformed { form, .. } => InvalidId::Malformed {
                kind,
                text: anonymous_id.to_owned(),
                form,
            },
        })
    }

    /// Whether it is an anonymous one.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.as_str().starts_with(ANONYMOUS_PREFIX)
    }
}

impl CustomerEvent {
    /// The other identifier that an [`IDENTIFY`] or [`ALIAS`] names as the same customer, by its customer id.
    #[must_use]
    pub fn other_identifier(&self) -> Option<Cow<'_, str>> {
        let named = |property: &str| self.properties.get(property).and_then(Value::as_text);
        let anonymous = || named(ANONYMOUS_ID).map(|id| format!("{ANONYMOUS_PREFIX}{id}").into());
        let other: Option<Cow<'_, str>> = match self.name.as_str() {
            IDENTIFY => anonymous(),
            ALIAS => named(PREVIOUS_ID).map(Cow::from).or_else(anonymous),
            _ => None,
        };
        other.filter(|id| *id != self.customer.customer.as_str())
    }
}

#[cfg(test)]
mod tests;
