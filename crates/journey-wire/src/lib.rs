//! Domain values in the public wire form and back: the one home of what server and client must say alike.
//!
//! Never decides, never checks bounds: who receives an event refuses what does not fit.
//!
//! ```text
//!   CustomerEvent, Value, Timestamp ◄──► journey.v1, google.protobuf.{Struct, Value, Timestamp}
//! ```
//!
//! Start at [`event_to_wire`] and [`map_from_struct`].

mod event;
mod instant;
mod value;

pub use event::{customer_of, event_to_wire};
pub use instant::{timestamp_from_wire, timestamp_to_wire};
pub use value::{map_from_struct, struct_from_map, value_from_wire, value_to_wire};
