//! Which replica of each partition should lead, so that leaders are spread as evenly as the replicas allow.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use journey_types::NodeId;

/// The node that should lead each partition: as now, save for what evens out. `holders` are the nodes that vote and may
/// lead, `current` who should lead now; weights say how many leaders a node takes beside others.
pub(super) fn leaders(
    holders: &[BTreeSet<NodeId>],
    current: &[Option<NodeId>],
    weights: &BTreeMap<NodeId, u32>,
) -> Vec<Option<NodeId>> {
    let mut leading: Vec<Option<NodeId>> = holders
        .iter()
        .zip(current)
        .map(|(holders, leader)| leader.filter(|leader| holders.contains(leader)))
        .collect();
    let mut loads: BTreeMap<NodeId, u64> = weights.keys().map(|node| (*node, 0)).collect();
    for leader in leading.iter().flatten() {
        *loads.entry(*leader).or_default() += 1;
    }
    let load_per_weight = |loads: &BTreeMap<NodeId, u64>, node: NodeId, more: u64| {
        let load = loads.get(&node).copied().unwrap_or(0) + more;
        // As a fraction of 1 / (weight): comparable whole numbers, since weights are at most 1,000.
        load * 1_000_000 / u64::from(weights.get(&node).copied().unwrap_or(1).max(1))
    };
    for (position, holders) in holders.iter().enumerate() {
        if leading[position].is_none() {
            let least = holders.iter().copied();
            let least = least.min_by_key(|node| (load_per_weight(&loads, *node, 1), *node));
            if let Some(least) = least {
                *loads.entry(least).or_default() += 1;
            }
            leading[position] = least;
        }
    }
    // Each round lowers the sum of squares of loads, so there is an end to them; the bound says so.
    for _ in 0..holders.len() * holders.len() + 1 {
        let mut nodes: Vec<NodeId> = loads.keys().copied().collect();
        nodes.sort_by_key(|node| (load_per_weight(&loads, *node, 0), *node));
        let path = nodes.iter().rev().find_map(|from| {
            let helps =
                |to: NodeId| load_per_weight(&loads, to, 1) < load_per_weight(&loads, *from, 0);
            shortest_path(holders, &leading, *from, &helps)
        });
        let Some(path) = path else { break };
        for (position, to) in path {
            if let Some(from) = leading[position] {
                *loads.entry(from).or_default() -= 1;
            }
            *loads.entry(to).or_default() += 1;
            leading[position] = Some(to);
        }
    }
    leading
}

/// Partitions that change their leader so that one leader less is on `from` and one more on a node that helps.
fn shortest_path(
    holders: &[BTreeSet<NodeId>],
    leading: &[Option<NodeId>],
    from: NodeId,
    helps: &dyn Fn(NodeId) -> bool,
) -> Option<Vec<(usize, NodeId)>> {
    let mut came_by: BTreeMap<NodeId, (usize, NodeId)> = BTreeMap::new();
    let mut queue = VecDeque::from([from]);
    while let Some(node) = queue.pop_front() {
        let led = leading.iter().enumerate();
        let led = led.filter(|(_, leader)| **leader == Some(node));
        for (position, _) in led {
            for next in &holders[position] {
                if *next == from || came_by.contains_key(next) {
                    continue;
                }
                came_by.insert(*next, (position, node));
                if helps(*next) {
                    return Some(path_to(*next, from, &came_by));
                }
                queue.push_back(*next);
            }
        }
    }
    None
}

fn path_to(
    to: NodeId,
    from: NodeId,
    came_by: &BTreeMap<NodeId, (usize, NodeId)>,
) -> Vec<(usize, NodeId)> {
    let mut path = Vec::new();
    let mut node = to;
    while node != from {
        let (position, before) = came_by[&node];
        path.push((position, node));
        node = before;
    }
    path
}
