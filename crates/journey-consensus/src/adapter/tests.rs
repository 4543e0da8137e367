//! The adapter alone: openraft may hand it entries that others have committed and this disk does not hold yet.

use std::sync::Arc;

use futures::{FutureExt as _, stream};
use journey_storage::{Engine, Fault};
use openraft::EntryPayload;
use openraft::storage::{IOFlushed, RaftLogStorage as _, RaftStateMachine as _};

use super::Adapter;
use crate::applier::Applier;
use crate::log_storage::{GroupLog, LogStorage, RaftLog};
use crate::raft_types::{Entry, LeaderId, LogId, Proposal};
use crate::record::Position;
use crate::testing::{GatedEngine, Toy, payload};
use crate::{GroupId, ReplicaId};

const GROUP: GroupId = GroupId::new(1);

fn entry(index: u64) -> Entry {
    let leader = LeaderId {
        term: 1,
        node_id: 1,
    };
    Entry {
        log_id: LogId::new(leader, index),
        payload: EntryPayload::Normal(Proposal(payload("entry"))),
    }
}

/// An adapter over a log that holds entry 1 in memory only, with the flush standing at the gate.
async fn ahead_of_the_log(engine: &GatedEngine, toy: &Toy) -> (Adapter, Arc<GroupLog>) {
    let storage = LogStorage::open(Arc::new(engine.clone()) as Arc<dyn Engine>).unwrap();
    let log = storage.open_group(GROUP, ReplicaId::new(1)).await.unwrap();
    let (applier, _) = Applier::spawn(GROUP, Box::new(toy.clone())).unwrap();
    let adapter = Adapter::new(applier, Arc::clone(&log), Position::default());
    engine.close_gate();
    let mut raft_log = RaftLog(Arc::clone(&log));
    let appended = raft_log.append([entry(1)], IOFlushed::noop()).await;
    appended.unwrap();
    engine.flush_waits().await;
    (adapter, log)
}

#[tokio::test]
async fn committed_entry_waits_until_this_disk_holds_it() {
    let (engine, toy) = (GatedEngine::new(), Toy::default());
    let (mut adapter, log) = ahead_of_the_log(&engine, &toy).await;
    let progress = adapter.progress();
    let mut applying = Box::pin(adapter.apply(stream::iter([Ok((entry(1), None))])));
    for _ in 0..100 {
        assert!(applying.as_mut().now_or_never().is_none());
        tokio::task::yield_now().await;
    }
    assert_eq!((toy.values().len(), progress.applied()), (0, 0));
    engine.open_gate();
    applying.await.unwrap();
    assert_eq!((toy.values().len(), progress.applied()), (1, 1));
    assert_eq!(log.durable_index(), 1);
}

#[tokio::test]
async fn wait_for_the_disk_ends_when_the_log_fails() {
    let (engine, toy) = (GatedEngine::new(), Toy::default());
    let (mut adapter, _log) = ahead_of_the_log(&engine, &toy).await;
    engine.memory.inject(Fault::NextFlush);
    engine.open_gate();
    let applied = adapter.apply(stream::iter([Ok((entry(1), None))])).await;
    assert!(applied.is_err());
    assert!(toy.values().is_empty());
}
