//! The partition table: which replicas of each partition there shall be, on which nodes, and which of them leads best.
//!
//! It is written by small changes and read everywhere; nobody computes it anew. One change of a partition:
//!
//! ```text
//!   Add{node, replaces} ─► Joining beside a Leaving one ─► Promoted ─► Voter ─► Retired ─► the old one is gone
//! ```

use journey_types::{NodeId, PartitionId};

use crate::ReplicaId;

/// All partitions, in id order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartitionTable {
    /// Raised by every change.
    pub version: u64,
    /// By partition id from 0.
    pub partitions: Vec<PartitionPlacement>,
}

/// The replicas of one partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartitionPlacement {
    /// Raised by every change of this partition; what a change is compared with.
    pub version: u64,
    /// Its replicas, the oldest first.
    pub replicas: Vec<PlacedReplica>,
    /// The one that should lead.
    pub preferred: ReplicaId,
}

/// One replica of a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlacedReplica {
    /// Its id: the place in the metadata log where it was added, so never used twice.
    pub replica: ReplicaId,
    /// Where it lies.
    pub node: NodeId,
    /// What it is to become.
    pub role: ReplicaRole,
}

/// What a replica is, as far as the table goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReplicaRole {
    /// It votes.
    Voter,
    /// It catches up and is to vote then.
    Joining,
    /// It is to go, once those that join vote. Until then it votes, if it did.
    Leaving,
}

/// One small step of one partition's placement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlacementChange {
    /// A new replica on that node, joining; with `replaces` the voter that goes once it votes.
    Add {
        /// Where: an active node that has no replica of the partition.
        node: NodeId,
        /// The voter that goes.
        replaces: Option<ReplicaId>,
    },
    /// A joining replica votes now.
    Promoted(ReplicaId),
    /// A voter or a joining replica is to go; never the last voter.
    Retire(ReplicaId),
    /// A leaving replica stays after all, as a voter.
    Keep(ReplicaId),
    /// A leaving replica is out of its group; its rows may be deleted.
    Retired(ReplicaId),
    /// This voter should lead.
    Prefer(ReplicaId),
}

impl PartitionTable {
    /// One partition's replicas.
    #[must_use]
    pub fn partition(&self, partition: PartitionId) -> Option<&PartitionPlacement> {
        let position = usize::try_from(partition.get()).ok()?;
        self.partitions.get(position)
    }

    /// Every partition with its id.
    pub fn iter(&self) -> impl Iterator<Item = (PartitionId, &PartitionPlacement)> {
        (0..).map(PartitionId::new).zip(&self.partitions)
    }

    /// The replicas of one node, whatever becomes of them.
    pub fn replicas_of(&self, node: NodeId) -> impl Iterator<Item = (PartitionId, PlacedReplica)> {
        self.iter().flat_map(move |(partition, placement)| {
            let replicas = placement
                .replicas
                .iter()
                .filter(move |placed| placed.node == node);
            replicas.map(move |placed| (partition, *placed))
        })
    }

    /// The table of a new cluster: its first node holds the only voter of every partition.
    pub(crate) fn founded(
        n_partitions: u32,
        node: NodeId,
        replica: ReplicaId,
        version: u64,
    ) -> Self {
        let role = ReplicaRole::Voter;
        let placement = PartitionPlacement {
            version,
            replicas: vec![PlacedReplica {
                replica,
                node,
                role,
            }],
            preferred: replica,
        };
        let partitions = (0..n_partitions).map(|_| placement.clone()).collect();
        Self {
            version,
            partitions,
        }
    }
}

impl PartitionPlacement {
    /// One replica of it.
    #[must_use]
    pub fn replica(&self, replica: ReplicaId) -> Option<&PlacedReplica> {
        self.replicas
            .iter()
            .find(|placed| placed.replica == replica)
    }

    /// The replica on that node.
    #[must_use]
    pub fn on_node(&self, node: NodeId) -> Option<&PlacedReplica> {
        self.replicas.iter().find(|placed| placed.node == node)
    }

    /// Its replicas of that role.
    pub fn of_role(&self, role: ReplicaRole) -> impl Iterator<Item = &PlacedReplica> {
        self.replicas
            .iter()
            .filter(move |placed| placed.role == role)
    }

    /// Whether nothing of it is on its way.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.replicas
            .iter()
            .all(|placed| placed.role == ReplicaRole::Voter)
    }

    /// Whether that step may be taken now. The node of an `Add` is judged by whoever knows the nodes.
    pub(crate) fn allows(&self, change: PlacementChange) -> bool {
        let role_of = |replica| self.replica(replica).map(|placed| placed.role);
        let n_voters = self.of_role(ReplicaRole::Voter).count();
        match change {
            // One change of a group at a time: nothing else joins or leaves.
            PlacementChange::Add { node, replaces } => {
                let replaces_voter =
                    replaces.is_none_or(|replica| role_of(replica) == Some(ReplicaRole::Voter));
                self.is_settled() && self.on_node(node).is_none() && replaces_voter
            }
            PlacementChange::Promoted(replica) => role_of(replica) == Some(ReplicaRole::Joining),
            PlacementChange::Retire(replica) => match role_of(replica) {
                Some(ReplicaRole::Voter) => self.is_settled() && n_voters > 1,
                Some(ReplicaRole::Joining) => n_voters > 0,
                Some(ReplicaRole::Leaving) | None => false,
            },
            PlacementChange::Keep(replica) => role_of(replica) == Some(ReplicaRole::Leaving),
            PlacementChange::Retired(replica) => {
                // The one that takes its place votes first.
                let n_joining = self.of_role(ReplicaRole::Joining).count();
                role_of(replica) == Some(ReplicaRole::Leaving) && n_voters > 0 && n_joining == 0
            }
            PlacementChange::Prefer(replica) => {
                role_of(replica) == Some(ReplicaRole::Voter) && self.preferred != replica
            }
        }
    }

    /// Takes a step that is allowed. `index` is its place in the log and the id of a new replica.
    pub(crate) fn change(&mut self, change: PlacementChange, index: u64) {
        assert!(self.allows(change), "a step is checked before it is taken");
        match change {
            PlacementChange::Add { node, replaces } => {
                let replica = ReplicaId::new(index);
                let is_fresh = self.replicas.iter().all(|placed| placed.replica < replica);
                assert!(
                    is_fresh && self.preferred < replica,
                    "a replica id is never used twice"
                );
                if let Some(replaces) = replaces {
                    self.set_role(replaces, ReplicaRole::Leaving);
                }
                let role = ReplicaRole::Joining;
                self.replicas.push(PlacedReplica {
                    replica,
                    node,
                    role,
                });
            }
            PlacementChange::Promoted(replica) | PlacementChange::Keep(replica) => {
                self.set_role(replica, ReplicaRole::Voter);
            }
            PlacementChange::Retire(replica) => self.set_role(replica, ReplicaRole::Leaving),
            PlacementChange::Retired(replica) => {
                self.replicas.retain(|placed| placed.replica != replica);
            }
            PlacementChange::Prefer(replica) => self.preferred = replica,
        }
        // Whoever is to go should not lead; while nobody else votes it may.
        let prefers_voter = self
            .replica(self.preferred)
            .is_some_and(|placed| placed.role == ReplicaRole::Voter);
        let first_voter = self
            .of_role(ReplicaRole::Voter)
            .next()
            .map(|placed| placed.replica);
        if let Some(voter) = first_voter.filter(|_| !prefers_voter) {
            self.preferred = voter;
        }
        self.version = index;
        self.validate();
    }

    /// What holds of every placement.
    ///
    /// # Panics
    /// When it does not: nothing goes on with such a table.
    fn validate(&self) {
        assert!(!self.replicas.is_empty(), "a partition has a replica");
        let is_ordered = self
            .replicas
            .is_sorted_by(|one, next| one.replica < next.replica);
        assert!(
            is_ordered,
            "replicas are in the order in which they were added"
        );
        let votes = |placed: &&PlacedReplica| placed.role != ReplicaRole::Joining;
        assert!(
            self.replicas.iter().any(|placed| votes(&placed)),
            "a partition has a voter"
        );
        for (position, placed) in self.replicas.iter().enumerate() {
            let others = &self.replicas[position + 1..];
            let is_alone = others.iter().all(|other| other.node != placed.node);
            assert!(is_alone, "a node holds one replica of a partition");
        }
        assert!(
            self.replica(self.preferred).is_some(),
            "the replica that should lead is one of them"
        );
        assert!(
            self.of_role(ReplicaRole::Joining).count() <= 1,
            "one replica joins at a time"
        );
    }

    fn set_role(&mut self, replica: ReplicaId, role: ReplicaRole) {
        for placed in &mut self.replicas {
            if placed.replica == replica {
                placed.role = role;
            }
        }
    }
}
