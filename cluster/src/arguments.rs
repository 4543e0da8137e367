//! What can be typed after `journeyd`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use toml::Value;

/// A node of the journeyd cluster.
#[derive(Debug, Parser)]
#[command(name = "journeyd", version, max_term_width = 110)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a node until it is told to stop (Ctrl-C or SIGTERM).
    Start(StartArguments),
    /// Run a durable node with three sample journeys, a generated shop and a worker, and show what happens.
    Demo(DemoArguments),
}

/// Flags over the configuration file and the environment (`JOURNEY__…`).
#[derive(Debug, Args)]
pub(crate) struct StartArguments {
    /// TOML file with the configuration; see cluster/config/node.toml for every key.
    #[arg(long)]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
    /// Partitions of a new cluster (fixed when it is founded).
    #[arg(long)]
    pub(crate) partitions: Option<u32>,
    /// Allow --listen on an address that is not loopback, though there is no TLS yet.
    #[arg(long)]
    pub(crate) insecure_listen: bool,
}

/// Flags that start and demo share.
#[derive(Debug, Args)]
pub(crate) struct CommonArguments {
    /// Folder of the node's data [default: journeyd-data].
    #[arg(long)]
    pub(crate) data_dir: Option<PathBuf>,
    /// Address of the gRPC API [default: 127.0.0.1:7701]; port 0 takes a free one.
    #[arg(long)]
    pub(crate) listen: Option<SocketAddr>,
    /// Address of health and metrics over HTTP [default: 127.0.0.1:7702]; port 0 takes a free one, empty is off.
    #[arg(long)]
    pub(crate) http_listen: Option<String>,
    /// Log level or filter [default: info; demo: warn].
    #[arg(long)]
    pub(crate) log_level: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArguments {
    #[command(flatten)]
    pub(crate) common: CommonArguments,
    /// End by itself after this long, such as `30s`.
    #[arg(long = "for")]
    pub(crate) run_for: Option<String>,
    /// Events the shop makes per second, 1 to 10,000.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) rate: u32,
}

impl CommonArguments {
    /// The flags that were given, as configuration keys.
    pub(crate) fn flags(&self) -> Vec<(&'static str, Value)> {
        let mut flags = Vec::new();
        if let Some(data_dir) = &self.data_dir {
            flags.push(("data-dir", Value::String(data_dir.display().to_string())));
        }
        if let Some(listen) = self.listen {
            flags.push(("listen", Value::String(listen.to_string())));
        }
        if let Some(listen) = &self.http_listen {
            flags.push(("http-listen", Value::String(listen.clone())));
        }
        if let Some(level) = &self.log_level {
            flags.push(("log.level", Value::String(level.clone())));
        }
        flags
    }
}

impl StartArguments {
    /// The flags that were given, as configuration keys.
    pub(crate) fn flags(&self) -> Vec<(&'static str, Value)> {
        let mut flags = self.common.flags();
        if let Some(partitions) = self.partitions {
            flags.push(("partitions", Value::Integer(i64::from(partitions))));
        }
        if self.insecure_listen {
            flags.push(("insecure-listen", Value::Boolean(true)));
        }
        flags
    }
}
