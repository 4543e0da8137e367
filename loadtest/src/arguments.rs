//! What can be typed after `loadtest`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::limits::NODES_MAX;

/// Drives a journeyd node, measures it against a floor, and proves its sums.
#[derive(Debug, Parser)]
#[command(name = "loadtest", version, max_term_width = 110)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a scenario: one that comes with the program, or a TOML file.
    Run(RunArguments),
    /// List the scenarios that come with the program.
    List,
    /// Print the file of a scenario, to be copied and changed.
    Show {
        /// Its name.
        scenario: String,
    },
    /// Measure only the floor: decode, append to one file with group fsync, acknowledge.
    Floor(FloorArguments),
    /// Run many scenarios one after the other and write a report of each and one table.
    Suite(SuiteArguments),
    /// Hold two runs against one another.
    Compare {
        /// What `run -o json` printed.
        first: PathBuf,
        /// The same of another run.
        second: PathBuf,
    },
    /// The node under test, as a process of its own.
    #[command(hide = true)]
    Node {
        /// Arguments of journeyd.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// The floor's server, as a process of its own.
    #[command(hide = true)]
    FloorServer {
        /// Folder of its file.
        #[arg(long)]
        data_dir: PathBuf,
    },
}

#[derive(Debug, Clone, Args)]
pub(crate) struct RunArguments {
    /// A name of `loadtest list`, or a TOML file.
    pub(crate) scenario: String,
    #[command(flatten)]
    pub(crate) changes: Changes,
    /// A node that runs already, again for each other node of its cluster; without it nodes are started and ended for the
    /// run.
    #[arg(long, conflicts_with = "nodes")]
    pub(crate) address: Vec<String>,
    /// Where that node tells its metrics, such as 127.0.0.1:7702; in the order of the addresses.
    #[arg(long, requires = "address")]
    pub(crate) http: Vec<String>,
    /// Data folder of the started node, or folder of those of several; a temporary one by default.
    #[arg(long, conflicts_with = "address")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Of several nodes that are started, also measure one node alone first: what replication costs.
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set, value_name = "true|false")]
    pub(crate) one_node_first: bool,
    /// Seconds of measuring the floor before the scenario; 0 leaves it out.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(0..=600))]
    pub(crate) floor_seconds: u32,
    /// Also write the result as one HTML file with plots.
    #[arg(long)]
    pub(crate) report: Option<PathBuf>,
    /// How to print the result.
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Text)]
    pub(crate) output: OutputFormat,
}

/// What a flag changes in a scenario.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct Changes {
    /// Seconds of each measured phase that is bounded by time.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub(crate) seconds: Option<u32>,
    /// Seconds of each phase that is not measured, such as a warm-up.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub(crate) warm_up: Option<u32>,
    /// Events of each phase that is bounded by events.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=10_000_000_000))]
    pub(crate) events: Option<u64>,
    /// Nodes that are started, as one cluster with up to three replicas of each partition.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=NODES_MAX))]
    pub(crate) nodes: Option<u32>,
    /// Customers.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(crate) customers: Option<u32>,
    /// Events per batch or call.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub(crate) batch: Option<u32>,
    /// Connections.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(crate) connections: Option<u32>,
    /// Batches or calls unanswered per connection, in a closed loop.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) in_flight: Option<u32>,
    /// Events per second of each open phase that gives its rate as a number: times this.
    #[arg(long)]
    pub(crate) rate_factor: Option<f64>,
}

#[derive(Debug, Args)]
pub(crate) struct FloorArguments {
    /// The scenarios whose traffic it gets: batches over streams, and single events in calls.
    #[arg(default_values = ["advance", "unary"])]
    pub(crate) scenarios: Vec<String>,
    #[command(flatten)]
    pub(crate) changes: Changes,
    /// How to print the result.
    #[arg(short, long, value_enum, default_value_t = OutputFormat::Text)]
    pub(crate) output: OutputFormat,
}

#[derive(Debug, Args)]
pub(crate) struct SuiteArguments {
    /// Folder for the reports (JSON and HTML) and the table.
    #[arg(long, default_value = "loadtest-results")]
    pub(crate) out: PathBuf,
    /// Only these scenarios, each a name, or a name and customers such as `advance:1000000`.
    #[arg(long, value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Tiny runs of a second or two: to see that everything works.
    #[arg(long)]
    pub(crate) tiny: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
}
