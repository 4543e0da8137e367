//! Measures durable proposals per second: groups on sled with real fsyncs, closed loop, on one node or on several in this
//! process that replicate over loopback.
//!
//! `cargo run --release -p journey-consensus --example proposals_per_second -- [GROUPS] [IN_FLIGHT] [ENTRY_BYTES] [SECONDS] [NODES]`

#![expect(clippy::disallowed_methods, reason = "a measurement reads the clock")]
#![expect(clippy::print_stdout, reason = "its result goes to the terminal")]

use std::any::Any;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use journey_consensus::{
    ApplyOutcome, CommittedEntry, Consensus, ConsensusOptions, GroupHandle, GroupId, GroupOptions,
    GroupStart, LogStorage, OpenSnapshot, Payload, PeerAddress, ProposeOutcome, ReplicaDirectory,
    ReplicaId, SnapshotSink, StateMachine,
};
use journey_storage::limits::{LOG_SEGMENT_SIZE_BYTES, LOG_VALUE_SIZE_BYTES_MAX};
use journey_storage::{SledEngine, SledOptions};
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

/// Applies nothing, remembers where it is.
#[derive(Default)]
struct Nothing {
    last: u64,
    floor: (u64, Option<Bytes>),
    consensus: Option<Bytes>,
}

impl StateMachine for Nothing {
    fn applied(&self) -> (u64, Option<Bytes>) {
        self.floor.clone()
    }

    fn apply(
        &mut self,
        entries: &[CommittedEntry],
        consensus: Bytes,
    ) -> Result<Vec<ApplyOutcome>, String> {
        self.last = entries.last().map_or(self.last, |entry| entry.index);
        self.consensus = Some(consensus);
        Ok(vec![ApplyOutcome::Applied; entries.len()])
    }

    fn checkpoint(&mut self) -> Result<u64, String> {
        self.floor = (self.last, self.consensus.clone());
        Ok(self.last)
    }

    fn open_snapshot(&mut self) -> Result<OpenSnapshot, String> {
        Err("nothing has no snapshots".to_owned())
    }

    fn receive_snapshot(&mut self) -> Result<Box<dyn SnapshotSink>, String> {
        Err("nothing has no snapshots".to_owned())
    }

    fn install(&mut self, _received: Box<dyn Any + Send>) -> Result<(), String> {
        Err("nothing has no snapshots".to_owned())
    }
}

/// What all callers share.
struct Run {
    payload: Payload,
    is_over: AtomicBool,
    n_done: AtomicU64,
    waited_us: AtomicU64,
}

/// Proposes again whenever the last proposal is done.
fn propose_again(run: Arc<Run>, group: GroupHandle) {
    let (payload, next) = (run.payload.clone(), group.clone());
    let begun = Instant::now();
    group.propose(
        payload,
        Box::new(move |outcome| {
            if !matches!(outcome, ProposeOutcome::Applied { .. })
                || run.is_over.load(Ordering::Relaxed)
            {
                return;
            }
            let waited_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
            run.waited_us.fetch_add(waited_us, Ordering::Relaxed);
            run.n_done.fetch_add(1, Ordering::Relaxed);
            propose_again(run, next);
        }),
    );
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<u64> = std::env::args()
        .skip(1)
        .map(|text| text.parse())
        .collect::<Result<_, _>>()?;
    let argument = |at: usize, or: u64| arguments.get(at).copied().unwrap_or(or);
    let (n_groups, n_in_flight) = (argument(0, 1), argument(1, 2));
    let (entry_bytes, seconds) = (argument(2, 10_240), argument(3, 5));

    let directory = Arc::new(Directory::default());
    let mut nodes = Vec::new();
    for number in 1..=argument(4, 1) {
        nodes.push(start_node(number, &directory).await?);
    }
    let run = Arc::new(Run {
        payload: Payload {
            bytes: Bytes::from(vec![7; usize::try_from(entry_bytes)?]),
            decoded: None,
        },
        is_over: AtomicBool::new(false),
        n_done: AtomicU64::new(0),
        waited_us: AtomicU64::new(0),
    });
    let mut groups = Vec::new();
    for number in 1..=n_groups {
        let group = GroupId::new(u32::try_from(number)?);
        groups.push(start_group(group, &nodes).await?);
    }
    let storage = nodes[0].storage.clone();
    let flushes = storage.metrics().n_flushes;
    let begun = Instant::now();
    for group in &groups {
        for _ in 0..n_in_flight {
            propose_again(Arc::clone(&run), group.clone());
        }
    }
    while begun.elapsed() < Duration::from_secs(seconds) {
        tokio::time::sleep(Duration::from_millis(200)).await;
        for group in &groups {
            group.purge_if_above(64 * 1_024 * 1_024).await?;
        }
    }
    run.is_over.store(true, Ordering::Relaxed);
    let elapsed = begun.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "rates for people")]
    let (done, flushes, waited) = (
        run.n_done.load(Ordering::Relaxed) as f64,
        (storage.metrics().n_flushes - flushes) as f64,
        run.waited_us.load(Ordering::Relaxed) as f64,
    );
    println!(
        "{n_groups} groups, {n_in_flight} in flight each, {entry_bytes} bytes: {:.0} proposals/s, {:.0} flushes/s, mean {:.2} ms",
        done / elapsed,
        flushes / elapsed,
        waited / done / 1_000.0
    );
    for node in nodes {
        node.consensus.shutdown().await;
    }
    Ok(())
}

/// A node on a disk of its own.
struct Node {
    consensus: Consensus,
    storage: LogStorage,
    _folder: tempfile::TempDir,
}

/// Where each node listens: replica n lives on node n.
#[derive(Debug, Default)]
struct Directory(parking_lot::Mutex<BTreeMap<u64, PeerAddress>>);

impl ReplicaDirectory for Directory {
    fn address_of(&self, _group: GroupId, replica: ReplicaId) -> Option<PeerAddress> {
        self.0.lock().get(&replica.get()).cloned()
    }
}

async fn start_node(number: u64, directory: &Arc<Directory>) -> anyhow::Result<Node> {
    let folder = tempfile::tempdir_in(".")?;
    let engine = SledEngine::open(SledOptions {
        path: folder.path().to_owned(),
        segment_size_bytes: LOG_SEGMENT_SIZE_BYTES,
        value_size_bytes_max: LOG_VALUE_SIZE_BYTES_MAX,
        cache_capacity_bytes: 64 * 1_024 * 1_024,
    })?;
    let storage = LogStorage::open(Arc::new(engine))?;
    let options = ConsensusOptions {
        heartbeat: Duration::from_millis(50),
        election_min: Duration::from_millis(200),
        election_max: Duration::from_millis(400),
        worker_threads: 2,
    };
    let peers = Arc::clone(directory);
    let consensus = Consensus::start_among(&options, storage.clone(), peers)?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = PeerAddress::new(listener.local_addr()?.to_string());
    directory.0.lock().insert(number, address);
    let served = Server::builder().add_service(consensus.peer_service());
    let listener = listener.into_std()?;
    consensus.runtime().spawn(async move {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        served.serve_with_incoming(incoming).await?;
        anyhow::Ok(())
    });
    Ok(Node {
        consensus,
        storage,
        _folder: folder,
    })
}

/// A group with a voter on each node; the first node leads.
async fn start_group(group: GroupId, nodes: &[Node]) -> anyhow::Result<GroupHandle> {
    let mut founder: Option<GroupHandle> = None;
    let mut voters = BTreeSet::new();
    for (number, node) in (1..).zip(nodes) {
        let replica = ReplicaId::new(number);
        voters.insert(replica);
        let start = if number == 1 {
            GroupStart::Found
        } else {
            GroupStart::Join
        };
        let options = GroupOptions {
            start,
            ..GroupOptions::default()
        };
        let handle = node
            .consensus
            .start_group_with((group, replica), options, Box::<Nothing>::default())
            .await?;
        match &founder {
            Some(founder) => founder.add_learner(replica).await?,
            None => {
                handle.leadership().wait_for(|now| now.is_leader).await?;
                founder = Some(handle);
            }
        }
    }
    let founder = founder.ok_or_else(|| anyhow::anyhow!("there must be a node"))?;
    founder.change_voters(voters).await?;
    Ok(founder)
}
