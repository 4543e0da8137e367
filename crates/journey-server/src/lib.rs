//! The public gRPC API of a node: takes requests apart, sends commands to partitions, puts answers together.
//!
//! Never decides anything about a customer, never answers before what the answer depends on is applied.
//!
//! ```text
//!   gRPC ──► convert (every fault by field) ──► Node: partition of the customer ──► PartitionHandle ──► answers
//! ```
//!
//! Start at [`serve`] and [`Node`]; each service is a module.

mod admission;
mod api_metrics;
mod catalogs;
mod cluster;
mod convert;
mod counts;
mod customers;
mod dead_letters;
mod enroll;
mod error;
mod gate;
mod hosted;
mod ingest;
mod journeys;
pub mod limits;
pub mod metric_names;
mod node;
mod observe;
mod paging;
mod quarantine;
mod router;
mod serve;
mod set_aside;
mod status;
mod waits_for;
mod workers;

pub use admission::WorkspaceRates;
pub use api_metrics::ApiMetrics;
pub use catalogs::{compile as compile_catalog, follow as follow_documents};
pub use cluster::{ClusterApi, SurveySource};
pub use convert::{EventFault, event_from_wire};
pub use customers::CustomerApi;
pub use dead_letters::DeadLetterApi;
pub use error::{ServerError, Violation};
pub use gate::IngestLimits;
pub use hosted::{Handles, HostedPartitions};
pub use ingest::IngestApi;
pub use journeys::JourneyApi;
pub use node::{Node, NodeParts};
pub use quarantine::QuarantineApi;
pub use router::{Leader, RouteTable, Routes};
pub use serve::{ServeError, bind, serve};
pub use workers::{NodeSubscription, SettledOne, Unsent, WorkerApi};
