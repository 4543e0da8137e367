//! Where the replicas shall lie, with as few changes from where they are as the constraints allow.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use journey_types::{NodeId, PartitionId};

use super::quota::{Candidate, Shares, quotas, zone_max};
use super::rendezvous::score;
use crate::{PartitionTable, ReplicaRole};

/// From when on replicas move for the sake of balance alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Evenness {
    /// As soon as a node has not its share: one came, and is to take it.
    Shares,
    /// When a node is beyond its bounds: one went, and nothing else is to move for that.
    Bounds,
}

/// The nodes of each partition, in partition order.
pub(super) type Assignment = Vec<BTreeSet<NodeId>>;

/// Replicas that move one after the other: of which partition, from where, to where.
type Path = Vec<(usize, NodeId, NodeId)>;

/// What the target is made from.
pub(super) struct Targeting<'a> {
    candidates: &'a [Candidate<'a>],
    n_replicas: usize,
    zone_max: usize,
    shares: Shares,
    loads: BTreeMap<NodeId, usize>,
    assignment: Assignment,
    /// Where the replicas are: to give what is not there to another node costs nothing.
    current: Assignment,
}

/// The target for that many replicas of each partition on those nodes, in id order.
pub(super) fn target(
    candidates: &[Candidate<'_>],
    table: &PartitionTable,
    n_replicas: usize,
    evenness: Evenness,
) -> Assignment {
    let n_replicas = n_replicas.min(candidates.len());
    let takes = |node: &NodeId| candidates.iter().any(|candidate| candidate.node == *node);
    let current: Assignment = table
        .partitions
        .iter()
        .map(|placement| {
            let stays = placement.replicas.iter();
            let stays = stays.filter(|placed| placed.role != ReplicaRole::Leaving);
            stays.map(|placed| placed.node).filter(takes).collect()
        })
        .collect();
    let mut loads: BTreeMap<NodeId, usize> = candidates
        .iter()
        .map(|candidate| (candidate.node, 0))
        .collect();
    for node in current.iter().flatten() {
        *loads.entry(*node).or_default() += 1;
    }
    let quotas = quotas(candidates, current.len(), n_replicas);
    let mut targeting = Targeting {
        candidates,
        n_replicas,
        zone_max: zone_max(candidates, n_replicas),
        shares: match evenness {
            Evenness::Shares => Shares::whole(&quotas),
            Evenness::Bounds => Shares::fair(candidates, &quotas),
        },
        loads,
        assignment: current.clone(),
        current,
    };
    targeting.trim();
    targeting.fill();
    targeting.mend_zones();
    targeting.exchange();
    targeting.even_out();
    targeting.assignment
}

impl Targeting<'_> {
    /// Takes away what is too many, from those with the most beyond their share.
    fn trim(&mut self) {
        for position in 0..self.assignment.len() {
            while self.assignment[position].len() > self.n_replicas {
                let nodes = self.assignment[position].iter().copied();
                let gone = nodes.max_by_key(|node| {
                    let is_crowded = self.crowds(position, *node, None);
                    (is_crowded, self.excess(*node), *node)
                });
                let Some(gone) = gone else { break };
                self.take(position, gone);
            }
        }
    }

    /// Gives each partition what it lacks: the candidates in the order of their scores, those first that are below their
    /// share and in a zone that has room.
    fn fill(&mut self) {
        for position in 0..self.assignment.len() {
            while self.assignment[position].len() < self.n_replicas {
                let Some(node) = self.best_for(position) else {
                    break;
                };
                self.give(position, node);
            }
        }
    }

    fn best_for(&self, position: usize) -> Option<NodeId> {
        let held = &self.assignment[position];
        let free = self.candidates.iter();
        let free = free.filter(|candidate| !held.contains(&candidate.node));
        let rank = |candidate: &&Candidate<'_>| {
            let crowds = self.crowds(position, candidate.node, None);
            let over = self.excess(candidate.node).max(-self.unit());
            (crowds, over)
        };
        let best = free.min_by(|one, other| {
            let scores = self
                .score(position, other)
                .total_cmp(&self.score(position, one));
            rank(one).cmp(&rank(other)).then(scores)
        });
        best.map(|candidate| candidate.node)
    }

    /// Spreads over zones what lies together though there is another zone for it.
    fn mend_zones(&mut self) {
        for position in 0..self.assignment.len() {
            for _ in 0..self.n_replicas {
                let nodes = self.assignment[position].iter().copied();
                let crowding = nodes.filter(|node| self.crowds(position, *node, None));
                let Some(gone) = crowding.max_by_key(|node| (self.excess(*node), *node)) else {
                    break;
                };
                self.take(position, gone);
                let node = self.best_for(position).unwrap_or(gone);
                self.give(position, node);
                if self.crowds(position, node, None) {
                    break;
                }
            }
        }
    }

    /// Passes what was given a moment ago on, along shortest paths, from who has more to who has less, until no path helps:
    /// giving one by one can end with a node that lacks only replicas which it has. Nothing that is somewhere moves for it;
    /// of all ways to give what is missing the loads are then the most even ones (each path lowers the sum of squares).
    fn exchange(&mut self) {
        let n_paths_max = self.assignment.len() * self.n_replicas * self.assignment.len();
        for _ in 0..n_paths_max {
            let mut nodes: Vec<NodeId> = self.shares.nodes().collect();
            nodes.sort_by_key(|node| (self.excess(*node), *node));
            let is_new = |position: usize, node: NodeId| !self.current[position].contains(&node);
            let mut most_first = nodes.iter().rev();
            let path = most_first.find_map(|from| self.path(*from, &is_new, &|_| true));
            let Some(path) = path else {
                break;
            };
            self.follow(path);
        }
    }

    fn follow(&mut self, path: Path) {
        for (position, from, to) in path {
            self.take(position, from);
            self.give(position, to);
        }
    }

    /// The moves that leave that node with one replica less, and one that has at least two less and is meant with one more.
    fn path(
        &self,
        source: NodeId,
        may_move: &dyn Fn(usize, NodeId) -> bool,
        is_meant: &dyn Fn(NodeId) -> bool,
    ) -> Option<Path> {
        let helped = self.excess(source) - self.unit();
        let mut came_by: BTreeMap<NodeId, Option<(usize, NodeId)>> = BTreeMap::new();
        came_by.insert(source, None);
        let mut queue = VecDeque::from([source]);
        while let Some(from) = queue.pop_front() {
            for position in 0..self.assignment.len() {
                let moves = self.assignment[position].contains(&from) && may_move(position, from);
                if !moves {
                    continue;
                }
                for to in &self.shares.nodes().collect::<Vec<_>>() {
                    let is_free = !self.assignment[position].contains(to)
                        && !came_by.contains_key(to)
                        && !self.crowds(position, *to, Some(from));
                    if !is_free {
                        continue;
                    }
                    came_by.insert(*to, Some((position, from)));
                    if self.excess(*to) < helped && is_meant(*to) {
                        return Some(path_to(*to, &came_by));
                    }
                    queue.push_back(*to);
                }
            }
        }
        None
    }

    /// Moves replicas one by one from who has too many to who has too few, until nobody is beyond the bounds.
    fn even_out(&mut self) {
        let n_moves_max = self.assignment.len() * self.n_replicas;
        for _ in 0..n_moves_max {
            let best = self.best_move().map(|one| vec![one]);
            let Some(path) = best.or_else(|| self.way_round()) else {
                break;
            };
            self.follow(path);
        }
    }

    /// Where who has too many holds only what the taker holds too: by way of others.
    fn way_round(&self) -> Option<Path> {
        let mut nodes: Vec<NodeId> = self.shares.nodes().collect();
        nodes.sort_by_key(|node| (self.excess(*node), *node));
        if !nodes.iter().any(|node| self.is_off(*node)) {
            return None;
        }
        let mut most_first = nodes.iter().rev();
        most_first.find_map(|from| {
            let is_meant = |to: NodeId| self.is_off(*from) || self.is_off(to);
            self.path(*from, &|_, _| true, &is_meant)
        })
    }

    /// The move that helps most: between the pair that is furthest apart, of the partition that the taker's score likes
    /// best. None when nobody is beyond the bounds, or nothing can be done about it.
    fn best_move(&self) -> Option<(usize, NodeId, NodeId)> {
        let mut nodes: Vec<NodeId> = self.shares.nodes().collect();
        nodes.sort_by_key(|node| (self.excess(*node), *node));
        let is_off = |node: &NodeId| self.is_off(*node);
        if !nodes.iter().any(is_off) {
            return None;
        }
        for to in &nodes {
            for from in nodes.iter().rev() {
                let (low, high) = (self.excess(*to), self.excess(*from));
                let helps = high - low > self.unit();
                if !helps || !(is_off(to) || is_off(from)) {
                    continue;
                }
                if let Some(position) = self.movable(*from, *to) {
                    return Some((position, *from, *to));
                }
            }
        }
        None
    }

    fn movable(&self, from: NodeId, to: NodeId) -> Option<usize> {
        let positions = 0..self.assignment.len();
        let can_move = |position: &usize| {
            let held = &self.assignment[*position];
            held.contains(&from) && !held.contains(&to) && !self.crowds(*position, to, Some(from))
        };
        let taker = self.candidate(to)?;
        positions.filter(can_move).max_by(|one, other| {
            let scores = self
                .score(*one, taker)
                .total_cmp(&self.score(*other, taker));
            scores.then(other.cmp(one))
        })
    }

    /// Whether that node's zone has more of the partition with it than it should, once `without` is gone.
    fn crowds(&self, position: usize, node: NodeId, without: Option<NodeId>) -> bool {
        let Some(candidate) = self.candidate(node) else {
            return false;
        };
        let others = self.assignment[position].iter();
        let others = others.filter(|held| **held != node && Some(**held) != without);
        let in_zone = others
            .filter_map(|held| self.candidate(*held))
            .filter(|held| held.zone == candidate.zone);
        in_zone.count() + 1 > self.zone_max
    }

    fn candidate(&self, node: NodeId) -> Option<&Candidate<'_>> {
        let found = self
            .candidates
            .binary_search_by_key(&node, |candidate| candidate.node);
        found.ok().map(|position| &self.candidates[position])
    }

    fn score(&self, position: usize, candidate: &Candidate<'_>) -> f64 {
        let partition = u32::try_from(position).expect("a cluster has at most 256 partitions");
        score(
            PartitionId::new(partition),
            candidate.node,
            candidate.weight,
        )
    }

    /// How much a node has beyond its share, in parts of a replica.
    fn excess(&self, node: NodeId) -> i64 {
        self.shares.excess(node, self.load(node))
    }

    /// One replica in those parts.
    fn unit(&self) -> i64 {
        i64::try_from(self.shares.unit).expect("128 nodes of weight 1,000 fit")
    }

    fn is_off(&self, node: NodeId) -> bool {
        self.shares.is_off(node, self.load(node))
    }

    fn load(&self, node: NodeId) -> usize {
        self.loads.get(&node).copied().unwrap_or(0)
    }

    fn take(&mut self, position: usize, node: NodeId) {
        self.assignment[position].remove(&node);
        if let Some(load) = self.loads.get_mut(&node) {
            *load -= 1;
        }
    }

    fn give(&mut self, position: usize, node: NodeId) {
        self.assignment[position].insert(node);
        *self.loads.entry(node).or_default() += 1;
    }
}

/// The moves that lead to that node, the one that frees it last.
fn path_to(to: NodeId, came_by: &BTreeMap<NodeId, Option<(usize, NodeId)>>) -> Path {
    let mut path = Vec::new();
    let mut node = to;
    while let Some(Some((position, from))) = came_by.get(&node) {
        path.push((*position, *from, node));
        node = *from;
    }
    path
}
