//! The typed client of a journeyd cluster: send events, publish journeys, read customers, take effects.
//!
//! Never retries what is not safe to repeat: events are safe, since their ids make a repeat a `duplicate`.
//!
//! ```text
//!   CustomerEvent ──► Client::ingest / IngestSession ──► EventResult
//!   files         ──► Client::publish                ──► revision, diagnostics
//!   subscription  ──► WorkerSession                  ──► Effect … outcome
//!   addresses     ──► ClusterClient                  ──► goes to the leader, goes on elsewhere, sends again
//! ```
//!
//! Start at [`ClusterClient::new`], or at [`Client::connect`] for one node.

mod client;
mod cluster;
mod encoded;
mod error;
mod ingest;
pub mod limits;
mod worker;

pub use client::Client;
pub use cluster::{ClusterClient, ClusterWorker, EventAnswer, EventAnswers, EventSender};
pub use error::ClientError;
pub use ingest::{IngestAck, IngestSession};
/// The wire types.
pub use journey_proto::v1 as wire;
pub use journey_wire::{
    event_to_wire, struct_from_map, timestamp_from_wire as wire_to_timestamp, timestamp_to_wire,
    value_from_wire, value_to_wire,
};
pub use worker::{WorkerMessage, WorkerSession};
