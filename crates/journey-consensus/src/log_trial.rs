//! Trials of the log's recovery, for fuzzing: bytes are read as operations on a group's log, with power cuts at any write
//! and damage to any row, and what is found afterwards is held against a model.
//!
//! ```text
//!   bytes ─► append, truncate, purge, vote ─► the power is cut in the middle of one of them ─► rows damaged, or not
//!                                               ─► opened again: the model's log, or refused; never anything else
//! ```

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use journey_storage::{CrashPoint, Engine, MemoryEngine, Put, StorageError, Tree};
use openraft::EntryPayload;
use openraft::storage::IOFlushed;
use openraft::type_config::TypeConfigExt as _;

use crate::limits::LOG_VALUE_SIZE_BYTES_MAX;
use crate::log_storage::{GroupLog, LogStorage, RaftLog};
use crate::raft_types::{Entry, LeaderId, LogId, Proposal, Types, Vote};
use crate::{ConsensusError, GroupId, Payload, ReplicaId};

const GROUP: GroupId = GroupId::new(1);
/// Lies behind the group under trial, to be left alone.
const NEIGHBOUR: GroupId = GroupId::new(2);
const REPLICA: ReplicaId = ReplicaId::new(1);
/// Operations of one trial.
const OPERATIONS_MAX: usize = 48;
/// Entries of one append.
const APPEND_ENTRIES_MAX: u64 = 4;

/// What a trial came to, for a fuzzer to tell trials apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct TrialOutcome {
    /// Power cuts survived.
    pub n_cuts: u32,
    /// Damaged logs refused.
    pub n_refused: u32,
    /// Damaged logs that read all the same, since nothing that counts was hit.
    pub n_harmless: u32,
    /// Torn tails found, by the rows that were removed.
    pub n_torn: u32,
}

/// Runs the operations that the bytes stand for.
///
/// # Panics
/// When the log lost or made up anything, or a call failed that must not: a bug.
#[must_use]
pub fn log_trial(script: &[u8]) -> TrialOutcome {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime of one thread needs nothing of the system");
    runtime.block_on(Trial::run(Script(script)))
}

/// The bytes, read one by one; behind their end come zeros.
struct Script<'a>(&'a [u8]);

impl Script<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        *first
    }

    fn below(&mut self, end: u64) -> u64 {
        let number = u64::from(self.byte()) << 8 | u64::from(self.byte());
        number % end.max(1)
    }
}

/// What the log must hold.
#[derive(Debug, Clone, Default)]
struct Model {
    entries: BTreeMap<u64, (u64, usize)>,
    purged: Option<LogId>,
    vote_term: u64,
}

impl Model {
    fn end(&self) -> u64 {
        let behind_purge = self.purged.map_or(0, |purged| purged.index() + 1);
        let last = self.entries.last_key_value();
        last.map_or(behind_purge, |(last, _)| last + 1)
    }

    fn last_term(&self) -> u64 {
        let purged = self
            .purged
            .map_or(0, |purged| purged.committed_leader_id().term);
        self.entries
            .last_key_value()
            .map_or(purged, |(_, (term, _))| *term)
    }

    fn purge(&mut self, upto: LogId) {
        self.entries = self.entries.split_off(&(upto.index() + 1));
        self.purged = Some(upto);
    }
}

/// Memory whose flushes fail once the power is about to be cut, so that the last write stays half made.
#[derive(Debug, Clone)]
struct CutEngine {
    memory: MemoryEngine,
    is_cut: Arc<AtomicBool>,
}

impl Engine for CutEngine {
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
        if self.is_cut.load(Ordering::Acquire) {
            let database = self.location();
            return Err(StorageError::FlushFailed { database });
        }
        self.memory.flush_durable()
    }

    fn size_bytes(&self) -> Result<u64, StorageError> {
        self.memory.size_bytes()
    }

    fn verify(&self) -> Result<(), StorageError> {
        self.memory.verify()
    }
}

struct Trial<'a> {
    script: Script<'a>,
    engine: CutEngine,
    storage: LogStorage,
    log: Arc<GroupLog>,
    model: Model,
    outcome: TrialOutcome,
}

/// One change of the log.
#[derive(Debug, Clone, Copy)]
enum Operation {
    Append {
        term: u64,
        n_entries: u64,
        size: usize,
    },
    Truncate {
        keep: u64,
    },
    Purge {
        index: u64,
    },
    Vote {
        term: u64,
    },
}

impl<'a> Trial<'a> {
    async fn run(script: Script<'a>) -> TrialOutcome {
        let memory = MemoryEngine::new(LOG_VALUE_SIZE_BYTES_MAX);
        let engine = CutEngine {
            memory,
            is_cut: Arc::default(),
        };
        let (storage, log) = open(&engine).await.expect("an empty log opens");
        let neighbour = storage.open_group(NEIGHBOUR, REPLICA).await;
        let neighbour = neighbour.expect("an empty log opens");
        append(&neighbour, vec![entry(0, 0, 100)])
            .await
            .expect("memory takes it");
        drop(neighbour);
        let mut trial = Self {
            script,
            engine,
            storage,
            log,
            model: Model::default(),
            outcome: TrialOutcome::default(),
        };
        for _ in 0..OPERATIONS_MAX {
            if trial.script.0.is_empty() {
                break;
            }
            trial.step().await;
        }
        trial.cut(None).await;
        trial.outcome
    }

    async fn step(&mut self) {
        let kind = self.script.byte();
        let operation = self.draw(kind);
        // Every eighth or so is the last before the power is cut, in the middle of it.
        if kind & 0xe0 == 0xe0 {
            return self.cut(Some(operation)).await;
        }
        self.make(operation)
            .await
            .expect("memory takes every write");
        self.barrier().await;
        let mut after = self.model.clone();
        change(&mut after, operation);
        self.model = after;
        self.check_log();
    }

    fn draw(&mut self, kind: u8) -> Operation {
        let (first, end) = (
            self.model.purged.map_or(0, |purged| purged.index() + 1),
            self.model.end(),
        );
        match kind % 8 {
            0..=3 => {
                let size = match self.script.byte() % 8 {
                    0 => LOG_VALUE_SIZE_BYTES_MAX - 40 + usize::from(self.script.byte() % 80),
                    1 => 2 * LOG_VALUE_SIZE_BYTES_MAX + usize::from(self.script.byte()),
                    size => usize::from(size) * 20,
                };
                let term = self.model.vote_term.max(self.model.last_term());
                let n_entries = 1 + self.script.below(APPEND_ENTRIES_MAX);
                Operation::Append {
                    term,
                    n_entries,
                    size,
                }
            }
            4 | 5 if end > first => Operation::Truncate {
                keep: first + self.script.below(end - first),
            },
            6 if end > first => Operation::Purge {
                index: first + self.script.below(end - first),
            },
            _ => Operation::Vote {
                term: self.model.vote_term + 1 + self.script.below(2),
            },
        }
    }

    async fn make(&self, operation: Operation) -> std::io::Result<()> {
        let mut raft_log = RaftLog(Arc::clone(&self.log));
        match operation {
            Operation::Append {
                term,
                n_entries,
                size,
            } => {
                let first = self.model.end();
                let entries = (first..first + n_entries).map(|index| entry(term, index, size));
                append(&self.log, entries.collect()).await
            }
            Operation::Truncate { keep } => {
                use openraft::storage::RaftLogStorage as _;
                let last = keep.checked_sub(1).map(|index| self.model_id(index));
                raft_log.truncate_after(last).await
            }
            Operation::Purge { index } => {
                use openraft::storage::RaftLogStorage as _;
                raft_log.purge(self.model_id(index)).await
            }
            Operation::Vote { term } => {
                use openraft::storage::RaftLogStorage as _;
                raft_log
                    .save_vote(&Vote::new_committed(term, REPLICA.get()))
                    .await
            }
        }
    }

    fn model_id(&self, index: u64) -> LogId {
        let term = self.model.entries.get(&index).map(|(term, _)| *term);
        let purged = self.model.purged.filter(|purged| purged.index() == index);
        let term = term.or_else(|| purged.map(|purged| purged.committed_leader_id().term));
        log_id(term.unwrap_or(0), index)
    }

    /// Waits until everything is on disk, or refused.
    async fn barrier(&self) {
        // A vote that is there already changes nothing, and is written behind everything else.
        if let Some(vote) = self.log.vote() {
            use openraft::storage::RaftLogStorage as _;
            let saved = RaftLog(Arc::clone(&self.log)).save_vote(&vote).await;
            drop(saved);
        } else {
            drop(append(&self.log, Vec::new()).await);
        }
    }

    /// Cuts the power in the middle of an operation and opens what is left, damaged or not.
    async fn cut(&mut self, operation: Option<Operation>) {
        self.engine.is_cut.store(true, Ordering::Release);
        let mut after = self.model.clone();
        if let Some(operation) = operation {
            drop(self.make(operation).await);
            self.barrier().await;
            change(&mut after, operation);
        }
        self.storage.close().await;
        let n_unflushed = self.engine.memory.n_unflushed() as u64;
        let n_kept = self.script.below(n_unflushed + 1);
        let n_kept = usize::try_from(n_kept).expect("a few writes");
        let left = self.engine.memory.crash(CrashPoint::Writes(n_kept));
        self.outcome.n_cuts += 1;
        if self.script.byte().is_multiple_of(3) {
            self.damage_copy(&left.survivor(CrashPoint::Written), &after)
                .await;
        }
        self.engine = CutEngine {
            memory: left,
            is_cut: Arc::default(),
        };
        let n_rows = n_rows(&self.engine.memory);
        let (storage, log) = open(&self.engine)
            .await
            .expect("a crash never damages a log");
        self.outcome.n_torn += u32::from(n_rows_torn(&self.engine.memory, n_rows));
        (self.storage, self.log) = (storage, log);
        let before = self.model.clone();
        self.model = found(&self.log);
        check_between(&before, &after, operation, &self.model);
        self.check_log();
    }

    /// Damages a row of a copy: what opens then holds nothing that was not written.
    async fn damage_copy(&mut self, left: &MemoryEngine, after: &Model) {
        let tree = left.tree("raft").expect("memory has it");
        let rows = tree.range(Bound::Unbounded, Bound::Unbounded, usize::MAX);
        let rows = rows.expect("memory reads");
        let at = self.script.below(rows.len() as u64);
        let Some((key, value)) = rows.get(usize::try_from(at).unwrap_or(0)) else {
            return;
        };
        let put = match self.script.byte() % 4 {
            0 => Put::remove(key.clone()),
            1 => {
                let length = self.script.below(value.len() as u64);
                let length = usize::try_from(length).unwrap_or(0);
                Put::set(key.clone(), &value[..length])
            }
            _ => {
                let mut value = value.clone();
                let at = usize::try_from(self.script.below(value.len() as u64)).unwrap_or(0);
                if let Some(byte) = value.get_mut(at) {
                    *byte ^= 1 << (self.script.byte() % 8);
                }
                Put::set(key.clone(), value)
            }
        };
        tree.put_ordered(&[put]).expect("memory takes it");
        let engine = CutEngine {
            memory: left.clone(),
            is_cut: Arc::default(),
        };
        match open(&engine).await {
            Err(error) => {
                let is_told = matches!(
                    error,
                    ConsensusError::Damaged { .. }
                        | ConsensusError::NewerFormat { .. }
                        | ConsensusError::ForeignLog { .. }
                );
                assert!(is_told, "damage shows as {error}");
                self.outcome.n_refused += 1;
            }
            Ok((storage, log)) => {
                self.outcome.n_harmless += 1;
                for (index, found) in found(&log).entries {
                    let written =
                        [&self.model, after].map(|model| model.entries.get(&index).copied());
                    let purged = after.purged.map_or(0, |purged| purged.index() + 1);
                    assert!(
                        written.contains(&Some(found)) || index < purged,
                        "entry {index} reads as {found:?} and was written as {written:?}"
                    );
                }
                drop(log);
                storage.close().await;
            }
        }
    }

    fn check_log(&self) {
        assert_eq!(
            found(&self.log).entries,
            self.model.entries,
            "entries differ"
        );
        assert_eq!(self.log.purged(), self.model.purged);
        let vote_term = self.log.vote().map_or(0, |vote| vote.leader_id.term);
        assert_eq!(vote_term, self.model.vote_term);
    }
}

fn change(model: &mut Model, operation: Operation) {
    match operation {
        Operation::Append {
            term,
            n_entries,
            size,
        } => {
            let first = model.end();
            let entries = (first..first + n_entries).map(|index| (index, (term, size)));
            model.entries.extend(entries);
        }
        Operation::Truncate { keep } => {
            drop(model.entries.split_off(&keep));
        }
        Operation::Purge { index } => {
            let term = model.entries.get(&index).map_or(0, |(term, _)| *term);
            model.purge(log_id(term, index));
        }
        Operation::Vote { term } => model.vote_term = term,
    }
}

/// What lies between the state before an operation and that after it.
fn check_between(before: &Model, after: &Model, operation: Option<Operation>, found: &Model) {
    let (shorter, longer) = match operation {
        Some(Operation::Truncate { .. }) => (after, before),
        Some(Operation::Append { .. } | Operation::Purge { .. } | Operation::Vote { .. })
        | None => (before, after),
    };
    let votes = [before.vote_term, after.vote_term];
    assert!(votes.contains(&found.vote_term), "{votes:?}: {found:?}");
    let purges = [before.purged, after.purged];
    assert!(purges.contains(&found.purged), "{purges:?}: {found:?}");
    let first = found.purged.map_or(0, |purged| purged.index() + 1);
    let at_least = shorter.entries.range(first..);
    for (index, entry) in at_least {
        assert_eq!(
            found.entries.get(index),
            Some(entry),
            "acknowledged entry {index} is lost"
        );
    }
    for (index, entry) in &found.entries {
        let written = longer
            .entries
            .get(index)
            .or_else(|| before.entries.get(index));
        assert_eq!(written, Some(entry), "entry {index} was never written");
    }
}

fn found(log: &Arc<GroupLog>) -> Model {
    let entries = log.read(0..u64::MAX, u64::MAX).expect("an open log reads");
    let entries = entries.iter().map(|entry| {
        let EntryPayload::Normal(proposal) = &entry.payload else {
            panic!("entry {} came back as another kind", entry.log_id);
        };
        let bytes = &proposal.0.bytes;
        let fill = fill_of(entry.log_id.index());
        assert!(
            bytes.iter().all(|byte| *byte == fill),
            "entry {} came back changed",
            entry.log_id
        );
        let term = entry.log_id.committed_leader_id().term;
        (entry.log_id.index(), (term, bytes.len()))
    });
    Model {
        entries: entries.collect(),
        purged: log.purged(),
        vote_term: log.vote().map_or(0, |vote| vote.leader_id.term),
    }
}

async fn open(engine: &CutEngine) -> Result<(LogStorage, Arc<GroupLog>), ConsensusError> {
    let storage = LogStorage::open(Arc::new(engine.clone()))?;
    match storage.open_group(GROUP, REPLICA).await {
        Ok(log) => Ok((storage, log)),
        Err(error) => {
            storage.close().await;
            Err(error)
        }
    }
}

async fn append(log: &Arc<GroupLog>, entries: Vec<Entry>) -> std::io::Result<()> {
    use openraft::storage::RaftLogStorage as _;
    let (done, flushed) = Types::oneshot();
    let mut raft_log = RaftLog(Arc::clone(log));
    raft_log.append(entries, IOFlushed::signal(done)).await?;
    flushed
        .await
        .unwrap_or_else(|_| Err(std::io::Error::other("nobody answers")))
}

fn n_rows(memory: &MemoryEngine) -> usize {
    let tree = memory.tree("raft").expect("memory has it");
    let rows = tree.range(Bound::Unbounded, Bound::Unbounded, usize::MAX);
    rows.expect("memory reads").len()
}

fn n_rows_torn(memory: &MemoryEngine, before: usize) -> bool {
    n_rows(memory) < before
}

fn fill_of(index: u64) -> u8 {
    u8::try_from(index % 251).expect("below 251")
}

fn log_id(term: u64, index: u64) -> LogId {
    let node_id = REPLICA.get();
    LogId::new(LeaderId { term, node_id }, index)
}

fn entry(term: u64, index: u64, size: usize) -> Entry {
    let bytes = Bytes::from(vec![fill_of(index); size]);
    Entry {
        log_id: log_id(term, index),
        payload: EntryPayload::Normal(Proposal(Payload {
            bytes,
            decoded: None,
        })),
    }
}

#[cfg(test)]
mod tests;
