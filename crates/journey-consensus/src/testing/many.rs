//! Several nodes in one process, over real connections on loopback, each with one replica of group 1.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use journey_storage::{CrashPoint, MemoryEngine};
use parking_lot::Mutex;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;

use super::{Toy, memory, propose};
use crate::{
    Consensus, ConsensusOptions, GroupHandle, GroupId, GroupOptions, GroupStart, LogStorage,
    PeerAddress, ProposeOutcome, ReplicaDirectory, ReplicaId,
};

const GROUP: GroupId = GroupId::new(1);
/// Far above what anything here takes: a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// As they are by default: several nodes on two busy cores need that much.
pub(crate) fn timings() -> ConsensusOptions {
    ConsensusOptions {
        heartbeat: Duration::from_millis(50),
        election_min: Duration::from_millis(200),
        election_max: Duration::from_millis(400),
        worker_threads: 2,
    }
}

/// Where everybody is, and which ways are cut.
#[derive(Debug, Default)]
pub(crate) struct Net {
    addresses: Mutex<BTreeMap<ReplicaId, PeerAddress>>,
    cut: Mutex<BTreeSet<(ReplicaId, ReplicaId)>>,
}

/// The net as one node sees it.
#[derive(Debug)]
struct View {
    net: Arc<Net>,
    own: ReplicaId,
    cluster: u64,
}

impl ReplicaDirectory for View {
    fn address_of(&self, _group: GroupId, replica: ReplicaId) -> Option<PeerAddress> {
        if self.net.cut.lock().contains(&(self.own, replica)) {
            return None;
        }
        self.net.addresses.lock().get(&replica).cloned()
    }

    fn cluster(&self) -> Option<u64> {
        Some(self.cluster)
    }
}

/// One node that runs.
pub(crate) struct Node {
    pub(crate) consensus: Consensus,
    pub(crate) group: GroupHandle,
    pub(crate) toy: Toy,
    pub(crate) engine: MemoryEngine,
}

/// The nodes of a cluster; replica n lives on node n.
#[derive(Default)]
pub(crate) struct Many {
    net: Arc<Net>,
    pub(crate) nodes: BTreeMap<u64, Node>,
}

impl Many {
    /// One that founds the group, and others that join it and vote.
    pub(crate) async fn with_voters(n_voters: u64) -> Self {
        let mut many = Self::default();
        many.start(1, GroupStart::Found).await;
        super::led(&many.nodes[&1].group).await;
        for number in 2..=n_voters {
            many.start(number, GroupStart::Join).await;
            let founder = &many.nodes[&1].group;
            founder.add_learner(ReplicaId::new(number)).await.unwrap();
        }
        let voters = (1..=n_voters).map(ReplicaId::new).collect();
        let founder = &many.nodes[&1].group;
        founder.change_voters(voters).await.unwrap();
        many
    }

    /// A node with an empty disk.
    pub(crate) async fn start(&mut self, number: u64, start: GroupStart) {
        let engine = memory();
        self.start_on(number, start, engine, Toy::default()).await;
    }

    pub(crate) async fn start_on(
        &mut self,
        number: u64,
        start: GroupStart,
        engine: MemoryEngine,
        toy: Toy,
    ) {
        let node = self.node_on(number, (start, 7), engine, toy).await;
        self.nodes.insert(number, node);
    }

    /// A node of that cluster, not yet one of `nodes`.
    pub(crate) async fn node_on(
        &self,
        number: u64,
        (start, cluster): (GroupStart, u64),
        engine: MemoryEngine,
        toy: Toy,
    ) -> Node {
        let own = ReplicaId::new(number);
        let view = View {
            net: Arc::clone(&self.net),
            own,
            cluster,
        };
        let storage = LogStorage::open(Arc::new(engine.clone())).unwrap();
        let consensus = Consensus::start_among(&timings(), storage, Arc::new(view)).unwrap();
        let service = consensus.peer_service();
        let (tell, address) = tokio::sync::oneshot::channel();
        consensus.runtime().spawn(async move {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            tell.send(listener.local_addr().unwrap()).unwrap();
            let served = Server::builder().add_service(service);
            served
                .serve_with_incoming(TcpListenerStream::new(listener))
                .await
                .unwrap();
        });
        let address = PeerAddress::new(address.await.unwrap().to_string());
        self.net.addresses.lock().insert(own, address);
        let options = GroupOptions {
            start,
            ..GroupOptions::default()
        };
        let group = consensus
            .start_group_with((GROUP, own), options, Box::new(toy.clone()))
            .await
            .unwrap();
        Node {
            consensus,
            group,
            toy,
            engine,
        }
    }

    /// Ends a node as `kill -9` and a power cut together do; what it holds then.
    pub(crate) fn kill(&mut self, number: u64) -> (MemoryEngine, Toy) {
        let node = self.nodes.remove(&number).unwrap();
        let (engine, toy) = (node.engine.clone(), node.toy.clone());
        // Nothing may be acknowledged after the disk is looked at.
        drop(node);
        (engine.crash(CrashPoint::Seeded(number)), toy.restarted())
    }

    pub(crate) async fn come_back(&mut self, number: u64, (engine, toy): (MemoryEngine, Toy)) {
        self.start_on(number, GroupStart::Resume, engine, toy).await;
    }

    /// Lets nothing pass between these and all others, either way.
    pub(crate) fn cut_off(&self, numbers: &[u64]) {
        let all: Vec<ReplicaId> = self.net.addresses.lock().keys().copied().collect();
        let mut cut = self.net.cut.lock();
        for from in &all {
            for to in &all {
                if numbers.contains(&from.get()) != numbers.contains(&to.get()) {
                    cut.insert((*from, *to));
                }
            }
        }
    }

    pub(crate) fn heal(&self) {
        self.net.cut.lock().clear();
    }

    /// Waits until one of these leads as the others see it, and returns its number.
    pub(crate) async fn leader_among(&self, numbers: &[u64]) -> u64 {
        until(|| {
            let leaders: Vec<u64> = numbers
                .iter()
                .copied()
                .filter(|number| self.nodes[number].group.leadership().borrow().is_leader)
                .collect();
            let [leader] = leaders.as_slice() else {
                return None;
            };
            let all_agree = numbers.iter().all(|number| {
                let leadership = self.nodes[number].group.leadership();
                let seen = leadership.borrow().leader;
                seen == Some(ReplicaId::new(*leader))
            });
            all_agree.then_some(*leader)
        })
        .await
    }

    pub(crate) fn group(&self, number: u64) -> &GroupHandle {
        &self.nodes[&number].group
    }

    /// Waits until that node has applied everything up to the index.
    pub(crate) async fn applied_on(&self, number: u64, index: u64) {
        let group = self.group(number);
        until(|| (group.applied_index() >= index).then_some(())).await;
    }

    /// Waits until all nodes have applied the same; what that is.
    pub(crate) async fn same_everywhere(&self, index: u64) -> Vec<Bytes> {
        for number in self.nodes.keys() {
            self.applied_on(*number, index).await;
        }
        let mut all = self.nodes.values().map(|node| node.toy.values());
        let first = all.next().unwrap();
        for other in all {
            assert!(first == other, "replicas differ");
        }
        first
    }
}

/// Looks again and again until there is something.
pub(crate) async fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let found = tokio::time::timeout(PATIENCE, found).await;
    found.expect("it never happened")
}

/// Proposes on that group and waits; it must be applied. A refusal is in no log and may be tried again: on a busy
/// machine a leader is sometimes not sure of itself.
pub(crate) async fn applied(group: &GroupHandle, bytes: impl Into<Bytes>) -> u64 {
    let bytes = bytes.into();
    loop {
        match propose(group, bytes.clone()).await {
            ProposeOutcome::Applied { index } => return index,
            ProposeOutcome::Refused(_) if group.leadership().borrow().is_leader => {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            outcome => panic!("not applied: {outcome:?}"),
        }
    }
}
