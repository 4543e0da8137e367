//! The node's configuration: defaults < TOML file < environment < flags.
//!
//! Keys are kebab-case; an unknown one is an error with a suggestion. Environment variables name a key by its path:
//! `JOURNEY__RAFT__HEARTBEAT_INTERVAL=100ms`. Durations are written `150ms`, sizes `64MiB`.

mod connectors;
mod layers;
mod units;
mod validate;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use serde::Deserialize;

pub(crate) use connectors::{ConnectorConfig, ConnectorConfigs, ConnectorRate};
pub(crate) use layers::{Layers, load};
pub(crate) use units::{ByteCount, Millis};
pub use validate::ConfigError;

/// The port of the public gRPC API where none is set.
const PORT_DEFAULT: u16 = 7_701;

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Config {
    /// Folder of this node's data, created when missing. Default `journeyd-data`. Two nodes never share one.
    pub data_dir: PathBuf,
    /// Address of the public gRPC API. Default `127.0.0.1:7701`; port 0 takes a free one. An address that is not
    /// loopback needs `insecure-listen`.
    pub listen: SocketAddr,
    /// Allows an address that is not loopback though there is no TLS yet: everyone who reaches it can read and write
    /// everything. Default false.
    pub insecure_listen: bool,
    /// Partitions of a new cluster, 1 to 256, default 16. Fixed when the cluster is founded: at least 4 for each node
    /// that is planned.
    pub partitions: u32,
    /// Raft.
    pub raft: RaftConfig,
    /// Disk and caches.
    pub storage: StorageConfig,
    /// Logs.
    pub log: LogConfig,
    /// Endpoints that the node itself delivers to, by name. Default none.
    pub connectors: BTreeMap<String, ConnectorConfig>,
}

/// `[raft]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
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
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct StorageConfig {
    /// Page cache of the log database, 8MiB to 64GiB, default 64MiB.
    pub log_cache: ByteCount,
    /// Page cache of the state database, 8MiB to 64GiB, default 128MiB. sled may take several times as much.
    pub state_cache: ByteCount,
    /// Customers kept in memory, all partitions together, 8MiB to 1TiB, default 256MiB. Customers that change are written
    /// behind: the more fit, the fewer writes; where all of it waits to be written, producers wait too.
    pub customer_cache: ByteCount,
    /// Log of one partition that makes a purge, 1MiB to 1TiB, default 64MiB. What is kept is replayed after a restart.
    pub log_bytes_max: ByteCount,
}

/// `[log]`
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
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
            insecure_listen: false,
            partitions: 16,
            raft: RaftConfig::default(),
            storage: StorageConfig::default(),
            log: LogConfig::default(),
            connectors: BTreeMap::new(),
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
            log_cache: ByteCount::from_mib(64),
            state_cache: ByteCount::from_mib(128),
            customer_cache: ByteCount::from_mib(256),
            log_bytes_max: ByteCount::from_mib(64),
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
