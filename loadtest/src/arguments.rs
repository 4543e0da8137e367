//! What can be typed after `loadtest`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Drives a journeyd node and proves its sums.
#[derive(Debug, Parser)]
#[command(name = "loadtest", version, max_term_width = 110)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a scenario.
    Run(RunArguments),
    /// The node under test, as a process of its own.
    #[command(hide = true)]
    Node {
        /// Arguments of journeyd.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct RunArguments {
    /// Which scenario.
    #[arg(value_enum)]
    pub(crate) scenario: Scenario,
    /// Seconds that are measured, after a warm-up.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub(crate) seconds: u32,
    /// Customers, chosen at random for each event.
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(crate) customers: u32,
    /// Events per batch.
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) batch: u32,
    /// Connections, each with one ingest stream.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) connections: u32,
    /// Batches unanswered per connection.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) in_flight: u32,
    /// A node that runs already; without it a node is started and ended for the run.
    #[arg(long)]
    pub(crate) address: Option<String>,
    /// Data folder of the started node; a temporary one by default.
    #[arg(long, conflicts_with = "address")]
    pub(crate) data_dir: Option<PathBuf>,
    /// How to print the result.
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Text)]
    pub(crate) output: OutputFormat,
}

/// The scenarios there are; more come with the load harness's own issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Scenario {
    /// Each event advances a running instance by one step.
    Advance,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}
