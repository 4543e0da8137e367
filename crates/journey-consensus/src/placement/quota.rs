//! Each node's share of the replicas as a whole number.

use std::collections::BTreeMap;

use journey_types::NodeId;

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
