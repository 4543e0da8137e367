//! The node's configuration: defaults < TOML file < environment < flags.
//!
//! Keys are kebab-case; an unknown one is an error with a suggestion. Environment variables name a key by its path:
//! `JOURNEY__RAFT__HEARTBEAT_INTERVAL=100ms`. Durations are written `150ms`, sizes `64MiB`.

mod cluster;
mod connectors;
mod layers;
mod units;
mod validate;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::Deserialize;

pub(crate) use cluster::ClusterConfig;
pub(crate) use connectors::{
    ChannelConfig, ConnectorConfig, ConnectorConfigs, ConnectorRate, RetryConfig,
};
pub(crate) use layers::{Layers, load};
pub(crate) use units::{ByteCount, Listen, Millis, Rates, Watermark};
pub use validate::ConfigError;

/// The port of the public gRPC API where none is set.
const PORT_DEFAULT: u16 = 7_701;
/// The port of health and metrics over HTTP where none is set.
const HTTP_PORT_DEFAULT: u16 = 7_702;

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(
    rename_all = "kebab-case",
    deny_unknown_fields,
    default,
    expecting = "a table of its keys"
)]
pub struct Config {
    /// Folder of this node's data, created when missing. Default `journeyd-data`. Two nodes never share one.
    pub data_dir: PathBuf,
    /// Address of the public gRPC API. Default `127.0.0.1:7701`; port 0 takes a free one. An address that is not
    /// loopback needs `insecure-listen`.
    #[serde(deserialize_with = "units::socket_address")]
    pub listen: SocketAddr,
    /// Address of health and metrics over HTTP (`/livez`, `/readyz`, `/healthz`, `/metrics`, `/version`). Default
    /// `127.0.0.1:7702`; port 0 takes a free one, empty is off. An address that is not loopback needs `insecure-listen`.
    pub http_listen: Listen,
    /// Allows an address that is not loopback though there is no TLS yet: everyone who reaches it can read and write
    /// everything. Default false.
    pub insecure_listen: bool,
    /// Partitions of a new cluster, 1 to 256, default 16. Fixed when the cluster is founded: at least 4 for each node
    /// that is planned.
    pub partitions: u32,
    /// Other nodes.
    pub cluster: ClusterConfig,
    /// Raft.
    pub raft: RaftConfig,
    /// Disk and caches.
    pub storage: StorageConfig,
    /// Room on the disk.
    pub disk: DiskConfig,
    /// What callers may send.
    pub limits: LimitsConfig,
    /// Logs.
    pub log: LogConfig,
    /// Endpoints that the node itself delivers to, by name. Default none.
    pub connectors: BTreeMap<String, ConnectorConfig>,
    /// Retry budgets of destinations that workers serve, by channel (`email`) or queue (`queue:care`).
    pub channels: BTreeMap<String, ChannelConfig>,
}

/// `[raft]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(
    rename_all = "kebab-case",
    deny_unknown_fields,
    default,
    expecting = "a table of its keys"
)]
pub struct RaftConfig {
    /// Pause between heartbeats, 10ms to 10s, default 50ms. Raise it on slow disks, with the election timeouts.
    pub heartbeat_interval: Millis,
    /// Shortest election timeout, at least 3 heartbeats, default 200ms.
    pub election_timeout_min: Millis,
    /// Longest election timeout, above the shortest, default 400ms.
    pub election_timeout_max: Millis,
}

/// `[storage]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(
    rename_all = "kebab-case",
    deny_unknown_fields,
    default,
    expecting = "a table of its keys"
)]
pub struct StorageConfig {
    /// Page cache of the log database, 8MiB to 64GiB, default 16MiB: what is read of a log is nearly always in memory.
    pub log_cache: ByteCount,
    /// Page cache of the state database, 8MiB to 64GiB, default 48MiB. sled may take several times as much, and the same
    /// memory holds more customers in `customer-cache`.
    pub state_cache: ByteCount,
    /// Customers kept in memory, all partitions together, 8MiB to 1TiB, default 640MiB. Customers that change are written
    /// behind: the more fit, the fewer writes; where all of it waits to be written, producers wait too.
    pub customer_cache: ByteCount,
    /// Log of one partition that makes a purge, 1MiB to 1TiB, default 64MiB. What is kept is replayed after a restart.
    pub log_bytes_max: ByteCount,
}

/// `[disk]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(
    rename_all = "kebab-case",
    deny_unknown_fields,
    default,
    expecting = "a table of its keys"
)]
pub struct DiskConfig {
    /// Room below which the node warns and purges its logs earlier: a share of the disk, counted up to 20GiB of it, or a
    /// size. Default `20%`.
    pub low: Watermark,
    /// Room below which new events and publishes are refused `DISK_LOW`; workers settle and timers fire on. Default `10%`.
    pub high: Watermark,
    /// Room below which nothing is written but checkpoints. Default `5%`; at least what a checkpoint may need, 64MiB and
    /// more on a busy node.
    pub critical: Watermark,
    /// What the data folder may take in all, where that is less than the disk. Default `0B`: the whole disk.
    pub budget: ByteCount,
}

/// `[limits]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(
    rename_all = "kebab-case",
    deny_unknown_fields,
    default,
    expecting = "a table of its keys"
)]
pub struct LimitsConfig {
    /// Requests with events that may wait at one partition, 2 to 4096, default 256; one workspace may have three quarters
    /// of them. What comes beyond is refused at once, `PARTITION_BUSY` or `WORKSPACE_BUSY`.
    pub requests_per_partition: u32,
    /// Events of `Ingest` calls that may wait on this node, 64 to 1000000, default 16384; one workspace may have three quarters
    /// of them. What comes beyond is refused before it is decoded, `NODE_BUSY` or `WORKSPACE_BUSY`.
    pub events_in_flight: u32,
    /// Events per second that each workspace may send to this node, default 0: no limit. What comes beyond is refused
    /// `WORKSPACE_RATE`, with when to try again.
    pub workspace_events_per_second: u64,
    /// The same for single workspaces, by name; over the general one.
    pub workspaces: Rates,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(
    rename_all = "kebab-case",
    deny_unknown_fields,
    default,
    expecting = "a table of its keys"
)]
pub struct LogConfig {
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `info,journey_partition=debug`. Default `info`.
    pub level: String,
    /// `text` or `json`. Default `text`.
    pub format: LogFormat,
}

/// Form of the log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// For collectors.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: PathBuf::from("journeyd-data"),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, PORT_DEFAULT)),
            http_listen: Listen::at(SocketAddr::from((Ipv4Addr::LOCALHOST, HTTP_PORT_DEFAULT))),
            insecure_listen: false,
            partitions: 16,
            cluster: ClusterConfig::default(),
            raft: RaftConfig::default(),
            storage: StorageConfig::default(),
            disk: DiskConfig::default(),
            limits: LimitsConfig::default(),
            log: LogConfig::default(),
            connectors: BTreeMap::new(),
            channels: BTreeMap::new(),
        }
    }
}

impl Default for RaftConfig {
    fn default() -> Self {
        Self {
            heartbeat_interval: Millis::new(50),
            election_timeout_min: Millis::new(200),
            election_timeout_max: Millis::new(400),
        }
    }
}

impl Default for StorageConfig {
    fn default() -> Self {
        Self {
            log_cache: ByteCount::from_mib(16),
            state_cache: ByteCount::from_mib(48),
            customer_cache: ByteCount::from_mib(640),
            log_bytes_max: ByteCount::from_mib(64),
        }
    }
}

impl Default for DiskConfig {
    fn default() -> Self {
        Self {
            low: Watermark::Percent(20),
            high: Watermark::Percent(10),
            critical: Watermark::Percent(5),
            budget: ByteCount::from_mib(0),
        }
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            requests_per_partition: 256,
            events_in_flight: 16_384,
            workspace_events_per_second: 0,
            workspaces: Rates::default(),
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: LogFormat::Text,
        }
    }
}

#[cfg(test)]
mod tests;
