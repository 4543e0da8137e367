//! Where each node of a cluster on this machine has its data, its ports and its log.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::arguments::DevArguments;

/// Ports from one node to the next, as the README has them: 7701, 7711, 7721.
const PORTS_PER_NODE: u16 = 10;
/// Lines of a log that are shown when a node ended before it served.
const LOG_LINES_SHOWN: usize = 15;

/// One node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NodePlan {
    /// `n1`, `n2` …
    pub(super) name: String,
    pub(super) data_dir: PathBuf,
    pub(super) log: PathBuf,
    pub(super) api: SocketAddr,
    pub(super) http: SocketAddr,
    pub(super) peers: SocketAddr,
    /// Of `journeyd start`.
    pub(super) arguments: Vec<OsString>,
}

impl NodePlan {
    /// What to type to start this node by hand.
    pub(super) fn command(&self) -> String {
        let words = self.arguments.iter().map(|word| {
            let word = word.to_string_lossy();
            let is_plain =
                |letter: char| letter.is_ascii_alphanumeric() || "-_./:=,".contains(letter);
            if word.chars().all(is_plain) && !word.is_empty() {
                word.into_owned()
            } else {
                format!("'{}'", word.replace('\'', "'\\''"))
            }
        });
        format!("journeyd {}", words.collect::<Vec<_>>().join(" "))
    }

    /// The last lines of its log.
    pub(super) fn end_of_log(&self) -> String {
        let text = std::fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n")
    }
}

/// The plans of all nodes; the others join the first one.
pub(super) fn plans(arguments: &DevArguments, folder: &Path) -> anyhow::Result<Vec<NodePlan>> {
    let n_nodes = u16::from(arguments.nodes);
    let ports = if arguments.port == 0 {
        free_ports(n_nodes)?
    } else {
        fixed_ports(arguments.port, n_nodes)?
    };
    let seed = SocketAddr::from((Ipv4Addr::LOCALHOST, ports[0][2]));
    let plan = |(at, [api, http, peers]): (usize, &[u16; 3])| {
        let name = format!("n{}", at + 1);
        let address = |port: &u16| SocketAddr::from((Ipv4Addr::LOCALHOST, *port));
        let mut plan = NodePlan {
            data_dir: folder.join(&name),
            log: folder.join(format!("{name}.log")),
            api: address(api),
            http: address(http),
            peers: address(peers),
            arguments: Vec::new(),
            name,
        };
        plan.arguments = words(&plan, arguments, (at > 0).then_some(seed));
        plan
    };
    Ok(ports.iter().enumerate().map(plan).collect())
}

fn words(plan: &NodePlan, arguments: &DevArguments, seed: Option<SocketAddr>) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec!["start".into(), "--data-dir".into()];
    words.push(plan.data_dir.clone().into_os_string());
    let mut flag = |name: &str, value: String| words.extend([name.into(), value.into()]);
    flag("--listen", plan.api.to_string());
    flag("--http-listen", plan.http.to_string());
    flag("--peer-listen", plan.peers.to_string());
    match seed {
        Some(seed) => flag("--join", seed.to_string()),
        None => {
            if let Some(partitions) = arguments.partitions {
                flag("--partitions", partitions.to_string());
            }
        }
    }
    if let Some(level) = &arguments.log_level {
        flag("--log-level", level.clone());
    }
    words
}

/// API, HTTP and peers of each node from that port on.
fn fixed_ports(first: u16, n_nodes: u16) -> anyhow::Result<Vec<[u16; 3]>> {
    let of = |at: u16| {
        let base = first.checked_add(PORTS_PER_NODE.checked_mul(at)?)?;
        Some([base, base.checked_add(1)?, base.checked_add(2)?])
    };
    let ports: Option<Vec<_>> = (0..n_nodes).map(of).collect();
    ports.with_context(|| {
        format!("--port {first} leaves no room for {n_nodes} nodes: each takes {PORTS_PER_NODE} ports, up to 65535")
    })
}

/// Ports that were free a moment ago; held together, so that no two are the same.
fn free_ports(n_nodes: u16) -> anyhow::Result<Vec<[u16; 3]>> {
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let mut held = Vec::new();
    let mut ports = Vec::new();
    for _ in 0..n_nodes {
        let mut of_node = [0; 3];
        for port in &mut of_node {
            let listener = bind().context("looking for a free port")?;
            *port = listener.local_addr().context("reading a free port")?.port();
            held.push(listener);
        }
        ports.push(of_node);
    }
    drop(held);
    Ok(ports)
}

#[cfg(test)]
mod tests;
