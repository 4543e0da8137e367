//! The log against openraft's own suite, and what the suite does not ask: order on disk, crashes, chunks, durability.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use futures::{Stream, TryStreamExt as _};
use journey_storage::{CrashPoint, Engine, MemoryEngine, Put};
use openraft::storage::{IOFlushed, RaftLogStorage as _, RaftStateMachine};
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::type_config::TypeConfigExt as _;
use openraft::{
    EntryPayload, OptionalSend, RaftLogReader as _, RaftSnapshotBuilder, Snapshot, StorageError,
};

use super::{GroupLog, LogStorage, RaftLog, keys};
use crate::limits::{LOG_READ_SIZE_BYTES_MAX, LOG_VALUE_SIZE_BYTES_MAX};
use crate::raft_types::{
    Entry, EntryResponder, LeaderId, LogId, Proposal, SnapshotMeta, StoredMembership, Types, Vote,
};
use crate::record::Position;
use crate::testing::{GatedEngine, memory, payload};
use crate::{ConsensusError, GroupId, ReplicaId};

const GROUP: GroupId = GroupId::new(3);
const REPLICA: ReplicaId = ReplicaId::new(1);

/// Makes a log of a fresh group for each case of the suite, all groups in one storage.
struct Groups {
    storage: LogStorage,
    next: AtomicU32,
}

/// The least a state machine can be; the suite tests the two together.
#[derive(Debug, Default)]
struct SuiteMachine {
    position: Position,
    snapshot: Option<SnapshotMeta>,
}

#[derive(Debug)]
struct SuiteSnapshots(SnapshotMeta);

impl StoreBuilder<Types, RaftLog, SuiteMachine> for Groups {
    async fn build(&self) -> Result<((), RaftLog, SuiteMachine), StorageError<Types>> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let group = GroupId::new(number);
        let log = self.storage.open_group(group, REPLICA).await.unwrap();
        Ok(((), RaftLog(log), SuiteMachine::default()))
    }
}

impl SuiteMachine {
    fn meta(&self) -> SnapshotMeta {
        SnapshotMeta {
            last_log_id: self.position.applied,
            last_membership: self.position.membership.clone(),
        }
    }
}

impl RaftStateMachine<Types> for SuiteMachine {
    type SnapshotData = ();
    type SnapshotBuilder = SuiteSnapshots;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        Ok((self.position.applied, self.position.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> io::Result<()>
    where
        S: Stream<Item = io::Result<EntryResponder>> + Unpin + OptionalSend,
    {
        while let Some((entry, _)) = entries.try_next().await? {
            self.position.applied = Some(entry.log_id);
            if let EntryPayload::Membership(membership) = entry.payload {
                self.position.membership = StoredMembership::new(Some(entry.log_id), membership);
            }
        }
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> SuiteSnapshots {
        self.snapshot = Some(self.meta());
        SuiteSnapshots(self.meta())
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, _snapshot: ()) -> io::Result<()> {
        self.position = Position {
            applied: meta.last_log_id,
            membership: meta.last_membership.clone(),
        };
        self.snapshot = Some(meta.clone());
        Ok(())
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> io::Result<Option<Snapshot<LeaderId, u64, (), ()>>> {
        let meta = self.snapshot.clone();
        Ok(meta.map(|meta| Snapshot { meta, snapshot: () }))
    }
}

impl RaftSnapshotBuilder<Types> for SuiteSnapshots {
    type SnapshotData = ();

    async fn build_snapshot(&mut self) -> io::Result<Snapshot<LeaderId, u64, (), ()>> {
        let meta = self.0.clone();
        Ok(Snapshot { meta, snapshot: () })
    }
}

#[tokio::test]
async fn log_passes_openrafts_own_suite() {
    let groups = Groups {
        storage: LogStorage::open(Arc::new(memory())).unwrap(),
        next: AtomicU32::new(1),
    };
    Box::pin(Suite::test_all(groups)).await.unwrap();
}

fn log_id(term: u64, index: u64) -> LogId {
    LogId::new(LeaderId { term, node_id: 1 }, index)
}

fn entry(term: u64, index: u64, size_bytes: usize) -> Entry {
    let fill = u8::try_from(index % 251).unwrap();
    Entry {
        log_id: log_id(term, index),
        payload: EntryPayload::Normal(Proposal(payload(vec![fill; size_bytes]))),
    }
}

fn bytes_of(entry: &Entry) -> Bytes {
    let EntryPayload::Normal(proposal) = &entry.payload else {
        panic!("not a proposal: {entry:?}");
    };
    proposal.0.bytes.clone()
}

async fn append(log: &Arc<GroupLog>, entries: Vec<Entry>) -> io::Result<()> {
    let (done, flushed) = Types::oneshot();
    log.append(entries, IOFlushed::signal(done)).await?;
    flushed.await.unwrap()
}

/// The entry that every log begins with.
async fn append_first(log: &Arc<GroupLog>) {
    append(log, vec![entry(0, 0, 0)]).await.unwrap();
}

async fn open(engine: &Arc<dyn Engine>) -> (LogStorage, Arc<GroupLog>) {
    let storage = LogStorage::open(Arc::clone(engine)).unwrap();
    let log = storage.open_group(GROUP, REPLICA).await.unwrap();
    (storage, log)
}

fn engine_of(memory: &MemoryEngine) -> Arc<dyn Engine> {
    Arc::new(memory.clone())
}

/// One small entry, one of exactly one row, and one of each size around the borders of its chunks.
fn sizes() -> [usize; 6] {
    let header = 32;
    [
        0,
        LOG_VALUE_SIZE_BYTES_MAX - header,
        LOG_VALUE_SIZE_BYTES_MAX,
        LOG_VALUE_SIZE_BYTES_MAX + 1,
        2 * LOG_VALUE_SIZE_BYTES_MAX - 5,
        crate::limits::ENTRY_SIZE_BYTES_MAX,
    ]
}

#[tokio::test]
async fn entries_of_every_size_are_readable_at_once_and_after_a_restart() {
    let memory = memory();
    let engine = engine_of(&memory);
    let (storage, log) = open(&engine).await;
    let entries: Vec<_> = (1..)
        .zip(sizes())
        .map(|(index, size)| entry(1, index, size))
        .collect();
    append_first(&log).await;
    append(&log, entries.clone()).await.unwrap();
    let wanted: Vec<_> = entries.iter().map(bytes_of).collect();
    let read = |log: &Arc<GroupLog>| {
        let entries = log.read(1..u64::MAX, u64::MAX).unwrap();
        entries.iter().map(bytes_of).collect::<Vec<_>>()
    };
    assert_eq!(read(&log), wanted);
    log.applied_through(4);
    assert_eq!(read(&log), wanted, "half from disk, half from memory");
    log.applied_through(6);
    assert_eq!(read(&log), wanted, "all from disk");
    let size_bytes = log.size_bytes();
    storage.close().await;

    let (_storage, log) = open(&engine).await;
    assert_eq!(read(&log), wanted);
    assert_eq!(log.size_bytes(), size_bytes);
    assert_eq!(log.durable_index(), 6);
    assert_eq!(log.last(), Some(log_id(1, 6)));
}

#[tokio::test]
async fn limited_read_is_bounded_by_bytes_but_never_empty() {
    let (_storage, log) = open(&engine_of(&memory())).await;
    append(&log, vec![entry(1, 1, 2_000_000), entry(1, 2, 2_000_000)])
        .await
        .unwrap();
    append(
        &log,
        (3..40).map(|index| entry(1, index, 48 * 1_024)).collect(),
    )
    .await
    .unwrap();
    let mut raft_log = RaftLog(Arc::clone(&log));
    let one = raft_log.limited_get_log_entries(1, 40).await.unwrap();
    assert_eq!(one.len(), 1);
    let many = raft_log.limited_get_log_entries(3, 40).await.unwrap();
    let size_bytes: usize = many.iter().map(|entry| bytes_of(entry).len()).sum();
    assert!(
        many.len() > 15 && size_bytes <= LOG_READ_SIZE_BYTES_MAX,
        "{}",
        many.len()
    );
    // What is applied is read piece by piece, to the end.
    let all: Vec<Entry> = raft_log
        .entries_stream(1..40)
        .await
        .try_collect()
        .await
        .unwrap();
    assert_eq!(all.len(), 39);
}

#[tokio::test]
async fn any_prefix_of_the_writes_is_a_log_without_holes_and_holds_what_was_flushed() {
    // Appends of long entries, a truncation into them, other entries in their place, a purge; cut at every write.
    let mut n_cut = 0;
    for cut in 0.. {
        let memory = memory();
        let engine = GatedEngine::over(memory.clone());
        let (storage, log) = open(&(Arc::new(engine.clone()) as Arc<dyn Engine>)).await;
        append_first(&log).await;
        append(
            &log,
            (1..=4).map(|index| entry(1, index, 150_000)).collect(),
        )
        .await
        .unwrap();
        engine.close_gate();
        let (done, _flushed) = Types::oneshot();
        log.truncate_after(Some(2)).await.unwrap();
        log.append(vec![entry(2, 3, 70_000)], IOFlushed::signal(done))
            .await
            .unwrap();
        log.purge(log_id(1, 1)).await.unwrap();
        engine.flush_waits().await;
        let n_unflushed = memory.n_unflushed();
        let survivor = memory.survivor(CrashPoint::Writes(cut));
        engine.open_gate();
        storage.close().await;
        if cut > n_unflushed {
            break;
        }
        n_cut += 1;
        let (_storage, log) = open(&engine_of(&survivor)).await;
        let entries = log.read(0..u64::MAX, u64::MAX).unwrap();
        let found: Vec<_> = entries
            .iter()
            .map(|entry| {
                (
                    entry.log_id.committed_leader_id().term,
                    entry.log_id.index(),
                )
            })
            .collect();
        for entry in &entries {
            let fill = u8::try_from(entry.log_id.index()).unwrap();
            assert!(
                bytes_of(entry).iter().all(|byte| *byte == fill),
                "cut {cut}"
            );
        }
        let kept: Vec<_> = found.iter().copied().filter(|id| id.1 > 1).collect();
        let is_prefix_of =
            |wanted: &[(u64, u64)]| kept.len() <= wanted.len() && wanted.starts_with(&kept);
        assert!(kept.starts_with(&[(1, 2)]), "cut {cut}: {found:?}");
        assert!(
            is_prefix_of(&[(1, 2), (1, 3), (1, 4)]) || is_prefix_of(&[(1, 2), (2, 3)]),
            "cut {cut}: {found:?}"
        );
    }
    assert!(n_cut > 8, "only {n_cut} writes were cut");
}

#[tokio::test]
async fn flush_from_before_a_truncation_does_not_vouch_for_what_came_after() {
    let engine = GatedEngine::new();
    let (_storage, log) = open(&(Arc::new(engine.clone()) as Arc<dyn Engine>)).await;
    append(&log, vec![entry(1, 1, 10)]).await.unwrap();
    engine.close_gate();
    let (done, flushed) = Types::oneshot();
    log.append(
        vec![entry(1, 2, 10), entry(1, 3, 10)],
        IOFlushed::signal(done),
    )
    .await
    .unwrap();
    engine.flush_waits().await;
    log.truncate_after(Some(1)).await.unwrap();
    let (done, replaced) = Types::oneshot();
    log.append(
        vec![entry(2, 2, 10), entry(2, 3, 10)],
        IOFlushed::signal(done),
    )
    .await
    .unwrap();
    assert_eq!(log.last(), Some(log_id(2, 3)));
    engine.pass_one().await;
    flushed.await.unwrap().unwrap();
    assert_eq!(
        log.durable_index(),
        1,
        "the new entries 2 and 3 are not on disk"
    );
    engine.open_gate();
    replaced.await.unwrap().unwrap();
    assert_eq!(log.durable_index(), 3);
    log.wait_durable(3).await.unwrap();
}

#[tokio::test]
async fn vote_is_on_disk_when_it_is_saved() {
    let memory = memory();
    let (_storage, log) = open(&engine_of(&memory)).await;
    let vote = Vote::new_committed(7, 1);
    log.save_vote(vote).await.unwrap();
    let survivor = memory.crash(CrashPoint::Flushed);
    let (_storage, log) = open(&engine_of(&survivor)).await;
    assert_eq!(log.vote(), Some(vote));
}

#[tokio::test]
async fn purged_rows_leave_the_disk_and_come_back_after_no_crash() {
    let memory = memory();
    let engine = engine_of(&memory);
    let (storage, log) = open(&engine).await;
    let n_rows = || {
        engine
            .tree("raft")
            .unwrap()
            .range(
                std::ops::Bound::Unbounded,
                std::ops::Bound::Unbounded,
                10_000,
            )
            .unwrap()
            .len()
    };
    let empty = n_rows();
    append(
        &log,
        (1..=200).map(|index| entry(1, index, 70_000)).collect(),
    )
    .await
    .unwrap();
    assert_eq!(n_rows(), empty + 3 * 200);
    log.purge(log_id(1, 150)).await.unwrap();
    assert_eq!(log.size_bytes() / 70_000, 50);
    assert_eq!(log.read(0..u64::MAX, u64::MAX).unwrap().len(), 50);
    // A crash right after the mark: the rows are still there, and gone once the log has been opened.
    append(&log, vec![entry(1, 201, 1)]).await.unwrap();
    while n_rows() > empty + 1 + 3 * 50 + 1 {
        tokio::task::yield_now().await;
    }
    storage.close().await;
    engine
        .tree("raft")
        .unwrap()
        .put_ordered(&[Put::set(keys::chunk(GROUP, 300, 4), vec![1])])
        .unwrap();
    let (_storage, log) = open(&engine).await;
    assert_eq!(log.last(), Some(log_id(1, 201)));
    assert_eq!(log.purged(), Some(log_id(1, 150)));
    assert_eq!(
        n_rows(),
        empty + 1 + 3 * 50 + 1,
        "a chunk without a head is removed"
    );
}

#[tokio::test]
async fn damage_is_named_with_group_and_index() {
    let memory = memory();
    let engine = engine_of(&memory);
    let (storage, log) = open(&engine).await;
    append_first(&log).await;
    append(&log, (1..=5).map(|index| entry(1, index, 70_000)).collect())
        .await
        .unwrap();
    append(&log, (6..=9).map(|index| entry(1, index, 70)).collect())
        .await
        .unwrap();
    storage.close().await;
    drop(log);
    let tree = engine.tree("raft").unwrap();
    let key = keys::chunk(GROUP, 3, 1);
    let mut value = tree.get(&key).unwrap().unwrap();
    value[0] ^= 1;
    tree.put_ordered(&[Put::set(key, value)]).unwrap();
    let storage = LogStorage::open(Arc::clone(&engine)).unwrap();
    let damaged = storage.open_group(GROUP, REPLICA).await;
    assert!(
        matches!(&damaged, Err(ConsensusError::Damaged { group, index: 3, reason, .. }) if *group == GROUP && reason.contains("checksum")),
        "{damaged:?}"
    );
    tree.put_ordered(&[Put::remove(keys::entry(GROUP, 3))])
        .unwrap();
    let hole = storage.open_group(GROUP, REPLICA).await;
    assert!(
        matches!(&hole, Err(ConsensusError::Damaged { index: 3, .. })),
        "{hole:?}"
    );
    assert!(
        tree.get(&keys::chunk(GROUP, 3, 0)).unwrap().is_some(),
        "what a refused start has found stays there for whoever repairs it"
    );
}

#[tokio::test]
async fn groups_of_one_tree_do_not_see_each_other() {
    let engine = engine_of(&memory());
    let storage = LogStorage::open(engine).unwrap();
    let mut logs = Vec::new();
    for number in [0, 1, 255, 256, u32::MAX] {
        logs.push(
            storage
                .open_group(GroupId::new(number), REPLICA)
                .await
                .unwrap(),
        );
    }
    for (count, log) in (1..).zip(&logs) {
        append(
            log,
            (1..=count).map(|index| entry(1, index, 70_000)).collect(),
        )
        .await
        .unwrap();
        log.applied_through(count);
    }
    logs[1].truncate_after(None).await.unwrap();
    let counts: BTreeSet<_> = logs
        .iter()
        .map(|log| log.read(0..u64::MAX, u64::MAX).unwrap().len())
        .collect();
    assert_eq!(counts, BTreeSet::from([1, 0, 3, 4, 5]));
    let mut raft_log = RaftLog(Arc::clone(&logs[1]));
    let state = raft_log.get_log_state().await.unwrap();
    assert_eq!(state.last_log_id, None);
}

/// Entries 0 to 4, each in one row, closed again.
async fn written() -> Arc<dyn Engine> {
    let engine = engine_of(&memory());
    let (storage, log) = open(&engine).await;
    append_first(&log).await;
    append(&log, (1..=4).map(|index| entry(1, index, 70)).collect())
        .await
        .unwrap();
    storage.close().await;
    engine
}

async fn refusal(engine: &Arc<dyn Engine>) -> String {
    let storage = LogStorage::open(Arc::clone(engine)).unwrap();
    let opened = storage.open_group(GROUP, REPLICA).await;
    opened.unwrap_err().to_string()
}

fn change_row(engine: &Arc<dyn Engine>, key: &[u8], change: impl FnOnce(&mut Vec<u8>)) {
    let tree = engine.tree("raft").unwrap();
    let mut value = tree.get(key).unwrap().unwrap();
    change(&mut value);
    tree.put_ordered(&[Put::set(key, value)]).unwrap();
}

#[tokio::test]
async fn torn_tail_is_dropped_and_written_over() {
    let engine = written().await;
    let tree = engine.tree("raft").unwrap();
    // The chunks of an entry whose head never came.
    for chunk in [0, 1] {
        let key = keys::chunk(GROUP, 5, chunk);
        tree.put_ordered(&[Put::set(key, vec![5; 100])]).unwrap();
    }
    let (storage, log) = open(&engine).await;
    assert_eq!(log.last(), Some(log_id(1, 4)));
    for chunk in [0, 1] {
        assert_eq!(tree.get(&keys::chunk(GROUP, 5, chunk)).unwrap(), None);
    }
    append(&log, vec![entry(2, 5, 70_000)]).await.unwrap();
    storage.close().await;
    let (_storage, log) = open(&engine).await;
    assert_eq!(log.last(), Some(log_id(2, 5)));
}

#[tokio::test]
async fn flipped_bit_in_an_entry_of_one_row_is_found() {
    let engine = written().await;
    change_row(&engine, &keys::entry(GROUP, 2), |row| row[40] ^= 8);
    let message = refusal(&engine).await;
    assert_eq!(
        message,
        "the log of group 3 (partition 2) in memory is damaged at index 2: its checksum does not fit; what was acknowledged there is lost to this replica, restore it from another one or from a backup"
    );
}

#[tokio::test]
async fn missing_entry_is_a_hole_wherever_it_was() {
    for index in [0, 1, 3] {
        let engine = written().await;
        let tree = engine.tree("raft").unwrap();
        tree.put_ordered(&[Put::remove(keys::entry(GROUP, index))])
            .unwrap();
        let message = refusal(&engine).await;
        let next = index + 1;
        assert!(
            message.contains(&format!(
                "damaged at index {index}: it is missing, and entry {next} follows"
            )),
            "{message}"
        );
    }
}

#[tokio::test]
async fn lost_purge_mark_is_a_hole() {
    let engine = written().await;
    let (storage, log) = open(&engine).await;
    log.purge(log_id(1, 2)).await.unwrap();
    storage.close().await;
    let tree = engine.tree("raft").unwrap();
    let removals = [
        keys::purged(GROUP),
        keys::entry(GROUP, 0),
        keys::entry(GROUP, 1),
        keys::entry(GROUP, 2),
    ];
    tree.put_ordered(&removals.map(Put::remove)).unwrap();
    let message = refusal(&engine).await;
    assert!(message.contains("damaged at index 0"), "{message}");
}

#[tokio::test]
async fn rows_of_a_later_release_are_refused_by_name() {
    let engine = written().await;
    change_row(&engine, &keys::entry(GROUP, 2), |row| row[0] = 9);
    let message = refusal(&engine).await;
    assert_eq!(
        message,
        "the log of group 3 (partition 2) in memory holds entry 2 in format 9, and this release reads format 1; start the release that wrote it, or a later one"
    );
    let engine = written().await;
    let (storage, log) = open(&engine).await;
    log.save_vote(Vote::new_committed(7, 1)).await.unwrap();
    storage.close().await;
    change_row(&engine, &keys::vote(GROUP), |row| row[0] = 9);
    let message = refusal(&engine).await;
    assert!(message.contains("holds its vote in format 9"), "{message}");
}
