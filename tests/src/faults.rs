//! Faults of nodes and of the network between them, each of which shows that it happened.

use std::fmt;
use std::time::Duration;

use rand::Rng;

use crate::cluster_process::{ClusterProcess, metric};
use crate::fault_network::Cut;
use crate::wait::wait_until;

/// Which way a node's words are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// What it says.
    Out,
    /// What it is told.
    In,
    /// Both.
    Both,
}

/// Something that befalls one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// `kill -9`; its end is a start on the same folder.
    Kill,
    /// SIGSTOP; its end is SIGCONT.
    Freeze,
    /// It is cut off from all others, one way or both.
    CutOff(Way, Cut),
}

/// A fault that goes on.
#[derive(Debug)]
pub struct OpenFault {
    node: usize,
    fault: Fault,
    proof: String,
    /// Time of a core that a frozen process had had.
    n_ticks: u64,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill => formatter.write_str("kill -9"),
            Self::Freeze => formatter.write_str("SIGSTOP"),
            Self::CutOff(way, cut) => write!(formatter, "cut off ({way:?}, {cut:?})"),
        }
    }
}

impl Fault {
    /// One by chance.
    #[must_use]
    pub fn drawn(chance: &mut impl Rng) -> Self {
        match chance.random_range(0..6) {
            0 | 1 => Self::Kill,
            2 => Self::Freeze,
            3 => Self::CutOff(Way::Both, Cut::Reset),
            4 => Self::CutOff(Way::Both, Cut::Silent),
            _ => {
                let way = if chance.random() { Way::Out } else { Way::In };
                Self::CutOff(way, Cut::Silent)
            }
        }
    }

    /// Begins, and returns when it has shown itself.
    ///
    /// # Errors
    /// When it cannot be brought about.
    ///
    /// # Cancel safety
    /// Not safe: it may have begun.
    pub async fn begin(
        self,
        cluster: &mut ClusterProcess,
        node: usize,
    ) -> anyhow::Result<OpenFault> {
        let mut open = OpenFault {
            node,
            fault: self,
            proof: String::new(),
            n_ticks: 0,
        };
        match self {
            Self::Kill => {
                let n_led = metric(&cluster.nodes()[node], "raft_leader_partitions");
                cluster.node(node).kill()?;
                let led = n_led.map_or_else(|_| "?".to_owned(), |n_led| n_led.to_string());
                open.proof = format!("ended by signal 9, led {led} partitions");
            }
            Self::Freeze => {
                cluster.nodes()[node].freeze()?;
                let (_, n_ticks) = wait_until("the process to stand still", || async {
                    let (stands, n_ticks) = cluster.nodes()[node].standstill().ok()?;
                    stands.then_some((stands, n_ticks))
                })
                .await?;
                open.n_ticks = n_ticks;
            }
            Self::CutOff(way, cut) => {
                let links = links(cluster, node, way);
                let network = cluster.network();
                let stopped = || -> u64 {
                    let figures = links.iter().map(|(from, to)| network.figures(*from, *to));
                    figures.map(|link| link.n_held + link.n_broken).sum()
                };
                let before = stopped();
                for (from, to) in &links {
                    network.cut(*from, *to, cut);
                }
                let n_stopped = wait_until("the cut to stop something", || async {
                    Some(stopped() - before).filter(|n| *n > 0)
                });
                n_stopped.await?;
                open.n_ticks = before;
            }
        }
        Ok(open)
    }
}

/// The directions that a cut of a node is made of.
fn links(cluster: &ClusterProcess, node: usize, way: Way) -> Vec<(usize, usize)> {
    let others = (0..cluster.nodes().len()).filter(|other| *other != node);
    let both = others.flat_map(|other| [(Way::Out, (node, other)), (Way::In, (other, node))]);
    let links = both.filter(|(direction, _)| way == Way::Both || way == *direction);
    links.map(|(_, link)| link).collect()
}

impl OpenFault {
    /// Ends it, except for the links that another fault still cuts, and says what showed that it happened.
    ///
    /// # Errors
    /// When it did not happen, or does not end.
    pub fn end(self, cluster: &mut ClusterProcess, other: Option<&Self>) -> anyhow::Result<String> {
        let node = self.node;
        let proof = match self.fault {
            Fault::Kill => {
                tokio::task::block_in_place(|| cluster.node(node).restart())?;
                self.proof
            }
            Fault::Freeze => {
                let (stands, n_ticks) = cluster.nodes()[node].standstill()?;
                anyhow::ensure!(
                    stands && n_ticks == self.n_ticks,
                    "a frozen process went on: {} ticks, then {n_ticks}",
                    self.n_ticks
                );
                cluster.nodes()[node].thaw()?;
                format!("stood still at {n_ticks} ticks")
            }
            Fault::CutOff(way, _) => {
                let links = links(cluster, node, way);
                let network = cluster.network();
                let figures = links.iter().map(|(from, to)| network.figures(*from, *to));
                let n_stopped: u64 = figures.map(|link| link.n_held + link.n_broken).sum();
                let kept = other.map_or_else(Vec::new, |other| other.links(cluster));
                for (from, to) in links.iter().filter(|link| !kept.contains(link)) {
                    network.heal(*from, *to);
                }
                format!(
                    "{} pieces held or connections broken",
                    n_stopped - self.n_ticks
                )
            }
        };
        Ok(format!("node {}: {}: {proof}", node + 1, self.fault))
    }

    fn links(&self, cluster: &ClusterProcess) -> Vec<(usize, usize)> {
        match self.fault {
            Fault::CutOff(way, _) => links(cluster, self.node, way),
            Fault::Kill | Fault::Freeze => Vec::new(),
        }
    }
}

/// Two faults of two nodes that overlap.
#[derive(Debug, Clone, Copy)]
pub struct FaultPair {
    /// Each with its node.
    pub faults: [(usize, Fault); 2],
    /// From the first beginning to the second, to the first end, to the second end.
    pub pauses: [Duration; 3],
}

impl FaultPair {
    /// One by chance, each fault as long as the range says.
    #[must_use]
    pub fn drawn(
        chance: &mut impl Rng,
        n_nodes: usize,
        span: std::ops::RangeInclusive<u64>,
    ) -> Self {
        let first = chance.random_range(0..n_nodes);
        let second = (first + chance.random_range(1..n_nodes)) % n_nodes;
        let faults = [first, second].map(|node| (node, Fault::drawn(chance)));
        let lengths = [(); 2].map(|()| chance.random_range(span.clone()));
        let lead = chance.random_range(0..lengths[0]);
        let rest = lengths[0] - lead;
        let tail = lengths[1].saturating_sub(rest);
        Self {
            faults,
            pauses: [lead, rest, tail].map(Duration::from_millis),
        }
    }

    /// Lets both happen, and says what showed it.
    ///
    /// # Errors
    /// When one does not happen or does not end.
    ///
    /// # Cancel safety
    /// Not safe: they may go on.
    pub async fn happen(self, cluster: &mut ClusterProcess) -> anyhow::Result<[String; 2]> {
        let [(one, first), (other, second)] = self.faults;
        let first = first.begin(cluster, one).await?;
        tokio::time::sleep(self.pauses[0]).await;
        let second = second.begin(cluster, other).await?;
        tokio::time::sleep(self.pauses[1]).await;
        let first = first.end(cluster, Some(&second))?;
        tokio::time::sleep(self.pauses[2]).await;
        let second = second.end(cluster, None)?;
        Ok([first, second])
    }
}
