//! The thread that drives one replica's state machine, so that neither Raft's runtime nor another group ever waits
//! for it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot, watch};

use crate::limits::{APPLIER_QUEUE_JOBS_MAX, APPLY_BATCH_BYTES_MAX, APPLY_BATCH_ENTRIES_MAX};
use crate::raft_types::ApplyResponder;
use crate::state_machine::{CommittedEntry, OpenSnapshot, SnapshotSink, StateMachine};
use crate::{ConsensusError, GroupId};

/// What a state machine durably holds: an index and consensus' own blob as of it.
pub(crate) type Floor = (u64, Option<Bytes>);

/// A finished checkpoint.
pub(crate) struct Checkpointed {
    pub(crate) floor: Floor,
    /// How far the state machine lets the log be purged.
    pub(crate) purge_limit: u64,
}

/// Handle of an applier thread; the thread ends when all handles are gone.
#[derive(Debug, Clone)]
pub(crate) struct Applier {
    queue: mpsc::Sender<Job>,
    applied: Arc<AtomicU64>,
}

/// The same without keeping the thread.
#[derive(Debug, Clone)]
pub(crate) struct WeakApplier {
    queue: mpsc::WeakSender<Job>,
    applied: Arc<AtomicU64>,
}

impl WeakApplier {
    /// The applier, while its group runs.
    pub(crate) fn upgrade(&self) -> Result<Applier, String> {
        let queue = self.queue.upgrade();
        let queue = queue.ok_or_else(|| "the group has stopped".to_owned())?;
        Ok(Applier {
            queue,
            applied: Arc::clone(&self.applied),
        })
    }
}

/// Entries to apply together, and who waits for each.
#[derive(Default)]
pub(crate) struct Batch {
    pub(crate) entries: Vec<CommittedEntry>,
    pub(crate) responders: Vec<Option<ApplyResponder>>,
    pub(crate) consensus: Bytes,
    size_bytes: usize,
}

/// What a finished sink holds, on its way into the state machine.
pub(crate) type Received = Box<dyn std::any::Any + Send>;

enum Job {
    Floor(oneshot::Sender<Floor>),
    Apply(Batch, oneshot::Sender<Result<(), String>>),
    Checkpoint(oneshot::Sender<Result<Checkpointed, String>>),
    Open(oneshot::Sender<Result<OpenSnapshot, String>>),
    Receive(oneshot::Sender<Result<Box<dyn SnapshotSink>, String>>),
    Install(Received, oneshot::Sender<Result<Floor, String>>),
}

impl Batch {
    pub(crate) fn push(&mut self, entry: CommittedEntry, responder: Option<ApplyResponder>) {
        let payload = entry.payload.as_ref();
        self.size_bytes += payload.map_or(0, |payload| payload.bytes.len());
        self.entries.push(entry);
        self.responders.push(responder);
    }

    pub(crate) fn is_full(&self) -> bool {
        self.entries.len() >= APPLY_BATCH_ENTRIES_MAX || self.size_bytes >= APPLY_BATCH_BYTES_MAX
    }
}

impl Applier {
    /// Starts the thread. The receiver turns `true` when the state machine has been dropped.
    pub(crate) fn spawn(
        group: GroupId,
        state_machine: Box<dyn StateMachine>,
    ) -> Result<(Self, watch::Receiver<bool>), ConsensusError> {
        let (queue, jobs) = mpsc::channel(APPLIER_QUEUE_JOBS_MAX);
        let (ended, has_ended) = watch::channel(false);
        let applied = Arc::new(AtomicU64::new(0));
        let tell = Arc::clone(&applied);
        std::thread::Builder::new()
            .name(format!("apply-{group}"))
            .spawn(move || {
                run(state_machine, jobs, &tell);
                ended.send_replace(true);
            })
            .map_err(|error| ConsensusError::Spawn {
                what: format!("the applier thread of group {group}"),
                reason: error.to_string(),
            })?;
        Ok((Self { queue, applied }, has_ended))
    }

    pub(crate) fn downgrade(&self) -> WeakApplier {
        WeakApplier {
            queue: self.queue.downgrade(),
            applied: Arc::clone(&self.applied),
        }
    }

    /// Highest index applied; raised before whoever waits for that entry hears of it.
    pub(crate) fn applied(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.applied)
    }

    /// Asks what is durably reflected in the state.
    pub(crate) async fn floor(&self) -> Result<Floor, String> {
        self.ask(Job::Floor).await
    }

    /// Applies the batch and answers its responders.
    pub(crate) async fn apply(&self, batch: Batch) -> Result<(), String> {
        self.ask(|done| Job::Apply(batch, done)).await?
    }

    /// Makes the state durable and tells as of where.
    pub(crate) async fn checkpoint(&self) -> Result<Checkpointed, String> {
        self.ask(Job::Checkpoint).await?
    }

    /// Opens a snapshot as of the last entry applied.
    pub(crate) async fn open_snapshot(&self) -> Result<OpenSnapshot, String> {
        self.ask(Job::Open).await?
    }

    /// Begins to receive a snapshot.
    pub(crate) async fn receive_snapshot(&self) -> Result<Box<dyn SnapshotSink>, String> {
        self.ask(Job::Receive).await?
    }

    /// Makes what was received the state, and tells as of where.
    pub(crate) async fn install(&self, received: Received) -> Result<Floor, String> {
        self.ask(|done| Job::Install(received, done)).await?
    }

    async fn ask<T>(&self, job: impl FnOnce(oneshot::Sender<T>) -> Job) -> Result<T, String> {
        let ended = || "the applier thread has ended".to_owned();
        let (done, answer) = oneshot::channel();
        self.queue.send(job(done)).await.map_err(|_| ended())?;
        answer.await.map_err(|_| ended())
    }
}

fn run(
    mut state_machine: Box<dyn StateMachine>,
    mut jobs: mpsc::Receiver<Job>,
    applied_index: &AtomicU64,
) {
    // Once a call has failed or panicked the state is not to be trusted: nothing is called any more.
    let mut broken: Option<String> = None;
    while let Some(job) = jobs.blocking_recv() {
        match job {
            Job::Floor(done) => {
                let floor = state_machine.applied();
                applied_index.store(floor.0, Ordering::Release);
                answer(done, floor);
            }
            Job::Apply(batch, done) => {
                let applied = refuse_if(broken.as_ref());
                let applied =
                    applied.and_then(|()| apply(state_machine.as_mut(), batch, applied_index));
                broken = broken.or_else(|| applied.as_ref().err().cloned());
                answer(done, applied);
            }
            Job::Checkpoint(done) => {
                let checkpointed = refuse_if(broken.as_ref());
                let checkpointed = checkpointed.and_then(|()| checkpoint(state_machine.as_mut()));
                broken = broken.or_else(|| checkpointed.as_ref().err().cloned());
                answer(done, checkpointed);
            }
            Job::Open(done) => {
                let opened = refuse_if(broken.as_ref());
                let opened = opened
                    .and_then(|()| guarded("opening a snapshot", || state_machine.open_snapshot()));
                answer(done, opened);
            }
            Job::Receive(done) => {
                let sink = refuse_if(broken.as_ref());
                let sink = sink.and_then(|()| {
                    guarded("beginning to receive a snapshot", || {
                        state_machine.receive_snapshot()
                    })
                });
                answer(done, sink);
            }
            Job::Install(received, done) => {
                let installed = refuse_if(broken.as_ref());
                let installed = installed
                    .and_then(|()| install(state_machine.as_mut(), received, applied_index));
                broken = broken.or_else(|| installed.as_ref().err().cloned());
                answer(done, installed);
            }
        }
    }
}

fn refuse_if(broken: Option<&String>) -> Result<(), String> {
    broken.map_or(Ok(()), |reason| Err(reason.clone()))
}

fn apply(
    state_machine: &mut dyn StateMachine,
    batch: Batch,
    applied_index: &AtomicU64,
) -> Result<(), String> {
    let Batch {
        entries,
        responders,
        consensus,
        ..
    } = batch;
    let outcomes = guarded("applying", || state_machine.apply(&entries, consensus))?;
    if outcomes.len() != entries.len() {
        return Err(format!(
            "it answered {} outcomes for {} entries",
            outcomes.len(),
            entries.len()
        ));
    }
    if let Some(last) = entries.last() {
        applied_index.store(last.index, Ordering::Release);
    }
    for (responder, outcome) in responders.into_iter().zip(outcomes) {
        if let Some(responder) = responder {
            responder.send(outcome);
        }
    }
    Ok(())
}

fn install(
    state_machine: &mut dyn StateMachine,
    received: Received,
    applied_index: &AtomicU64,
) -> Result<Floor, String> {
    guarded("installing a snapshot", || state_machine.install(received))?;
    let floor = state_machine.applied();
    applied_index.store(floor.0, Ordering::Release);
    Ok(floor)
}

fn checkpoint(state_machine: &mut dyn StateMachine) -> Result<Checkpointed, String> {
    let index = guarded("writing a checkpoint", || state_machine.checkpoint())?;
    let floor = state_machine.applied();
    if floor.0 != index {
        return Err(format!(
            "it wrote a checkpoint as of index {index} and says that {} is durable",
            floor.0
        ));
    }
    Ok(Checkpointed {
        floor,
        purge_limit: state_machine.purge_limit(),
    })
}

/// A panic in the state machine stops this group with a reason, not the process.
fn guarded<T>(attempt: &str, call: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    std::panic::catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
        let text = text.unwrap_or_else(|| "no message".to_owned());
        Err(format!("it panicked while {attempt}: {text}"))
    })
}

fn answer<T>(done: oneshot::Sender<T>, value: T) {
    if done.send(value).is_err() {
        tracing::debug!("group ended before its state machine answered");
    }
}
