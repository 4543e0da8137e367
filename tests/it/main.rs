//! The one end-to-end test binary: everything a user can do, against real processes.
//!
//! `commands.rs` maps every command and RPC to the test that shows it and fails when one is missing.

#![expect(
    clippy::unwrap_used,
    clippy::too_many_lines,
    reason = "a test fails where it stands, and a table of cases is long"
)]

mod api;
mod authoring;
mod bad_input;
mod bpic;
mod cdnow;
mod chaos;
mod cluster;
mod cluster_world;
mod commands;
mod customers;
mod damage;
mod dead_letters;
mod demo;
mod dev;
mod effects;
mod enroll;
mod failover;
mod handovers;
mod health;
mod ingest;
mod join;
mod kill;
mod load;
mod outage;
mod overload;
mod refusals;
mod routing;
mod scenarios;
mod simulate;
mod sre;
mod unreadable;
mod webhooks;
mod world;
