//! Several journeyd processes of one cluster on loopback: killed, frozen, started again.

use std::net::TcpListener;

use anyhow::Context as _;

use crate::fault_network::FaultNetwork;
use crate::http::http_get;
use crate::node_process::{NodeProcess, Programs};
use crate::wait::wait_until;

/// Timings for a machine that runs much else beside: no election because a core was busy elsewhere.
const RAFT: [(&str, &str); 3] = [
    ("JOURNEY__RAFT__HEARTBEAT_INTERVAL", "100ms"),
    ("JOURNEY__RAFT__ELECTION_TIMEOUT_MIN", "500ms"),
    ("JOURNEY__RAFT__ELECTION_TIMEOUT_MAX", "1s"),
];

/// What a cluster is to be.
#[derive(Debug, Clone, Copy)]
pub struct ClusterPlan {
    /// Nodes to begin with.
    pub n_nodes: usize,
    /// Partitions.
    pub n_partitions: u32,
    /// Whether what nodes say to each other goes through a [`FaultNetwork`].
    pub with_faults: bool,
    /// Whether elections have the node's own timings, not those for a machine that is busy with other tests.
    pub with_own_timings: bool,
}

impl ClusterPlan {
    /// Nodes that reach each other straight, with calm timings.
    #[must_use]
    pub const fn of(n_nodes: usize, n_partitions: u32) -> Self {
        Self {
            n_nodes,
            n_partitions,
            with_faults: false,
            with_own_timings: false,
        }
    }
}

/// A cluster of real processes. Dropping it kills them.
#[derive(Debug)]
pub struct ClusterProcess {
    programs: Programs,
    network: Option<FaultNetwork>,
    /// Where each node listens for the others.
    peers: Vec<String>,
    /// Where a new node finds the cluster.
    seed: String,
    nodes: Vec<NodeProcess>,
    n_partitions: u32,
    folder: tempfile::TempDir,
}

impl ClusterProcess {
    /// Founds a cluster and lets other nodes join, until every partition has as many voters as there are nodes, at most
    /// three.
    ///
    /// # Errors
    /// When a node ends before it serves, or the cluster is not whole in time.
    ///
    /// # Cancel safety
    /// Safe: dropping it kills the processes.
    pub async fn start(
        programs: &Programs,
        n_nodes: usize,
        n_partitions: u32,
    ) -> anyhow::Result<Self> {
        Self::start_as(programs, ClusterPlan::of(n_nodes, n_partitions)).await
    }

    /// [`Self::start`] as a plan says.
    ///
    /// # Errors
    /// As [`Self::start`].
    ///
    /// # Cancel safety
    /// As [`Self::start`].
    pub async fn start_as(programs: &Programs, plan: ClusterPlan) -> anyhow::Result<Self> {
        let timings: &[_] = if plan.with_own_timings { &[] } else { &RAFT };
        let programs = timings
            .iter()
            .fold(programs.clone(), |programs, (name, value)| {
                programs.with_environment(name, value)
            });
        let folder = tempfile::tempdir()?;
        let network = plan.with_faults.then(|| FaultNetwork::new(folder.path()));
        let mut cluster = Self {
            programs,
            network: network.transpose()?,
            peers: Vec::new(),
            seed: String::new(),
            nodes: Vec::new(),
            n_partitions: plan.n_partitions,
            folder,
        };
        for _ in 0..plan.n_nodes {
            cluster.join()?;
        }
        cluster.wait_whole().await?;
        Ok(cluster)
    }

    /// Starts one more node, which joins the cluster; the first one founds it.
    ///
    /// # Errors
    /// When it ends before it serves: with its log.
    pub fn join(&mut self) -> anyhow::Result<()> {
        let at = self.nodes.len();
        let data_dir = self.folder.path().join(format!("node{}", at + 1));
        let peer_listen = free_address()?;
        // A door must know what is behind it before it is there.
        let listen = match &self.network {
            Some(_) => free_address()?,
            None => "127.0.0.1:0".to_owned(),
        };
        let mut arguments = vec!["--peer-listen".to_owned(), peer_listen.clone()];
        let mut reached = peer_listen.clone();
        if let Some(network) = &self.network {
            reached = network.open_door(at, &peer_listen)?;
            let api = network.open_door(at, &listen)?;
            arguments.extend(["--peer-advertise".to_owned(), reached.clone()]);
            arguments.extend(["--advertise".to_owned(), api]);
        }
        if at == 0 {
            self.seed = reached;
            let partitions = self.n_partitions.to_string();
            arguments.extend(["--partitions".to_owned(), partitions]);
        } else {
            arguments.extend(["--join".to_owned(), self.seed.clone()]);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let node = NodeProcess::start_at(&self.programs, &data_dir, &listen, &arguments)?;
        self.nodes.push(node);
        self.peers.push(peer_listen);
        Ok(())
    }

    /// What lies between the nodes.
    ///
    /// # Panics
    /// In a cluster that was planned without.
    #[must_use]
    pub fn network(&self) -> &FaultNetwork {
        let network = self.network.as_ref();
        network.expect("the cluster's plan is one with faults")
    }

    /// Where each node answers other nodes, behind whatever lies between them.
    #[must_use]
    pub fn peers(&self) -> &[String] {
        &self.peers
    }

    /// The nodes, in the order in which they joined.
    #[must_use]
    pub fn nodes(&self) -> &[NodeProcess] {
        &self.nodes
    }

    /// One node, to kill or restart it.
    ///
    /// # Panics
    /// When there is none of that number, from 0.
    pub fn node(&mut self, at: usize) -> &mut NodeProcess {
        &mut self.nodes[at]
    }

    /// Where clients reach them.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        let addresses = self.nodes.iter().map(|node| node.address().to_owned());
        addresses.collect()
    }

    /// The node that leads most partitions.
    ///
    /// # Errors
    /// When a node does not answer for its metrics.
    pub fn busiest(&self) -> anyhow::Result<usize> {
        let mut busiest = (0, -1.0);
        for (at, node) in self.nodes.iter().enumerate() {
            let n_led = metric(node, "raft_leader_partitions")?;
            if n_led > busiest.1 {
                busiest = (at, n_led);
            }
        }
        Ok(busiest.0)
    }

    /// Waits until three nodes (or all, where there are fewer) have a voting replica of each partition.
    ///
    /// # Errors
    /// When they never do.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn wait_whole(&self) -> anyhow::Result<()> {
        let n_replicas = self.nodes.len().min(3);
        let wanted = f64::from(self.n_partitions) * u8::try_from(n_replicas).map(f64::from)?;
        let found = wait_until("every partition to have its replicas", || async {
            (self.sum("raft_voting_replicas") >= wanted).then_some(())
        });
        found.await.with_context(|| self.logs())
    }

    /// A metric summed over the nodes that answer.
    #[must_use]
    pub fn sum(&self, name: &str) -> f64 {
        let values = self.nodes.iter().map(|node| metric(node, name));
        values.map(|value| value.unwrap_or(0.0)).sum()
    }

    /// The last lines of every node's log.
    #[must_use]
    pub fn logs(&self) -> String {
        let mut text = String::new();
        for (at, node) in self.nodes.iter().enumerate() {
            let lines = node.log_lines();
            let last = &lines[lines.len().saturating_sub(40)..];
            text.push_str(&format!("node {}:\n{}\n", at + 1, last.join("\n")));
        }
        text
    }
}

/// One metric of a node, by its name without labels.
///
/// # Errors
/// When the node does not answer or has none of that name.
pub fn metric(node: &NodeProcess, name: &str) -> anyhow::Result<f64> {
    let answer = http_get(node.http(), "/metrics")?;
    let value = answer.body.lines().find_map(|line| {
        let rest = line.strip_prefix(name)?;
        let rest = rest.split_once("} ").map_or(rest, |(_, value)| value);
        rest.trim().parse().ok()
    });
    value.with_context(|| format!("no metric {name}"))
}

/// An address on loopback that was free a moment ago.
fn free_address() -> anyhow::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    Ok(listener.local_addr()?.to_string())
}
