//! The one end-to-end test binary: everything a user can do, against real processes.
//!
//! `commands.rs` maps every command and RPC to the test that shows it and fails when one is missing.

mod api;
mod authoring;
mod bad_input;
mod cdnow;
mod commands;
mod customers;
mod demo;
mod effects;
mod ingest;
mod kill;
mod load;
mod simulate;
mod world;
