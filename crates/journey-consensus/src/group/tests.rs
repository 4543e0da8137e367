//! One group over memory and over sled: what is acknowledged is there, what fails is seen, nothing runs ahead.

use std::sync::Arc;

use bytes::Bytes;
use journey_storage::{CrashPoint, Engine, Fault, Put, SledEngine, SledOptions};
use parking_lot::Mutex;

use crate::limits::{ENTRY_SIZE_BYTES_MAX, LOG_VALUE_SIZE_BYTES_MAX};
use crate::testing::{GatedEngine, Toy, consensus_on, led, memory, payload, propose, proposed};
use crate::{
    ConsensusError, GroupId, GroupOptions, LeadershipProof, Payload, ProposalFault, ProposalFaults,
    ProposeOutcome, PurgeOutcome, ReplicaId,
};

const GROUP: GroupId = GroupId::new(1);
const REPLICA: ReplicaId = ReplicaId::new(11);

fn applied_index(outcome: &ProposeOutcome) -> u64 {
    let ProposeOutcome::Applied { index } = outcome else {
        panic!("not applied: {outcome:?}");
    };
    *index
}

fn sled(path: &std::path::Path) -> Arc<dyn Engine> {
    let options = SledOptions {
        path: path.to_owned(),
        segment_size_bytes: journey_storage::limits::LOG_SEGMENT_SIZE_BYTES,
        value_size_bytes_max: journey_storage::limits::LOG_VALUE_SIZE_BYTES_MAX,
        cache_capacity_bytes: 16 * 1_024 * 1_024,
    };
    Arc::new(SledEngine::open(options).unwrap())
}

#[tokio::test]
async fn restart_on_sled_replays_from_the_floor_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let toy = Toy::default();
    let engine = sled(folder.path());
    let (consensus, _) = consensus_on(engine);
    let group = consensus
        .start_group(GROUP, REPLICA, Box::new(toy.clone()))
        .await
        .unwrap();
    led(&group).await;
    let term = group.leadership().borrow().term;
    let first = applied_index(&propose(&group, "one").await);
    let big = Bytes::from(vec![7; 3 * LOG_VALUE_SIZE_BYTES_MAX]);
    applied_index(&propose(&group, big.clone()).await);
    assert_eq!(
        propose(&group, "void").await,
        ProposeOutcome::Superseded { index: first + 2 }
    );
    // The floor covers "one" and the big one, and lies below what follows.
    let purged = group.purge_if_above(0).await.unwrap();
    let PurgeOutcome::Purged { purged_index, .. } = purged else {
        panic!("{purged:?}");
    };
    assert_eq!(purged_index, first + 2);
    applied_index(&propose(&group, "after").await);
    consensus.shutdown().await;

    let again = toy.restarted();
    let (consensus, _) = consensus_on(sled(folder.path()));
    let group = consensus
        .start_group(GROUP, REPLICA, Box::new(again.clone()))
        .await
        .unwrap();
    led(&group).await;
    assert!(group.leadership().borrow().term > term);
    applied_index(&propose(&group, "last").await);
    let values = again.values();
    assert_eq!(
        values,
        ["one".into(), big, "after".into(), Bytes::from("last")]
    );
    let history = again.0.lock().history.clone();
    assert_eq!(
        history[0],
        purged_index + 1,
        "replay starts above the floor"
    );
    assert!(history.windows(2).all(|pair| pair[1] == pair[0] + 1));
    assert_eq!(group.applied_index(), *history.last().unwrap());
    consensus.shutdown().await;
    // Long entries must not have gone to side files, which are never synced.
    sled(folder.path()).verify().unwrap();
}

#[tokio::test]
async fn crash_keeps_every_acknowledged_entry_and_the_vote() {
    for seed in 0..8 {
        let engine = memory();
        let (consensus, _) = consensus_on(Arc::new(engine.clone()));
        let toy = Toy::default();
        let group = consensus
            .start_group(GROUP, REPLICA, Box::new(toy.clone()))
            .await
            .unwrap();
        led(&group).await;
        let term = group.leadership().borrow().term;
        let mut waiting = Vec::new();
        for number in 0..40_u32 {
            let size = if number % 7 == 0 {
                LOG_VALUE_SIZE_BYTES_MAX + 5
            } else {
                10
            };
            let mut bytes = number.to_be_bytes().to_vec();
            bytes.resize(size, 1);
            waiting.push((bytes.clone(), proposed(&group, bytes)));
        }
        let mut acknowledged = Vec::new();
        for (bytes, outcome) in waiting.drain(..20) {
            applied_index(&outcome.await.unwrap());
            acknowledged.push(bytes);
        }
        let survivor = engine.crash(CrashPoint::Seeded(seed));
        for (bytes, mut outcome) in waiting {
            if let Ok(outcome) = outcome.try_recv()
                && matches!(outcome, ProposeOutcome::Applied { .. })
            {
                acknowledged.push(bytes);
            }
        }
        drop(consensus);

        let (consensus, _) = consensus_on(Arc::new(survivor));
        let again = toy.restarted();
        let group = consensus
            .start_group(GROUP, REPLICA, Box::new(again.clone()))
            .await
            .unwrap();
        led(&group).await;
        assert!(group.leadership().borrow().term > term, "the vote is there");
        applied_index(&propose(&group, "after").await);
        let values = again.values();
        assert_eq!(values[..acknowledged.len()], acknowledged, "seed {seed}");
        consensus.shutdown().await;
    }
}

#[tokio::test]
async fn nothing_is_applied_before_it_is_durable_and_groups_share_the_flush() {
    let engine = GatedEngine::new();
    let (consensus, storage) = consensus_on(Arc::new(engine.clone()));
    let mut groups = Vec::new();
    for number in 1..=16 {
        let toy = Toy::default();
        let group = consensus
            .start_group(GroupId::new(number), REPLICA, Box::new(toy.clone()))
            .await
            .unwrap();
        led(&group).await;
        propose(&group, "warm").await;
        groups.push((group, toy));
    }
    engine.close_gate();
    let before: Vec<_> = groups.iter().map(|(group, _)| group.metrics()).collect();
    let flushes = storage.metrics().n_flushes;
    let waiting: Vec<_> = groups
        .iter()
        .flat_map(|(group, _)| (0..10).map(|_| proposed(group, "entry")))
        .collect();
    engine.flush_waits().await;
    for ((group, toy), before) in groups.iter().zip(&before) {
        while group.metrics().last_index < before.last_index + 10 {
            tokio::task::yield_now().await;
        }
        assert_eq!(group.durable_index(), before.durable_index);
        assert_eq!(group.applied_index(), before.applied_index);
        assert_eq!(toy.values().len(), 1);
    }
    engine.open_gate();
    for outcome in waiting {
        applied_index(&outcome.await.unwrap());
    }
    for (group, toy) in &groups {
        assert!(group.durable_index() >= group.applied_index());
        assert_eq!(toy.values().len(), 11);
    }
    let flushes = storage.metrics().n_flushes - flushes;
    assert!(
        flushes <= 16,
        "160 proposals of 16 groups took {flushes} flushes"
    );
    consensus.shutdown().await;
}

#[tokio::test]
async fn failed_flush_stops_every_group_and_acknowledges_nothing() {
    let engine = memory();
    let (consensus, storage) = consensus_on(Arc::new(engine.clone()));
    let busy = consensus
        .start_group(GROUP, REPLICA, Box::new(Toy::default()))
        .await
        .unwrap();
    let idle = consensus
        .start_group(GroupId::new(2), REPLICA, Box::new(Toy::default()))
        .await
        .unwrap();
    led(&busy).await;
    led(&idle).await;
    engine.inject(Fault::NextFlush);
    assert_eq!(propose(&busy, "gone").await, ProposeOutcome::Lost);
    for group in [&busy, &idle] {
        let mut leadership = group.leadership();
        let stopped = leadership.wait_for(|now| now.stopped.is_some()).await;
        let stopped = stopped.unwrap().clone();
        assert!(!stopped.is_leader);
        let outcome = propose(group, "later").await;
        assert!(matches!(outcome, ProposeOutcome::Refused(_)), "{outcome:?}");
    }
    assert!(storage.failure().is_some());
    let refused = consensus
        .start_group(GroupId::new(3), REPLICA, Box::new(Toy::default()))
        .await;
    assert!(
        matches!(refused, Err(ConsensusError::LogFailed { .. })),
        "{refused:?}"
    );
    consensus.shutdown().await;
}

#[tokio::test]
async fn state_machine_that_fails_or_panics_stops_its_group_only() {
    for panics in [false, true] {
        let (consensus, _) = consensus_on(Arc::new(memory()));
        let toy = Toy::default();
        let broken = consensus
            .start_group(GROUP, REPLICA, Box::new(toy.clone()))
            .await
            .unwrap();
        let other = consensus
            .start_group(GroupId::new(2), REPLICA, Box::new(Toy::default()))
            .await
            .unwrap();
        led(&broken).await;
        led(&other).await;
        {
            let mut state = toy.0.lock();
            state.fail_on = Some("poison".into());
            state.panics = panics;
        }
        assert_eq!(propose(&broken, "poison").await, ProposeOutcome::Lost);
        let mut leadership = broken.leadership();
        let stopped = leadership.wait_for(|now| now.stopped.is_some()).await;
        let reason = stopped.unwrap().stopped.clone().unwrap();
        assert!(reason.contains("the toy was told to"), "{reason}");
        applied_index(&propose(&other, "fine").await);
        consensus.shutdown().await;
    }
}

#[tokio::test]
async fn leader_carries_the_decoded_form_and_a_replay_does_not() {
    let engine = memory();
    let (consensus, _) = consensus_on(Arc::new(engine.clone()));
    let toy = Toy::default();
    let group = consensus
        .start_group(GROUP, REPLICA, Box::new(toy.clone()))
        .await
        .unwrap();
    led(&group).await;
    let (tell, outcome) = tokio::sync::oneshot::channel();
    let decoded = Payload {
        bytes: "one".into(),
        decoded: Some(Arc::new(1_u32)),
    };
    group.propose(
        decoded,
        Box::new(move |outcome| tell.send(outcome).unwrap()),
    );
    let index = applied_index(&outcome.await.unwrap());
    assert!(toy.0.lock().decoded[&index]);
    consensus.shutdown().await;

    let again = toy.restarted();
    let (consensus, _) = consensus_on(Arc::new(engine));
    let group = consensus
        .start_group(GROUP, REPLICA, Box::new(again.clone()))
        .await
        .unwrap();
    led(&group).await;
    propose(&group, "two").await;
    assert!(!again.0.lock().decoded[&index]);
    consensus.shutdown().await;
}

/// Refuses and loses by what the proposal says.
#[derive(Debug)]
struct ByText;

impl ProposalFaults for ByText {
    fn on_propose(&self, payload: &Payload) -> ProposalFault {
        match payload.bytes.as_ref() {
            b"refuse" => ProposalFault::Refuse,
            b"lose" => ProposalFault::Lose,
            _ => ProposalFault::Pass,
        }
    }
}

#[tokio::test]
async fn every_proposal_is_answered_exactly_once_whatever_happens_to_it() {
    let (consensus, _) = consensus_on(Arc::new(memory()));
    let toy = Toy::default();
    let options = GroupOptions {
        faults: Some(Arc::new(ByText)),
        ..GroupOptions::default()
    };
    let group = consensus
        .start_group_with((GROUP, REPLICA), options, Box::new(toy.clone()))
        .await
        .unwrap();
    led(&group).await;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let too_large = Bytes::from(vec![0; ENTRY_SIZE_BYTES_MAX + 1]);
    for bytes in [
        "refuse".into(),
        "lose".into(),
        too_large,
        Bytes::from("pass"),
    ] {
        let heard = Arc::clone(&heard);
        let done = Box::new(move |outcome| heard.lock().push(outcome));
        group.propose(payload(bytes), done);
    }
    applied_index(&propose(&group, "after").await);
    let waiting: Vec<_> = (0..100).map(|_| proposed(&group, "stopped")).collect();
    consensus.shutdown().await;
    for outcome in waiting {
        let outcome = outcome.await.unwrap();
        assert!(
            matches!(
                outcome,
                ProposeOutcome::Applied { .. } | ProposeOutcome::Lost
            ),
            "{outcome:?}"
        );
    }
    let heard = heard.lock().clone();
    let [refused, lost, too_large, passed] = heard.as_slice() else {
        panic!("{heard:?}");
    };
    assert!(matches!(refused, ProposeOutcome::Refused(_)));
    assert_eq!(*lost, ProposeOutcome::Lost);
    assert!(
        matches!(too_large, ProposeOutcome::Refused(reason) if reason.contains("above the limit"))
    );
    assert!(matches!(passed, ProposeOutcome::Applied { .. }));
    // A lost proposal is in the log all the same: unknown means unknown.
    let values = toy.values();
    assert!(values.contains(&"lose".into()) && !values.contains(&"refuse".into()));
    assert_eq!(group.metrics().n_proposals_in_flight, 0);
    let refused = propose(&group, "late").await;
    assert!(matches!(refused, ProposeOutcome::Refused(_)), "{refused:?}");
}

#[tokio::test]
async fn leadership_is_proven_after_everything_before_is_applied() {
    let (consensus, _) = consensus_on(Arc::new(memory()));
    let group = consensus
        .start_group(GROUP, REPLICA, Box::new(Toy::default()))
        .await
        .unwrap();
    led(&group).await;
    let index = applied_index(&propose(&group, "one").await);
    let prove = || async {
        let (tell, proof) = tokio::sync::oneshot::channel();
        group.confirm_leadership(Box::new(move |proof| tell.send(proof).unwrap()));
        proof.await.unwrap()
    };
    let proof = prove().await;
    assert!(
        matches!(proof, LeadershipProof::Confirmed { index: proven } if proven >= index),
        "{proof:?}"
    );
    group.shutdown().await;
    let proof = prove().await;
    assert!(
        !matches!(proof, LeadershipProof::Confirmed { .. }),
        "{proof:?}"
    );
    consensus.shutdown().await;
}

#[tokio::test]
async fn purge_goes_by_bytes_and_only_up_to_the_checkpoint() {
    let engine = memory();
    let (consensus, _) = consensus_on(Arc::new(engine.clone()));
    let toy = Toy::default();
    let group = consensus
        .start_group(GROUP, REPLICA, Box::new(toy.clone()))
        .await
        .unwrap();
    led(&group).await;
    for _ in 0..50 {
        propose(&group, vec![1; 1_000]).await;
    }
    let log_bytes = group.metrics().log_bytes;
    assert!(log_bytes > 50_000);
    assert_eq!(
        group.purge_if_above(log_bytes).await.unwrap(),
        PurgeOutcome::NotNeeded { log_bytes }
    );
    let purged = group.purge_if_above(10_000).await.unwrap();
    let PurgeOutcome::Purged {
        log_bytes,
        purged_index,
        ..
    } = purged
    else {
        panic!("{purged:?}");
    };
    assert_eq!(log_bytes, 0);
    assert_eq!(purged_index, toy.0.lock().floor);
    assert_eq!(group.metrics().purged_index, purged_index);
    assert_eq!(group.metrics().checkpoint_index, purged_index);
    let more = propose(&group, "more").await;
    applied_index(&more);
    consensus.shutdown().await;

    // A state older than the purge cannot be brought forward.
    let (consensus, _) = consensus_on(Arc::new(engine));
    let behind = consensus
        .start_group(GROUP, REPLICA, Box::new(Toy::default()))
        .await;
    assert!(
        matches!(behind, Err(ConsensusError::StateBehindLog { .. })),
        "{behind:?}"
    );
    let foreign = consensus
        .start_group(GROUP, ReplicaId::new(12), Box::new(toy.restarted()))
        .await;
    assert!(
        matches!(foreign, Err(ConsensusError::ForeignLog { .. })),
        "{foreign:?}"
    );
    let missing = consensus
        .start_group(GroupId::new(9), REPLICA, Box::new(toy.restarted()))
        .await;
    assert!(
        matches!(missing, Err(ConsensusError::LogMissing { .. })),
        "{missing:?}"
    );
    let group = consensus
        .start_group(GROUP, REPLICA, Box::new(toy.restarted()))
        .await
        .unwrap();
    led(&group).await;
    let twice = consensus
        .start_group(GROUP, REPLICA, Box::new(toy.restarted()))
        .await;
    assert!(
        matches!(twice, Err(ConsensusError::AlreadyRunning { .. })),
        "{twice:?}"
    );
    consensus.shutdown().await;
}

#[tokio::test]
async fn replica_that_forgot_its_vote_does_not_start() {
    let engine = memory();
    let (consensus, _) = consensus_on(Arc::new(engine.clone()));
    let toy = Toy::default();
    let group = consensus
        .start_group(GROUP, REPLICA, Box::new(toy.clone()))
        .await
        .unwrap();
    led(&group).await;
    applied_index(&propose(&group, "one").await);
    consensus.shutdown().await;

    let tree = engine.tree("raft").unwrap();
    let vote_key = [&GROUP.get().to_be_bytes()[..], &[2]].concat();
    tree.put_ordered(&[Put::remove(vote_key)]).unwrap();
    let (consensus, _) = consensus_on(Arc::new(engine));
    let forgot = consensus
        .start_group(GROUP, REPLICA, Box::new(toy.restarted()))
        .await;
    let forgot = forgot.unwrap_err().to_string();
    assert!(
        forgot.starts_with("the vote of group 1 (partition 0) in memory is of term 0 but its log holds entry 2 of term 1"),
        "{forgot}"
    );
    consensus.shutdown().await;
}

#[tokio::test]
async fn log_is_kept_as_far_as_the_state_machine_wants() {
    let (consensus, _) = consensus_on(Arc::new(memory()));
    let toy = Toy::default();
    let group = consensus
        .start_group(GROUP, REPLICA, Box::new(toy.clone()))
        .await
        .unwrap();
    led(&group).await;
    for _ in 0..20 {
        propose(&group, vec![1; 1_000]).await;
    }
    toy.0.lock().purge_limit = Some(7);
    let purged = group.purge_if_above(1_000).await.unwrap();
    assert!(
        matches!(
            purged,
            PurgeOutcome::Purged {
                purged_index: 7,
                ..
            }
        ),
        "{purged:?}"
    );
    assert!(group.metrics().checkpoint_index > 20);
    // Nothing more until the limit moves.
    let again = group.purge_if_above(1_000).await.unwrap();
    assert!(
        matches!(again, PurgeOutcome::NothingToPurge { .. }),
        "{again:?}"
    );
    toy.0.lock().purge_limit = None;
    let purged = group.purge_if_above(1_000).await.unwrap();
    assert!(
        matches!(purged, PurgeOutcome::Purged { log_bytes: 0, .. }),
        "{purged:?}"
    );
    consensus.shutdown().await;
}

/// openraft drops a request for a checkpoint in silence while it has not yet heard that the last one is finished.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checkpoints_asked_for_in_close_succession_all_end() {
    let (consensus, _) = consensus_on(Arc::new(memory()));
    let toy = Toy::default();
    let group = consensus
        .start_group(GROUP, REPLICA, Box::new(toy.clone()))
        .await
        .unwrap();
    led(&group).await;
    propose(&group, vec![1; 1_000]).await;
    toy.0.lock().purge_limit = Some(0);
    group.purge_if_above(0).await.unwrap();
    for _ in 0..500 {
        let purged = group.purge_if_above(0).await.unwrap();
        assert!(
            matches!(purged, PurgeOutcome::NothingToPurge { .. }),
            "{purged:?}"
        );
    }
    consensus.shutdown().await;
}
