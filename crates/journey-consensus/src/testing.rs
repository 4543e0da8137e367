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
    ApplyOutcome, CommittedEntry, Consensus, ConsensusOptions, GroupHandle, LogStorage,
    OpenSnapshot, Payload, ProposeOutcome, SnapshotPiece, SnapshotSink, SnapshotSource,
    StateMachine,
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
    /// How many snapshots were opened and installed.
    pub(crate) n_opened: u64,
    pub(crate) n_installed: u64,
    /// Called at each step of receiving a snapshot, with its name.
    pub(crate) on_step: Option<StepHook>,
}

/// Called with the name of a step, while nothing of the toy is locked.
#[derive(Clone)]
pub(crate) struct StepHook(pub(crate) Arc<dyn Fn(&'static str) + Send + Sync>);

impl std::fmt::Debug for StepHook {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("StepHook")
    }
}

/// The toy's snapshot: what it has applied, one entry a piece.
struct ToySource {
    pieces: std::vec::IntoIter<SnapshotPiece>,
}

impl SnapshotSource for ToySource {
    fn next_piece(&mut self) -> Result<Option<SnapshotPiece>, String> {
        Ok(self.pieces.next())
    }
}

/// What a toy receives.
struct ToySink {
    toy: Toy,
    n_bytes: u64,
    at: (u64, Bytes),
    applied: BTreeMap<u64, Bytes>,
    is_finished: bool,
}

impl SnapshotSink for ToySink {
    fn take(&mut self, piece: &SnapshotPiece) -> Result<(), String> {
        assert_eq!(piece.offset, self.n_bytes);
        self.n_bytes += piece.bytes.len() as u64;
        let (index, bytes) = piece.bytes.split_first_chunk::<8>().unwrap();
        let index = u64::from_be_bytes(*index);
        if piece.offset == 0 {
            self.at = (index, Bytes::copy_from_slice(bytes));
        } else {
            self.applied.insert(index, Bytes::copy_from_slice(bytes));
        }
        self.toy.step("received a piece");
        Ok(())
    }

    fn finish(&mut self) -> Result<(), String> {
        self.is_finished = true;
        self.toy.step("finished");
        Ok(())
    }

    fn into_any(self: Box<Self>) -> Box<dyn std::any::Any + Send> {
        self
    }
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

    fn step(&self, name: &'static str) {
        let hook = self.0.lock().on_step.clone();
        if let Some(hook) = hook {
            (hook.0)(name);
        }
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

    fn open_snapshot(&mut self) -> Result<OpenSnapshot, String> {
        let mut state = self.0.lock();
        state.n_opened += 1;
        let at = (state.last, state.blob.clone());
        let blob = at.1.clone().unwrap();
        let head = std::iter::once((&at.0, &blob));
        let mut offset = 0;
        let mut pieces = Vec::new();
        for (index, bytes) in head.chain(&state.applied) {
            let bytes = [&index.to_be_bytes()[..], bytes].concat();
            let n_bytes = bytes.len() as u64;
            pieces.push(SnapshotPiece {
                offset,
                bytes: Bytes::from(bytes),
                is_last: pieces.len() == state.applied.len(),
            });
            offset += n_bytes;
        }
        let pieces = pieces.into_iter();
        Ok(OpenSnapshot {
            index: at.0,
            consensus: at.1,
            source: Box::new(ToySource { pieces }),
        })
    }

    fn receive_snapshot(&mut self) -> Result<Box<dyn SnapshotSink>, String> {
        Ok(Box::new(ToySink {
            toy: self.clone(),
            n_bytes: 0,
            at: (0, Bytes::new()),
            applied: BTreeMap::new(),
            is_finished: false,
        }))
    }

    fn install(&mut self, received: Box<dyn std::any::Any + Send>) -> Result<(), String> {
        let sink = received.downcast::<ToySink>().unwrap();
        assert!(sink.is_finished);
        self.step("before the switch");
        {
            let mut state = self.0.lock();
            let (index, blob) = sink.at;
            state.applied = sink.applied;
            state.floor = index;
            state.last = index;
            state.floor_blob = Some(blob.clone());
            state.blob = Some(blob);
            state.n_installed += 1;
        }
        self.step("after the switch");
        Ok(())
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
