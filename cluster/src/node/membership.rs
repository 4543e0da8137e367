//! This node's place in the cluster: it founds one on an empty data folder, joins one, or comes back to the one it is in.
//!
//! ```text
//!   empty folder ─┬─ no --join ──► founds: node 1, replica 1 of everything
//!                 └─ --join ─────► Members.Join at a seed ─► node id, replica of group 0 ─► waits for its copy
//!   folder of a member ──────────► resumes, and tells the others where it is reached now
//! ```

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use journey_consensus::{
    ClusterIdentity, GroupStart, MetadataError, MetadataHandle, MetadataState, NewNode,
    NodeIdentity, NodeMembership, NodePlace, NodeRecord, PeerAddress, ReplicaId,
};
use journey_partition::Clock as _;
use journey_proto::internal as wire;
use journey_storage::{Engine, StorageError};
use journey_types::{ClusterKey, EffectOrigin, Incarnation, NodeId};
use rand::Rng as _;
use tonic::Code;

use crate::clock::{SystemClock, monotonic_now};
use crate::config::Config;
use crate::node::directory::NodeDirectory;
use crate::node::error::NodeError;
use crate::node::member_calls;

/// Pause between two rounds of asking.
const ASK_INTERVAL: Duration = Duration::from_millis(500);
/// How often it is said that a wait goes on.
const TELL_INTERVAL: Duration = Duration::from_secs(15);
/// How long a node with peers waits for what is newest before it goes on with the copy that it has.
const NEWEST_WAIT: Duration = Duration::from_secs(10);
/// How long a node tries to found a cluster before it gives up.
const FOUND_WAIT: Duration = Duration::from_secs(60);

/// What a node comes to its cluster with.
pub(crate) struct Entrance<'a> {
    pub(crate) config: &'a Config,
    pub(crate) state: Arc<dyn Engine>,
    pub(crate) directory: Arc<NodeDirectory>,
    pub(crate) place: NodePlace,
    pub(crate) own: NodeIdentity,
}

/// Who this node is: read from its data folder, or drawn and written there.
pub(crate) fn own_identity(state: &Arc<dyn Engine>) -> Result<NodeIdentity, StorageError> {
    if let Some(identity) = NodeIdentity::read(state)? {
        return Ok(identity);
    }
    let identity = NodeIdentity {
        join_key: rand::rng().random(),
        member: None,
    };
    identity.write(state)?;
    Ok(identity)
}

/// Where this node is reached and what it takes.
pub(crate) fn own_place(config: &Config, api: SocketAddr, peers: Option<SocketAddr>) -> NodePlace {
    let cluster = &config.cluster;
    let peer_address = || peers.map(|address| address.to_string()).unwrap_or_default();
    NodePlace {
        api_address: cluster.advertise.clone().unwrap_or_else(|| api.to_string()),
        peer_address: cluster.peer_advertise.clone().unwrap_or_else(peer_address),
        zone: cluster.zone.clone(),
        weight: cluster.weight,
    }
}

impl Entrance<'_> {
    /// How this node comes to the metadata group; asks to join where that is to be done.
    pub(crate) async fn enter(&mut self) -> Result<(ReplicaId, GroupStart), NodeError> {
        if let Some(member) = self.own.member {
            self.check_cluster(member.cluster_id)?;
            self.directory.set_cluster(member.cluster_id);
            let is_founder = member.metadata_replica == ReplicaId::FIRST;
            // The founder's log was there before its membership was written; another node may have been stopped while it
            // waited for its first entry.
            let start = if is_founder {
                GroupStart::Resume
            } else {
                GroupStart::Join
            };
            return Ok((member.metadata_replica, start));
        }
        if self.config.cluster.join.is_empty() {
            return Ok((ReplicaId::FIRST, GroupStart::Found));
        }
        let member = self.join().await?;
        Ok((member.metadata_replica, GroupStart::Join))
    }

    /// Founds the cluster where this node does, waits until its copy of the metadata knows this node, and remembers what
    /// it is.
    pub(crate) async fn settle(
        mut self,
        metadata: &MetadataHandle,
        start: GroupStart,
    ) -> Result<(ClusterIdentity, NodeMembership), NodeError> {
        if start == GroupStart::Found {
            self.found(metadata).await?;
        }
        let state = self.newest(metadata).await?;
        let Some(identity) = state.identity().copied() else {
            let cluster_id = 0;
            return Err(NodeError::NotAMember { cluster_id });
        };
        let cluster_id = identity.origin.cluster_id;
        self.check_cluster(cluster_id)?;
        let member = state
            .node_by_key(&self.own.join_key)
            .map(|node| NodeMembership {
                cluster_id,
                node: node.id,
                metadata_replica: node.metadata_replica,
            });
        let is_it = |member: &NodeMembership| self.own.member.is_none_or(|known| known == *member);
        let Some(member) = member.filter(is_it) else {
            return Err(NodeError::NotAMember { cluster_id });
        };
        if state
            .node(member.node)
            .is_some_and(|node| !node.is_member())
        {
            let node = member.node;
            return Err(NodeError::Removed { node, cluster_id });
        }
        self.directory.set_cluster(cluster_id);
        self.remember(member)?;
        if start == GroupStart::Found || is_alone(&state) {
            // Nobody else can tell it, and nobody else waits for it.
            tell_place(metadata, member.node, &self.place).await?;
        } else {
            let announcement = Announcement {
                metadata: metadata.clone(),
                member,
                node: self.new_node(),
                seeds: self.config.cluster.join.clone(),
            };
            tokio::spawn(announcement.run());
        }
        Ok((identity, member))
    }

    /// Founds the cluster. A machine that is busy may need more than one attempt until the only voter leads.
    async fn found(&self, metadata: &MetadataHandle) -> Result<(), NodeError> {
        let began = monotonic_now();
        loop {
            let identity = new_identity(self.config);
            let founded = metadata.bootstrap_if_empty(identity, self.new_node());
            match founded.await {
                Ok(_) => return Ok(()),
                Err(error) if error.is_retryable() && monotonic_now() - began < FOUND_WAIT => {
                    tracing::debug!(%error, "not founded yet");
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// What is committed by now; of a node with peers that nobody can prove it to, the copy that it has.
    async fn newest(&self, metadata: &MetadataHandle) -> Result<Arc<MetadataState>, NodeError> {
        let began = monotonic_now();
        let mut told = began;
        loop {
            let current = metadata.current();
            let knows_itself = current.node_by_key(&self.own.join_key).is_some();
            let refused = match metadata.latest().await {
                // What is committed by now says for good whether this node is in it.
                Ok(state) => return Ok(state),
                Err(error) => error.to_string(),
            };
            if let Some(reason) = &metadata.group().leadership().borrow().stopped {
                return Err(NodeError::GroupStopped {
                    group: "the metadata group".to_owned(),
                    reason: reason.to_string(),
                });
            }
            let now = monotonic_now();
            if knows_itself && !is_alone(&current) && now - began > NEWEST_WAIT {
                tracing::warn!(reason = refused, "starting with the metadata that is here");
                return Ok(current);
            }
            if now - told > TELL_INTERVAL {
                told = now;
                tracing::info!(reason = refused, "waiting for the metadata group");
            }
            tokio::time::sleep(ASK_INTERVAL).await;
        }
    }

    /// Asks the seeds one by one until one lets this node in.
    async fn join(&mut self) -> Result<NodeMembership, NodeError> {
        let mut told = None;
        loop {
            for seed in &self.config.cluster.join {
                let wanted = self.config.cluster.id.map_or(0, |id| id.get());
                let asked = member_calls::join(seed, &self.new_node(), wanted).await;
                let refused = match asked {
                    Ok(answer) => return self.let_in(&answer),
                    Err(refused) => refused,
                };
                if refused.code() == Code::FailedPrecondition
                    || refused.code() == Code::InvalidArgument
                {
                    return Err(NodeError::JoinRefused {
                        seed: seed.clone(),
                        reason: refused.message().to_owned(),
                    });
                }
                let now = monotonic_now();
                if told.is_none_or(|told| now - told > TELL_INTERVAL) {
                    told = Some(now);
                    let reason = refused.message();
                    tracing::info!(seed, reason, "waiting to be let into the cluster");
                }
            }
            tokio::time::sleep(ASK_INTERVAL).await;
        }
    }

    fn let_in(&mut self, answer: &wire::JoinAnswer) -> Result<NodeMembership, NodeError> {
        self.check_cluster(answer.cluster)?;
        let member = NodeMembership {
            cluster_id: answer.cluster,
            node: NodeId::new(answer.node),
            metadata_replica: ReplicaId::new(answer.metadata_replica),
        };
        let seeds = answer.members.iter().map(|member| {
            let replica = ReplicaId::new(member.metadata_replica);
            (replica, PeerAddress::new(member.peer_address.as_str()))
        });
        self.directory.set_seeds(seeds.collect::<BTreeMap<_, _>>());
        self.directory.set_cluster(answer.cluster);
        self.remember(member)?;
        tracing::info!(
            node_id = answer.node,
            cluster_id = format!("{:016x}", answer.cluster),
            "joined a cluster"
        );
        Ok(member)
    }

    fn remember(&mut self, member: NodeMembership) -> Result<(), NodeError> {
        if self.own.member != Some(member) {
            self.own.member = Some(member);
            self.own.write(&self.state)?;
        }
        Ok(())
    }

    /// Where the configuration names a cluster it must be this one.
    fn check_cluster(&self, found: u64) -> Result<(), NodeError> {
        match self.config.cluster.id.map(|id| id.get()) {
            Some(wanted) if wanted != found => Err(NodeError::OtherCluster { found, wanted }),
            Some(_) | None => Ok(()),
        }
    }

    fn new_node(&self) -> NewNode {
        NewNode {
            join_key: self.own.join_key,
            place: self.place.clone(),
        }
    }
}

/// Whether no other node is a member.
fn is_alone(state: &MetadataState) -> bool {
    state.nodes().filter(|node| node.is_member()).count() <= 1
}

/// Tells the cluster where this node is reached now, until it knows.
struct Announcement {
    metadata: MetadataHandle,
    member: NodeMembership,
    node: NewNode,
    seeds: Vec<String>,
}

impl Announcement {
    async fn run(self) {
        while !self.is_known() {
            // By the log if the leader reaches this node, else by a call of this node's own.
            let told = tell_place(&self.metadata, self.member.node, &self.node.place).await;
            if told.is_err() && !self.ask_others().await {
                tokio::time::sleep(ASK_INTERVAL).await;
            }
        }
    }

    fn is_known(&self) -> bool {
        let current = self.metadata.current();
        let record = current.node(self.member.node);
        record.is_none_or(|record| record.place == self.node.place)
    }

    async fn ask_others(&self) -> bool {
        let current = self.metadata.current();
        let others = current
            .nodes()
            .filter(|node| is_other(node, self.member.node));
        let known: Vec<String> = others.map(|node| node.place.peer_address.clone()).collect();
        for address in known.iter().chain(&self.seeds) {
            let asked = member_calls::join(address, &self.node, self.member.cluster_id).await;
            match asked {
                Ok(_) => return true,
                Err(refused) if refused.code() == Code::FailedPrecondition => {
                    let reason = refused.message();
                    tracing::error!(address, reason, "this node is refused");
                }
                Err(refused) => tracing::debug!(address, %refused, "not told where this node is"),
            }
        }
        false
    }
}

fn is_other(node: &NodeRecord, own: NodeId) -> bool {
    node.id != own && node.is_member() && !node.place.peer_address.is_empty()
}

/// Changes this node's record where it is reached elsewhere than before.
async fn tell_place(
    metadata: &MetadataHandle,
    node: NodeId,
    place: &NodePlace,
) -> Result<(), MetadataError> {
    loop {
        let current = metadata.current();
        let Some(record) = current.node(node) else {
            return Ok(());
        };
        let told = metadata.set_node_place(record.id, record.version, place.clone());
        match told.await {
            Ok(_) => return Ok(()),
            // Somebody changed the record first: this copy shows it now.
            Err(MetadataError::Conflict { .. })
                if metadata.current().node(node) != Some(record) => {}
            Err(error) => return Err(error),
        }
    }
}

/// What a cluster is founded with.
fn new_identity(config: &Config) -> ClusterIdentity {
    let mut rng = rand::rng();
    ClusterIdentity {
        origin: EffectOrigin {
            cluster_id: config
                .cluster
                .id
                .map_or_else(|| rng.random(), |id| id.get()),
            incarnation: Incarnation::new(1),
        },
        key: ClusterKey::new(rng.random()),
        n_partitions: config.partitions,
        founded_at_ms: SystemClock.now().unix_ms(),
    }
}

#[cfg(test)]
mod tests;
