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
    assert_eq!(group.lag_of(ReplicaId::new(4)), Some(0));
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
    many.heal();
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
