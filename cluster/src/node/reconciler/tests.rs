//! Steps over a model of a group and its table: whoever of those that take part crashes, and at whichever step, the move
//! comes to its end.

use std::collections::BTreeSet;

use journey_consensus::{
    GroupMembership, PartitionPlacement, PlacedReplica, PlacementChange, ReplicaId, ReplicaRole,
};
use journey_types::{NodeId, PartitionId};

use super::step::{Step, View, next};
use super::{HAND_OVER_PAUSE, HandOvers};
use crate::clock::monotonic_now;

const fn id(number: u64) -> ReplicaId {
    ReplicaId::new(number)
}

fn placed(number: u64, role: ReplicaRole) -> PlacedReplica {
    PlacedReplica {
        replica: id(number),
        node: NodeId::new(number),
        role,
    }
}

/// A group and its row of the table.
#[derive(Debug, Clone)]
struct Model {
    row: PartitionPlacement,
    membership: GroupMembership,
    leader: ReplicaId,
    /// What a membership change has still to do.
    goal: BTreeSet<ReplicaId>,
    /// Replicas that nothing is heard of.
    silent: BTreeSet<ReplicaId>,
}

/// Who crashes beside the step that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Crash {
    /// The partition's leader, half way through the step.
    Leader,
    /// The node of the replica that joins; it comes back a few rounds later.
    NewComer,
    /// The same, for good: the metadata leader takes the move back.
    NewComerWithDisk,
    /// The node of the replica that leaves, for good.
    Leaver,
    /// The metadata leader, before it has written the table.
    TableBefore,
    /// The metadata leader, after it has; the partition's leader hears nothing and is replaced.
    TableAfter,
}

const CRASHES: [Crash; 6] = [
    Crash::Leader,
    Crash::NewComer,
    Crash::NewComerWithDisk,
    Crash::Leaver,
    Crash::TableBefore,
    Crash::TableAfter,
];

/// Rounds for which a node that comes back is away.
const AWAY_ROUNDS: usize = 4;

impl Model {
    fn new(voters: &[u64], row: Vec<PlacedReplica>) -> Self {
        let voters: BTreeSet<ReplicaId> = voters.iter().copied().map(ReplicaId::new).collect();
        Self {
            row: PartitionPlacement {
                version: 10,
                preferred: row[0].replica,
                replicas: row,
            },
            leader: *voters.first().unwrap(),
            membership: GroupMembership {
                voters,
                learners: BTreeSet::new(),
                is_joint: false,
            },
            goal: BTreeSet::new(),
            silent: BTreeSet::new(),
        }
    }

    fn next(&self) -> Option<Step> {
        let view = View {
            own: self.leader,
            row: &self.row,
            known_through: id(100),
            membership: &self.membership,
        };
        next(&view, |replica| {
            (!self.silent.contains(&replica)).then_some(0)
        })
    }

    fn of_role(&self, role: ReplicaRole) -> Option<ReplicaId> {
        self.row.of_role(role).next().map(|placed| placed.replica)
    }

    fn set_role(&mut self, replica: ReplicaId, role: ReplicaRole) {
        let mut placed = self.row.replicas.iter_mut();
        let placed = placed.find(|placed| placed.replica == replica);
        placed.unwrap().role = role;
    }

    /// Somebody else who votes and is heard of leads, and knows only table and membership.
    fn elect(&mut self) {
        let heard = |voter: &&ReplicaId| !self.silent.contains(voter);
        self.leader = *self.membership.voters.iter().rfind(heard).unwrap();
    }

    /// The step, and what the crash makes of it.
    fn take_in_crash(&mut self, step: Step, crash: Crash) {
        let is_table = matches!(step, Step::Table(_));
        match crash {
            Crash::Leader => {
                self.take(step, true);
                self.elect();
            }
            Crash::NewComer => {
                self.take(step, false);
                self.silent.extend(self.of_role(ReplicaRole::Joining));
            }
            Crash::NewComerWithDisk => {
                self.take(step, true);
                let Some(joining) = self.of_role(ReplicaRole::Joining) else {
                    return;
                };
                self.silent.insert(joining);
                // What the planner writes: whoever was to leave stays, then the one that is lost goes.
                if let Some(leaving) = self.of_role(ReplicaRole::Leaving) {
                    self.set_role(leaving, ReplicaRole::Voter);
                }
                self.set_role(joining, ReplicaRole::Leaving);
            }
            Crash::Leaver => {
                self.take(step, true);
                self.silent.extend(self.of_role(ReplicaRole::Leaving));
            }
            Crash::TableBefore if is_table => {}
            Crash::TableBefore => self.take(step, false),
            Crash::TableAfter => {
                self.take(step, false);
                self.elect();
            }
        }
        if self.silent.contains(&self.leader) {
            self.elect();
        }
    }

    /// Takes the step, as far as its first half where it has two.
    fn take(&mut self, step: Step, stops_half_way: bool) {
        match step {
            Step::AddLearner(replica) => assert!(self.membership.learners.insert(replica)),
            Step::RemoveLearner(replica) => assert!(self.membership.learners.remove(&replica)),
            Step::HandOver(replica) => {
                assert!(self.membership.voters.contains(&replica));
                self.leader = replica;
            }
            Step::SetVoters(voters) => {
                assert!(!voters.is_empty());
                self.goal = voters;
                if stops_half_way && !self.membership.is_joint {
                    self.membership.voters.extend(&self.goal);
                    self.membership.is_joint = true;
                } else {
                    let old = std::mem::replace(&mut self.membership.voters, self.goal.clone());
                    let gone = old.difference(&self.goal);
                    self.membership.learners.extend(gone);
                    for voter in &self.goal {
                        self.membership.learners.remove(voter);
                    }
                    self.membership.is_joint = false;
                }
            }
            Step::Table(PlacementChange::Promoted(replica)) => {
                let placed = self.row.replicas.iter_mut();
                let mut placed = placed.filter(|placed| placed.replica == replica);
                placed.next().unwrap().role = ReplicaRole::Voter;
            }
            Step::Table(PlacementChange::Retired(replica)) => {
                assert!(!self.membership.voters.contains(&replica));
                assert!(!self.membership.learners.contains(&replica));
                self.row.replicas.retain(|placed| placed.replica != replica);
                self.row.preferred = self.row.replicas[0].replica;
            }
            Step::Table(change) => panic!("{change:?}"),
        }
    }

    /// Goes on until there is nothing to do; at that step that crash happens.
    fn finish(&mut self, crash_at: usize, crash: Crash) -> usize {
        let mut back_in = None;
        let mut n_steps = 0;
        for _ in 0..50 {
            if back_in == Some(0) {
                self.silent.clear();
            }
            back_in = back_in.and_then(|rounds: usize| rounds.checked_sub(1));
            let Some(step) = self.next() else {
                if back_in.is_some() || !self.silent.is_empty() && crash == Crash::NewComer {
                    continue;
                }
                self.check_settled();
                return n_steps;
            };
            if n_steps == crash_at {
                self.take_in_crash(step, crash);
                back_in = (crash == Crash::NewComer).then_some(AWAY_ROUNDS);
            } else {
                self.take(step, false);
            }
            n_steps += 1;
        }
        panic!("it never ends: {self:?}");
    }

    fn check_settled(&self) {
        let named: BTreeSet<ReplicaId> = self.row.replicas.iter().map(|row| row.replica).collect();
        assert!(self.row.is_settled(), "{self:?}");
        assert_eq!(self.membership.voters, named);
        assert!(self.membership.learners.is_empty(), "{self:?}");
        assert!(!self.membership.is_joint);
        assert_eq!(self.leader, self.row.preferred);
    }
}

#[test]
fn move_ends_whoever_crashes_at_whichever_step() {
    use ReplicaRole::{Joining, Leaving, Voter};

    let replaced = || {
        Model::new(
            &[1, 2, 3],
            vec![
                placed(1, Voter),
                placed(2, Voter),
                placed(3, Leaving),
                placed(20, Joining),
            ],
        )
    };
    // The one that leads is the one that goes.
    let leader_replaced = || {
        Model::new(
            &[1, 2, 3],
            vec![
                placed(1, Leaving),
                placed(2, Voter),
                placed(3, Voter),
                placed(20, Joining),
            ],
        )
    };
    let grown = || Model::new(&[1], vec![placed(1, Voter), placed(20, Joining)]);
    let shrunk = || {
        Model::new(
            &[1, 2, 3],
            vec![placed(1, Voter), placed(2, Voter), placed(3, Leaving)],
        )
    };
    // A joining replica that is not wanted any more before it had a vote.
    let withdrawn = || {
        let mut model = Model::new(&[1], vec![placed(1, Voter), placed(20, Leaving)]);
        model.membership.learners.insert(id(20));
        model
    };
    let makers: [&dyn Fn() -> Model; 5] =
        [&replaced, &leader_replaced, &grown, &shrunk, &withdrawn];
    for make in makers {
        let n_steps = make().finish(usize::MAX, Crash::Leader);
        assert!(n_steps > 1);
        for crash in CRASHES {
            for crash_at in 0..n_steps {
                make().finish(crash_at, crash);
            }
        }
    }
}

#[test]
fn replica_gets_a_vote_only_when_it_has_caught_up() {
    let mut model = Model::new(
        &[1],
        vec![
            placed(1, ReplicaRole::Voter),
            placed(20, ReplicaRole::Joining),
        ],
    );
    model.membership.learners.insert(id(20));
    let view = View {
        own: id(1),
        row: &model.row,
        known_through: id(100),
        membership: &model.membership,
    };
    assert_eq!(next(&view, |_| None), None);
    assert_eq!(
        next(&view, |_| Some(super::step::PROMOTE_LAG_MAX + 1)),
        None
    );
    let promoted = next(&view, |_| Some(super::step::PROMOTE_LAG_MAX));
    let voters = BTreeSet::from([id(1), id(20)]);
    assert_eq!(promoted, Some(Step::SetVoters(voters)));
}

#[test]
fn replica_that_a_newer_table_brought_is_left_alone() {
    let mut model = Model::new(&[1], vec![placed(1, ReplicaRole::Voter)]);
    model.membership.voters.insert(id(200));
    model.membership.learners.insert(id(201));
    assert_eq!(model.next(), None);
    // One that the table has let go of is not.
    model.membership.learners.insert(id(50));
    assert_eq!(model.next(), Some(Step::RemoveLearner(id(50))));
}

#[test]
fn nobody_loses_a_vote_while_a_voter_of_the_table_has_none() {
    let mut model = Model::new(
        &[1, 3],
        vec![
            placed(1, ReplicaRole::Voter),
            placed(2, ReplicaRole::Voter),
            placed(3, ReplicaRole::Leaving),
        ],
    );
    model.membership.learners.insert(id(2));
    let view = View {
        own: id(1),
        row: &model.row,
        known_through: id(100),
        membership: &model.membership,
    };
    assert_eq!(next(&view, |_| None), None);
}

#[test]
fn leadership_goes_to_the_preferred_replica_when_all_else_is_done_and_it_has_caught_up() {
    use ReplicaRole::{Joining, Voter};

    let mut model = Model::new(
        &[1, 2, 3],
        vec![placed(1, Voter), placed(2, Voter), placed(3, Voter)],
    );
    assert_eq!(model.next(), None, "the preferred one leads");
    model.row.preferred = id(3);
    let with_lag = |model: &Model, lag: Option<u64>| {
        let view = View {
            own: model.leader,
            row: &model.row,
            known_through: id(100),
            membership: &model.membership,
        };
        next(&view, |_| lag)
    };
    assert_eq!(with_lag(&model, None), None, "nothing is heard of it");
    let behind = super::step::PROMOTE_LAG_MAX + 1;
    assert_eq!(with_lag(&model, Some(behind)), None);
    assert_eq!(with_lag(&model, Some(0)), Some(Step::HandOver(id(3))));
    // While a replica joins nothing is handed over.
    model.row.replicas.push(placed(20, Joining));
    model.membership.learners.insert(id(20));
    let joins = Some(Step::SetVoters([1, 2, 3, 20].map(id).into()));
    assert_eq!(with_lag(&model, Some(0)), joins);
    model.finish(usize::MAX, Crash::Leader);
    assert_eq!(model.leader, id(3));
}

#[test]
fn leaderships_are_handed_over_seldom_and_not_right_after_an_election() {
    let (one, other) = (PartitionId::new(1), PartitionId::new(2));
    let (mut hand_overs, start) = (HandOvers::default(), monotonic_now());
    hand_overs.lead(one, 3, start);
    assert!(hand_overs.may_begin(one, start), "it has led for ever");
    assert!(
        !hand_overs.may_begin(one, start),
        "it was tried a moment ago"
    );
    assert!(
        hand_overs.may_begin(other, start),
        "each partition by itself"
    );
    let later = start + HAND_OVER_PAUSE;
    assert!(hand_overs.may_begin(one, later));
    // Another term: leaders come and go.
    let much_later = later + HAND_OVER_PAUSE;
    hand_overs.lead(one, 5, much_later);
    assert!(!hand_overs.may_begin(one, much_later));
    hand_overs.lead(one, 5, much_later + HAND_OVER_PAUSE);
    assert!(hand_overs.may_begin(one, much_later + HAND_OVER_PAUSE));
}
