//! `journeyd`: puts a node together, runs it, shows it in a demo, and runs several of them for development.
//!
//! Never decides anything: it wires storage, consensus, partitions and server, and owns clock and configuration.
//!
//! ```text
//!   flags, env, file ──► Config ──► RunningNode { storage ─ consensus ─ partitions ─ gRPC }
//! ```
//!
//! Start at [`run`]; [`RunningNode::start`] is the composition.

mod arguments;
mod clock;
mod config;
mod demo;
mod dev;
mod logging;
mod metric_names;
mod node;
mod run;
mod seams;
mod start;

pub use clock::{SystemClock, monotonic_now};
pub use config::{Config, ConfigError};
pub use node::{ConnectorStatus, NodeError, NodeStats, RunningNode};
pub use run::{run, run_with};
pub use seams::{Seams, WrapEngine};
