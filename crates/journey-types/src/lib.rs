//! The words every other crate speaks: typed ids, time, values, the event of a customer, and the slot hash.
//!
//! Never reads a clock, never does IO, holds no behaviour of journeys.
//!
//! ```text
//!   text, numbers ──► checked newtypes ──► every other floor
//! ```
//!
//! Start at [`CustomerKey`], [`CustomerEvent`] and [`Value`]; [`slot_of`] places a customer.

mod customer_event;
mod destination;
mod effect_id;
mod error;
mod histogram;
mod identifiers;
mod ids;
pub mod limits;
mod numbers;
mod percent;
mod slot;
mod time;
mod value;

pub use customer_event::{CustomerEvent, DEFAULT_SOURCE, EventRefused};
pub use destination::Destination;
pub use effect_id::{EffectId, EffectOrigin};
pub use error::InvalidId;
pub use histogram::{COUNT_BOUNDS, DURATION_BOUNDS_US, Histogram, HistogramCounts};
pub use identifiers::{ALIAS, ANONYMOUS_ID, IDENTIFY, PREVIOUS_ID};
pub use ids::{
    Channel, ConnectorId, ContentId, CustomerId, CustomerKey, EnrollmentId, EventId, EventName,
    JourneyId, MapId, QueueId, SchemaId, SourceName, StepId, WorkspaceId,
};
pub use numbers::{
    AggregateId, BatchNumber, BirthIndex, CatalogRevision, ContentVersion, DefinitionVersion,
    Incarnation, InstanceNumber, Lsn, NodeId, PartitionId, Sequence, SessionId,
};
pub use slot::{ClusterKey, Fingerprint, N_SLOTS, Slot, customer_hash, slot_of};
pub use time::{TimeSpan, Timestamp};
pub use value::Value;
