//! What the tests of this crate share: an engine whose flushes can be held and counted, and a toy state machine.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use journey_storage::{Engine, MemoryEngine, StorageError, Tree};
use parking_lot::{Condvar, Mutex};
use tokio::sync::oneshot;

use crate::limits::LOG_VALUE_SIZE_BYTES_MAX;
use crate::{
    ApplyOutcome, CommittedEntry, Consensus, ConsensusOptions, GroupHandle, LogStorage, Payload,
    ProposeOutcome, StateMachine,
};

mod many;

pub(crate) use many::{Many, applied, timings, until};

/// Timings that elect quickly.
pub(crate) fn options() -> ConsensusOptions {
    ConsensusOptions {
        heartbeat: Duration::from_millis(20),
        election_min: Duration::from_millis(80),
        election_max: Duration::from_millis(160),
        worker_threads: 2,
    }
}

/// Consensus over that engine.
pub(crate) fn consensus_on(engine: Arc<dyn Engine>) -> (Consensus, LogStorage) {
    let storage = LogStorage::open(engine).unwrap();
    let consensus = Consensus::start(&options(), storage.clone()).unwrap();
    (consensus, storage)
}

pub(crate) fn memory() -> MemoryEngine {
    MemoryEngine::new(LOG_VALUE_SIZE_BYTES_MAX)
}

/// Memory, with a gate in front of its flushes.
#[derive(Debug, Clone)]
pub(crate) struct GatedEngine {
    pub(crate) memory: MemoryEngine,
    /// How many flushes may still pass.
    gate: Arc<(Mutex<u64>, Condvar)>,
    n_waiting: Arc<AtomicU64>,
}

impl GatedEngine {
    pub(crate) fn new() -> Self {
        Self::over(memory())
    }

    pub(crate) fn over(memory: MemoryEngine) -> Self {
        Self {
            memory,
            gate: Arc::new((Mutex::new(u64::MAX), Condvar::new())),
            n_waiting: Arc::new(AtomicU64::new(0)),
        }
    }

    /// Lets no flush finish until it is opened again.
    pub(crate) fn close_gate(&self) {
        *self.gate.0.lock() = 0;
    }

    /// Lets one flush through the closed gate.
    pub(crate) async fn pass_one(&self) {
        *self.gate.0.lock() = 1;
        self.gate.1.notify_all();
        while *self.gate.0.lock() > 0 {
            tokio::task::yield_now().await;
        }
    }

    pub(crate) fn open_gate(&self) {
        *self.gate.0.lock() = u64::MAX;
        self.gate.1.notify_all();
    }

    /// Waits until a flush stands at the gate.
    pub(crate) async fn flush_waits(&self) {
        while self.n_waiting.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    }
}

impl Engine for GatedEngine {
    fn tree(&self, name: &str) -> Result<Arc<dyn Tree>, StorageError> {
        self.memory.tree(name)
    }

    fn tree_names(&self) -> Vec<String> {
        self.memory.tree_names()
    }

    fn remove_tree(&self, name: &str) -> Result<bool, StorageError> {
        self.memory.remove_tree(name)
    }

    fn flush_durable(&self) -> Result<(), StorageError> {
        let mut may_pass = self.gate.0.lock();
        self.n_waiting.fetch_add(1, Ordering::SeqCst);
        while *may_pass == 0 {
            self.gate.1.wait(&mut may_pass);
        }
        *may_pass -= 1;
        self.n_waiting.fetch_sub(1, Ordering::SeqCst);
        drop(may_pass);
        self.memory.flush_durable()
    }

    fn size_bytes(&self) -> Result<u64, StorageError> {
        self.memory.size_bytes()
    }

    fn verify(&self) -> Result<(), StorageError> {
        self.memory.verify()
    }
}

/// What a toy state machine has seen, shared with its test and kept over restarts: the part below `floor` as if it
/// were on disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct Toy(pub(crate) Arc<Mutex<ToyState>>);

#[derive(Debug, Default)]
pub(crate) struct ToyState {
    /// Entries applied in memory, by index.
    pub(crate) applied: BTreeMap<u64, Bytes>,
    /// Whether each came with its decoded form.
    pub(crate) decoded: BTreeMap<u64, bool>,
    pub(crate) floor: u64,
    pub(crate) floor_blob: Option<Bytes>,
    last: u64,
    blob: Option<Bytes>,
    /// Up to where it lets the log be purged.
    pub(crate) purge_limit: Option<u64>,
    /// Refuses the next entry with this text.
    pub(crate) fail_on: Option<Bytes>,
    pub(crate) panics: bool,
    /// Every entry applied, in order, over all restarts.
    pub(crate) history: Vec<u64>,
}

impl Toy {
    /// What a restart finds: everything above the floor is gone from memory.
    pub(crate) fn restarted(&self) -> Self {
        let state = self.0.lock();
        let floor = state.floor;
        let applied = state.applied.iter().filter(|(index, _)| **index <= floor);
        let survived = ToyState {
            applied: applied
                .map(|(index, bytes)| (*index, bytes.clone()))
                .collect(),
            floor,
            last: floor,
            floor_blob: state.floor_blob.clone(),
            blob: state.floor_blob.clone(),
            ..ToyState::default()
        };
        Self(Arc::new(Mutex::new(survived)))
    }

    pub(crate) fn values(&self) -> Vec<Bytes> {
        self.0.lock().applied.values().cloned().collect()
    }
}

impl StateMachine for Toy {
    fn applied(&self) -> (u64, Option<Bytes>) {
        let state = self.0.lock();
        (state.floor, state.floor_blob.clone())
    }

    fn apply(
        &mut self,
        entries: &[CommittedEntry],
        consensus: Bytes,
    ) -> Result<Vec<ApplyOutcome>, String> {
        let mut state = self.0.lock();
        let mut outcomes = Vec::new();
        for entry in entries {
            state.last = entry.index;
            state.history.push(entry.index);
            let Some(payload) = &entry.payload else {
                outcomes.push(ApplyOutcome::Applied);
                continue;
            };
            if state.fail_on.as_ref() == Some(&payload.bytes) {
                assert!(!state.panics, "the toy was told to panic");
                return Err("the toy was told to fail".to_owned());
            }
            if payload.bytes.starts_with(b"void") {
                outcomes.push(ApplyOutcome::Superseded);
                continue;
            }
            state.decoded.insert(entry.index, payload.decoded.is_some());
            state.applied.insert(entry.index, payload.bytes.clone());
            outcomes.push(ApplyOutcome::Applied);
        }
        state.blob = Some(consensus);
        Ok(outcomes)
    }

    fn checkpoint(&mut self) -> Result<u64, String> {
        let mut state = self.0.lock();
        state.floor = state.last;
        state.floor_blob = state.blob.clone();
        Ok(state.floor)
    }

    fn purge_limit(&self) -> u64 {
        self.0.lock().purge_limit.unwrap_or(u64::MAX)
    }
}

pub(crate) fn payload(bytes: impl Into<Bytes>) -> Payload {
    Payload {
        bytes: bytes.into(),
        decoded: None,
    }
}

/// Waits until the replica leads.
pub(crate) async fn led(group: &GroupHandle) {
    let mut leadership = group.leadership();
    leadership.wait_for(|now| now.is_leader).await.unwrap();
}

/// Proposes and waits for the outcome.
pub(crate) async fn propose(group: &GroupHandle, bytes: impl Into<Bytes>) -> ProposeOutcome {
    proposed(group, bytes).await.unwrap()
}

/// Proposes; the outcome comes later, and exactly once since a second send would panic.
pub(crate) fn proposed(
    group: &GroupHandle,
    bytes: impl Into<Bytes>,
) -> oneshot::Receiver<ProposeOutcome> {
    let (tell, outcome) = oneshot::channel();
    let done = Box::new(move |outcome| {
        if tell.send(outcome).is_err() {
            tracing::debug!("the test does not wait for this outcome");
        }
    });
    group.propose(payload(bytes), done);
    outcome
}
