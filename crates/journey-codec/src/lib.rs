//! The one home of the durable format: what the journal and the state rows hold, as bytes.
//!
//! Never touches storage or disk, decides nothing.
//!
//! ```text
//!   JournalEntry, CustomerState, counts, control ◄──► 1 byte format version + protobuf (journey.durable.v1)
//! ```
//!
//! Start at [`encode_entry`] and [`decode_entry`]; `proto/journey/durable/v1` says the same in protobuf's words.

#[cfg(test)]
mod arbitrary;
mod customer_event;
mod entry;
mod error;
mod fact;
mod journal;
pub mod limits;
mod parts;
mod stored;
mod value;
mod wire;

pub use entry::{BatchWriter, decode_entry, encode_entry, record_size_bytes};
pub use error::CodecError;
pub use journal::{Batch, CatalogAdopted, JournalEntry, Record, SessionOpened, Turn};
pub use parts::PartId;
pub use stored::FORMAT_VERSION;
