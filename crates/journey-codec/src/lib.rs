//! The one home of the durable format: what the journal and the state rows hold, as bytes.
//!
//! Never touches storage or disk, decides nothing.
//!
//! ```text
//!   JournalEntry, CustomerState, counts, control ◄──► 1 byte format version + protobuf (journey.durable.v1)
//! ```
//!
//! Start at [`encode_entry`] and [`encode_customer`]; `proto/journey/durable/v1` says the same in protobuf's words.

mod journal;

mod entry;
mod fact;

mod customer;
mod parts;

mod control;
mod counts;
mod durations;

mod hash;

mod error;
pub mod limits;
mod stored;

mod customer_event;
mod value;
mod wire;

#[cfg(test)]
mod arbitrary;
#[cfg(test)]
mod golden;

pub use control::{Control, Held, decode_floor, encode_floor};
pub use counts::{
    JourneyCounts, StepCounts, count, count_fact, counted_version, decode_counts, encode_counts,
};
pub use customer::{
    CustomerRows, Head, HeadList, PartRow, decode_customer, decode_head, decode_id_segment,
    encode_customer, encode_id_segment,
};
pub use customer_event::{decode_event, encode_event};
pub use durations::Durations;
pub use entry::{BatchWriter, decode_entry, encode_entry, record_size_bytes};
pub use error::CodecError;
pub use hash::{HashChain, control_hash, counts_hash, state_hash};
pub use journal::{Batch, CatalogAdopted, JournalEntry, Record, SessionOpened, Turn};
pub use parts::{PART_ID_SIZE_BYTES, PartId};
pub use stored::FORMAT_VERSION;
