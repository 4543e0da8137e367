//! The harness of the end-to-end tests: real processes on free ports, killed and started again.
//!
//! Never sleeps for a fixed time: it waits for conditions, and fails with what it saw.
//!
//! ```text
//!   NodeProcess ── start / kill -9 / freeze / restart on the same folder and port
//!   ClusterProcess ── several of them that found and join one cluster
//!   FaultNetwork ── what lies between them: cut, reset, delayed, each direction for itself
//!   History ── what clients and workers saw of a cluster, and whether that may be
//!   ReceiverProcess ── an HTTP server that keeps what it got and answers as told
//!   Refusals ── bad inputs and faults with the answer to each, as files in `tests/refusals`
//!   journeyctl(…) ── exit code, standard output, standard error
//! ```
//!
//! Start at [`NodeProcess`] and [`Ctl`].

mod cluster_process;
mod command;
mod data;
mod fault_network;
mod faults;
mod hanging_engine;
mod history;
mod http;
mod node_process;
mod node_report;
mod receiver;
mod refusals;
mod wait;

pub use cluster_process::{ClusterPlan, ClusterProcess, metric};
pub use command::{Ctl, CtlOutput};
pub use data::{bpic2012, cdnow, slow_tests_wanted, test_seed};
pub use fault_network::{Cut, FaultNetwork, LinkFigures};
pub use faults::{Fault, FaultPair, OpenFault, Way};
pub use hanging_engine::HangingEngine;
pub use history::{History, JOURNEYS, LoadPlan, Nth, Trial, state_hashes};
pub use http::{HttpAnswer, http_get};
pub use node_process::{NodeProcess, Programs};
pub use node_report::{GroupNodes, groups_at_rest, node_report};
pub use receiver::{ReceivedRequest, ReceiverProcess, run_receiver};
pub use refusals::Refusals;
pub use wait::{wait_until, wait_while_it_moves};
