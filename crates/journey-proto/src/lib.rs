//! The generated code of `proto/`: the public API and the durable format.
//!
//! Holds no logic.
//!
//! ```text
//!   proto/journey/v1/*.proto         ──► v1       (gRPC services, messages, their JSON form)
//!   proto/journey/durable/v1/*.proto ──► durable  (what lies in the journal and in the state rows)
//!   proto/journey/internal/v1/*.proto ─► internal (what nodes of one cluster say to each other)
//! ```
//!
//! [`DESCRIPTORS`] feeds server reflection.

/// The file descriptor set of everything in `proto/`, encoded.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// The public API, version 1.
#[allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated code")]
pub mod v1 {
    tonic::include_proto!("journey.v1");
    include!(concat!(env!("OUT_DIR"), "/journey.v1.serde.rs"));
}

/// The durable format, version 1.
#[allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated code")]
pub mod durable {
    tonic::include_proto!("journey.durable.v1");
}

/// What the nodes of one cluster say to each other.
#[allow(missing_docs, clippy::all, clippy::pedantic, reason = "generated code")]
pub mod internal {
    tonic::include_proto!("journey.internal.v1");
}
