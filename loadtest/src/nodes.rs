//! Everything the traffic goes to: one node, or several that form a cluster.

use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use tokio::time::Instant;

use crate::limits::{CLUSTER_REPLICAS, CLUSTER_WAIT_MAX};
use crate::node::{Launch, NodeUnderTest, ProcessFigures, Scrape, disk_bytes, scrape_all};
use crate::scenario::Ending;

/// Pause between two looks at a cluster that is not whole yet.
const LOOK_PAUSE: Duration = Duration::from_millis(100);

/// The nodes under test, in the order in which they were named or started.
#[derive(Debug)]
pub(crate) struct NodesUnderTest {
    nodes: Vec<NodeUnderTest>,
    addresses: Vec<String>,
}

impl NodesUnderTest {
    fn new(nodes: Vec<NodeUnderTest>) -> Self {
        let addresses = nodes.iter().map(|node| node.address().to_owned());
        Self {
            addresses: addresses.collect(),
            nodes,
        }
    }

    /// Nodes that run already; where they tell their metrics, in the same order, if that is known.
    pub(crate) fn at(addresses: &[String], https: &[String]) -> anyhow::Result<Self> {
        anyhow::ensure!(
            https.is_empty() || https.len() == addresses.len(),
            "{} --address and {} --http: name the metrics of each node or of none",
            addresses.len(),
            https.len()
        );
        let nodes = addresses.iter().enumerate();
        let nodes = nodes.map(|(idx, address)| {
            let http = https.get(idx).map(String::as_str);
            NodeUnderTest::at(address, http)
        });
        Ok(Self::new(nodes.collect()))
    }

    /// Starts one process.
    pub(crate) fn start_one(launch: Launch) -> anyhow::Result<Self> {
        Ok(Self::new(vec![NodeUnderTest::start(launch)?]))
    }

    /// Starts that many nodes, the first of which founds the cluster that the others join, and waits until each
    /// partition has all its replicas.
    pub(crate) async fn start(launch: &Launch, n_nodes: u32) -> anyhow::Result<Self> {
        if n_nodes <= 1 {
            return Self::start_one(launch.clone());
        }
        let seed = free_address()?;
        let mut nodes = Vec::new();
        for number in 1..=n_nodes {
            let own = if nodes.is_empty() {
                seed.clone()
            } else {
                free_address()?
            };
            let mut more = vec!["--peer-listen".to_owned(), own];
            if !nodes.is_empty() {
                more.extend(["--join".to_owned(), seed.clone()]);
            }
            let data_dir = launch.data_dir.as_ref();
            let data_dir: Option<PathBuf> = data_dir.map(|dir| dir.join(format!("node{number}")));
            let launch = Launch {
                more,
                data_dir,
                ..launch.clone()
            };
            let node = NodeUnderTest::start(launch);
            nodes.push(node.with_context(|| format!("node {number} of {n_nodes}"))?);
        }
        let nodes = Self::new(nodes);
        nodes.wait_whole().await?;
        Ok(nodes)
    }

    async fn wait_whole(&self) -> anyhow::Result<()> {
        let n_replicas = self.nodes.len().min(CLUSTER_REPLICAS);
        let until = Instant::now() + CLUSTER_WAIT_MAX;
        loop {
            let found = scrape_all(&self.https()).await?;
            let of = |name| found.value(name).unwrap_or(0.0);
            let (n_led, n_voting) = (of("raft_leader_partitions"), of("raft_voting_replicas"));
            let n_leaderless = of("raft_leaderless_partitions");
            if n_led > 0.0 && n_leaderless == 0.0 && n_voting >= n_led * n_replicas as f64 {
                return Ok(());
            }
            anyhow::ensure!(
                Instant::now() < until,
                "the cluster is not whole after {} s: {n_led} partitions with a leader, {n_voting} voting replicas",
                CLUSTER_WAIT_MAX.as_secs()
            );
            tokio::time::sleep(LOOK_PAUSE).await;
        }
    }

    /// How many.
    pub(crate) const fn n_nodes(&self) -> usize {
        self.nodes.len()
    }

    /// The address of the first: any node answers for all.
    pub(crate) fn address(&self) -> &str {
        &self.addresses[0]
    }

    /// The address that the connection, worker stream or whatever else of that number takes: they are spread evenly.
    pub(crate) fn address_of(&self, number: u32) -> &str {
        &self.addresses[number as usize % self.addresses.len()]
    }

    /// Where each tells its metrics; none where that is not known of every one.
    pub(crate) fn https(&self) -> Vec<String> {
        let https = self.nodes.iter().map(NodeUnderTest::http);
        let https: Option<Vec<String>> = https.map(|http| Some(http?.to_owned())).collect();
        https.unwrap_or_default()
    }

    /// What they export together; `None` where it is not known or not answered.
    pub(crate) async fn scrape(&self) -> Option<Scrape> {
        let https = self.https();
        if https.is_empty() {
            return None;
        }
        scrape_all(&https).await.ok()
    }

    /// Process ids, where they are ours.
    pub(crate) fn ids(&self) -> Vec<u32> {
        self.nodes.iter().filter_map(NodeUnderTest::id).collect()
    }

    /// Data folders, where they are ours.
    pub(crate) fn data_dirs(&self) -> Vec<PathBuf> {
        let dirs = self.nodes.iter().filter_map(NodeUnderTest::data_dir);
        dirs.map(std::path::Path::to_path_buf).collect()
    }

    /// Bytes on disk of all of them, where the folders are ours.
    pub(crate) fn disk_bytes(&self) -> Option<u64> {
        let dirs = self.data_dirs();
        (!dirs.is_empty()).then(|| dirs.iter().map(|dir| disk_bytes(dir)).sum())
    }

    /// Resident memory of all of them, where the processes are ours.
    pub(crate) fn resident_bytes(&self) -> Option<u64> {
        let ids = self.ids();
        let of = |id: &u32| Some(ProcessFigures::of(*id)?.resident_bytes);
        let all: Option<Vec<u64>> = ids.iter().map(of).collect();
        all.filter(|all| !all.is_empty())
            .map(|all| all.iter().sum())
    }

    /// The one node, to end it and start it again.
    pub(crate) fn only(&mut self) -> anyhow::Result<&mut NodeUnderTest> {
        let n_nodes = self.nodes.len();
        match &mut self.nodes[..] {
            [node] => Ok(node),
            _ => anyhow::bail!(
                "a restart phase ends the one node of a run; there are {n_nodes}: leave --nodes out"
            ),
        }
    }

    /// Ends the processes that are ours, and removes their temporary folders.
    pub(crate) fn close(self) -> anyhow::Result<()> {
        for mut node in self.nodes {
            if node.id().is_some() {
                node.end(Ending::Kill)?;
            }
        }
        Ok(())
    }
}

/// An address on loopback that was free a moment ago: a node must know where others are told to reach it.
fn free_address() -> anyhow::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").context("finding a free port")?;
    Ok(listener.local_addr()?.to_string())
}
