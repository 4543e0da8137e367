//! The one home of the durable format: what the journal and the state rows hold, as bytes.
//!
//! Never touches storage or disk, decides nothing.
//!
//! ```text
//!   JournalEntry, CustomerState, counts, control ◄──► 1 byte format version + protobuf (journey.durable.v1)
//! ```
//!
//! Start at [`JournalEntry`].

mod journal;

pub use journal::{Batch, CatalogAdopted, JournalEntry, Record, SessionOpened, Turn};
