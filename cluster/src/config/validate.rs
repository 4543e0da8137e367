//! What must hold of a configuration beyond its types: every problem is reported, not the first.

use std::path::PathBuf;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::config::{ByteCount, Config, DiskConfig, RaftConfig, Watermark, cluster, connectors};

/// Why the configuration is not usable.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration file {}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A key or value does not fit.
    #[error("{origin}: {reason}")]
    Malformed {
        /// The file, or `environment and flags`.
        origin: String,
        /// What and where.
        reason: String,
    },
    /// Values do not go together.
    #[error("the configuration does not hold together:\n  {}", problems.join("\n  "))]
    Inconsistent {
        /// Every problem.
        problems: Vec<String>,
    },
}

/// Partitions that a cluster may have: DESIGN section 2.
const PARTITIONS_MAX: u32 = 256;

impl Config {
    /// Checks ranges and the inequalities between timeouts.
    ///
    /// # Errors
    /// [`ConfigError::Inconsistent`] with every problem.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let mut problems = Vec::new();
        if !(1..=PARTITIONS_MAX).contains(&self.partitions) {
            problems.push(format!(
                "partitions = {} is not in 1 to {PARTITIONS_MAX}",
                self.partitions
            ));
        }
        let http = self.http_listen.address();
        let peers = self.cluster.peer_listen.address();
        let listens = [
            ("listen", Some(self.listen)),
            ("http-listen", http),
            ("cluster.peer-listen", peers),
        ];
        for (key, address) in listens {
            let is_open = address.filter(|address| !address.ip().is_loopback());
            if let Some(address) = is_open.filter(|_| !self.insecure_listen) {
                problems.push(format!(
                    "{key} = {address} is not a loopback address and there is no TLS yet: everyone who reaches it could \
                     read and write everything; if that is meant, add --insecure-listen"
                ));
            }
        }
        if http.is_some_and(|http| http == self.listen && http.port() != 0) {
            problems.push(format!("listen and http-listen are both {}", self.listen));
        }
        if peers
            .is_some_and(|peers| peers.port() != 0 && (peers == self.listen || Some(peers) == http))
        {
            problems
                .push("cluster.peer-listen is taken by another listener of this node".to_owned());
        }
        problems.extend(cluster::problems(self));
        raft_problems(&self.raft, &mut problems);
        let storage = &self.storage;
        let sizes = [
            ("storage.log-cache", storage.log_cache, 8, 64),
            ("storage.state-cache", storage.state_cache, 8, 64),
            ("storage.customer-cache", storage.customer_cache, 8, 1_024),
            ("storage.log-bytes-max", storage.log_bytes_max, 1, 1_024),
        ];
        for (key, size, mib_min, gib_max) in sizes {
            if size < ByteCount::from_mib(mib_min) {
                problems.push(format!("{key} is below {mib_min}MiB"));
            }
            if size > ByteCount::from_mib(gib_max << 10) {
                problems.push(format!("{key} is above {gib_max}GiB"));
            }
        }
        problems.extend(log_problem(&self.log.level));
        problems.extend(connectors::problems(&self.connectors));
        let requests = self.limits.requests_per_partition;
        if !(2..=4_096).contains(&requests) {
            problems.push(format!(
                "limits.requests-per-partition = {requests} is not in 2 to 4096"
            ));
        }
        let events = self.limits.events_in_flight;
        if !(64..=1_000_000).contains(&events) {
            problems.push(format!(
                "limits.events-in-flight = {events} is not in 64 to 1000000"
            ));
        }
        disk_problems(&self.disk, &mut problems);
        problems.extend(connectors::channel_problems(&self.channels));
        if problems.is_empty() {
            Ok(())
        } else {
            Err(ConfigError::Inconsistent { problems })
        }
    }
}

/// Timeouts are ordered: heartbeats come often within the shortest election timeout.
fn raft_problems(raft: &RaftConfig, problems: &mut Vec<String>) {
    let heartbeat_ms = raft.heartbeat_interval.get();
    if !(10..=10_000).contains(&heartbeat_ms) {
        problems.push(format!(
            "raft.heartbeat-interval = {heartbeat_ms}ms is not in 10ms to 10s"
        ));
    }
    if raft.election_timeout_min.get() < 3 * heartbeat_ms {
        problems.push(format!(
            "raft.election-timeout-min = {}ms is below 3 heartbeats of {heartbeat_ms}ms",
            raft.election_timeout_min.get()
        ));
    }
    if raft.election_timeout_max <= raft.election_timeout_min {
        problems
            .push("raft.election-timeout-max is not above raft.election-timeout-min".to_owned());
    }
}

/// A level or a filter. The filter's own parser takes any word for the name of a module, so that a level with a slip of
/// the pen would silence the log.
fn log_problem(level: &str) -> Option<String> {
    const FORMS: &str = "write error, warn, info, debug, trace or off, or a filter such as `info,journey_partition=debug`";
    let is_level = |part: &str| part.parse::<LevelFilter>().is_ok();
    let words = level.split(',').map(str::trim);
    let unknown = words
        .filter(|part| !part.contains(['=', '[']))
        .find(|part| !is_level(part));
    if let Some(part) = unknown {
        return Some(format!("log.level: `{part}` is no level; {FORMS}"));
    }
    let error = EnvFilter::try_new(level).err()?;
    Some(format!(
        "log.level: `{level}` is no filter ({error}); {FORMS}"
    ))
}

/// Marks of the same kind must be in order; of different kinds only the running node knows.
fn disk_problems(disk: &DiskConfig, problems: &mut Vec<String>) {
    let pairs = [
        ("disk.low", disk.low, "disk.high", disk.high),
        ("disk.high", disk.high, "disk.critical", disk.critical),
    ];
    for (upper_key, upper, lower_key, lower) in pairs {
        let is_in_order = match (upper, lower) {
            (Watermark::Percent(upper), Watermark::Percent(lower)) => upper > lower,
            (Watermark::Bytes(upper), Watermark::Bytes(lower)) => upper > lower,
            (Watermark::Percent(_), Watermark::Bytes(_))
            | (Watermark::Bytes(_), Watermark::Percent(_)) => true,
        };
        if !is_in_order {
            problems.push(format!("{upper_key} is not above {lower_key}"));
        }
    }
}
