//! All customers in memory: found by key, scheduled in turn, passivated when unused for longest.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use journey_customer::CustomerState;
use journey_types::{ClusterKey, CustomerKey, Timestamp, customer_hash};

use crate::core::hosted::{Hosted, Lifecycle};
use crate::core::limits::{COMMITS_BETWEEN_MEASURES, HOSTED_OVERHEAD_BYTES, PASSIVATION_LOOKS_MAX};
use crate::core::ready::{FairQueue, Workspaces};
use crate::hashed::AsItIs;

/// A place in the table of hosted customers; stable while the customer is hosted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HostedIdx(usize);

/// The hash of a customer's key, its neighbours in the order of use, and the next one with the same hash.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Links {
    hash: u64,
    newer: Option<HostedIdx>,
    older: Option<HostedIdx>,
    same_hash: Option<HostedIdx>,
}

/// The hosted customers.
///
/// # Invariants
/// Every occupied place is found by its key's hash and stands in the order of use; a customer in a queue is hosted and stands in
/// one of them; `size_bytes` is the sum of the places' sizes.
#[derive(Debug)]
pub(crate) struct Customers {
    places: Vec<Option<Box<Hosted>>>,
    free: Vec<usize>,
    cluster_key: ClusterKey,
    /// The first customer with the hash, which is salted: nobody outside can choose keys whose hashes meet. Only looked
    /// up, never gone through.
    by_hash: HashMap<u64, HostedIdx, BuildHasherDefault<AsItIs>>,
    workspaces: Workspaces,
    /// Those that have something to do.
    ready: FairQueue,
    /// Those of them that first must be read from rows, when more may be.
    cold: FairQueue,
    newest: Option<HostedIdx>,
    oldest: Option<HostedIdx>,
    hosted_max: usize,
    size_bytes: usize,
    size_bytes_max: usize,
    /// What the replica has left of its own memory, as last heard.
    shared_room_size_bytes: usize,
}

impl Customers {
    pub(crate) fn new(cluster_key: ClusterKey, hosted_max: usize, size_bytes_max: usize) -> Self {
        Self {
            places: Vec::new(),
            free: Vec::new(),
            cluster_key,
            by_hash: HashMap::default(),
            workspaces: Workspaces::default(),
            ready: FairQueue::default(),
            cold: FairQueue::default(),
            newest: None,
            oldest: None,
            hosted_max,
            size_bytes: 0,
            size_bytes_max,
            shared_room_size_bytes: 0,
        }
    }

    /// Whether more memory is in use than what nobody else has to give.
    pub(crate) const fn needs_room(&self) -> bool {
        self.size_bytes > self.size_bytes_max
    }

    /// Takes note of what the replica has left of its memory. As long as it need not pack customers, their states are
    /// its own: then so much more may stay here at no cost, and their next commands need not load them.
    pub(crate) const fn share_room(&mut self, room_size_bytes: usize) {
        self.shared_room_size_bytes = room_size_bytes;
    }

    #[cfg(test)]
    pub(crate) const fn limit_size_bytes(&mut self, size_bytes_max: usize) {
        self.size_bytes_max = size_bytes_max;
    }

    /// Measures a state that the replica has applied, from time to time.
    pub(crate) fn measure(&mut self, idx: HostedIdx, state: &CustomerState) {
        let hosted = self.get_mut(idx);
        if hosted.commits_until_measured > 0 {
            hosted.commits_until_measured -= 1;
        } else {
            // Soon again while it is young, since the young grow fastest.
            hosted.measured_every = (hosted.measured_every * 2 + 1).min(COMMITS_BETWEEN_MEASURES);
            hosted.commits_until_measured = hosted.measured_every - 1;
            let size_bytes = HOSTED_OVERHEAD_BYTES + state.memory_size_bytes();
            let before = std::mem::replace(&mut hosted.size_bytes, size_bytes);
            self.size_bytes = self.size_bytes - before + size_bytes;
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(crate) fn find(&self, key: &CustomerKey) -> Option<HostedIdx> {
        self.find_hashed(customer_hash(&self.cluster_key, key), key)
    }

    fn find_hashed(&self, hash: u64, key: &CustomerKey) -> Option<HostedIdx> {
        let mut found = self.by_hash.get(&hash).copied();
        while let Some(idx) = found {
            let hosted = self.get(idx);
            if hosted.key == *key {
                break;
            }
            found = hosted.links.same_hash;
        }
        found
    }

    /// The place of a customer, made if need be.
    pub(crate) fn host(&mut self, key: &CustomerKey) -> HostedIdx {
        let hash = customer_hash(&self.cluster_key, key);
        if let Some(idx) = self.find_hashed(hash, key) {
            return idx;
        }
        let workspace = self.workspaces.enter(&key.workspace);
        let mut hosted = Box::new(Hosted::new(key.clone(), workspace));
        hosted.links.hash = hash;
        hosted.links.same_hash = self.by_hash.get(&hash).copied();
        let idx = if let Some(idx) = self.free.pop() {
            self.places[idx] = Some(hosted);
            idx
        } else {
            self.places.push(Some(hosted));
            self.places.len() - 1
        };
        let idx = HostedIdx(idx);
        self.by_hash.insert(hash, idx);
        self.push_newest(idx);
        idx
    }

    pub(crate) fn get(&self, idx: HostedIdx) -> &Hosted {
        self.places[idx.0]
            .as_ref()
            .expect("a place is used only while its customer is hosted")
    }

    pub(crate) fn get_mut(&mut self, idx: HostedIdx) -> &mut Hosted {
        self.places[idx.0]
            .as_mut()
            .expect("a place is used only while its customer is hosted")
    }

    /// Notes a use, for passivation.
    pub(crate) fn touch(&mut self, idx: HostedIdx) {
        if self.newest != Some(idx) {
            self.unlink(idx);
            self.push_newest(idx);
        }
    }

    fn push_newest(&mut self, idx: HostedIdx) {
        let newest = self.newest.replace(idx);
        self.oldest.get_or_insert(idx);
        if let Some(newest) = newest {
            self.get_mut(newest).links.newer = Some(idx);
        }
        self.get_mut(idx).links.older = newest;
    }

    /// Takes a customer out of the order of use.
    fn unlink(&mut self, idx: HostedIdx) {
        let links = &mut self.get_mut(idx).links;
        let (newer, older) = (links.newer.take(), links.older.take());
        match newer {
            Some(newer) => self.get_mut(newer).links.older = older,
            None => self.newest = older,
        }
        match older {
            Some(older) => self.get_mut(older).links.newer = newer,
            None => self.oldest = newer,
        }
    }

    /// Takes a customer out of those with its hash.
    fn unhash(&mut self, idx: HostedIdx) {
        let links = self.get(idx).links;
        let mut before = self.by_hash[&links.hash];
        if before == idx {
            match links.same_hash {
                Some(next) => self.by_hash.insert(links.hash, next),
                None => self.by_hash.remove(&links.hash),
            };
            return;
        }
        while let Some(behind) = self.get(before).links.same_hash.filter(|it| *it != idx) {
            before = behind;
        }
        self.get_mut(before).links.same_hash = links.same_hash;
    }

    /// Puts a customer that has something to do at the end of the queue, unless its turn has to wait.
    pub(crate) fn queue(&mut self, idx: HostedIdx) {
        let hosted = self.get_mut(idx);
        match hosted.lifecycle {
            Lifecycle::Idle | Lifecycle::Ready | Lifecycle::AwaitingCommit => {
                hosted.lifecycle = Lifecycle::Ready;
            }
            // Only its release is taken into its mailbox.
            Lifecycle::Quarantined if !hosted.mailbox.is_empty() => {}
            Lifecycle::Quarantined | Lifecycle::Passive => return,
        }
        if !std::mem::replace(&mut hosted.is_queued, true) {
            let workspace = hosted.workspace;
            self.ready.push(workspace, idx.0);
        }
    }

    /// Puts a customer that was next in turn to those that wait to be read from rows.
    pub(crate) fn queue_cold(&mut self, idx: HostedIdx) {
        let hosted = self.get_mut(idx);
        hosted.is_queued = true;
        let workspace = hosted.workspace;
        self.cold.push(workspace, idx.0);
    }

    /// Lets up to `n_max` of those have their turn; answers whether more of them wait.
    pub(crate) fn queue_read(&mut self, n_max: usize) -> bool {
        for _ in 0..n_max {
            let Some(place) = self.cold.pop() else {
                break;
            };
            let workspace = self.get(HostedIdx(place)).workspace;
            self.ready.push(workspace, place);
        }
        !self.cold.is_empty()
    }

    /// The next customer in turn.
    pub(crate) fn next_ready(&mut self) -> Option<HostedIdx> {
        while let Some(idx) = self.ready.pop() {
            let Some(hosted) = self.places[idx].as_mut() else {
                continue;
            };
            hosted.is_queued = false;
            let has_turn = match hosted.lifecycle {
                Lifecycle::Ready => true,
                Lifecycle::Quarantined => !hosted.mailbox.is_empty(),
                Lifecycle::Idle | Lifecycle::AwaitingCommit | Lifecycle::Passive => false,
            };
            if has_turn {
                return Some(HostedIdx(idx));
            }
        }
        None
    }

    pub(crate) fn n_mailed(&self) -> usize {
        self.places.iter().flatten().map(|h| h.mailbox.len()).sum()
    }

    /// Drops customers unused for longest until the bounds are kept; answers how many for that of their number, and how
    /// many for that of their memory. Busy ones are passed over.
    pub(crate) fn passivate(&mut self, stamp: Timestamp) -> (u64, u64) {
        let size_bytes_max = self.size_bytes_max + self.shared_room_size_bytes;
        let (mut n_for_number, mut n_for_memory) = (0, 0);
        let mut n_looked_at = 0;
        while n_looked_at < self.len().min(PASSIVATION_LOOKS_MAX) {
            let are_too_many = self.len() > self.hosted_max;
            if !are_too_many && self.size_bytes <= size_bytes_max {
                break;
            }
            n_looked_at += 1;
            let Some(idx) = self.oldest else {
                break;
            };
            if self.get(idx).may_passivate(stamp) {
                self.drop_hosted(idx);
                n_for_number += u64::from(are_too_many);
                n_for_memory += u64::from(!are_too_many);
            } else {
                self.touch(idx);
            }
        }
        (n_for_number, n_for_memory)
    }

    /// Every hosted customer.
    pub(crate) fn indices(&self) -> Vec<HostedIdx> {
        let occupied =
            |(idx, place): (usize, &Option<Box<Hosted>>)| place.as_ref().map(|_| HostedIdx(idx));
        self.places
            .iter()
            .enumerate()
            .filter_map(occupied)
            .collect()
    }

    /// Drops one customer, whose state lies in the replica.
    pub(crate) fn drop_hosted(&mut self, idx: HostedIdx) {
        self.unlink(idx);
        self.unhash(idx);
        let hosted = self.places[idx.0]
            .take()
            .expect("only hosted customers are dropped");
        self.size_bytes -= hosted.size_bytes;
        // A place that still stood in a queue would be taken for its next customer's.
        if hosted.is_queued {
            self.ready.remove(hosted.workspace, idx.0);
            self.cold.remove(hosted.workspace, idx.0);
        }
        let workspace = hosted.workspace;
        self.workspaces.leave(&hosted.key.workspace, workspace);
        self.free.push(idx.0);
    }
}
