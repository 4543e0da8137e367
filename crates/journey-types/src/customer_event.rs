//! What a customer did, as ingested.

use std::collections::BTreeMap;

use crate::ids::{CustomerKey, EventId, EventName, SourceName};
use crate::limits::{
    ID_SIZE_BYTES_MAX, OCCURRED_AHEAD_MAX, PROPERTIES_SIZE_BYTES_MAX, VALUE_DEPTH_MAX,
};
use crate::time::Timestamp;
use crate::value::Value;

/// The source of events that name none.
pub const DEFAULT_SOURCE: &str = "default";

/// One thing a customer did on some channel (JOURNEYS section 12).
#[derive(Debug, Clone, PartialEq)]
pub struct CustomerEvent {
    /// Whose event it is.
    pub customer: CustomerKey,
    /// Which producer it comes from.
    pub source: SourceName,
    /// The producer's id of it: with `source` the idempotency key.
    pub id: EventId,
    /// What happened.
    pub name: EventName,
    /// When it happened by the producer's word; drives windows.
    pub occurred_at: Timestamp,
    /// The touchpoint it happened on, if told.
    pub channel: Option<String>,
    /// The device it happened on, if told.
    pub device: Option<String>,
    /// Everything else.
    pub properties: BTreeMap<String, Value>,
}

/// Why an event is refused at the door; the reason goes back to its producer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventRefused {
    /// It claims to have occurred too far ahead.
    #[error(
        "occurred_in_future: occurred_at {occurred_at} is more than 24 h ahead of its arrival at {received_at}; check the producer's clock"
    )]
    InFuture {
        /// The claim.
        occurred_at: Timestamp,
        /// The node's clock.
        received_at: Timestamp,
    },
    /// It claims to have occurred before 1970.
    #[error(
        "occurred_before_1970: occurred_at lies before 1970-01-01T00:00:00Z; check its unit (milliseconds, not seconds or days)"
    )]
    BeforeEpoch,
    /// Its properties are too large.
    #[error(
        "properties_too_large: properties take {size_bytes} bytes, at most {PROPERTIES_SIZE_BYTES_MAX} are allowed; send a reference instead of the thing"
    )]
    PropertiesTooLarge {
        /// Their size.
        size_bytes: usize,
    },
    /// Its properties nest too deeply.
    #[error("properties_too_deep: properties nest deeper than {VALUE_DEPTH_MAX} levels")]
    PropertiesTooDeep,
    /// A text field is too long.
    #[error(
        "{field}_too_long: {field} has {size_bytes} bytes, at most {ID_SIZE_BYTES_MAX} are allowed"
    )]
    FieldTooLong {
        /// Which field.
        field: &'static str,
        /// Its size.
        size_bytes: usize,
    },
}

impl CustomerEvent {
    /// Checks what ids alone cannot: time, sizes, depth.
    ///
    /// # Errors
    /// The first [`EventRefused`] found.
    pub fn validate(&self, received_at: Timestamp) -> Result<(), EventRefused> {
        if self.occurred_at > received_at.plus(OCCURRED_AHEAD_MAX) {
            return Err(EventRefused::InFuture {
                occurred_at: self.occurred_at,
                received_at,
            });
        }
        for (field, text) in [("channel", &self.channel), ("device", &self.device)] {
            let size_bytes = text.as_ref().map_or(0, String::len);
            if size_bytes > ID_SIZE_BYTES_MAX {
                return Err(EventRefused::FieldTooLong { field, size_bytes });
            }
        }
        let size_bytes: usize = self
            .properties
            .iter()
            .map(|(name, value)| name.len() + 4 + value.size_bytes())
            .sum();
        if size_bytes > PROPERTIES_SIZE_BYTES_MAX {
            return Err(EventRefused::PropertiesTooLarge { size_bytes });
        }
        if !self.properties.values().all(Value::depth_is_fine) {
            return Err(EventRefused::PropertiesTooDeep);
        }
        Ok(())
    }
}
