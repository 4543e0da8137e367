//! Each node's share of the replicas as a whole number.

use std::collections::BTreeMap;

use journey_types::NodeId;

/// The part of its share that a node may be off it, beside one replica.
const TOLERANCE_DIVISOR: usize = 10;

/// A node that takes replicas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Candidate<'a> {
    pub(super) node: NodeId,
    pub(super) weight: u32,
    pub(super) zone: &'a str,
}

/// How many replicas of one partition may lie in one zone: one, where there are zones enough.
pub(super) fn zone_max(candidates: &[Candidate<'_>], n_replicas: usize) -> usize {
    let mut zones: Vec<&str> = candidates.iter().map(|candidate| candidate.zone).collect();
    zones.sort_unstable();
    zones.dedup();
    // Zones that have fewer nodes than their part leave more to the others.
    let nodes_in = |zone: &str| candidates.iter().filter(|one| one.zone == zone).count();
    let fits = |max: usize| {
        let places: usize = zones.iter().map(|zone| nodes_in(zone).min(max)).sum();
        places >= n_replicas
    };
    (1..=n_replicas)
        .find(|max| fits(*max))
        .unwrap_or(n_replicas)
}

/// Deals out all replicas one by one, each to the node that is furthest below its share (Sainte-Laguë), as far as a node
/// holds at most one replica of a partition and a zone at most its part of each.
pub(super) fn quotas(
    candidates: &[Candidate<'_>],
    n_partitions: usize,
    n_replicas: usize,
) -> BTreeMap<NodeId, usize> {
    let zone_max = zone_max(candidates, n_replicas) * n_partitions;
    let mut quotas: BTreeMap<NodeId, usize> = candidates
        .iter()
        .map(|candidate| (candidate.node, 0))
        .collect();
    let mut in_zone: BTreeMap<&str, usize> = BTreeMap::new();
    for _ in 0..n_partitions * n_replicas {
        let has_room = |candidate: &&Candidate<'_>| {
            let zone = in_zone.get(candidate.zone).copied().unwrap_or(0);
            quotas[&candidate.node] < n_partitions && zone < zone_max
        };
        // Highest weight / (2 seats + 1), compared without division; ties go to the older node.
        let best = candidates.iter().filter(has_room).max_by(|one, other| {
            let odds = |candidate: &Candidate<'_>| 2 * quotas[&candidate.node] + 1;
            let left = u128::from(one.weight) * odds(other) as u128;
            let right = u128::from(other.weight) * odds(one) as u128;
            left.cmp(&right).then(other.node.cmp(&one.node))
        });
        let Some(best) = best else { break };
        *in_zone.entry(best.zone).or_default() += 1;
        *quotas.entry(best.node).or_default() += 1;
    }
    quotas
}

/// How many replicas each node should have, and from when on some move for the sake of balance alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shares {
    /// One replica, in the parts that shares are counted in.
    pub(super) unit: u64,
    of_nodes: BTreeMap<NodeId, Share>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Share {
    /// In parts.
    share: u64,
    /// In replicas.
    least: usize,
    most: usize,
}

impl Shares {
    /// Whole numbers, and a tenth of each to either side: what a node that comes brings everybody to, so that the next one
    /// that goes leaves all within the bounds of [`Shares::fair`].
    pub(super) fn whole(quotas: &BTreeMap<NodeId, usize>) -> Self {
        let of = |quota: usize| Share {
            share: quota as u64,
            least: quota - quota / TOLERANCE_DIVISOR,
            most: quota + quota / TOLERANCE_DIVISOR,
        };
        let quotas = quotas.iter();
        Self {
            unit: 1,
            of_nodes: quotas.map(|(node, quota)| (*node, of(*quota))).collect(),
        }
    }

    /// Exactly by weight (where a node cannot hold that much, or zones ask for something else, its quota), and a tenth of
    /// it and one to either side.
    pub(super) fn fair(candidates: &[Candidate<'_>], quotas: &BTreeMap<NodeId, usize>) -> Self {
        let n_replicas: usize = quotas.values().sum();
        let weights: usize = candidates.iter().map(|one| one.weight as usize).sum();
        let of = |candidate: &Candidate<'_>| {
            let quota = quotas.get(&candidate.node).copied().unwrap_or(0);
            let mut share = n_replicas * candidate.weight as usize;
            if share.abs_diff(quota * weights) >= weights {
                share = quota * weights;
            }
            let one = TOLERANCE_DIVISOR * weights;
            let least = (share * (TOLERANCE_DIVISOR - 1)).saturating_sub(one);
            let most = share * (TOLERANCE_DIVISOR + 1) + one;
            Share {
                share: share as u64,
                least: least.div_ceil(one),
                most: most / one,
            }
        };
        let candidates = candidates.iter();
        Self {
            unit: weights as u64,
            of_nodes: candidates.map(|one| (one.node, of(one))).collect(),
        }
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.of_nodes.keys().copied()
    }

    /// How much that many replicas are beyond the node's share, in parts; below 0 when it lacks some.
    pub(super) fn excess(&self, node: NodeId, load: usize) -> i64 {
        let share = self.of_nodes.get(&node).map_or(0, |share| share.share);
        let parts = |number: u64| {
            i64::try_from(number).expect("at most 768 replicas and weights of 128,000 in all")
        };
        parts(load as u64 * self.unit) - parts(share)
    }

    /// Whether that many replicas are too many or too few for the node.
    pub(super) fn is_off(&self, node: NodeId, load: usize) -> bool {
        let share = self.of_nodes.get(&node);
        share.is_some_and(|share| load < share.least || load > share.most)
    }
}
