//! What can be typed after `journeyd`.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
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
    /// Run a cluster of several nodes on this machine, each a process of its own, with the sample journeys.
    ///
    /// While it runs, `kill n2`, `stop n2` and `start n2` can be typed. Variables JOURNEY__… configure every node.
    Dev(DevArguments),
}

/// Flags over the configuration file and the environment (`JOURNEY__…`).
#[derive(Debug, Args)]
pub(crate) struct StartArguments {
    /// TOML file with the configuration; see cluster/config/node.toml for every key.
    #[arg(long)]
    pub(crate) config: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) common: CommonArguments,
    #[command(flatten)]
    pub(crate) peers: PeerArguments,
    /// Partitions of a new cluster (fixed when it is founded).
    #[arg(long, value_parser = number::<u32>(1..=256, 24))]
    pub(crate) partitions: Option<u32>,
    /// Allow --listen on an address that is not loopback, though there is no TLS yet.
    #[arg(long)]
    pub(crate) insecure_listen: bool,
    /// Stop when standard input closes: `journeyd dev` ties its nodes to itself so.
    #[arg(long, hide = true)]
    pub(crate) stop_with_stdin: bool,
}

/// Flags about other nodes.
#[derive(Debug, Args)]
pub(crate) struct PeerArguments {
    /// Address where other nodes reach this one, by convention port 7703 [default: none, the node stays alone]; port 0
    /// takes a free one.
    #[arg(long)]
    pub(crate) peer_listen: Option<String>,
    /// Peer addresses of members of the cluster that a node with an empty data folder joins.
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',')]
    pub(crate) join: Vec<String>,
    /// Address of --listen as clients and other nodes reach it [default: the address itself].
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) advertise: Option<String>,
    /// Address of --peer-listen as other nodes reach it [default: the address itself].
    #[arg(long, value_name = "HOST:PORT")]
    pub(crate) peer_advertise: Option<String>,
    /// What fails together with this node, such as a rack or a data centre.
    #[arg(long)]
    pub(crate) zone: Option<String>,
    /// This node's share of replicas beside others, 1 to 1000 [default: 100].
    #[arg(long, value_parser = number::<u32>(1..=1_000, 200))]
    pub(crate) weight: Option<u32>,
    /// Id of the cluster in hexadecimal digits: founded with it, or checked against it.
    #[arg(long)]
    pub(crate) cluster_id: Option<String>,
}

impl PeerArguments {
    fn flags(&self) -> Vec<(&'static str, Value)> {
        let texts = [
            ("cluster.peer-listen", &self.peer_listen),
            ("cluster.advertise", &self.advertise),
            ("cluster.peer-advertise", &self.peer_advertise),
            ("cluster.zone", &self.zone),
            ("cluster.id", &self.cluster_id),
        ];
        let texts = texts
            .into_iter()
            .filter_map(|(key, text)| Some((key, Value::String(text.clone()?))));
        let mut flags: Vec<_> = texts.collect();
        if let Some(weight) = self.weight {
            flags.push(("cluster.weight", Value::Integer(i64::from(weight))));
        }
        if !self.join.is_empty() {
            let join = self.join.iter().cloned().map(Value::String);
            flags.push(("cluster.join", Value::Array(join.collect())));
        }
        flags
    }
}

/// An address to listen on; names are not looked up.
fn socket_address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "write an IP address and a port, such as 127.0.0.1:7701".to_owned())
}

/// A whole number from one to another, or what to write instead.
fn number<N: TryFrom<u64>>(
    range: RangeInclusive<u64>,
    example: u64,
) -> impl Fn(&str) -> Result<N, String> + Clone + Send + Sync + 'static {
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        let number = number.and_then(|number| N::try_from(number).ok());
        number.ok_or_else(|| {
            let (least, most) = (range.start(), range.end());
            let bounds = if *most >= u64::from(u32::MAX) {
                format!("{least} or more")
            } else {
                format!("{least} to {most}")
            };
            format!("write a whole number, {bounds}, such as {example}")
        })
    }
}

/// Flags that start and demo share.
#[derive(Debug, Args)]
pub(crate) struct CommonArguments {
    /// Folder of the node's data [default: journeyd-data].
    #[arg(long)]
    pub(crate) data_dir: Option<PathBuf>,
    /// Address of the gRPC API [default: 127.0.0.1:7701]; port 0 takes a free one.
    #[arg(long, value_parser = socket_address)]
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
    #[arg(long, default_value_t = 200, value_parser = number::<u32>(1..=10_000, 500))]
    pub(crate) rate: u32,
}

#[derive(Debug, Args)]
pub(crate) struct DevArguments {
    /// How many nodes, 1 to 9.
    #[arg(long, default_value_t = 3, value_parser = number::<u8>(1..=9, 3))]
    pub(crate) nodes: u8,
    /// Folder of the nodes' data and logs [default: a temporary one, removed at the end].
    #[arg(long)]
    pub(crate) data_dir: Option<PathBuf>,
    /// Port of the first node's gRPC API; the next two are for HTTP and for peers, and each further node begins ten ports
    /// later. 0 takes free ones.
    #[arg(long, default_value_t = 7701, value_parser = number::<u16>(0..=65_535, 7_701))]
    pub(crate) port: u16,
    /// Partitions of a new cluster (fixed when it is founded).
    #[arg(long, value_parser = number::<u32>(1..=256, 24))]
    pub(crate) partitions: Option<u32>,
    /// Log level or filter of the nodes.
    #[arg(long)]
    pub(crate) log_level: Option<String>,
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
        flags.extend(self.peers.flags());
        if let Some(partitions) = self.partitions {
            flags.push(("partitions", Value::Integer(i64::from(partitions))));
        }
        if self.insecure_listen {
            flags.push(("insecure-listen", Value::Boolean(true)));
        }
        flags
    }
}
