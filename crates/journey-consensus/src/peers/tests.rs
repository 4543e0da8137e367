//! Several replicas over real connections: what is acknowledged stays, whoever goes and comes.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::testing::{Many, Toy, applied, memory, payload, propose, proposed, timings, until};
use crate::{ConsensusError, GroupStart, ProposeOutcome, ReplicaId};

fn replicas(numbers: impl IntoIterator<Item = u64>) -> BTreeSet<ReplicaId> {
    numbers.into_iter().map(ReplicaId::new).collect()
}

#[tokio::test]
async fn killed_leader_is_replaced_and_comes_back_with_everything() {
    let mut many = Many::with_voters(3).await;
    let leader = many.leader_among(&[1, 2, 3]).await;
    applied(many.group(leader), "one").await;
    let term = many.group(leader).leadership().borrow().term;

    let disk = many.kill(leader);
    let rest: Vec<u64> = many.nodes.keys().copied().collect();
    let next = many.leader_among(&rest).await;
    assert!(many.group(next).leadership().borrow().term > term);
    let index = applied(many.group(next), "two").await;

    many.come_back(leader, disk).await;
    let values = many.same_everywhere(index).await;
    assert_eq!(values, ["one", "two"]);
    let index = applied(many.group(many.leader_among(&[1, 2, 3]).await), "three").await;
    many.same_everywhere(index).await;
}

#[tokio::test]
async fn learner_is_promoted_and_another_retired() {
    let mut many = Many::with_voters(3).await;
    let leader = many.leader_among(&[1, 2, 3]).await;
    applied(many.group(leader), "before").await;
    many.start(4, GroupStart::Join).await;
    let group = many.group(leader).clone();
    group.add_learner(ReplicaId::new(4)).await.unwrap();
    // Every step may be repeated.
    group.add_learner(ReplicaId::new(4)).await.unwrap();
    assert_eq!(group.membership().learners, replicas([4]));
    let index = applied(&group, "learned").await;
    many.applied_on(4, index).await;
    // The leader hears of it a moment later.
    until(|| (group.lag_of(ReplicaId::new(4)) == Some(0)).then_some(())).await;
    assert_eq!(many.group(4).lag_of(ReplicaId::new(1)), None);

    let gone = if leader == 1 { 2 } else { 1 };
    let kept: BTreeSet<ReplicaId> = replicas((1..=4).filter(|number| *number != gone));
    group.change_voters(kept.clone()).await.unwrap();
    group.change_voters(kept.clone()).await.unwrap();
    let membership = group.membership();
    assert_eq!(membership.voters, kept);
    assert_eq!(membership.learners, replicas([gone]));
    assert!(!membership.is_joint);
    let votes = group.remove_learner(ReplicaId::new(4)).await.unwrap_err();
    assert!(
        matches!(votes, ConsensusError::ChangeRefused { .. }),
        "{votes:?}"
    );
    group.remove_learner(ReplicaId::new(gone)).await.unwrap();
    group.remove_learner(ReplicaId::new(gone)).await.unwrap();
    assert_eq!(group.membership().learners, BTreeSet::new());

    many.nodes.remove(&gone);
    let index = applied(&group, "after").await;
    let values = many.same_everywhere(index).await;
    assert_eq!(values, ["before", "learned", "after"]);
    let follower = many.group(4);
    let refused = follower.add_learner(ReplicaId::new(5)).await.unwrap_err();
    let ConsensusError::NotLeader { leader: named, .. } = refused else {
        panic!("{refused:?}");
    };
    assert_eq!(named, Some(ReplicaId::new(leader)));
}

#[tokio::test]
async fn leadership_is_handed_to_the_replica_that_was_named() {
    let many = Many::with_voters(3).await;
    let mut leader = many.leader_among(&[1, 2, 3]).await;
    applied(many.group(leader), "one").await;
    for _ in 0..4 {
        let to = leader % 3 + 1;
        let index = many.group(leader).metrics().last_index;
        many.applied_on(to, index).await;
        let handed = many.group(leader).transfer_leadership(ReplicaId::new(to));
        handed.await.unwrap();
        leader = many.leader_among(&[1, 2, 3]).await;
        assert_eq!(leader, to);
        applied(many.group(leader), "more").await;
    }
    let nobody = many.group(leader).transfer_leadership(ReplicaId::new(9));
    let refused = nobody.await.unwrap_err();
    assert!(
        matches!(refused, ConsensusError::ChangeRefused { .. }),
        "{refused:?}"
    );
}

#[tokio::test]
async fn minority_applies_nothing_and_follows_after_the_heal() {
    let many = Many::with_voters(3).await;
    let old = many.leader_among(&[1, 2, 3]).await;
    applied(many.group(old), "one").await;
    many.cut_off(&[old]);
    let majority: Vec<u64> = (1..=3).filter(|number| *number != old).collect();
    let next = many.leader_among(&majority).await;
    // The old leader may take a proposal until its lease has run out, and then refuses; none is applied.
    let stale = proposed(many.group(old), "stale");
    until(|| {
        let mut outcome = proposed(many.group(old), "stale");
        matches!(outcome.try_recv(), Ok(ProposeOutcome::Refused(_))).then_some(())
    })
    .await;
    let index = applied(many.group(next), "two").await;
    assert_eq!(many.nodes[&old].toy.values(), ["one"]);
    // It does not say any more that it leads, and knows nobody who does.
    until(|| {
        let now = many.group(old).leadership().borrow().clone();
        (!now.is_leader && now.leader.is_none()).then_some(())
    })
    .await;

    many.heal();
    let stale = stale.await.unwrap();
    assert!(
        matches!(stale, ProposeOutcome::Lost | ProposeOutcome::Refused(_)),
        "{stale:?}"
    );
    let values = many.same_everywhere(index).await;
    assert_eq!(values, ["one", "two"]);
    let term = many.group(old).leadership().borrow().term;
    assert_eq!(term, many.group(next).leadership().borrow().term);
}

#[tokio::test]
async fn replica_that_was_cut_off_disturbs_nobody_when_it_returns() {
    let many = Many::with_voters(3).await;
    let leader = many.leader_among(&[1, 2, 3]).await;
    let term = many.group(leader).leadership().borrow().term;
    let lonely = leader % 3 + 1;
    many.cut_off(&[lonely]);
    // It stands for election again and again, and asks first.
    tokio::time::sleep(timings().election_max * 5).await;
    let known = || many.group(lonely).leadership().borrow().leader;
    until(|| known().is_none().then_some(())).await;
    many.heal();
    until(|| (known() == Some(ReplicaId::new(leader))).then_some(())).await;
    let index = applied(many.group(leader), "one").await;
    many.same_everywhere(index).await;
    assert_eq!(many.group(lonely).leadership().borrow().term, term);
}

#[tokio::test]
async fn follower_400_full_entries_behind_catches_up() {
    let mut many = Many::with_voters(3).await;
    let leader = many.leader_among(&[1, 2, 3]).await;
    let behind = leader % 3 + 1;
    let disk = many.kill(behind);
    for number in 0..400_u32 {
        let mut bytes = number.to_be_bytes().to_vec();
        bytes.resize(48 * 1_024, 1);
        applied(many.group(leader), bytes).await;
    }
    let largest = Bytes::from(vec![9; crate::limits::ENTRY_SIZE_BYTES_MAX]);
    let index = applied(many.group(leader), largest).await;
    many.come_back(behind, disk).await;
    let values = many.same_everywhere(index).await;
    assert_eq!(values.len(), 401);
}

#[tokio::test]
async fn proposal_and_proof_reach_the_leader_from_anywhere() {
    let many = Many::with_voters(3).await;
    let leader = many.leader_among(&[1, 2, 3]).await;
    for number in 1..=3 {
        let group = many.group(number);
        let outcome = group.propose_anywhere(payload("anywhere")).await;
        let ProposeOutcome::Applied { index } = outcome else {
            panic!("{outcome:?}");
        };
        // It is in the proposer's own state, not only in the leader's.
        assert!(group.applied_index() >= index);
        assert!(group.catch_up().await.unwrap() >= index);
        let void = group.propose_anywhere(payload("void")).await;
        assert!(
            matches!(void, ProposeOutcome::Superseded { .. }),
            "{void:?}"
        );
    }
    many.cut_off(&[leader]);
    let refused = propose(many.group(leader % 3 + 1), "direct").await;
    assert!(matches!(refused, ProposeOutcome::Refused(_)), "{refused:?}");
}

#[tokio::test]
async fn lost_disk_does_not_come_back_under_its_id() {
    let mut many = Many::with_voters(3).await;
    let leader = many.leader_among(&[1, 2, 3]).await;
    let lost = leader % 3 + 1;
    many.kill(lost);
    let storage = crate::LogStorage::open(std::sync::Arc::new(memory())).unwrap();
    let consensus = crate::Consensus::start(&timings(), storage).unwrap();
    for _ in 0..2 {
        let options = crate::GroupOptions {
            start: GroupStart::Resume,
            ..crate::GroupOptions::default()
        };
        let group = (crate::GroupId::new(1), ReplicaId::new(lost));
        let refused = consensus
            .start_group_with(group, options, Box::new(Toy::default()))
            .await;
        assert!(
            matches!(refused, Err(ConsensusError::NothingToResume { .. })),
            "{refused:?}"
        );
    }
    consensus.shutdown().await;
}

#[tokio::test]
async fn node_of_another_cluster_at_a_known_address_is_not_taken_for_a_replica() {
    let mut many = Many::with_voters(3).await;
    let leader = many.leader_among(&[1, 2, 3]).await;
    let gone = leader % 3 + 1;
    many.kill(gone);
    // It took the address over, and even the replica's number.
    let stranger = many
        .node_on(gone, (GroupStart::Join, 8), memory(), Toy::default())
        .await;
    let index = applied(many.group(leader), "one").await;
    assert_eq!(many.same_everywhere(index).await, ["one"]);
    assert_eq!(stranger.group.metrics().last_index, 0);
    assert!(stranger.toy.values().is_empty());
    stranger.consensus.shutdown().await;
}

/// Three voters, one of them gone, and the log purged beyond what it has.
async fn one_beyond_the_purged_log() -> (Many, u64, u64, (journey_storage::MemoryEngine, Toy)) {
    let mut many = Many::with_voters(3).await;
    let leader = many.leader_among(&[1, 2, 3]).await;
    applied(many.group(leader), "shared").await;
    let behind = leader % 3 + 1;
    let disk = many.kill(behind);
    for _ in 0..30 {
        applied(many.group(leader), vec![1; 1_000]).await;
    }
    // It is gone too long: the log is not kept for it beyond its bound.
    let purged = many.group(leader).purge_if_above(1_000).await.unwrap();
    assert!(
        matches!(purged, crate::PurgeOutcome::Purged { .. }),
        "{purged:?}"
    );
    assert!(many.group(leader).metrics().purged_index > 20);
    (many, leader, behind, disk)
}

#[tokio::test]
async fn replica_beyond_the_purged_log_gets_a_snapshot_and_what_follows() {
    let (mut many, leader, behind, disk) = one_beyond_the_purged_log().await;
    many.come_back(behind, disk).await;
    let index = applied(many.group(leader), "after").await;
    let values = many.same_everywhere(index).await;
    assert_eq!(values.len(), 32);
    let toy = &many.nodes[&behind].toy;
    assert_eq!(toy.0.lock().n_installed, 1);
    // And it comes back once more from what it has then, once the leader has heard that it has it.
    let own = ReplicaId::new(behind);
    until(|| (many.group(leader).lag_of(own) == Some(0)).then_some(())).await;
    let disk = many.kill(behind);
    let index = applied(many.group(leader), "more").await;
    many.come_back(behind, disk).await;
    many.same_everywhere(index).await;
    assert_eq!(many.nodes[&behind].toy.0.lock().n_installed, 0);
}

#[tokio::test]
async fn crash_at_any_step_of_a_snapshot_leaves_a_replica_that_comes_back() {
    for crash_at in [
        "received a piece",
        "finished",
        "before the switch",
        "after the switch",
    ] {
        let (mut many, leader, behind, (engine, toy)) = one_beyond_the_purged_log().await;
        let (tell, crashed) = tokio::sync::oneshot::channel();
        let tell = parking_lot::Mutex::new(Some(tell));
        let (release, released) = std::sync::mpsc::channel::<()>();
        let released = parking_lot::Mutex::new(released);
        let (disk, weak) = (engine.clone(), std::sync::Arc::downgrade(&toy.0));
        let hook = move |step| {
            let Some(tell) = tell.lock().take_if(|_| step == crash_at) else {
                return;
            };
            // What the disk holds if the power fails right now; nothing goes on after it.
            let own = Toy(weak.upgrade().unwrap());
            let disk = disk.crash(journey_storage::CrashPoint::Seeded(3));
            assert!(tell.send((disk, own.restarted())).is_ok());
            released.lock().recv().unwrap();
        };
        toy.0.lock().on_step = Some(crate::testing::StepHook(std::sync::Arc::new(hook)));
        many.come_back(behind, (engine, toy)).await;
        let disk = crashed.await.unwrap();
        many.nodes.remove(&behind);
        // The thread that stands in the hook stays there: what it would do next never happened.
        std::mem::forget(release);

        many.come_back(behind, disk).await;
        let index = applied(many.group(leader), "after").await;
        assert_eq!(many.same_everywhere(index).await.len(), 32);
        let n_installed = many.nodes[&behind].toy.0.lock().n_installed;
        // What was switched to is there; a leader that did not hear of it may send another all the same.
        let has_it = crash_at == "after the switch";
        assert!(n_installed == 1 || has_it, "{crash_at}");
    }
}

#[tokio::test]
async fn log_is_kept_for_a_replica_that_is_a_little_behind() {
    let mut many = Many::with_voters(3).await;
    let leader = many.leader_among(&[1, 2, 3]).await;
    let behind = leader % 3 + 1;
    applied(many.group(leader), "shared").await;
    // The log is kept for who was heard of.
    let is_here = |many: &Many| many.group(leader).lag_of(ReplicaId::new(behind)) == Some(0);
    until(|| is_here(&many).then_some(())).await;
    let disk = many.kill(behind);
    for _ in 0..30 {
        applied(many.group(leader), vec![1; 1_000]).await;
    }
    let term = many.group(leader).leadership().borrow().term;
    let purged = many.group(leader).purge_if_above(20_000).await.unwrap();
    assert!(many.group(leader).metrics().purged_index < 20, "{purged:?}");
    // The others do not know who is behind, and keep some all the same.
    let other = (1..=3).find(|number| *number != leader && *number != behind);
    let other = many.group(other.unwrap());
    other.purge_if_above(20_000).await.unwrap();
    let log_bytes = other.metrics().log_bytes;
    assert!((10_000..20_000).contains(&log_bytes), "{log_bytes}");
    many.come_back(behind, disk).await;
    let index = applied(many.group(leader), "after").await;
    many.same_everywhere(index).await;
    // A leader that is elected anew has heard of nobody yet; on a busy machine that happens.
    if many.group(leader).leadership().borrow().term == term {
        assert_eq!(many.nodes[&leader].toy.0.lock().n_opened, 0);
    }
}

#[tokio::test]
async fn replica_that_was_erased_makes_room_for_a_new_one_of_its_group() {
    let mut many = Many::with_voters(3).await;
    let leader = many.leader_among(&[1, 2, 3]).await;
    let old = leader % 3 + 1;
    for _ in 0..20 {
        applied(many.group(leader), vec![1; 1_000]).await;
    }
    let index = many.group(leader).metrics().last_index;
    many.applied_on(old, index).await;
    many.group(old).purge_if_above(1_000).await.unwrap();
    let group = many.group(leader).clone();
    group
        .change_voters(replicas((1..=3).filter(|number| *number != old)))
        .await
        .unwrap();
    group.remove_learner(ReplicaId::new(old)).await.unwrap();
    let node = many.nodes.remove(&old).unwrap();
    let id = crate::GroupId::new(1);
    node.consensus.erase_group(id).await.unwrap();
    node.consensus.erase_group(id).await.unwrap();
    let engine = node.engine.clone();
    drop(node);

    // Another replica of the same group on the same disk.
    many.start_on(9, GroupStart::Join, engine, Toy::default())
        .await;
    group.add_learner(ReplicaId::new(9)).await.unwrap();
    let index = applied(&group, "after").await;
    assert_eq!(many.same_everywhere(index).await.len(), 21);
}
