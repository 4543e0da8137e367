//! What comes next for one partition: from the table's row and the group's membership alone, so that whoever leads after
//! a crash goes on where the last one was.
//!
//! ```text
//!   Joining ─► learner ─► caught up ─► votes ─► table: Promoted
//!   Leaving ─► hands the leadership over ─► votes no more ─► out of the group ─► table: Retired ─► its node erases it
//! ```
//!
//! One replica at a time begins to vote, and nobody loses its vote before those that join have theirs.

use std::collections::BTreeSet;

use journey_consensus::{
    GroupMembership, PartitionPlacement, PlacementChange, ReplicaId, ReplicaRole,
};

/// How many entries a learner may lack when it is given a vote: under load it is never without some.
pub(super) const PROMOTE_LAG_MAX: u64 = 256;

/// What a leader does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Take the replica into the group.
    AddLearner(ReplicaId),
    /// Exactly these vote from now on; also finishes a change that was left half done.
    SetVoters(BTreeSet<ReplicaId>),
    /// Take it out of the group.
    RemoveLearner(ReplicaId),
    /// Write it into the table.
    Table(PlacementChange),
    /// Let another one lead.
    HandOver(ReplicaId),
}

/// What a leader sees of its group.
#[derive(Debug, Clone)]
pub(super) struct View<'a> {
    /// This replica, which leads.
    pub(super) own: ReplicaId,
    pub(super) row: &'a PartitionPlacement,
    /// Up to which replica id the table that the row is from knows everything.
    pub(super) known_through: ReplicaId,
    pub(super) membership: &'a GroupMembership,
}

/// The next step, if any. `lag_of` says how far behind a replica is, where that is known.
pub(super) fn next(view: &View<'_>, lag_of: impl Fn(ReplicaId) -> Option<u64>) -> Option<Step> {
    let View {
        row, membership, ..
    } = view;
    let voters = &membership.voters;
    if membership.is_joint {
        return Some(Step::SetVoters(view.finished_voters()));
    }
    let is_near = |replica: ReplicaId| lag_of(replica).is_some_and(|lag| lag <= PROMOTE_LAG_MAX);
    let mut wanted = row
        .replicas
        .iter()
        .filter(|placed| placed.role != ReplicaRole::Leaving)
        .map(|placed| placed.replica);
    let outside =
        |replica: &ReplicaId| !voters.contains(replica) && !membership.learners.contains(replica);
    if let Some(new) = wanted.clone().find(outside) {
        return Some(Step::AddLearner(new));
    }
    let joining = || row.of_role(ReplicaRole::Joining);
    if let Some(voter) = joining().find(|placed| voters.contains(&placed.replica)) {
        return Some(Step::Table(PlacementChange::Promoted(voter.replica)));
    }
    if let Some(ready) =
        wanted.find(|replica| membership.learners.contains(replica) && is_near(*replica))
    {
        let with = voters.iter().copied().chain([ready]);
        return Some(Step::SetVoters(with.collect()));
    }
    if joining().next().is_some() {
        // Nobody goes before those that join have their vote.
        return None;
    }
    view.next_of_leaving(is_near)
}

impl View<'_> {
    fn role_of(&self, replica: ReplicaId) -> Option<ReplicaRole> {
        self.row.replica(replica).map(|placed| placed.role)
    }

    /// Whether it is to go: the table says so, or has let go of it.
    fn is_to_go(&self, replica: ReplicaId) -> bool {
        match self.role_of(replica) {
            Some(role) => role == ReplicaRole::Leaving,
            // One that the table does not know yet came with a newer table.
            None => replica <= self.known_through,
        }
    }

    /// Who votes when a change that was left half done is finished: whoever the table wants of them, and those that are
    /// to go only while nobody else would be left.
    fn finished_voters(&self) -> BTreeSet<ReplicaId> {
        let voters = &self.membership.voters;
        let stay = voters.iter().copied();
        let stay: BTreeSet<ReplicaId> = stay.filter(|voter| !self.is_to_go(*voter)).collect();
        let joins = self.row.of_role(ReplicaRole::Joining).next().is_some();
        if stay.is_empty() || joins {
            return voters.clone();
        }
        stay
    }

    fn next_of_leaving(&self, is_near: impl Fn(ReplicaId) -> bool) -> Option<Step> {
        let voters = &self.membership.voters;
        let stay: BTreeSet<ReplicaId> = voters
            .iter()
            .copied()
            .filter(|voter| !self.is_to_go(*voter))
            .collect();
        let all_vote = self
            .row
            .of_role(ReplicaRole::Voter)
            .all(|placed| voters.contains(&placed.replica));
        if !all_vote || stay.is_empty() {
            // A voter of the table that does not vote is still far behind; until then everybody is needed.
            return None;
        }
        if stay.len() < voters.len() {
            if stay.contains(&self.own) {
                return Some(Step::SetVoters(stay));
            }
            // Who leads does not take its own vote away.
            let preferred = Some(self.row.preferred).filter(|replica| stay.contains(replica));
            let heir = preferred.filter(|replica| is_near(*replica));
            let heir = heir.or_else(|| stay.iter().copied().find(|replica| is_near(*replica)));
            return heir.map(Step::HandOver);
        }
        let mut learners = self.membership.learners.iter().copied();
        if let Some(gone) = learners.find(|learner| self.is_to_go(*learner)) {
            return Some(Step::RemoveLearner(gone));
        }
        if let Some(left) = self.row.of_role(ReplicaRole::Leaving).next() {
            return Some(Step::Table(PlacementChange::Retired(left.replica)));
        }
        let preferred = self.row.preferred;
        let should_hand_over =
            preferred != self.own && voters.contains(&preferred) && is_near(preferred);
        should_hand_over.then_some(Step::HandOver(preferred))
    }
}
